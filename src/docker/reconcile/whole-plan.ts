import { basisOf } from '../../model/plan/plan-basis.ts';
import type { PlannedImage } from '../../model/plan.ts';
import type { Observed } from '../model/observed.ts';
import { type DockerPlan, type StepDraft, stepText } from '../steps.ts';

/** Images that steps fetch or make, as everyone may know them. */
const imagesIn = (steps: readonly StepDraft[]): readonly PlannedImage[] =>
  steps.flatMap((step) => {
    if (step.op !== 'pull-image' && step.op !== 'build-image') return [];
    const why = step.cause.kind === 'support' ? step.cause.why : '';
    return [{ ref: step.ref, action: step.op === 'pull-image' ? 'pull' : 'build', why }];
  });

/** A plan from what was decided on one look at an engine, with what follows from that. */
export function wholePlan(
  { project, engine: { id, name, kind, version, apiVersion, endpoint } }: Observed,
  decided: Pick<DockerPlan, 'changes' | 'support' | 'drift' | 'rotations' | 'warnings'> & {
    readonly steps: readonly StepDraft[];
  },
): DockerPlan {
  const steps = decided.steps.map((step) => ({ ...step, text: stepText(step) }));
  // Most plans are shown only, and of thousands of servers the hash is a fifth of the work.
  let basis: string | undefined;
  return {
    schemaVersion: 1,
    project,
    engine: { id, name, kind, version, apiVersion, endpoint },
    get basis() {
      basis ??= basisOf({ changes: decided.changes, steps });
      return basis;
    },
    images: imagesIn(steps),
    ...decided,
    steps,
  };
}
