import type { ErrorCode } from './errors.ts';
import type { ContainerId, StepId } from './ids.ts';
import type { NoticeCode } from './notices.ts';
import type { Step } from './plan.ts';

/** A failure as data, for events and reports. */
export type Failure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** Lines worth showing under the message: the end of a log or of a build's output. */
  readonly detail: readonly string[];
};

/** What a step that went well found; with a code where it becomes a notice of the run. */
export type StepNote = { readonly note?: string; readonly code?: NoticeCode };

/**
 * How a step ended; dependents look at this alone. `unknown`: the engine was asked and never answered. `elsewhere`: what it
 * waited for on another engine came to nothing.
 */
export type StepResult =
  | ({ readonly result: 'ok'; readonly container?: ContainerId } & StepNote)
  | { readonly result: 'failed' | 'unknown'; readonly failure: Failure }
  | { readonly result: 'skipped'; readonly because: StepId | 'interrupted' | 'not-needed' | 'elsewhere' };

/** Progress of a long step: a pull, a build, a gate that waits. */
export type StepProgress = { readonly text: string; readonly current?: number; readonly total?: number };

export type ExecutionEvent =
  | { readonly type: 'step-started'; readonly step: Step }
  | { readonly type: 'step-progress'; readonly step: Step; readonly progress: StepProgress }
  | { readonly type: 'step-ended'; readonly step: Step; readonly result: StepResult; readonly milliseconds: number };

/** Takes events as they happen; must not throw. */
export type EventSink = (event: ExecutionEvent) => void;
