import { basename, dirname, join, resolve } from 'node:path';
import type { Files } from '../../files/port.ts';
import { LoomsError } from '../../model/errors.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { SpecFile } from '../../spec/load.ts';
import type { Ports } from '../ports.ts';
import { nearPath } from './near-path.ts';

/** The settings of a project. */
export const projectFileName = 'looms.yaml';

const specEndings = ['*.yaml', '*.yml'];

/** Whether a file of a folder or glob may hold specs: the settings of a project stand beside them, and are none. */
const mayHoldSpecs = (file: string): boolean => basename(file) !== projectFileName;

/** The absolute paths of the files that one path of `-f` names; not for `-`. Throws `file-not-found`. */
export async function specPaths(
  files: Pick<Files, 'kindOf' | 'matching'>,
  workingDirectory: string,
  path: string,
): Promise<readonly string[]> {
  const absolute = resolve(workingDirectory, path);
  const kind = await files.kindOf(absolute);
  if (kind === 'file') return [absolute];
  if (kind === 'folder') {
    const inside = (await files.matching(specEndings, absolute)).filter(mayHoldSpecs);
    if (inside.length > 0) return inside;
    throw new LoomsError('file-not-found', `folder ${path} has no file that ends in .yaml or .yml`, {
      hint: 'name the folder that they are in, or files below it by a glob such as "specs/**/*.yaml"',
    });
  }
  const { isDynamicPattern } = await import('tinyglobby');
  if (isDynamicPattern(path)) {
    const matching = (await files.matching([path], workingDirectory)).filter(mayHoldSpecs);
    if (matching.length > 0) return matching;
    throw new LoomsError('file-not-found', `no file matches ${path}`, { hint: `looked in ${workingDirectory}` });
  }
  const beside = (await files.matching(specEndings, dirname(absolute))).map((file) => basename(file));
  const near = nearest(basename(absolute), beside);
  throw new LoomsError('file-not-found', `file ${path} does not exist`, {
    hint:
      near === undefined
        ? 'name files, folders, globs or - with -f; `looms init` writes a first one'
        : `did you mean ${nearPath(join(dirname(absolute), near), workingDirectory)}?`,
  });
}

/** The folders in which files of these paths may change. Throws `usage` for standard input, which is read once. */
export async function watchedFolders(
  { files, workingDirectory }: Pick<Ports, 'files' | 'workingDirectory'>,
  paths: readonly string[],
): Promise<readonly string[]> {
  if (paths.includes('-')) {
    throw new LoomsError('usage', 'standard input cannot be watched: it is read once', {
      hint: 'name files or folders with -f',
    });
  }
  const { isDynamicPattern } = await import('tinyglobby');
  const folders = paths.map(async (path) => {
    const absolute = resolve(workingDirectory, path);
    const kind = await files.kindOf(absolute);
    if (kind === 'folder') return absolute;
    if (kind === 'file' || !isDynamicPattern(path)) return dirname(absolute);
    const parts = path.split('/');
    const plain = parts
      .slice(
        0,
        parts.findIndex((part) => isDynamicPattern(part)),
      )
      .join('/');
    // What a glob escapes is a plain character of a name.
    return resolve(path.startsWith('/') ? '/' : workingDirectory, plain.replaceAll(/\\(.)/g, '$1'));
  });
  return [...new Set(await Promise.all(folders))];
}

/** Files, folders and globs that are written relative to `folder`, as absolute ones. */
export async function pathsBelow(folder: string, written: readonly string[]): Promise<readonly string[]> {
  const { escapePath, isDynamicPattern } = await import('tinyglobby');
  return written.map((path) => (isDynamicPattern(path) ? `${escapePath(folder)}/${path}` : resolve(folder, path)));
}

/** How many files are read side by side. */
const readsAtOnce = 16;

/**
 * Reads what `-f` names: files, folders (their own .yaml and .yml files), globs, and `-` for standard input; each file
 * once, in the order of the paths. Throws `file-not-found`; bytes that are no UTF-8 become U+FFFD, which the parser
 * reports.
 */
export async function readSpecFiles(ports: Ports, paths: readonly string[]): Promise<SpecFile[]> {
  const { workingDirectory } = ports;
  const files = new Map<string, SpecFile>();
  for (const path of paths) {
    if (path === '-') {
      if (!files.has('-')) files.set('-', { file: '-', directory: workingDirectory, text: await ports.readStdin() });
      continue;
    }
    const found = [...(await specPaths(ports.files, workingDirectory, path))].sort();
    const texts = await mapBounded(found, readsAtOnce, async (one) => [one, await ports.files.readText(one)] as const);
    for (const [absolute, read] of texts) {
      if (!read.done) {
        const { message, cause } = read;
        throw new LoomsError('file-not-found', `${absolute} cannot be read: ${message}`, { cause });
      }
      const { text } = read;
      files.set(absolute, { file: nearPath(absolute, workingDirectory), directory: dirname(absolute), text });
    }
  }
  return [...files.values()];
}
