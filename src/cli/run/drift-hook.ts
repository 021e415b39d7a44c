import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../model/failure.ts';

/** How long one try may take, ms, how often a URL is tried, and how long after the first failure, ms: longer each time. */
const urlMs = 10_000;
const commandMs = 60_000;
const mostTries = 3;
const firstPauseMs = 1_000;

type Deliver = (text: string, signal: AbortSignal) => Promise<void>;

/** A command of the user, with the JSON on its standard input. Throws how it ended. */
const byCommand =
  (command: string, limitMs: number): Deliver =>
  (text, signal) =>
    new Promise((resolve, reject) => {
      // Its own group: what a shell starts would outlive it, one more with each difference that is told.
      const child = spawn(command, { shell: true, stdio: ['pipe', 'ignore', 'inherit'], detached: true });
      const stopped = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
      const kill = (): void => {
        reject(new Error(`it took more than ${limitMs / 1000} s`));
        try {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        } catch {
          // All of it has just ended.
        }
      };
      stopped.addEventListener('abort', kill, { once: true });
      child.on('error', reject);
      child.on('close', (code) => {
        stopped.removeEventListener('abort', kill);
        if (code === 0) resolve();
        else reject(new Error(`it ended with exit code ${code}`));
      });
      // A command that does not read what it is given is none the worse for it.
      child.stdin.on('error', () => {});
      child.stdin.end(text);
    });

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Where a URL leads, and a name and password in it as the header that they belong into: `fetch` refuses and shows them. */
function addressOf(text: string): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  if (!URL.canParse(text)) throw new Error('it is no URL');
  const url = new URL(text);
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` } };
}

/** A POST of the JSON; tried again where nobody answered, or the server said that the fault is its own. Throws. */
const byUrl =
  (target: string): Deliver =>
  async (text, signal) => {
    const { url, headers: login } = addressOf(target);
    const headers = { 'content-type': 'application/json', ...login };
    for (let tries = 1; ; tries += 1) {
      const bound = AbortSignal.any([signal, AbortSignal.timeout(urlMs)]);
      const asked = fetch(url, { method: 'POST', body: text, headers, redirect: 'error', signal: bound });
      const end = await asked.catch((error: unknown) => ({ error }));
      if (!('error' in end)) {
        // What it says beside its status is of no use; that it breaks off there neither.
        await end.body?.cancel().catch(() => {});
        if (end.ok) return;
      }
      const isLast = signal.aborted || tries === mostTries;
      if ('error' in end && isLast) throw end.error;
      if (!('error' in end) && (isLast || end.status < 500)) throw new Error(`it answered ${end.status}`);
      await pause(firstPauseMs * 2 ** (tries - 1), undefined, { signal });
    }
  };

/**
 * Tells a command or a URL (`http://`, `https://`) of drift, one at a time; of those that wait only the newest is told.
 * A hook that fails is said by `warn`, and holds up nothing.
 */
export function driftHook(
  target: string,
  {
    warn,
    signal,
    limitMs = commandMs,
  }: { readonly warn: (text: string) => void; readonly signal: AbortSignal; readonly limitMs?: number },
): (text: string) => void {
  const deliver = /^https?:\/\//i.test(target) ? byUrl(target) : byCommand(target, limitMs);
  let waiting: string | undefined;
  let isBusy = false;
  const work = async (): Promise<void> => {
    isBusy = true;
    while (waiting !== undefined && !signal.aborted) {
      const text = waiting;
      waiting = undefined;
      await deliver(text, signal).catch((error) => {
        const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
        if (!signal.aborted) warn(`--on-drift failed: ${messageOf(error)}${cause}`);
      });
    }
    isBusy = false;
  };
  return (text) => {
    waiting = text;
    if (!isBusy) work();
  };
}
