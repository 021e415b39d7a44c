import type { Change, Plan } from '../../model/plan.ts';
import type { LeftAlone } from '../watch/told.ts';

/** How `diff` and `watch` say things: the page says them alike. No colours, and no character that is not seen. */
export type PageWords = {
  /** A whole plan, in lines. */
  readonly plan: (plan: Plan, disabled: ReadonlySet<string>) => string;
  /** `1 to replace, 4 unchanged`. */
  readonly totals: (plan: Plan) => string;
  /** `replace without downtime: the spec changed`; empty for one that is unchanged. */
  readonly change: (change: Change) => string;
  readonly left: (left: LeftAlone) => string;
};
