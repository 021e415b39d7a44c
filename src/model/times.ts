/** A moment in ms since the epoch as programs write it: RFC 3339, UTC, with milliseconds. */
export const isoTime = (time: number): string => new Date(time).toISOString();

/** A moment for people: RFC 3339, UTC, whole seconds, so that it can be given to `--since` again. Input as of `isoTime`. */
export const shownTime = (iso: string): string => iso.replace(/\.\d+Z$/, 'Z');

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A duration in ms for people, in the grammar of flags: `87ms`, `4.2s`, `3m5s`, `12d3h`; at most two units. */
export function duration(milliseconds: number): string {
  if (Math.round(milliseconds) < secondMs) return `${Math.round(milliseconds)}ms`;
  const tenths = Math.round(milliseconds / 100) / 10;
  if (tenths < 10) return `${tenths}s`;
  if (milliseconds < minuteMs - secondMs / 2) return `${Math.round(milliseconds / secondMs)}s`;
  if (milliseconds < hourMs - secondMs / 2) return inTwo(milliseconds, [minuteMs, 'm'], [secondMs, 's']);
  if (milliseconds < dayMs - minuteMs / 2) return inTwo(milliseconds, [hourMs, 'h'], [minuteMs, 'm']);
  return inTwo(milliseconds, [dayMs, 'd'], [hourMs, 'h']);
}

type Unit = readonly [milliseconds: number, sign: string];

function inTwo(milliseconds: number, [largeMs, large]: Unit, [smallMs, small]: Unit): string {
  const all = Math.round(milliseconds / smallMs);
  const each = largeMs / smallMs;
  return `${Math.floor(all / each)}${large}${all % each === 0 ? '' : `${all % each}${small}`}`;
}

/** How long ago, in one unit, as kubectl says it: `42s`, `5m`, `3h`, `12d`. Input in ms. */
export function age(milliseconds: number): string {
  const past = Math.max(0, milliseconds);
  if (past < 2 * minuteMs) return `${Math.floor(past / secondMs)}s`;
  if (past < 2 * hourMs) return `${Math.floor(past / minuteMs)}m`;
  if (past < 2 * dayMs) return `${Math.floor(past / hourMs)}h`;
  return `${Math.floor(past / dayMs)}d`;
}

/** When the day of a moment began, UTC, as of `isoTime`. Input in ms since the epoch. */
export const startOfDay = (time: number): string => isoTime(Math.floor(time / dayMs) * dayMs);

/** Whether a text is a day of the calendar, as `2026-12-31`. */
export function isDay(day: string): boolean {
  const at = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day);
}

/** The end (ms since 1970) of a day that is written `2026-12-31`, which as a last day is a whole one (UTC). NaN for none. */
export const endOfDay = (day: string): number => Date.parse(`${day}T00:00:00Z`) + dayMs;
