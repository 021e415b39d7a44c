/** What waits for a moment of a clock, ms. */
type Wait = { readonly until: number; readonly go: () => void };

/** Lets all that is ready run. */
const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A clock that goes on only when it is told to, as ports have it; the wall clock begins at `startMs`. */
export function manualClock(startMs = Date.parse('2026-11-29T00:00:00.000Z')) {
  let nowMs = 0;
  const waits = new Set<Wait>();
  const step = (until: number): boolean => {
    const [next] = [...waits].sort((a, b) => a.until - b.until);
    if (next === undefined || next.until > until) return false;
    nowMs = Math.max(nowMs, next.until);
    next.go();
    return true;
  };
  return {
    ports: {
      monotonicMs: () => nowMs,
      now: () => startMs + nowMs,
      pause: (milliseconds: number, signal?: AbortSignal): Promise<void> =>
        new Promise((resolve) => {
          if (signal?.aborted === true) return resolve();
          const go = (): void => {
            waits.delete(wait);
            signal?.removeEventListener('abort', go);
            resolve();
          };
          const wait = { until: nowMs + milliseconds, go };
          waits.add(wait);
          signal?.addEventListener('abort', go);
        }),
    },
    /** Goes on by so long, from one moment that somebody waits for to the next. */
    async pass(milliseconds: number): Promise<void> {
      const until = nowMs + milliseconds;
      do await settled();
      while (step(until));
      nowMs = until;
    },
    /** Goes on until something is so; throws where a day passes. */
    async until(isSo: () => boolean): Promise<void> {
      const last = nowMs + 86_400_000;
      await settled();
      while (!isSo()) {
        if (!step(last)) throw new Error('nobody waits for a moment of this clock');
        await settled();
      }
    },
  };
}
