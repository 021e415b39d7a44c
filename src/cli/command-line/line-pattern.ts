import { LoomsError } from '../../model/errors.ts';
import { timedSearch } from '../../model/values/timed-search.ts';

/** How long a pattern may be looked for in one line, ms: an honest one is found in a thousandth of that. */
const limitMs = 2_000;
/** Up to so many characters a line is looked through at once where the pattern repeats no group and has but one or two repetitions. */
const shortLine = 1_000;
/** How many steps a search may take that has no end: about a second. */
const mostSteps = 1e9;

/** What repeats a part of a pattern, and what repeats a group of it, or refers to one: these can take exponentially long. */
const repeats = /[*+{?]/g;
const repeatsGroup = /\)[*+{?]|\\[1-9k]/;

/**
 * Whether a pattern is found in a line. Lines are a stranger's text, and `error.*timeout` takes a quarter of an hour for a
 * mebibyte of `error`, during which no Ctrl-C is heard: where that can be, the search has an end. Throws `usage` for what is
 * no pattern, and later for a line in which it takes too long.
 */
export function linePattern(text: string): { readonly test: (line: string) => boolean } {
  const pattern = compiled(text);
  const repetitions = text.match(repeats)?.length ?? 0;
  if (repetitions === 0) return pattern;
  // Each repetition may end anywhere in a line, for each place where the whole may begin.
  const most = repeatsGroup.test(text) ? 0 : Math.min(shortLine, mostSteps ** (1 / (repetitions + 1)));
  const search = timedSearch(pattern);
  return {
    test(line) {
      if (line.length <= most) return pattern.test(line);
      const found = search([line], limitMs);
      if (found !== undefined) return found[0] === true;
      throw new LoomsError(
        'usage',
        `--grep: "${text}" takes more than ${limitMs / 1000} s in a line of ${line.length} characters`,
        { hint: 'take a simpler pattern, or name the servers whose logs are searched' },
      );
    },
  };
}

function compiled(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (cause) {
    throw new LoomsError('usage', `--grep: "${text}" is no regular expression`, {
      hint: 'put a backslash before characters such as ( [ * + ? that stand for themselves',
      cause,
    });
  }
}
