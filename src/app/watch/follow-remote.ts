import type { GitSource } from '../../files/port.ts';
import type { Ports } from '../ports.ts';

/** Longest time between two looks at a repository that cannot be followed, ms, and how much of each is left to chance. */
const longestMs = 600_000;
const jitter = 0.1;

/** How long until the next look, ms, after so many failures in a row: doubling, and a fleet does not ask at once. */
export function remotePauseMs(intervalMs: number, failures: number, random: number): number {
  const plain = Math.min(intervalMs * 2 ** Math.min(failures, 20), Math.max(intervalMs, longestMs));
  return Math.round(plain * (1 + jitter * (2 * random - 1)));
}

type Heard = {
  /** Something newer was taken. */
  readonly onChange: () => void;
  readonly onWell: () => void;
  readonly onTrouble: (error: unknown) => void;
};

/** Looks at a repository again and again until the signal aborts. Throws nothing. */
export async function followRemote(
  { pause }: Pick<Ports, 'pause'>,
  remote: GitSource,
  { intervalMs, signal, heard }: { readonly intervalMs: number; readonly signal: AbortSignal; readonly heard: Heard },
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      const hasChanged = await remote.look(signal);
      failures = 0;
      heard.onWell();
      if (hasChanged) heard.onChange();
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      heard.onTrouble(error);
    }
    await pause(remotePauseMs(intervalMs, failures, Math.random()), signal);
  }
}
