import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { networkWords } from '../../model/values/network-words.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import type { Refusal } from '../port.ts';
import type { Right } from './rights.ts';

/** What the API server says of what it did not do, as far as it is read (`Status` of its API). */
export type Status = { readonly reason: string; readonly message: string; readonly exitCode: number | undefined };

/** Longest text of the API server's that a message of ours holds, characters. */
const longestMessage = 2_000;

/** A text as a Status of the API; undefined for what is none. */
export function statusOf(text: string): (Status & { readonly isSuccess: boolean }) | undefined {
  const answer = parsedJson(text);
  if (!isRecord(answer) || (answer.status !== 'Success' && answer.status !== 'Failure')) return undefined;
  const { reason, message, details } = answer;
  const causes: unknown = isRecord(details) ? details.causes : undefined;
  const cause: unknown = Array.isArray(causes)
    ? causes.find((one) => isRecord(one) && one.reason === 'ExitCode')
    : undefined;
  const code = isRecord(cause) && /^\d{1,3}$/.test(String(cause.message)) ? Number(cause.message) : undefined;
  return {
    isSuccess: answer.status === 'Success',
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message.slice(0, longestMessage) : '',
    exitCode: code,
  };
}

/** @param isOwn whether the API server itself said so, and not what stands before it */
function codeOf(status: number, isOwn: boolean): ErrorCode {
  switch (status) {
    case 404:
      return 'engine-not-found';
    case 409:
      return 'engine-conflict';
    // What stands before the API server has nobody behind it. A server that says so itself is there all the same.
    case 502:
    case 503:
      return isOwn ? 'engine-unavailable' : 'engine-unreachable';
    case 504:
      return isOwn ? 'engine-unavailable' : 'engine-timeout';
    default:
      return 'engine-rejected';
  }
}

/**
 * Whether a right is lacking. Quotas, policies and a namespace that goes away are answered with 403 as well, but only to who
 * writes; the API server's own words tell them from its authorizer's (`forbiddenMessage` of `k8s.io/apiserver`), which for the
 * second right that an exec takes (Kubernetes 1.35 and newer) says nothing after the colon.
 */
const lacksRight = (status: number, right: Right | undefined, message: string): boolean =>
  status === 403 &&
  // Without a right of its own: what tells of the API itself, which nobody writes.
  (right === undefined ||
    /^(?:get|list|watch)$/.test(right.verb) ||
    /\buser ".*" cannot |is forbidden: *$/i.test(message));

function hintOf(status: number, right: Right | undefined, isLacking: boolean, context: string): string | undefined {
  if (status === 401) {
    return `the credentials of context "${context}" are not let in: log in again, and see whether \`kubectl auth whoami\` knows you`;
  }
  if (!isLacking || right === undefined) return undefined;
  const { resource, namespace } = right;
  const where = namespace === undefined ? '--all-namespaces' : `-n ${namespace}`;
  // A web socket is begun by GET, and is asked for as what it makes as well (Kubernetes 1.35 and newer).
  const verbs = resource === 'pods/exec' ? ['get', 'create'] : [right.verb];
  const asking = verbs.map((verb) => `\`kubectl auth can-i ${verb} ${resource} ${where}\``).join(' and ');
  return `the user of context "${context}" may not ${verbs.join(' and ')} ${resource}: ${asking} says yes once that was granted`;
}

/** A refusal of the API server as an error. `body`: what it answered. `what` names the request for people. */
export function refusedError(
  { status, body }: { readonly status: number; readonly body: string },
  { what, right, context }: { readonly what: string; readonly right: Right | undefined; readonly context: string },
): LoomsError {
  const said = statusOf(body);
  const message = said?.message || `it answered HTTP ${status}`;
  const isLacking = lacksRight(status, right, message);
  const refusal: Refusal = { status, reason: said?.reason ?? '', ...(isLacking ? { lacksRight: true } : {}) };
  return new LoomsError(codeOf(status, said !== undefined), `cannot ${what}: ${message}`, {
    hint: hintOf(status, right, isLacking, context),
    cause: Object.assign(new Error(message), { refusal }),
  });
}

/**
 * Node's codes of a certificate that does not hold (https://nodejs.org/api/tls.html#x509-certificate-error-codes), and of a
 * connection that the other side refused for ours (`ERR_SSL_…_ALERT_…`).
 */
const isAboutCertificates = (code: string): boolean =>
  /CERT|ISSUER|VERIFY|_CA$|ALTNAME|CRL|ALERT|^INVALID_PURPOSE$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$/.test(code);

/** What a request threw as a `LoomsError`, by its code, never by text. `what` names the request for people. */
export function clusterError(error: unknown, what: string, endpoint: string): LoomsError {
  if (error instanceof LoomsError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return new LoomsError('internal', `cannot ${what}: ${message}`, { cause: error });
  // Somebody answers: a server that is made elsewhere meanwhile may run twice.
  if (isAboutCertificates(code)) {
    return new LoomsError(
      'engine-rejected',
      `cannot ${what}: ${endpoint} answers, and a certificate does not hold: ${message}`,
      {
        hint: 'certificate-authority of the cluster in the kubeconfig says whom to trust, tls-server-name under which name',
        cause: error,
      },
    );
  }
  const words = networkWords[code] ?? message;
  return new LoomsError('engine-unreachable', `cannot ${what}: ${endpoint} is not reachable: ${words}`, {
    hint: 'see whether `kubectl get --raw /readyz` answers, and whether it is the cluster that is meant (--context)',
    cause: error,
  });
}
