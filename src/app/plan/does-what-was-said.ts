import type { Plan, Reason } from '../../model/plan.ts';

/** Differences between what is declared and what is there, which nobody meant who only said start or restart. */
const surprises: ReadonlySet<Reason['kind']> = new Set([
  'spec-changed',
  'live-drift',
  'image-changed',
  'unreadable-record',
] satisfies Reason['kind'][]);

/** Whether a plan does no more than `start` or `restart` says; any other is shown and asked about, as in apply. */
export const doesWhatWasSaid = (plan: Plan): boolean =>
  plan.changes.every(
    (change) =>
      change.action !== 'blocked' && !('reasons' in change && change.reasons.some(({ kind }) => surprises.has(kind))),
  );
