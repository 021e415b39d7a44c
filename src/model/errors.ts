/**
 * Stable codes of all expected failures. Only `cli/` maps them to exit codes (docs/exit-codes.md); the group before the
 * first dash is not meaningful, the whole code is.
 */
export type ErrorCode =
  | 'engine-unreachable'
  | 'engine-too-old'
  | 'engine-timeout'
  | 'engine-conflict'
  | 'engine-not-found'
  | 'engine-rejected'
  | 'engine-unsupported'
  | 'context-not-found'
  | 'image-not-found'
  | 'image-pull-failed'
  | 'image-build-failed'
  | 'registry-unauthorized'
  | 'image-without-shell'
  | 'container-start-failed'
  | 'session-failed'
  | 'handshake-timeout'
  | 'server-exited'
  | 'server-crowded'
  | 'server-not-found'
  | 'server-not-running'
  | 'server-unhealthy'
  | 'generation-not-found'
  | 'call-timeout'
  | 'tool-not-found'
  | 'resource-not-found'
  | 'prompt-not-found'
  | 'arguments-invalid'
  | 'json-rpc-error'
  | 'input-refused'
  | 'ledger-unreadable'
  | 'lock-held'
  | 'lock-lost'
  | 'plan-stale'
  | 'plan-invalid'
  | 'secret-missing'
  | 'secret-source-failed'
  | 'record-untrusted'
  | 'spec-invalid'
  | 'file-not-found'
  | 'file-exists'
  | 'file-not-writable'
  | 'not-implemented'
  | 'not-confirmed'
  | 'refused'
  | 'usage'
  | 'interrupted'
  | 'internal';

/**
 * An expected failure that could not be returned as a value. `message` names the thing and the bad value, `hint` says
 * what to do next, `detail` holds lines worth showing under it (a log's tail, a build's output). Holds no secret.
 */
export class LoomsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly detail: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; detail?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LoomsError';
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail ?? [];
  }
}

/** Ends a switch over a union; unreachable when the types hold. */
export function assertNever(value: never): never {
  throw new LoomsError('internal', `unexpected variant ${JSON.stringify(value)}`);
}
