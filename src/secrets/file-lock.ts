import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { LoomsError } from '../model/errors.ts';
import { codeOf } from '../model/failure.ts';

/** A lock that is older belongs to a writer that died: writing takes milliseconds. ms. */
const staleMs = 10_000;
/** How long we wait for other writers, ms. */
const patienceMs = 15_000;

/** Throws `refused` where the lock is another writer's by now: asked right before a file is replaced. */
export type RequireMine = () => Promise<void>;

/**
 * Runs `work` holding `<path>.lock`; a dead writer's goes after 10 s, and so does that of one that stood still for so long.
 * Throws `refused` when one stays too long.
 */
export async function withFileLock<T>(path: string, work: (requireMine: RequireMine) => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const mine = randomUUID();
  const deadline = Date.now() + patienceMs;
  while (!(await tryCreate(lock, mine))) {
    await removeStale(lock);
    if (Date.now() > deadline) {
      throw new LoomsError('refused', `another looms is writing ${path}`, {
        hint: `if none is, remove ${lock} and ${lock}.stale`,
      });
    }
    await delay(10 + Math.random() * 30);
  }
  const isMine = async (): Promise<boolean> => (await readFile(lock, 'utf8').catch(() => '')) === mine;
  try {
    return await work(async () => {
      if (await isMine()) return;
      throw new LoomsError('refused', `another looms wrote ${path} while this one stood still; nothing was changed`, {
        hint: 'do it again',
      });
    });
  } finally {
    // Ours may have been taken away as stale: another's is not ours to remove.
    if (await isMine()) await rm(lock, { force: true });
  }
}

async function tryCreate(lock: string, content: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600);
    try {
      await file.writeFile(content);
    } catch (error) {
      // On a full disk: a lock that nobody holds would be waited for.
      await rm(lock, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Takes a dead writer's lock away. Only one waiter at a time may judge it, else one could take the next holder's. */
async function removeStale(lock: string): Promise<void> {
  if (!(await isStale(lock))) return;
  const judging = `${lock}.stale`;
  if (!(await tryCreate(judging, ''))) return;
  try {
    if (await isStale(lock)) await rm(lock, { force: true });
  } finally {
    await rm(judging, { force: true });
  }
}

const isStale = (lock: string): Promise<boolean> =>
  stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > staleMs,
    () => false, // Released in this moment.
  );
