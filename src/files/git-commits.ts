import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import type { NamedFile } from './port.ts';

/** What Git prints. Not by `promisify`: what the built program has for `execFile` is not known to it. */
const gitSays = (args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile('git', args, { timeout: 3000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
  });

/**
 * A folder that somebody else filled can look like a bare repository to Git, whose settings name programs: only a `.git`
 * is a repository. Nor is what tells Git of changes run.
 */
const settings = ['-c', 'safe.bareRepository=explicit', '-c', 'core.fsmonitor=false'];

/** How many fields stand before the path, by the kind of an entry of `git status --porcelain=v2`. */
const fieldsBeforePath: Readonly<Record<string, number>> = { '1': 8, '2': 9, u: 10, '?': 1, '!': 1 };

/** The path that an entry of `git status --porcelain=v2 -z` is about; '' for a header. */
function pathOf(entry: string): string {
  const fields = entry.split(' ');
  const before = fieldsBeforePath[fields[0] ?? ''];
  return before === undefined ? '' : fields.slice(before).join(' ');
}

/** Git commits of a folder's files, `+dirty` where they differ; empty without Git. One process; never fails. */
async function commitsIn(
  directory: string,
  files: readonly NamedFile[],
): Promise<readonly (readonly [string, string])[]> {
  const named = files.map(({ file }) => ({ file, name: basename(file) }));
  const status = [
    ...settings,
    '-C',
    directory,
    '--literal-pathspecs',
    'status',
    '--porcelain=v2',
    '--branch',
    '-z',
    // Whatever the settings of a user say: what no commit has, left out of them on purpose or not, is of none.
    '--untracked-files=all',
    '--ignored=matching',
    '--',
  ];
  try {
    const entries = (await gitSays([...status, ...named.map(({ name }) => name)])).split('\0');
    const commit = entries
      .map((entry) => /^# branch\.oid ([0-9a-f]{40})/.exec(entry)?.[1])
      .find((oid) => oid !== undefined);
    if (commit === undefined) return [];
    // Git tells paths from the top of the checkout; within one folder the last part says which file it is.
    const paths = entries.map(pathOf);
    const dirty = new Set(paths.map((path) => basename(path)));
    // A folder is told for its files where no commit has any of them.
    const isAllDirty = paths.some((path) => path.endsWith('/'));
    return named.map(({ file, name }) => [file, isAllDirty || dirty.has(name) ? `${commit}+dirty` : commit] as const);
  } catch {
    return [];
  }
}

/** The commits of all files, by `file`; all folders are asked for at once. */
export async function commitsOf(files: readonly NamedFile[]): Promise<ReadonlyMap<string, string>> {
  const folders = Map.groupBy(
    files.filter(({ file }) => file !== '-'),
    ({ directory }) => directory,
  );
  const known = await Promise.all([...folders].map(([directory, inside]) => commitsIn(directory, inside)));
  return new Map(known.flat());
}
