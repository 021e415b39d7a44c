import { dirname, resolve } from 'node:path';
import type { Ports } from '../app/ports.ts';
import { LoomsError } from '../model/errors.ts';

/** A path up to its first part with a character of globs. */
function plainPart(path: string): string {
  const parts = path.split('/');
  const first = parts.findIndex((part) => /[*?[\]{}()!]/.test(part));
  return first < 0 ? path : parts.slice(0, first).join('/');
}

/** The folders in which files of these paths may change. Throws `usage` for standard input, which is read once. */
export async function watchedFolders(
  paths: readonly string[],
  { files, workingDirectory }: Pick<Ports, 'files' | 'workingDirectory'>,
): Promise<readonly string[]> {
  if (paths.includes('-')) {
    throw new LoomsError('usage', 'standard input cannot be watched: it is read once', {
      hint: 'name files or folders with -f',
    });
  }
  const folders = await Promise.all(
    paths.map(async (path) => {
      const absolute = resolve(workingDirectory, path);
      if ((await files.kindOf(absolute)) === 'folder') return absolute;
      const plain = resolve(workingDirectory, plainPart(path));
      return plain === absolute ? dirname(absolute) : plain;
    }),
  );
  return [...new Set(folders)];
}
