import { LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure, StepResult } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import type { ContainerId, StepId } from '../../model/ids.ts';
import { type StepResults, type WalkOptions, walkPlan } from '../../orchestrator/common/walk-plan.ts';
import type { DockerPlan, DockerStep, Target } from '../steps.ts';
import { isDestructive, performStep, type StepEnvironment } from './perform-step.ts';

type ExecuteOptions = Omit<WalkOptions<DockerStep>, 'perform'> & {
  /** Throws `lock-lost` when the project's lock is not held any more. */
  readonly checkLock: () => Promise<void>;
};

/** Carries the steps of a plan out on an engine. */
export function executePlan(plan: DockerPlan, env: StepEnvironment, options: ExecuteOptions): Promise<StepResults> {
  const made = new Map<StepId, ContainerId>();

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
        signal: options.abortSignal,
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

  return walkPlan(plan.steps, { ...options, perform });
}
