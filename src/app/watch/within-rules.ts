import { isFailure, type LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Change } from '../../model/plan.ts';
import { redeclares } from './source.ts';

/** What of a plan may be carried out, and the rule that the rest would break. */
type WithinRules<T> = { readonly whole: T; readonly work: T; readonly refusal?: LoomsError };

const isRefusal = (error: unknown): error is LoomsError => isFailure(error, 'refused');

type Planning<T> = {
  /** Plans what is declared, or of it these servers alone. Throws `refused` for what breaks a rule. */
  readonly plan: (only?: readonly ServerName[]) => Promise<T>;
  /** Plans what is declared whatever the rules say. */
  readonly planAnyway: () => Promise<T>;
  readonly declared: readonly ServerName[];
};

/**
 * Plans within the rules of prune and quota. Where what is declared breaks one, less of it is planned until nothing does,
 * so that a rule keeps no server from being repaired: nothing is removed; then no server gets another spec; then none is
 * made; then nothing is done. Throws what planning throws, also `refused` where even that breaks a rule.
 */
export async function planWithinRules<T extends { readonly plan: { readonly changes: readonly Change[] } }>({
  plan,
  planAnyway,
  declared,
}: Planning<T>): Promise<WithinRules<T>> {
  let refusal: LoomsError;
  try {
    const work = await plan();
    return { whole: work, work };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    refusal = error;
  }
  const whole = await planAnyway();
  const changes = whole.plan.changes.filter(({ action }) => action !== 'unchanged');
  const repairs = changes.filter((change) => !redeclares(change));
  const remade = repairs.filter(({ action }) => action !== 'create');
  for (const only of [declared, ...[repairs, remade, []].map((some) => some.map(({ server }) => server))]) {
    try {
      return { whole, work: await plan(only), refusal };
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }
  throw refusal;
}
