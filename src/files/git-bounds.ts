import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import type { RunGit } from './git-run.ts';

/** What a commit may bring along below the path that is wanted, and what a fetch may write: files and bytes. */
export const gitBounds = { files: 100_000, bytes: 1024 ** 3, fetched: 2 * 1024 ** 3 };

export type GitBounds = typeof gitBounds;

/** How often is looked how much a fetch has written, ms. */
const lookEveryMs = 200;

/** Bytes of the files in and below a folder, which another program is writing to. */
async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.reduce((sum, one) => sum + (one?.isFile() === true ? one.size : 0), 0);
}

/**
 * Does work that writes into a folder, and ends it by the signal that it is given as soon as more than so many bytes are
 * there: a server says how much it sends, and nothing else bounds that but time. Throws `refused` then.
 */
export async function withinBytes<T>(
  folder: string,
  mostBytes: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const tooMuch = new AbortController();
  const look = async (): Promise<void> => {
    if ((await bytesIn(folder)) > mostBytes) {
      tooMuch.abort(new LoomsError('refused', `the repository sends more than ${mostBytes} bytes`));
    }
  };
  const timer = setInterval(() => void look(), lookEveryMs);
  try {
    const result = await work(AbortSignal.any([signal, tooMuch.signal]));
    await look();
    tooMuch.signal.throwIfAborted();
    return result;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Refuses a tree that holds more than the bounds: a few objects are enough to name the same file ten billion times. What
 * Git lists is counted as it comes, and the list is left where it is too long.
 */
export async function requireSmall(
  git: RunGit,
  list: readonly string[],
  { files, bytes }: GitBounds,
  signal: AbortSignal,
): Promise<void> {
  const enough = new AbortController();
  let rest = '';
  let seen = { files: 0, bytes: 0 };
  const hear = (text: string): void => {
    const lines = (rest + text).split('\0');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      // `MODE TYPE ID SIZE`, and the path behind a tab; a submodule has no size.
      const size = Number(/^\S+ \S+ \S+ +(\d+)/.exec(line)?.[1] ?? 0);
      seen = { files: seen.files + 1, bytes: seen.bytes + size };
    }
    const what = seen.files > files ? `${files} files` : seen.bytes > bytes ? `${bytes} bytes` : undefined;
    if (what !== undefined) enough.abort(new LoomsError('refused', `the commit holds more than ${what}`));
  };
  await git(list, AbortSignal.any([signal, enough.signal]), hear);
  enough.signal.throwIfAborted();
}
