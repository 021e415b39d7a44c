import { createContext, Script } from 'node:vm';
import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';

/** Longest expression, characters, and how long some lines of a log may take, ms: an expression can be one that never ends. */
const longest = 200;
const mostMs = 250;

/**
 * Which of some lines have what a regular expression says. Throws `usage` for one that is none; what comes back throws
 * `refused` where the expression takes too long, as everybody else's requests would wait for it.
 */
export function grepFor(expression: string): (lines: readonly string[]) => readonly boolean[] {
  const hint = `it is a regular expression of JavaScript, of at most ${longest} characters`;
  if (expression.length > longest) throw new LoomsError('usage', 'grep is too long', { hint });
  let pattern: RegExp;
  try {
    pattern = new RegExp(expression, 'u');
  } catch (error) {
    throw new LoomsError('usage', `grep: ${messageOf(error)}`, { hint });
  }
  // Only what runs in a script of its own can be stopped.
  const context = createContext({ pattern, lines: [], found: [] });
  const test = new Script('found = lines.map((line) => pattern.test(line));');
  return (lines) => {
    Object.assign(context, { lines, found: [] });
    try {
      test.runInContext(context, { timeout: mostMs });
    } catch (error) {
      throw new LoomsError('refused', 'grep takes too long with the lines of this log', {
        hint: 'write it without repetitions inside repetitions',
        cause: error,
      });
    }
    return context.found;
  };
}
