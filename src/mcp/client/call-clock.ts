import type { LoomsError } from '../../model/errors.ts';

/** Longest delay a Node timer takes, ms. */
export const maxTimerMs = 2 ** 31 - 1;

/** The bound of one call, as a signal that aborts with what `timedOut` makes, or with why all calls were ended. */
type CallClock = { readonly signal: AbortSignal; readonly stop: () => void };

/** The bounds of all calls of one session. They stand still together while a person is asked something. */
export type CallClocks = {
  readonly start: (limitMs: number) => CallClock;
  /** Does a piece of work during which no call's time runs. */
  readonly whileHeld: <T>(work: () => Promise<T>) => Promise<T>;
  /** Ends all calls that run, with this as their failure. */
  readonly endAll: (failure: LoomsError) => void;
};

type Running = {
  readonly controller: AbortController;
  leftMs: number;
  since: number;
  timer: NodeJS.Timeout | undefined;
};

/** Clocks that run on `now`, in ms of a clock that never goes back; `timedOut` makes what a call that took too long fails with. */
export function createCallClocks(timedOut: () => Error, now: () => number = () => performance.now()): CallClocks {
  const all = new Set<Running>();
  let holds = 0;

  const run = (clock: Running) => {
    clock.since = now();
    clock.timer = setTimeout(() => {
      clock.controller.abort(timedOut());
    }, clock.leftMs);
  };
  const hold = (clock: Running) => {
    clearTimeout(clock.timer);
    clock.leftMs = Math.max(0, clock.leftMs - (now() - clock.since));
  };

  return {
    start(limitMs) {
      const clock: Running = {
        controller: new AbortController(),
        leftMs: Math.min(limitMs, maxTimerMs),
        since: now(),
        timer: undefined,
      };
      all.add(clock);
      if (holds === 0) run(clock);
      return {
        signal: clock.controller.signal,
        stop: () => {
          clearTimeout(clock.timer);
          all.delete(clock);
        },
      };
    },
    endAll(failure) {
      for (const { controller } of all) controller.abort(failure);
    },
    async whileHeld(work) {
      if (holds === 0) for (const clock of all) hold(clock);
      holds += 1;
      try {
        return await work();
      } finally {
        holds -= 1;
        if (holds === 0) for (const clock of all) run(clock);
      }
    },
  };
}
