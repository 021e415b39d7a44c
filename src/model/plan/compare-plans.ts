import type { Change, Plan, Reason, Step } from '../plan.ts';

function formatStep(step: Step): string {
  const after = step.after.length === 0 ? '' : ` after ${step.after.join(', ')}`;
  const onFailure = step.onFailureOf === undefined ? '' : ` only if ${step.onFailureOf.join(' or ')} fails`;
  return `${step.id}: ${step.text}${after}${onFailure}`;
}

/** The steps of a plan, a line each. */
export const formatSteps = (plan: Pick<Plan, 'steps'>): string[] => plan.steps.map(formatStep);

/** So many steps are told where the changes themselves do not differ. */
const mostSteps = 5;

const reasonText = (reason: Reason): string =>
  'fields' in reason
    ? `${reason.kind}: ${reason.fields.map(({ path, from, to }) => `${path} ${from} -> ${to}`).join(', ')}`
    : reason.kind;

function actionText(change: Change | undefined): string {
  if (change === undefined) return 'not looked at';
  if (change.action === 'unchanged') return 'unchanged';
  if (change.action === 'blocked') return `blocked (${change.why.kind})`;
  return change.action === 'replace' ? `replace ${change.order}` : change.action;
}

const reasonsOf = (change: Change | undefined): readonly string[] =>
  change !== undefined && 'reasons' in change ? change.reasons.map(reasonText) : [];

function changeText(change: Change | undefined): string {
  const reasons = reasonsOf(change);
  return reasons.length === 0 ? actionText(change) : `${actionText(change)} (${reasons.join('; ')})`;
}

/** What is said of a server whose change is another one now; of one that changes alike, only what the reasons differ in. */
function differenceOf(server: string, before: Change | undefined, after: Change | undefined): string[] {
  if (changeText(before) === changeText(after)) return [];
  if (actionText(before) !== actionText(after)) {
    return [`${server}: planned ${changeText(before)}, now ${changeText(after)}`];
  }
  const [then, now] = [reasonsOf(before), reasonsOf(after)];
  return [
    ...now.filter((one) => !then.includes(one)).map((one) => `${server}: ${actionText(after)}, now also for ${one}`),
    ...then.filter((one) => !now.includes(one)).map((one) => `${server}: ${actionText(after)}, no longer for ${one}`),
  ];
}

/**
 * What differs between a plan and the one that would be made now: `fs: planned create (missing), now unchanged`, `fs:
 * replace start-first, now also for live-drift: …`. Where the changes are the same, the steps that are not; empty only for plans of one basis.
 */
export function planDifferences(planned: Plan, now: Plan): string[] {
  if (planned.basis === now.basis) return [];
  const servers = [...new Set([...planned.changes, ...now.changes].map(({ server }) => server))].sort();
  const changeIn = (plan: Plan, server: string): Change | undefined =>
    plan.changes.find((change) => change.server === server);
  const changes = servers.flatMap((server) => differenceOf(server, changeIn(planned, server), changeIn(now, server)));
  if (changes.length > 0) return changes;
  const [before, after] = [formatSteps(planned), formatSteps(now)];
  const only = (these: readonly string[], others: readonly string[], word: string): string[] =>
    these.filter((line) => !others.includes(line)).map((line) => `${word}: ${line}`);
  const steps = [...only(before, after, 'planned'), ...only(after, before, 'now')];
  return steps.length > 0 ? steps.slice(0, 2 * mostSteps) : ['the containers that would be made are not the same'];
}
