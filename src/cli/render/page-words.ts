import type { PageWords } from '../../app/page/words.ts';
import { palette } from '../terminal/palette.ts';
import { renderPlan, signOf } from './plan/plan-text.ts';
import { blockerHint, describeBlocker, describeReasons, describeTotals } from './plan/reasons.ts';
import { visible } from './text.ts';
import { leftWords } from './watch-lines.ts';

/** Columns of a plan on the page, which wraps longer lines. */
const width = 100;

/** The words of `diff` and `watch` for the page. */
export const pageWords: PageWords = {
  plan: (plan, disabled) => renderPlan(plan, { palette: palette(false), width, verbose: false, disabled }),
  totals: describeTotals,
  change(change) {
    if (change.action === 'unchanged') return '';
    const { verb } = signOf(change);
    if (change.action === 'blocked') {
      const hint = blockerHint(change.why);
      return `${verb}: ${describeBlocker(change.why)}${hint === undefined ? '' : ` (${hint})`}`;
    }
    const why = change.action === 'replace' && change.order === 'stop-first' ? ` (${visible(change.why)})` : '';
    return `${verb}: ${describeReasons(change)}${why}`;
  },
  left: leftWords,
};
