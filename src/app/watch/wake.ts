import type { ProjectName } from '../../model/ids.ts';
import type { ChangeTrigger } from '../../model/trail/audit.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

/** What makes a loop look again. */
export type Trigger = 'start' | 'timer' | 'files' | 'git' | 'engine' | 'probe' | 'retry';

/** The one of several that says most of why something is changed; a begin of the loop and another try are the clock's. */
const telling: readonly (readonly [Trigger, ChangeTrigger])[] = [
  ['git', 'git'],
  ['files', 'file'],
  ['probe', 'probe'],
  ['engine', 'engine'],
];

export const triggerOf = (triggers: readonly Trigger[]): ChangeTrigger =>
  telling.find(([trigger]) => triggers.includes(trigger))?.[1] ?? 'timer';

export type Wake = {
  /** Something may have changed: what exactly is found out by looking. */
  readonly mark: (trigger: Trigger) => void;
  /** The same at a moment of the clock, ms; the earliest one counts. */
  readonly markAt: (trigger: Trigger, at: number) => void;
  /** Waits until something was marked and nothing more came for a moment; what was marked. Empty once the signal aborts. */
  readonly next: (signal: AbortSignal) => Promise<readonly Trigger[]>;
};

type Clock = {
  readonly monotonicMs: () => number;
  readonly pause: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
};

/** After the last mark, and after the first one, ms: a burst of events is one look (Flux and Nomad gather the same way). */
const quietMs = 300;
const mostMs = 5_000;

/** Gathers what calls for a look. Marks are hints: a lost one only delays, since the timer marks as well. */
export function createWake({ monotonicMs, pause }: Clock): Wake {
  const marked = new Set<Trigger>();
  const timed = new Map<Trigger, number>();
  let stirred = new AbortController();
  const mark = (trigger: Trigger): void => {
    marked.add(trigger);
    stirred.abort();
  };
  /** Waits until something is marked (true), or for so long. */
  const stir = async (milliseconds: number, signal: AbortSignal): Promise<boolean> => {
    stirred = new AbortController();
    const { signal: mine } = stirred;
    await pause(milliseconds, AbortSignal.any([signal, mine]));
    return mine.aborted;
  };
  const markDue = (): void => {
    for (const [trigger, at] of [...timed]) {
      if (at > monotonicMs()) continue;
      timed.delete(trigger);
      marked.add(trigger);
    }
  };
  return {
    mark,
    markAt(trigger, at) {
      timed.set(trigger, Math.min(at, timed.get(trigger) ?? Number.POSITIVE_INFINITY));
      stirred.abort();
    },
    async next(signal) {
      for (;;) {
        markDue();
        if (marked.size > 0 || signal.aborted) break;
        // The next moment of the clock, or a day where there is none: a timer takes no more.
        const until = Math.min(...timed.values(), monotonicMs() + 86_400_000);
        await stir(Math.max(0, until - monotonicMs()), signal);
      }
      const deadline = monotonicMs() + mostMs;
      let left = mostMs;
      while (left > 0 && (await stir(Math.min(quietMs, left), signal)) && !signal.aborted) {
        left = deadline - monotonicMs();
      }
      if (signal.aborted) return [];
      const triggers = [...marked];
      marked.clear();
      return triggers;
    },
  };
}

/** First and longest pause before the engine's events are listened to again, ms. */
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

type Hear = Parameters<Orchestrator['watchServers']>[1];

/** Marks when containers change, until the signal aborts; a stream that ended begins anew, later each time. */
export async function hearEngine(
  { orchestrator, pause }: Pick<Ports, 'orchestrator' | 'pause'>,
  project: ProjectName,
  {
    mark,
    onStream = () => {},
    ...heard
  }: Pick<Wake, 'mark'> & Pick<Hear, 'onEvent'> & { readonly onStream?: (isOpen: boolean) => void },
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = firstPauseMs;
  const hear: Hear = {
    ...heard,
    onReady() {
      pauseMs = firstPauseMs;
      onStream(true);
      // What happened before the stream began is found by a look.
      mark('engine');
    },
    onChange: () => mark('engine'),
  };
  while (!signal.aborted) {
    try {
      await (await orchestrator()).watchServers(project, hear, { signal });
    } catch {
      // The looks tell that the engine is away.
    }
    onStream(false);
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}
