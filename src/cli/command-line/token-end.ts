import { LoomsError } from '../../model/errors.ts';
import { endOfDay, isoTime } from '../../model/times.ts';
import { parseSeconds } from '../../model/values/moment.ts';

/** When a token ends, by `--expires`: after its last day (UTC), or so long from `now` (ms). RFC 3339. Throws `usage`. */
export function tokenEnd(text: string, now: number): string {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? endOfDay(text) : Number.NaN;
  const seconds = parseSeconds(text);
  const at = Number.isNaN(day) ? now + (seconds ?? Number.NaN) * 1000 : day;
  if (at > now) return isoTime(at);
  throw new LoomsError('usage', `--expires: "${text}" is no moment to come`, {
    hint: 'the last day, e.g. 2027-01-01, or how long, e.g. 12h or 30d',
  });
}
