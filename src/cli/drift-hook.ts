import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../model/failure.ts';

/** How long one try may take, ms, how often a URL is tried, and how long after the first failure, ms: longer each time. */
const urlMs = 10_000;
const commandMs = 60_000;
const mostTries = 3;
const firstPauseMs = 1_000;

type Deliver = (text: string, signal: AbortSignal) => Promise<void>;

/** A command of the user, with the JSON on its standard input. Throws how it ended. */
const byCommand =
  (command: string): Deliver =>
  (text, signal) =>
    new Promise((resolve, reject) => {
      const child = spawn(command, {
        shell: true,
        stdio: ['pipe', 'ignore', 'inherit'],
        signal: AbortSignal.any([signal, AbortSignal.timeout(commandMs)]),
      });
      child.on('error', reject);
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`it ended with exit code ${code}`))));
      // A command that does not read what it is given is none the worse for it.
      child.stdin.on('error', () => {});
      child.stdin.end(text);
    });

/** A POST of the JSON; tried again where nobody answered, or the server said that the fault is its own. Throws. */
const byUrl =
  (url: string): Deliver =>
  async (text, signal) => {
    for (let tries = 1; ; tries += 1) {
      try {
        const bound = AbortSignal.any([signal, AbortSignal.timeout(urlMs)]);
        const headers = { 'content-type': 'application/json' };
        const answer = await fetch(url, { method: 'POST', body: text, headers, redirect: 'error', signal: bound });
        await answer.body?.cancel();
        if (answer.ok) return;
        if (answer.status < 500) throw Object.assign(new Error(`it answered ${answer.status}`), { isFinal: true });
        throw new Error(`it answered ${answer.status}`);
      } catch (error) {
        if (signal.aborted || tries === mostTries || (error as { isFinal?: true }).isFinal) throw error;
        await pause(firstPauseMs * 2 ** (tries - 1), undefined, { signal });
      }
    }
  };

/**
 * Tells a command or a URL (`http://`, `https://`) of drift, one at a time; of those that wait only the newest is told.
 * A hook that fails is said by `warn`, and holds up nothing.
 */
export function driftHook(
  target: string,
  { warn, signal }: { readonly warn: (text: string) => void; readonly signal: AbortSignal },
): (text: string) => void {
  const deliver = /^https?:\/\//.test(target) ? byUrl(target) : byCommand(target);
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
