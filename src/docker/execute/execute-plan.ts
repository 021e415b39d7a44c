import { LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure, StepResult } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import type { ContainerId, StepId } from '../../model/ids.ts';
import { type StepResults, type WalkOptions, walkPlan } from '../../orchestrator/common/walk-plan.ts';
import type { DockerPlan, DockerStep, Target } from '../steps.ts';
import { isDestructive, performStep, type StepEnvironment } from './perform-step.ts';

type ExecuteOptions = Omit<WalkOptions<DockerStep>, 'perform' | 'restores'> & {
  /** Throws `lock-lost` when the project's lock is not held any more. */
  readonly checkLock: () => Promise<void>;
};

/** How long what leaves no server stopped may go on once calls are given up, ms: an engine that hangs must not hold the run. */
const restoringLimitMs = 60_000;

/** The steps before and with those that start a server again which was stopped for something else, and the steps that those answer. */
function restoring(steps: readonly DockerStep[]) {
  const starting = steps.filter((step) => step.onFailureOf !== undefined && step.op === 'start-container');
  return {
    before: new Set(starting.flatMap(({ id, after }) => [id, ...after])),
    answered: new Set(starting.flatMap(({ onFailureOf = [] }) => onFailureOf)),
  };
}

/** Aborts with `atOnce`, or `restoringLimitMs` after `abort`, which it hears until `dispose`. */
function patient({ abortSignal, atOnceSignal }: Pick<ExecuteOptions, 'abortSignal' | 'atOnceSignal'>) {
  const late = new AbortController();
  const wait = (): unknown => setTimeout(() => late.abort(), restoringLimitMs).unref();
  if (abortSignal.aborted) wait();
  else abortSignal.addEventListener('abort', wait, { once: true });
  return {
    signal: AbortSignal.any([atOnceSignal, late.signal]),
    dispose: () => abortSignal.removeEventListener('abort', wait),
  };
}

/** Carries the steps of a plan out on an engine. */
export function executePlan(plan: DockerPlan, env: StepEnvironment, options: ExecuteOptions): Promise<StepResults> {
  const made = new Map<StepId, ContainerId>();
  const restored = restoring(plan.steps);
  const patience = patient(options);
  const restores = ({ id, onFailureOf }: DockerStep): boolean => onFailureOf !== undefined && restored.before.has(id);
  /** A stop that was given up would go on, and end the container after it was started again. */
  const mustEnd = (step: DockerStep): boolean =>
    restores(step) || step.completes === true || (step.op === 'stop-container' && restored.answered.has(step.id));

  const resolve = (target: Target): ContainerId => {
    if ('id' in target) return target.id;
    const id = made.get(target.madeBy);
    if (id === undefined) throw new LoomsError('internal', `step ${target.madeBy} made no container`);
    return id;
  };

  const perform = async (step: DockerStep, answered: Failure | undefined): Promise<StepResult> => {
    try {
      if (isDestructive(step)) await options.checkLock();
      const progress = (update: { text: string }): void =>
        options.sink({ type: 'step-progress', step, progress: update });
      const outcome = await performStep(step, step.server, { resolve, answered }, env, progress, {
        signal: mustEnd(step) ? patience.signal : options.abortSignal,
      });
      if (!outcome.ok) return { result: 'failed', failure: outcome.failure };
      if (outcome.container !== undefined) made.set(step.id, outcome.container);
      const { ok: _, ...rest } = outcome;
      return { result: 'ok', ...rest };
    } catch (error) {
      const failure = failureOf(error);
      return { result: traitsOf(failure.code).uncertain ? 'unknown' : 'failed', failure };
    }
  };

  return walkPlan(plan.steps, { ...options, restores, perform }).finally(patience.dispose);
}
