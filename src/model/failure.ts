import { LoomsError } from './errors.ts';
import type { Failure } from './events.ts';

/** What something that was thrown says, whatever it is. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What was thrown as data; what is no error of ours is `internal`. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof LoomsError)) return { code: 'internal', message: messageOf(error), detail: [] };
  const { code, message, hint, detail } = error;
  return { code, message, detail, ...(hint === undefined ? {} : { hint }) };
}
