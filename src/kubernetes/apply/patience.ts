import { graceMs, isPassing, isShutOut } from '../model/refusals.ts';
import type { KubernetesPorts } from '../ports.ts';

/** How patient a caller is, and for how long it leaves the cluster alone between two tries, ms. */
type Patience = {
  readonly forMs: number;
  readonly pauseMs: number;
  readonly signal?: AbortSignal | undefined;
};

/**
 * How patient a way back is, as a server may be down without it: an API server that begins again is back in less, and a lock
 * lives for as long without its holder.
 */
export const backPatience = { forMs: 60_000, pauseMs: 1_000 } as const;

/**
 * Does something with the cluster, and does it again while that fails for a reason that may pass, for `forMs` at most. That who
 * asks is not let in, or has not the right, may pass for `graceMs`: an API server that begins again listens before it knows all
 * roles and accounts, and a token may be read while it is replaced.
 */
export async function patiently<T>(
  { monotonicMs, pause }: Pick<KubernetesPorts, 'monotonicMs' | 'pause'>,
  act: () => Promise<T>,
  { forMs, pauseMs, signal }: Patience,
): Promise<T> {
  const began = monotonicMs();
  let refusedSince: number | undefined;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const now = monotonicMs();
      refusedSince = isShutOut(error) ? (refusedSince ?? now) : undefined;
      const isLast = refusedSince === undefined ? !isPassing(error) : now - refusedSince >= graceMs;
      if (isLast || now - began >= forMs) throw error;
    }
    await pause(pauseMs, signal);
  }
}
