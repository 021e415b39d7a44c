import { type ErrorCode, LoomsError } from '../../../model/errors.ts';
import { networkWords } from '../../../model/values/network-words.ts';

/** An HTTP answer of the engine that is no success. */
export type StatusError = Error & { readonly statusCode: number; readonly json?: unknown };

/**
 * Root causes by which Podman names a failure that Docker has a status of its own for; Podman (5.8) answers 500 to all
 * of them, to some only when it is asked for many things at once. `cause` is the fixed text of an error in its source, not the message that it writes for people.
 */
const statusOfCause: Readonly<Record<string, number>> = {
  'that name is already in use': 409,
  // A rename to a name that is taken.
  'UNIQUE constraint failed: ContainerConfig.Name': 409,
  'container already exists': 409,
  'container state improper': 409,
  'network is being used': 409,
  // Removed between being looked up and being looked at.
  'no such container': 404,
};

/** The status that Docker would have answered, by the body of the answer; undefined where nothing says so. */
function statusMeant(json: unknown): number | undefined {
  const { cause } = (json ?? {}) as { cause?: unknown };
  return typeof cause === 'string' && Object.hasOwn(statusOfCause, cause) ? statusOfCause[cause] : undefined;
}

/** The HTTP status of an error, through our own wrapping; for Podman the one that Docker has for the same. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof LoomsError) return statusOf(error.cause);
  const { statusCode: status, json } = (error ?? {}) as Partial<StatusError>;
  return typeof status === 'number' ? (statusMeant(json) ?? status) : undefined;
}

/** The engine's own words. */
function engineMessage(error: StatusError): string {
  const message = (error.json as { message?: unknown } | null | undefined)?.message;
  return (typeof message === 'string' && message.trim()) || error.message;
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

const connectionWords: Readonly<Record<string, string>> = {
  ...networkWords,
  ENOENT: 'its socket does not exist',
  EACCES: 'no permission to open its socket',
  EPERM: 'no permission to open its socket',
};

/** How to get an engine going. `why`: nothing is there, it does not let us in, or nothing answers at all. */
export function startHint(platform: NodeJS.Platform, why: 'absent' | 'refused' | 'forbidden'): string {
  if (why === 'forbidden') {
    return platform === 'linux'
      ? 'your user may not open the socket: add it to the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or use rootless Docker'
      : 'your user may not open the socket: check its owner and permissions';
  }
  switch (platform) {
    case 'darwin':
      return 'start Docker Desktop (`open -a Docker`), OrbStack or Colima (`colima start`), or name an engine with --host or --context';
    case 'win32':
      return 'start Docker Desktop, or name an engine with --host or --context';
    default:
      return why === 'refused'
        ? 'start the engine (`sudo systemctl start docker`, or `systemctl --user start docker` for a rootless one), or name another with --host or --context'
        : 'install and start an engine (Debian and Ubuntu: `sudo apt-get install docker.io`), or name one with --host or --context';
  }
}

/** Errors of an address that leads nowhere, where to start an engine on this machine is no answer. */
const isWrongAddress: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);

/** What a call to the engine threw as a `LoomsError`, by status or errno, never by text. `what` names the call. */
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
    const words = connectionWords[code] ?? message;
    return new LoomsError('engine-unreachable', `cannot ${what}: the engine is not reachable: ${words}`, {
      hint: isWrongAddress.has(code)
        ? 'check the address: `looms doctor` shows where it comes from (--host, --context, DOCKER_HOST, a Docker context)'
        : startHint(process.platform, code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'refused'),
      cause: error,
    });
  }
  return new LoomsError('internal', `cannot ${what}: ${message ?? String(error)}`, { cause: error });
}
