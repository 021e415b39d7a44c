import type { ContextFile } from '../model/container/recipe.ts';
import { sha256 } from '../model/values/sha256.ts';

/** Raise it when the same input shall give another image: it is part of every hash. */
const recipeVersion = 1;

/**
 * Permission bits as an image gets them: readable by all, executable when the owner may execute. A checkout's umask
 * decides the rest on disk, which must not decide an image's name; and the server runs as another user than the build.
 */
function portableMode(mode: number): number {
  return (mode & 0o100) === 0 ? 0o644 : 0o755;
}

/** Files in the order of their paths, with portable modes. */
export function portableFiles(files: readonly ContextFile[]): ContextFile[] {
  const byPath = new Map(files.map((file) => [file.path, { ...file, mode: portableMode(file.mode) }]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A recipe's result, `looms/<kind>:<32 hex digits>`, from all that decides its content. Takes `portableFiles`. */
export function imageRef(input: {
  readonly kind: string;
  readonly dockerfile: string;
  readonly dockerfilePath: string;
  readonly files: readonly ContextFile[];
  readonly platform: string | undefined;
  readonly useBuildCache: boolean;
}): string {
  const files = input.files.map((file) => [file.path, file.mode, file.linkTarget ?? null, sha256(file.content)]);
  const canonical = JSON.stringify([
    recipeVersion,
    input.dockerfile,
    input.dockerfilePath,
    input.platform ?? null,
    input.useBuildCache,
    files,
  ]);
  return `looms/${input.kind}:${sha256(canonical).slice(0, 32)}`;
}
