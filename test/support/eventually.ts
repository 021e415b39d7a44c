import { setTimeout as delay } from 'node:timers/promises';

/** What is long in coming is asked for less often: an answer may cost the start of a program, or of one by the engine. */
const longestPauseMs = 300;

/**
 * Polls until `check` returns without throwing, and returns its value; throws its last error after `timeoutMs`. The pauses
 * between two looks are `everyMs`, and grow by a fifth each where a check asks somebody (its value is a promise).
 */
export async function eventually<T>(check: () => T | Promise<T>, timeoutMs = 30_000, everyMs = 25): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let pauseMs = everyMs;
  for (;;) {
    try {
      const value = check();
      if (value instanceof Promise) pauseMs = Math.max(everyMs, Math.min(pauseMs * 1.2, longestPauseMs));
      return await value;
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await delay(pauseMs);
  }
}
