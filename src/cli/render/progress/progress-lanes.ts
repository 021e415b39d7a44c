import { assertNever } from '../../../model/errors.ts';
import type { EventSink, ExecutionEvent, StepProgress, StepResult } from '../../../model/events.ts';
import type { StepId } from '../../../model/ids.ts';
import type { Plan, Step } from '../../../model/plan.ts';
import { truncate, visible, visibleLines } from '../text.ts';

/** Shows what an execution does, on stderr. */
export type Progress = {
  readonly sink: EventSink;
  /** A line that stays, without disturbing what is being drawn. */
  readonly notice: (text: string) => void;
  /** Takes down what was drawn. Must be called, also after a failure. */
  readonly finish: () => Promise<void>;
};

/** One line of progress: a server, or what the project as a whole needs. */
export type Lane = {
  readonly name: string;
  readonly steps: number;
  readonly ended: ReadonlyMap<StepId, StepResult>;
  /** The step that runs now and when it started, ms on the caller's clock. */
  readonly running: ReadonlyMap<
    StepId,
    { readonly step: Step; readonly since: number; readonly progress?: StepProgress }
  >;
  readonly startedAt: number | undefined;
};

/** Name of the lane for steps that belong to no single server. */
const projectLane = 'project';

export const laneOf = (step: Step): string =>
  step.server ?? (step.cause.kind === 'change' ? step.cause.server : projectLane);

/** A lane for each server of a plan, in the plan's order. */
export function lanesOf(plan: Plan): readonly Lane[] {
  const steps = new Map<string, number>();
  for (const step of plan.steps) steps.set(laneOf(step), (steps.get(laneOf(step)) ?? 0) + 1);
  return [...steps].map(([name, count]) => ({
    name,
    steps: count,
    ended: new Map(),
    running: new Map(),
    startedAt: undefined,
  }));
}

/** The lane after an event of one of its steps; `now` in ms. */
export function advance(lane: Lane, event: ExecutionEvent, now: number): Lane {
  const { step } = event;
  const running = new Map(lane.running);
  switch (event.type) {
    case 'step-started':
      running.set(step.id, { step, since: now });
      return { ...lane, running, startedAt: lane.startedAt ?? now };
    case 'step-progress':
      running.set(step.id, { step, since: running.get(step.id)?.since ?? now, progress: event.progress });
      return { ...lane, running, startedAt: lane.startedAt ?? now };
    case 'step-ended':
      running.delete(step.id);
      return { ...lane, running, ended: new Map(lane.ended).set(step.id, event.result) };
    default:
      return assertNever(event);
  }
}

export const isFinished = (lane: Lane): boolean => lane.ended.size >= lane.steps;

/** The first failure of a lane, or undefined. */
export function failureIn(lane: Lane): string | undefined {
  for (const result of lane.ended.values())
    if (result.result === 'failed' || result.result === 'unknown') return visibleLines(result.failure.message);
  return undefined;
}

/** How far a pull or build is, in a few words: `45 %  extracting`. */
export function describeProgress(progress: StepProgress): string {
  const share =
    progress.current !== undefined && progress.total !== undefined && progress.total > 0
      ? `${Math.floor((100 * progress.current) / progress.total)} %  `
      : '';
  const line = visibleLines(progress.text).split('\n').at(-1) ?? '';
  return share + truncate(line.trim(), 60);
}

/** What a lane does now: its oldest running step and that step's progress. */
export function describeLane(lane: Lane): string {
  const [current] = lane.running.values();
  if (current === undefined) return lane.startedAt === undefined ? 'waiting' : 'waiting for others';
  const progress = current.progress === undefined ? '' : `  ${describeProgress(current.progress)}`;
  return visible(current.step.text) + progress;
}
