import { LoomsError } from '../errors.ts';
import { isoTime } from '../times.ts';

/** A moment in ms since 1970, or so long before now. */
type Moment = { readonly at: number } | { readonly agoMs: number };

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const span = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/;
const spanPart = /(\d+(?:\.\d+)?)(ms|[smhdw])/g;
/** Without a zone it would mean something else on every machine: such a text is none. */
const instant = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/;
/** As `docker logs` takes it too. Fewer digits would be 1973, or a slip for `10s`. */
const epochSeconds = /^\d{9,11}(?:\.\d+)?$/;
/** Beyond the year 9999 RFC 3339 has another form, which does not compare as text; so long ago there is no moment. */
const latest = Date.UTC(9999, 11, 31);

const isUnit = (text: string | undefined): text is keyof typeof unitMs => text !== undefined && text in unitMs;

const spanMs = (text: string): number =>
  [...text.matchAll(spanPart)].reduce(
    (sum, [, count, unit]) => sum + (isUnit(unit) ? Number(count) * unitMs[unit] : 0),
    0,
  );

/** How long, as a flag takes it: `90` (seconds), `90s`, `5m`, `1h30m`, `2d`, `1w`. Returns seconds, or none for another text. */
export function parseSeconds(text: string): number | undefined {
  const seconds = /^\d+$/.test(text) ? Number(text) : span.test(text) ? spanMs(text) / 1000 : latest;
  return seconds * 1000 < latest ? seconds : undefined;
}

function momentOf(text: string): Moment | undefined {
  if (span.test(text)) {
    const agoMs = spanMs(text);
    return agoMs < latest ? { agoMs } : undefined;
  }
  const at = epochSeconds.test(text) ? Math.round(Number(text) * 1000) : instant.test(text) ? Date.parse(text) : -1;
  return at >= 0 && at <= latest ? { at } : undefined;
}

/**
 * A moment as `--since` and `--until` name it, with every command alike: `90s`, `30m`, `1h30m`, `1.5d`, `2w` ago, a day
 * (`2026-11-21`, its beginning in UTC), RFC 3339 with a zone, or seconds since the epoch. Throws `usage`.
 */
export function parseMoment(text: string, flag: string): Moment {
  const moment = momentOf(text);
  if (moment !== undefined) return moment;
  throw new LoomsError('usage', `${flag}: "${text}" is no moment`, {
    hint: 'say how long ago, e.g. 90s, 30m, 1h30m, 2d, or when: 2026-11-21 or 2026-11-21T08:00:00Z',
  });
}

/** A moment as RFC 3339 in UTC with milliseconds; `now` is ms since 1970. */
export const isoMoment = (moment: Moment, now: number): string =>
  isoTime('at' in moment ? moment.at : Math.max(0, now - moment.agoMs));
