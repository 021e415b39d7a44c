import { createHash } from 'node:crypto';
import type { Plan } from './plan.ts';

/** How old a container is, or how often it was called, goes on while a plan waits; that it is due stays true. */
const withoutWhatGoesOn = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'rotation-due') return value;
  return { ...value, detail: undefined };
};

/** The hash of what a plan would do and why: two plans with one basis do the same (model/plan.ts, `basis`). */
export function basisOf({ changes, steps }: Pick<Plan, 'changes' | 'steps'>): string {
  const plain = JSON.stringify({ changes, steps });
  // Asking about every value takes ten times as long, which counts for thousands of servers.
  const text = plain.includes('"rotation-due"') ? JSON.stringify({ changes, steps }, withoutWhatGoesOn) : plain;
  return createHash('sha256').update(text).digest('hex');
}
