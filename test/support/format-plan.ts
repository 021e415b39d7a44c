import { formatSteps } from '../../src/model/plan/compare-plans.ts';
import type { Plan } from '../../src/model/plan.ts';

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
