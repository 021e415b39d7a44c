import { createContext, Script } from 'node:vm';
import { isRecord } from './is-record.ts';

/**
 * A search of texts that has an end, as a text can be a stranger's, and some patterns take a quarter of an hour for a
 * mebibyte: what comes back says which texts the pattern is found in, and is undefined where that took longer than the
 * limit, ms, a whole number above 0.
 */
export function timedSearch(
  pattern: RegExp,
): (texts: readonly string[], limitMs: number) => readonly boolean[] | undefined {
  // Only what runs in a script of its own can be stopped.
  const context = createContext({ pattern, texts: [], found: [] });
  const search = new Script('found = texts.map((text) => pattern.test(text));');
  return (texts, limitMs) => {
    Object.assign(context, { texts, found: [] });
    try {
      search.runInContext(context, { timeout: limitMs });
    } catch (error) {
      // The error is of the script's own realm, where `Error` is another one.
      if (isRecord(error) && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
      throw error;
    }
    return context.found;
  };
}
