import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a promise to settle, at most `ms`; its result does not matter here. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  const timer = new AbortController();
  try {
    await Promise.race([promise.then(nothing, nothing), delay(ms, undefined, { signal: timer.signal }).catch(nothing)]);
  } finally {
    timer.abort();
  }
}

/** What work came to, or undefined once the signal aborts. Throws what it throws before; later ones are nobody's. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (signal === undefined) return work;
  work.catch(nothing);
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const nothing = () => {};
