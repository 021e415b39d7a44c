import { LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import { orAborted } from '../../model/values/or-aborted.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';

/** How long the API server may take for an answer, or for the beginning of one that goes on, ms; kubectl's own is 32 s. */
export const answerMs = 30_000;

/** What ends a request before its answer: the caller's signal, or too much time. */
export type Bound = {
  /** Its reason is the `LoomsError` to throw. */
  readonly signal: AbortSignal;
  /** What work comes to. Throws the signal's reason once it aborts, whatever becomes of the work. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  /** The answer began: its end may take as long as it does. */
  readonly inTime: () => void;
  /** Lets go of the caller's signal. */
  readonly end: () => void;
};

/** Bounds one request; `what` names it for people. */
export function bounded(what: string, { signal }: CallOptions, limitMs = answerMs): Bound {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(new LoomsError('interrupted', `stopped waiting to ${what}`));
  const onLate = (): void =>
    controller.abort(
      new LoomsError('engine-timeout', `the API server did not ${what} within ${duration(limitMs)}`, {
        hint: 'it may be overloaded or hung: `kubectl get --raw /readyz` shows whether it answers at all',
      }),
    );
  const timer = setTimeout(onLate, limitMs);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    async wait(work) {
      const outcome = await orAborted(
        work.then((value) => ({ value })),
        controller.signal,
      );
      if (outcome === undefined) throw controller.signal.reason;
      return outcome.value;
    },
    inTime: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
