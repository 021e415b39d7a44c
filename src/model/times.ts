/** A moment in ms since the epoch as people and programs write it: RFC 3339, UTC, with milliseconds. */
export const isoTime = (time: number): string => new Date(time).toISOString();
