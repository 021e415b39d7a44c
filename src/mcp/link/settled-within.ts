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

const nothing = () => {};
