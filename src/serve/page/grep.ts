import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import { timedSearch } from '../../model/values/timed-search.ts';

/** Longest expression, characters, and how long some lines of a log may take, ms: an expression can be one that never ends. */
const longest = 200;
const mostMs = 250;
/** How long all lines of a log may take, ms, and the share of the time that passes which is added to that. */
const budgetMs = 2_000;
const share = 0.1;

/**
 * Which of some lines have what a regular expression says. Throws `usage` for one that is none; what comes back throws
 * `refused` where the expression takes too long, at once or again and again, as everybody else's requests would wait for it.
 */
export function grepFor(
  expression: string,
  monotonicMs: () => number = () => performance.now(),
): (lines: readonly string[]) => readonly boolean[] {
  const hint = `it is a regular expression of JavaScript, of at most ${longest} characters`;
  if (expression.length > longest) throw new LoomsError('usage', 'grep is too long', { hint });
  let search: ReturnType<typeof timedSearch>;
  try {
    search = timedSearch(new RegExp(expression, 'u'));
  } catch (error) {
    throw new LoomsError('usage', `grep: ${messageOf(error)}`, { hint });
  }
  let leftMs = budgetMs;
  let at = monotonicMs();
  return (lines) => {
    const begin = monotonicMs();
    leftMs = Math.min(budgetMs, leftMs + (begin - at) * share);
    const found = leftMs < 1 ? undefined : search(lines, Math.min(mostMs, Math.floor(leftMs)));
    at = monotonicMs();
    leftMs -= at - begin;
    if (found !== undefined) return found;
    throw new LoomsError('refused', 'grep takes too long with the lines of this log', {
      hint: 'write it without repetitions inside repetitions',
    });
  };
}
