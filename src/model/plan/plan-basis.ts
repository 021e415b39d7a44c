import { createHash } from 'node:crypto';
import type { Plan } from '../plan.ts';

/** How old a container is, or how often it was called, goes on while a plan waits; that it is due stays true. */
const withoutWhatGoesOn = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'rotation-due') return value;
  return { ...value, detail: undefined };
};

/** So many entries at a time: the text of a plan of thousands of servers has tens of megabytes. */
const atOnce = 200;

/** The JSON of a list, in pieces. */
function* textOf(list: readonly unknown[]): Iterable<string> {
  for (let at = 0; at < list.length; at += atOnce) {
    const part = list.slice(at, at + atOnce);
    const plain = JSON.stringify(part);
    // Asking about every value takes ten times as long, which counts for thousands of servers.
    const text = plain.includes('"rotation-due"') ? JSON.stringify(part, withoutWhatGoesOn) : plain;
    yield `${at === 0 ? '' : ','}${text.slice(1, -1)}`;
  }
}

/** The hash of what a plan would do and why: two plans with one basis do the same (model/plan.ts, `basis`). */
export function basisOf({ changes, steps }: Pick<Plan, 'changes' | 'steps'>): string {
  const hash = createHash('sha256').update('{"changes":[');
  for (const text of textOf(changes)) hash.update(text);
  hash.update('],"steps":[');
  for (const text of textOf(steps)) hash.update(text);
  return hash.update(']}').digest('hex');
}

/** The plan with these warnings in place of its own: a copy that has its basis made when it is asked for, as the plan has. */
export const withWarnings = <P extends Plan>(plan: P, warnings: P['warnings']): P =>
  Object.defineProperties(
    { ...({} as P) },
    {
      ...Object.getOwnPropertyDescriptors(plan),
      warnings: { value: warnings, enumerable: true },
    },
  );
