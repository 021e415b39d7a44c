import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
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

/** How many fields stand before the path, by the kind of an entry of `git status --porcelain=v2`. */
const fieldsBeforePath: Readonly<Record<string, number>> = { '1': 8, '2': 9, u: 10, '?': 1 };

/** The path that an entry of `git status --porcelain=v2 -z` is about; '' for a header. */
function pathOf(entry: string): string {
  const fields = entry.split(' ');
  const before = fieldsBeforePath[fields[0] ?? ''];
  return before === undefined ? '' : fields.slice(before).join(' ');
}

/**
 * The Git commits of files of one folder by `file`, `+dirty` where a file differs from it; empty outside a checkout or
 * without Git. One process, however many files. Never fails: the commit is for people who ask later where a container
 * came from.
 */
async function commitsIn(
  directory: string,
  files: readonly SpecFile[],
): Promise<readonly (readonly [string, string])[]> {
  const named = files.map(({ file }) => ({ file, name: basename(file) }));
  const status = ['-C', directory, '--literal-pathspecs', 'status', '--porcelain=v2', '--branch', '-z', '--'];
  try {
    const { stdout } = await run('git', [...status, ...named.map(({ name }) => name)], { timeout: 3000 });
    const entries = stdout.split('\0');
    const commit = entries
      .map((entry) => /^# branch\.oid ([0-9a-f]{40})/.exec(entry)?.[1])
      .find((oid) => oid !== undefined);
    if (commit === undefined) return [];
    // Git tells paths from the top of the checkout; within one folder the last part says which file it is.
    const dirty = new Set(entries.map((entry) => basename(pathOf(entry))));
    return named.map(({ file, name }) => [file, dirty.has(name) ? `${commit}+dirty` : commit] as const);
  } catch {
    return [];
  }
}

/** The commits of all files, by `file`; all folders are asked for at once. */
export async function commitsOf(files: readonly SpecFile[]): Promise<ReadonlyMap<string, string>> {
  const folders = Map.groupBy(
    files.filter(({ file }) => file !== '-'),
    ({ directory }) => directory,
  );
  const known = await Promise.all([...folders].map(([directory, inside]) => commitsIn(directory, inside)));
  return new Map(known.flat());
}
