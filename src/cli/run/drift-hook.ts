import { spawn } from 'node:child_process';
import { messageOf } from '../../model/failure.ts';
import type { Notice } from '../../model/notices.ts';
import { postJson } from './post-json.ts';

/** How long a command may take, ms. */
const commandMs = 60_000;

type Deliver = (text: string, signal: AbortSignal) => Promise<void>;

/** How much of what a command writes to its standard error is told, bytes: the end of it. */
const mostSaid = 4_096;

/** A command of the user, with the JSON on its standard input; `say` gets its standard error. Throws how it ended. */
const byCommand =
  (command: string, limitMs: number, say: (text: string) => void): Deliver =>
  (text, signal) =>
    new Promise((resolve, reject) => {
      // Its own group: what a shell starts would outlive it, one more with each difference that is told.
      const child = spawn(command, { shell: true, stdio: ['pipe', 'ignore', 'pipe'], detached: true });
      let said = Buffer.alloc(0);
      child.stderr.on('data', (more: Buffer) => {
        said = Buffer.concat([said, more]).subarray(-mostSaid);
      });
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
        const text = said.toString('utf8').trim();
        if (text !== '') say(text);
        if (code === 0) resolve();
        else reject(new Error(`it ended with exit code ${code}`));
      });
      // A command that does not read what it is given is none the worse for it.
      child.stdin.on('error', () => {});
      child.stdin.end(text);
    });

/**
 * Tells a command or a URL (`http://`, `https://`) of drift, one at a time; of those that wait only the newest is told.
 * A hook that fails is said by `warn`, and holds up nothing.
 */
export function driftHook(
  target: string,
  {
    warn,
    signal,
    headersOf,
    limitMs = commandMs,
  }: {
    readonly warn: (notice: Notice) => void;
    readonly signal: AbortSignal;
    /** What goes along with a message by POST. */
    readonly headersOf: (body: string) => Promise<Readonly<Record<string, string>>>;
    readonly limitMs?: number;
  },
): (text: string) => void {
  const deliver: Deliver = /^https?:\/\//i.test(target)
    ? async (text, stop) => postJson(target, { body: text, headers: await headersOf(text) }, stop)
    : byCommand(target, limitMs, (text) => warn({ code: 'drift-hook-failed', message: `--on-drift: ${text}` }));
  let waiting: string | undefined;
  let isBusy = false;
  const work = async (): Promise<void> => {
    isBusy = true;
    while (waiting !== undefined && !signal.aborted) {
      const text = waiting;
      waiting = undefined;
      await deliver(text, signal).catch((error) => {
        if (!signal.aborted) warn({ code: 'drift-hook-failed', message: `--on-drift failed: ${messageOf(error)}` });
      });
    }
    isBusy = false;
  };
  return (text) => {
    waiting = text;
    if (!isBusy) work();
  };
}
