import { type ErrorCode, LoomsError } from '../../../model/errors.ts';
import { startHint } from './hints.ts';
import { statusMeant } from './podman-causes.ts';

/** An HTTP answer of the engine that is no success, as docker-modem throws it and as our own requests do. */
export type StatusError = Error & { readonly statusCode: number; readonly json?: unknown };

/**
 * The HTTP status that an error carries, looking through our own wrapping, and for Podman the one that Docker has for
 * the same; undefined when it is of another kind.
 */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof LoomsError) return statusOf(error.cause);
  const { statusCode: status, json } = (error ?? {}) as Partial<StatusError>;
  return typeof status === 'number' ? (statusMeant(json) ?? status) : undefined;
}

/** The engine's own words, without docker-modem's frame around them. */
function engineMessage(error: StatusError): string {
  const message = (error.json as { message?: unknown } | null | undefined)?.message;
  // docker-modem parses no JSON where it streams, and frames the engine's words instead.
  const framed = /^\(HTTP code \d+\) [^-]+ - (.*)$/s.exec(error.message)?.[1];
  const words = (typeof message === 'string' ? message : (framed ?? error.message)).trim();
  // An answer to HEAD has no body.
  return words === '' ? `it answered HTTP ${error.statusCode}` : words;
}

function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 404:
      return 'engine-not-found';
    case 409:
      return 'engine-conflict';
    case 501:
      return 'engine-unsupported';
    default:
      return 'engine-rejected';
  }
}

const networkWords: Readonly<Record<string, string>> = {
  ENOENT: 'its socket does not exist',
  EACCES: 'no permission to open its socket',
  EPERM: 'no permission to open its socket',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it dropped the connection',
  EPIPE: 'it dropped the connection',
  ETIMEDOUT: 'it did not answer',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ENOTFOUND: 'its host name does not resolve',
  EAI_AGAIN: 'its host name does not resolve now',
};

const hintOfErrno = (code: string): string => {
  if (code === 'EACCES' || code === 'EPERM') return startHint(process.platform, 'forbidden');
  return startHint(process.platform, 'refused');
};

/**
 * Turns what a call to the engine threw into a `LoomsError`, by HTTP status or errno, never by text. `what` names the
 * call for people: `create container looms-default-fs`. Errors that are ours already pass through.
 */
export function engineError(error: unknown, what: string): LoomsError {
  if (error instanceof LoomsError) return error;
  const status = statusOf(error);
  if (status !== undefined) {
    return new LoomsError(codeOfStatus(status), `cannot ${what}: ${engineMessage(error as StatusError)}`, {
      cause: error,
    });
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') {
    const words = networkWords[code] ?? message;
    return new LoomsError('engine-unreachable', `cannot ${what}: the engine is not reachable: ${words}`, {
      hint: hintOfErrno(code),
      cause: error,
    });
  }
  return new LoomsError('internal', `cannot ${what}: ${message ?? String(error)}`, { cause: error });
}
