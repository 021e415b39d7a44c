import { posix } from 'node:path';
import type { ContextFile, Recipe } from '../model/container/recipe.ts';
import type { ImageSource } from '../model/desired.ts';
import { assertNever, LoomsError } from '../model/errors.ts';
import { caFiles, forgetCa, specCaPath, trustCa } from './build-ca.ts';
import { customBody } from './custom-recipe.ts';
import { onOneLine, type RecipeBody } from './dockerfile-text.ts';
import { nodeBody } from './node-recipe.ts';
import { pythonBody } from './python-recipe.ts';
import { imageRef, portableFiles } from './recipe-hash.ts';
import { withCaArguments } from './user-dockerfile.ts';

/** What a recipe is made from besides the spec: the files it names, and how this machine builds. */
export type BuildContext = {
  /** Files under the paths that `readContext` gives them. */
  readonly files: readonly ContextFile[];
  /** The main file among them: the requirements file, the package.json, the Dockerfile. */
  readonly entry?: string;
  readonly platform?: string;
  /** LOOMS_BUILD_CA, PEM: trusted while building, no part of the image's name or of the finished image. */
  readonly extraCa?: Uint8Array;
};

type OwnSource = Exclude<ImageSource, { kind: 'image' | 'dockerfile' }>;

/**
 * Turns an image source and its files into a Dockerfile and a build context, named by what goes in: the same input
 * gives the same bytes and the same name on every machine, whatever the order of the files, the umask of the checkout
 * or the extra CA certificates. null for an image that is used as it is.
 *
 * @throws LoomsError `spec-invalid` for text that no Dockerfile can hold
 */
export function recipeFor(source: ImageSource, context: BuildContext): Recipe | null {
  switch (source.kind) {
    case 'image':
      return null;
    case 'dockerfile':
      return userRecipe(source.path, context);
    case 'python':
    case 'node':
    case 'build':
      return ownRecipe(source, context);
    default:
      return assertNever(source);
  }
}

function ownRecipe(source: OwnSource, context: BuildContext): Recipe {
  const files = portableFiles(context.files);
  const base = onOneLine(source.kind === 'build' ? source.from : source.base, 'the base image');
  const body = bodyOf(source, files, context);
  const runsShell = body.install.some((line) => line.startsWith('RUN '));

  const head = [`FROM ${base}`, 'USER root', ...body.setup];
  const tail = body.install;
  const named = dockerfileText([...head, ...tail]);
  const ref = whenAsked(() => imageRef({ ...identity(source.kind, context), dockerfile: named, files, ...body }));

  const certificates = certificatesOf(files, context);
  // Where nothing runs, nothing connects, and there may be no shell to take the certificates out again.
  const trusts = runsShell && certificates.length > 0;
  return {
    get ref() {
      return ref();
    },
    dockerfile: trusts ? dockerfileText([...head, ...trustCa, ...tail, forgetCa]) : named,
    dockerfilePath: 'Dockerfile',
    files: trusts ? [...files, ...caFiles(certificates)] : files,
    base,
    useBuildCache: body.useBuildCache,
    // npm and pip were started by the shell of an image that carries a distribution's basic tools.
    provesShell: runsShell && source.kind !== 'build',
    ...(context.platform === undefined ? {} : { platform: context.platform }),
  };
}

function userRecipe(path: string, context: BuildContext): Recipe {
  const files = portableFiles(context.files);
  const dockerfilePath = context.entry ?? posix.basename(path);
  const file = files.find((candidate) => candidate.path === dockerfilePath);
  if (file === undefined) throw new LoomsError('file-not-found', `the Dockerfile ${path} was not read`);
  const dockerfile = new TextDecoder().decode(file.content);
  const named = { ...identity('dockerfile', context), dockerfilePath, dockerfile, files, useBuildCache: true };
  const ref = whenAsked(() => imageRef(named));

  const changed = context.extraCa === undefined ? { text: dockerfile, asks: false } : withCaArguments(dockerfile);
  return {
    get ref() {
      return ref();
    },
    dockerfile: changed.text,
    dockerfilePath,
    files: changed.asks && context.extraCa !== undefined ? [...files, ...caFiles([context.extraCa])] : files,
    useBuildCache: true,
    provesShell: false,
    ...(context.platform === undefined ? {} : { platform: context.platform }),
  };
}

function bodyOf(source: OwnSource, files: readonly ContextFile[], context: BuildContext): RecipeBody {
  switch (source.kind) {
    case 'python':
      return pythonBody(source, context.entry);
    case 'node':
      return nodeBody(source, files);
    case 'build':
      return customBody(source, files);
    default:
      return assertNever(source);
  }
}

function certificatesOf(files: readonly ContextFile[], context: BuildContext): Uint8Array[] {
  const fromSpec = files.filter((file) => file.path === specCaPath).map((file) => file.content);
  return context.extraCa === undefined ? fromSpec : [...fromSpec, context.extraCa];
}

/** Worked out once, and not at all by a run that only checks specs: `node:crypto` costs 7.6 ms to load. */
function whenAsked<Value>(work: () => Value): () => Value {
  let value: { readonly is: Value } | undefined;
  return () => {
    value ??= { is: work() };
    return value.is;
  };
}

const identity = (kind: string, context: BuildContext) => ({
  kind,
  platform: context.platform,
  dockerfilePath: 'Dockerfile',
});

const dockerfileText = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
