import { LoomsError } from '../model/errors.ts';

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

const isUnit = (letter: string | undefined): letter is keyof typeof unitMs => letter !== undefined && letter in unitMs;

/**
 * A moment as `--since` and `--until` name it: `90s`, `30m`, `1h30m`, `2d`, `1w` before `now` (ms since 1970), a day
 * (`2026-11-21`, its beginning in UTC), or RFC 3339 with a zone. Returns RFC 3339 in UTC with milliseconds. Throws
 * `usage`.
 */
export function parseMoment(text: string, now: number, flag: string): string {
  const moment = /^(?:\d+[smhdw])+$/.test(text) ? now - spanMs(text) : Date.parse(asInstant(text));
  // Beyond the year 9999 the text has another form, which does not compare.
  if (!Number.isFinite(moment) || moment < 0 || moment > Date.UTC(9999, 11, 31)) {
    throw new LoomsError('usage', `${flag}: "${text}" is no moment`, {
      hint: 'say how long ago, e.g. 90s, 30m, 1h30m, 2d, or when: 2026-11-21 or 2026-11-21T08:00:00Z',
    });
  }
  return new Date(moment).toISOString();
}

const spanMs = (text: string): number =>
  [...text.matchAll(/(\d+)([smhdw])/g)].reduce(
    (sum, [, count, unit]) => sum + (isUnit(unit) ? Number(count) * unitMs[unit] : 0),
    0,
  );

/** Without a zone it would mean something else on every machine: such a text is none. */
const asInstant = (text: string): string =>
  /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/.test(text) ? text : '';
