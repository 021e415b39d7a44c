type Traits = {
  /** What a failure of the program is to whoever called it; `cli/` makes an exit code of it (docs/exit-codes.md). */
  readonly class: string;
  /** It comes from this side, or from the way to the engine, and so says nothing about the server. */
  readonly ours?: true;
  /** Nobody knows whether the engine did what it was asked. */
  readonly uncertain?: true;
};

/** All expected failures by their stable codes, of which the whole counts and not the word before the first dash. */
const errors = {
  'engine-unreachable': { class: 'unreachable', ours: true, uncertain: true },
  'engine-too-old': { class: 'unreachable' },
  'engine-timeout': { class: 'unreachable', ours: true, uncertain: true },
  'engine-conflict': { class: 'failed' },
  'engine-not-found': { class: 'failed' },
  'engine-rejected': { class: 'failed' },
  'engine-unsupported': { class: 'failed' },
  'context-not-found': { class: 'notFound' },
  'image-not-found': { class: 'failed' },
  'image-pull-failed': { class: 'failed' },
  'image-build-failed': { class: 'failed' },
  'registry-unauthorized': { class: 'failed' },
  'image-without-shell': { class: 'failed' },
  'container-start-failed': { class: 'failed' },
  'session-failed': { class: 'unreachable' },
  'handshake-timeout': { class: 'unreachable' },
  'server-exited': { class: 'unreachable' },
  'server-crowded': { class: 'unreachable' },
  'server-not-found': { class: 'notFound' },
  'server-not-running': { class: 'unreachable' },
  'server-unhealthy': { class: 'unhealthy' },
  'generation-not-found': { class: 'notFound' },
  'call-timeout': { class: 'unreachable' },
  'tool-not-found': { class: 'notFound' },
  'resource-not-found': { class: 'notFound' },
  'prompt-not-found': { class: 'notFound' },
  'arguments-invalid': { class: 'usage' },
  'json-rpc-error': { class: 'toolError' },
  'input-refused': { class: 'toolError' },
  'ledger-unreadable': { class: 'failed' },
  'lock-held': { class: 'locked' },
  'lock-lost': { class: 'locked' },
  'plan-stale': { class: 'stalePlan' },
  'plan-invalid': { class: 'invalid' },
  'secret-missing': { class: 'secretMissing', ours: true },
  'secret-source-failed': { class: 'unreachable', ours: true },
  'source-unreachable': { class: 'unreachable', ours: true },
  'record-untrusted': { class: 'notConfirmed', ours: true },
  'spec-invalid': { class: 'invalid' },
  'file-not-found': { class: 'notFound' },
  'client-file-invalid': { class: 'invalid' },
  'file-exists': { class: 'cannotWrite' },
  'file-not-writable': { class: 'cannotWrite' },
  'not-implemented': { class: 'invalid' },
  'not-confirmed': { class: 'notConfirmed' },
  refused: { class: 'refused' },
  'sessions-busy': { class: 'unreachable' },
  'insufficient-scope': { class: 'refused' },
  usage: { class: 'usage' },
  interrupted: { class: 'interrupted', ours: true, uncertain: true },
  internal: { class: 'failed' },
} as const satisfies Readonly<Record<string, Traits>>;

export type ErrorCode = keyof typeof errors;

export const traitsOf = (code: ErrorCode): Traits & { readonly class: (typeof errors)[ErrorCode]['class'] } =>
  errors[code];

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

/** The same error with another hint, and other lines under it where they are given. */
export const withHint = (error: LoomsError, hint: string | undefined, detail = error.detail): LoomsError =>
  new LoomsError(error.code, error.message, { hint, detail, cause: error.cause });

/** Ends a switch over a union; unreachable when the types hold. */
export function assertNever(value: never): never {
  throw new LoomsError('internal', `unexpected variant ${JSON.stringify(value)}`);
}
