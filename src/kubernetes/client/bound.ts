import { LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import { orAborted } from '../../model/values/or-aborted.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';

/** How long the API server may take for an answer, or for the beginning of one that goes on, ms; kubectl's own is 32 s. */
const answerMs = 30_000;
/** How long a program may take to say who asks, ms: some ask a person in a browser. */
export const programMs = 60_000;
/** How long it may take in all to know who asks, ms: a program that was ended at its time has some to go. */
const identityMs = programMs + 5_000;

/** What ends a request before its answer: the caller's signal, or too much time. */
export type Bound = {
  /** Its reason is the `LoomsError` to throw. */
  readonly signal: AbortSignal;
  /** What work comes to. Throws the signal's reason once it aborts, whatever becomes of the work. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  /** The same of knowing who asks, which takes none of the API server's time. Throws `engine-rejected` where it takes too long. */
  readonly identify: <T>(work: Promise<T>) => Promise<T>;
  /** The answer began: its end may take as long as it does. */
  readonly inTime: () => void;
  /** Lets go of the caller's signal. */
  readonly end: () => void;
};

/** Bounds one request; `what` names it for people. */
export function bounded(
  what: string,
  { signal }: CallOptions,
  limits: { readonly answerMs: number; readonly identityMs: number } = { answerMs, identityMs },
): Bound {
  let leftMs = limits.answerMs;
  let began = performance.now();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(new LoomsError('interrupted', `stopped waiting to ${what}`));
  const onLate = (): void =>
    controller.abort(
      new LoomsError('engine-timeout', `the API server did not ${what} within ${duration(limits.answerMs)}`, {
        hint: 'it may be overloaded or hung: `kubectl get --raw /readyz` shows whether it answers at all',
      }),
    );
  const onUnknown = (): void =>
    controller.abort(
      new LoomsError(
        'engine-rejected',
        `cannot ${what}: who asks was not known within ${duration(limits.identityMs)}`,
        {
          hint: 'run the program of the user in the kubeconfig by hand, or log in again',
        },
      ),
    );
  let timer = setTimeout(onLate, leftMs);
  const wait: Bound['wait'] = async (work) => {
    const outcome = await orAborted(
      work.then((value) => ({ value })),
      controller.signal,
    );
    if (outcome === undefined) throw controller.signal.reason;
    return outcome.value;
  };
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    wait,
    async identify(work) {
      clearTimeout(timer);
      leftMs -= performance.now() - began;
      timer = setTimeout(onUnknown, limits.identityMs);
      const known = await wait(work);
      clearTimeout(timer);
      began = performance.now();
      timer = setTimeout(onLate, leftMs);
      return known;
    },
    inTime: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
