import { assertNever } from '../../../model/errors.ts';
import { shortId } from '../../../model/ids.ts';
import type { Operation, Plan, Step, Target } from '../../../model/plan.ts';
import { duration } from '../../../model/times.ts';

const targetText = (target: Target): string => ('id' in target ? shortId(target.id) : `(${target.madeBy})`);

/** What a step does, in a few words; for people and as the oracle of tests. */
export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case 'create-network':
      return `create network ${operation.network.name}`;
    case 'remove-network':
      return `remove network ${operation.name}`;
    case 'pull-image':
      return `pull ${operation.ref}`;
    case 'build-image':
      return `build ${operation.ref}`;
    case 'create-container':
      return `create ${operation.container.name} from ${operation.container.imageRef}`;
    case 'carry-files':
      return `carry ${operation.paths.join(', ')} over to ${operation.name}`;
    case 'start-container':
      return `start ${operation.name}`;
    case 'unpause-container':
      return `unpause ${operation.name}`;
    case 'gate':
      return `gate ${operation.name} within ${duration(operation.timeoutSeconds * 1000)}`;
    case 'drain':
      return `drain ${operation.name} for at most ${duration(operation.seconds * 1000)}`;
    case 'stop-container':
      return `stop ${operation.name} ${targetText(operation.target)}`;
    case 'remove-container':
      return `remove ${operation.name} ${targetText(operation.target)}`;
    case 'rename-container':
      return `rename ${operation.from} to ${operation.to}`;
    case 'record-generation':
      return `record ${operation.name} as ${operation.record} (${operation.outcome})`;
    case 'remove-image':
      return `remove image ${operation.ref}`;
    case 'remove-volume':
      return `remove volume ${operation.name}`;
    default:
      return assertNever(operation);
  }
}

function formatStep(step: Step): string {
  const after = step.after.length === 0 ? '' : ` after ${step.after.join(', ')}`;
  const onFailure = step.onFailureOf === undefined ? '' : ` only if ${step.onFailureOf.join(' or ')} fails`;
  return `${step.id}: ${describeOperation(step)}${after}${onFailure}`;
}

/** The steps of a plan, a line each. */
export const formatSteps = (plan: Plan): string[] => plan.steps.map(formatStep);

/** A plan as text: one line a change, one a step. Unit tests compare it; same plan, same text. */
export function format(plan: Plan): string {
  const changes = plan.changes.map((change) => {
    const order = change.action === 'replace' ? ` ${change.order}` : '';
    const reasons =
      change.action === 'unchanged'
        ? ''
        : change.action === 'blocked'
          ? ` (${change.why.kind})`
          : ` (${change.reasons.map((reason) => reason.kind).join(', ')})`;
    return `${change.server}: ${change.action}${order}${reasons}`;
  });
  const support = plan.support.map((one) => `${one.kind} ${one.name}: ${one.action}`);
  const drift = plan.drift.flatMap((one) =>
    one.fields.map((field) => `drift ${one.server}: ${field.path} ${field.from} -> ${field.to}`),
  );
  const warnings = plan.warnings.map((warning) => `warning ${warning.server ?? plan.project}: ${warning.code}`);
  return [...drift, ...changes, ...support, ...formatSteps(plan), ...warnings].join('\n');
}
