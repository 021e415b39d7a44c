import type { IncomingMessage } from 'node:http';
import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import { asServerName, namePattern, type ServerName } from '../../model/ids.ts';
import { parsedExactly } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Grant } from '../access/guard.ts';
import type { Load } from '../access/limits.ts';
import { bodyOf } from '../messages/body.ts';
import type { Fields } from '../messages/protocol.ts';
import { hasRight, type Right } from './rights.ts';

// What requests of the page have in common: how they are read, refused and answered.

/** HTTP's word for failures; what is none of these is an engine or a server that did not do it: 502. */
const statuses: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  'arguments-invalid': 400,
  'insufficient-scope': 403,
  refused: 403,
  'server-not-found': 404,
  'tool-not-found': 404,
  'plan-stale': 409,
  'not-confirmed': 409,
  'lock-held': 409,
  'sessions-busy': 503,
  internal: 500,
};

/** HTTP's status for a failure of that code. */
export const statusOfCode = (code: string): number => statuses[code as ErrorCode] ?? 502;

/** What somebody is told who has not this right. */
export const refusal = (right: Right, server: string | undefined): LoomsError => {
  const scope = `looms:${right}${server === undefined ? '' : `/${server}`}`;
  return new LoomsError('insufficient-scope', `this needs ${scope}`, {
    hint: '`looms dashboard` opens the page for the user of the gateway; `looms token new --allow` names scopes',
  });
};

/** Throws `insufficient-scope` for somebody who has not this right, on a server or in the whole project. */
export function requireRight(grant: Grant, right: Right, server?: ServerName): void {
  if (!hasRight(grant, right, server)) throw refusal(right, server);
}

/** What is told of something that was thrown; what nobody foresaw is for `log`, and for nobody in a browser. */
export function toldOf(error: unknown, log: (text: string) => void): Failure {
  const failure = failureOf(error);
  if (failure.code === 'server-not-found') {
    // Its hint names the other servers, and a scope with a pattern may not be about all of them.
    const { hint: _, ...told } = failure;
    return told;
  }
  // Whoever looks has no shell here for the command that takes a lock away.
  if (failure.code === 'lock-held') return { ...failure, hint: 'try again when that run has ended' };
  if (failure.code !== 'internal') return failure;
  log(`a request of the page failed: ${failure.message}`);
  return { code: 'internal', message: 'the gateway failed; its log says more', detail: [] };
}

/** A body that was not taken, which HTTP has words of its own for. */
const notTaken = (status: 413 | 429, why: string): LoomsError =>
  Object.assign(new LoomsError('usage', why), { status });

/** HTTP's status for what was thrown. */
export const statusOf = (error: unknown): number =>
  error instanceof LoomsError && 'status' in error && typeof error.status === 'number'
    ? error.status
    : statusOfCode(failureOf(error).code);

/**
 * The JSON object of a body, its numbers as they were written. Throws `usage` for another one, and, with HTTP's status, for
 * one that is too long or that comes while too much of its principal is held.
 */
export async function readObject(request: IncomingMessage, most: number, load: Load): Promise<Fields> {
  const body = await bodyOf(request, most, load);
  if (!('text' in body)) {
    throw notTaken(body.status, body.status === 413 ? body.why : 'too much of what you sent is not answered yet');
  }
  const value = parsedExactly(body.text);
  if (!isRecord(value)) throw new LoomsError('usage', 'the body is no JSON object');
  return value;
}

/** A name of a server that somebody sent. Throws `usage` for what is none. */
export function serverIn(value: unknown): ServerName {
  if (typeof value === 'string' && namePattern.test(value)) return asServerName(value);
  throw new LoomsError('usage', 'server is no name of a server');
}
