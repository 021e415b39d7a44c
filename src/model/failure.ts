import { LoomsError } from './errors.ts';
import type { Failure } from './events.ts';

/** What something that was thrown says, whatever it is. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the system calls a failure (`ENOENT`, `EACCES` …); undefined for one that it has no word for. */
export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** What was thrown as data; what is no error of ours is `internal`. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof LoomsError)) return { code: 'internal', message: messageOf(error), detail: [] };
  const { code, message, hint, detail } = error;
  return { code, message, detail, ...(hint === undefined ? {} : { hint }) };
}
