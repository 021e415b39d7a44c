import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks every `everyMs` until there is an answer, at least once; undefined when there was none after `limitMs`.
 * For what the engine offers no call to wait for.
 */
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
