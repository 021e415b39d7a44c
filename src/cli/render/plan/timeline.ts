import type { ExecutionEvent } from '../../../model/events.ts';
import { laneOf } from '../progress/progress-lanes.ts';

/** Notes when each server was worked on, from the events of an execution. */
type Timeline = {
  readonly record: (event: ExecutionEvent) => void;
  /** From a server's first step to its last, ms; undefined when nothing of it ran. */
  readonly of: (server: string) => number | undefined;
  /** Since the timeline was opened, ms. */
  readonly elapsed: () => number;
};

/** A timeline on a clock in ms. */
export function timeline(nowMs: () => number): Timeline {
  const opened = nowMs();
  const spans = new Map<string, { from: number; to: number }>();
  return {
    record: (event) => {
      if (event.type === 'step-ended' && event.result.result === 'skipped') return;
      const now = nowMs();
      const span = spans.get(laneOf(event.step));
      spans.set(laneOf(event.step), { from: span?.from ?? now, to: now });
    },
    of: (server) => {
      const span = spans.get(server);
      return span === undefined ? undefined : span.to - span.from;
    },
    elapsed: () => nowMs() - opened,
  };
}
