import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { glob, isDynamicPattern } from 'tinyglobby';
import { LoomsError } from '../model/errors.ts';
import type { Ports } from './ports.ts';

/** One spec file as read. */
export type SpecFile = {
  /** As people know it: relative to the working directory where it is below it, `-` for standard input. */
  readonly file: string;
  /** Where relative paths in it start at, absolute. */
  readonly directory: string;
  readonly text: string;
};

const specEndings = ['*.yaml', '*.yml'];

async function filesOf(path: string, workingDirectory: string): Promise<string[]> {
  const absolute = resolve(workingDirectory, path);
  const found = await stat(absolute).catch(() => undefined);
  if (found?.isFile()) return [absolute];
  if (found?.isDirectory()) {
    const inside = await glob(specEndings, { cwd: absolute, absolute: true, onlyFiles: true });
    if (inside.length > 0) return inside;
    throw new LoomsError('file-not-found', `folder ${path} has no file that ends in .yaml or .yml`, {
      hint: 'files in folders below it are found with a glob such as `-f "specs/**/*.yaml"`',
    });
  }
  if (isDynamicPattern(path)) {
    const matching = await glob([path], { cwd: workingDirectory, absolute: true, onlyFiles: true });
    if (matching.length > 0) return matching;
    throw new LoomsError('file-not-found', `no file matches ${path}`, { hint: `looked in ${workingDirectory}` });
  }
  throw new LoomsError('file-not-found', `file ${path} does not exist`, {
    hint: 'name files, folders, globs or - with -f; `looms init` writes a first one',
  });
}

const shownPath = (path: string, workingDirectory: string): string => {
  const near = relative(workingDirectory, path);
  return near.startsWith('..') || isAbsolute(near) ? path : near;
};

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
    const found = await filesOf(path, workingDirectory);
    for (const absolute of found.sort()) {
      const text = await readFile(absolute, 'utf8');
      files.set(absolute, { file: shownPath(absolute, workingDirectory), directory: dirname(absolute), text });
    }
  }
  return [...files.values()];
}

const run = promisify(execFile);

/**
 * The Git commit of a file, `+dirty` when the file differs from it; undefined outside a checkout or without Git. Never
 * fails: the commit is for people who ask later where a container came from.
 */
async function commitOf(file: SpecFile): Promise<string | undefined> {
  const path = join(file.directory, file.file.split('/').at(-1) ?? '');
  try {
    const { stdout } = await run('git', ['-C', file.directory, 'status', '--porcelain=v2', '--branch', '--', path], {
      timeout: 3000,
    });
    const commit = /^# branch\.oid ([0-9a-f]{40})/m.exec(stdout)?.[1];
    if (commit === undefined) return undefined;
    const dirty = stdout.split('\n').some((line) => line !== '' && !line.startsWith('#'));
    return dirty ? `${commit}+dirty` : commit;
  } catch {
    return undefined;
  }
}

/** The commits of all files, by `file`; asked for at once. */
export async function commitsOf(files: readonly SpecFile[]): Promise<ReadonlyMap<string, string>> {
  const known = await Promise.all(
    files.filter((file) => file.file !== '-').map(async (file) => [file.file, await commitOf(file)] as const),
  );
  return new Map(known.flatMap(([file, commit]) => (commit === undefined ? [] : [[file, commit] as const])));
}
