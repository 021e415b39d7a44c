import { setTimeout as pause } from 'node:timers/promises';
import { insteadOf, LoomsError } from '../../../model/errors.ts';
import { duration } from '../../../model/times.ts';
import type { CallOptions } from '../../port.ts';
import { engineError } from './errors.ts';

/** Time limits of calls, ms. A healthy engine answers most in well under a second, a loaded one in a few. */
export const limits = {
  /** Reading calls, and small writing ones. */
  quick: 30_000,
  /** Creating and starting: the engine sets up mounts, networks and cgroups, and may queue many of them. */
  slow: 120_000,
  /** What removing or stopping may take beside the grace given to the process. */
  removal: 60_000,
} as const;

export type Bound = CallOptions & { readonly limitMs?: number };

/** What `engine-timeout` says. */
export const tooLate = (what: string, limitMs: number): LoomsError =>
  new LoomsError('engine-timeout', `the engine did not ${what} within ${duration(limitMs)}`, {
    hint: 'it may be overloaded or hung: `docker info` shows whether it answers at all',
  });

/**
 * Runs one call to the engine under the caller's signal and a time limit, so that a hung engine is an error and not a
 * hang. `send` gets a signal that aborts the request itself. Throws `interrupted` when the caller's signal aborted,
 * `engine-timeout` after `limitMs`, else what `engineError` makes of the failure. A call that was sent may still take
 * effect after the first two.
 */
export async function call<T>(what: string, bound: Bound, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, limitMs = limits.quick } = bound;
  const interrupted = (): LoomsError => new LoomsError('interrupted', `stopped waiting to ${what}`);
  if (signal?.aborted) throw interrupted();
  const controller = new AbortController();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = (error: LoomsError): void => {
    reject(error);
    controller.abort();
  };
  const onAbort = (): void => giveUp(interrupted());
  const timer = setTimeout(() => giveUp(tooLate(what, limitMs)), limitMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([send(controller.signal), givenUp]);
  } catch (error) {
    throw engineError(error, what);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The answer, or null where the engine knows no such thing (404). */
export const orNull = <T>(answer: Promise<T>): Promise<T | null> =>
  answer.catch(insteadOf('engine-not-found', () => null));

/** Waits for a removal; false for a conflict: the same removal is under way, or someone still uses it. */
export const unlessInUse = (removal: Promise<unknown>): Promise<boolean> =>
  removal.then(() => true).catch(insteadOf('engine-conflict', () => false));

/** Asks every `everyMs` until there is an answer, at least once; undefined when there was none after `limitMs`. */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  { everyMs, limitMs }: { readonly everyMs: number; readonly limitMs: number },
): Promise<T | undefined> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= deadline) return answer;
    await pause(everyMs);
  }
}
