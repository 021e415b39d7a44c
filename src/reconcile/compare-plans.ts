import type { Change, Plan, Reason } from '../model/plan.ts';
import { formatSteps } from './format.ts';

/** So many steps are told where the changes themselves do not differ. */
const mostSteps = 5;

const reasonText = (reason: Reason): string =>
  'fields' in reason
    ? `${reason.kind}: ${reason.fields.map(({ path, from, to }) => `${path} ${from} -> ${to}`).join(', ')}`
    : reason.kind;

function changeText(change: Change | undefined): string {
  if (change === undefined) return 'not looked at';
  if (change.action === 'unchanged') return 'unchanged';
  if (change.action === 'blocked') return `blocked (${change.why.kind})`;
  const order = change.action === 'replace' ? ` ${change.order}` : '';
  return `${change.action}${order} (${change.reasons.map(reasonText).join('; ')})`;
}

/**
 * What differs between a plan and the one that would be made now, a line a server: `fs: planned create (missing), now
 * unchanged`. Where the changes are the same, the steps that are not; empty only for plans of one basis.
 */
export function planDifferences(planned: Plan, now: Plan): string[] {
  if (planned.basis === now.basis) return [];
  const servers = [...new Set([...planned.changes, ...now.changes].map(({ server }) => server))].sort();
  const textIn = (plan: Plan, server: string): string =>
    changeText(plan.changes.find((change) => change.server === server));
  const changes = servers.flatMap((server) => {
    const [before, after] = [textIn(planned, server), textIn(now, server)];
    return before === after ? [] : [`${server}: planned ${before}, now ${after}`];
  });
  if (changes.length > 0) return changes;
  const [before, after] = [formatSteps(planned), formatSteps(now)];
  const only = (these: readonly string[], others: readonly string[], word: string): string[] =>
    these.filter((line) => !others.includes(line)).map((line) => `${word}: ${line}`);
  const steps = [...only(before, after, 'planned'), ...only(after, before, 'now')];
  return steps.length > 0 ? steps.slice(0, 2 * mostSteps) : ['the containers that would be made are not the same'];
}
