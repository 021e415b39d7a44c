type Traits = {
  /** What a failure of the program is to whoever called it; `cli/` makes an exit code of it (docs/exit-codes.md). */
  readonly class: string;
  /** It comes from this side, or from the way to the engine, and so says nothing about the server. */
  readonly ours?: true;
  /** Nobody knows whether the engine did what it was asked. */
  readonly uncertain?: true;
  /**
   * Whether what failed is worth another try at once. `elsewhere`: its container ended or is gone, and another generation
   * may serve by now. `never`: somebody gave up, or the time is over, which no other way of asking mends.
   */
  readonly retry?: 'elsewhere' | 'never';
  /** A session in which it came up is as good as before: its server has answered, or was not asked. */
  readonly sound?: true;
  /** It kept a call from being sent, and is the caller's doing or a rule: the audit trail has it as refused. */
  readonly refusal?: true;
};

/** All expected failures by their stable codes, of which the whole counts and not the word before the first dash. */
const errors = {
  'engine-unreachable': { class: 'unreachable', ours: true, uncertain: true },
  'engine-too-old': { class: 'unreachable' },
  'engine-timeout': { class: 'unreachable', ours: true, uncertain: true },
  // It is there, and says itself that it could not do that, or not in time.
  'engine-unavailable': { class: 'unreachable', ours: true, uncertain: true },
  'engine-conflict': { class: 'failed' },
  'engine-not-found': { class: 'failed', retry: 'elsewhere' },
  'engine-rejected': { class: 'failed' },
  'engine-unsupported': { class: 'failed' },
  'context-not-found': { class: 'notFound' },
  'image-not-found': { class: 'failed' },
  'image-pull-failed': { class: 'failed' },
  'image-push-failed': { class: 'failed' },
  'image-build-failed': { class: 'failed' },
  'registry-unauthorized': { class: 'failed' },
  'image-without-shell': { class: 'failed' },
  'container-start-failed': { class: 'failed' },
  'session-failed': { class: 'unreachable' },
  'handshake-timeout': { class: 'unreachable', retry: 'never' },
  'server-exited': { class: 'unreachable', retry: 'elsewhere' },
  'server-crowded': { class: 'unreachable' },
  'server-not-found': { class: 'notFound' },
  'server-not-running': { class: 'unreachable', retry: 'elsewhere' },
  'server-asleep': { class: 'unreachable' },
  'server-unhealthy': { class: 'unhealthy' },
  'generation-not-found': { class: 'notFound' },
  'call-timeout': { class: 'unreachable' },
  'tool-not-found': { class: 'notFound', sound: true, refusal: true },
  'resource-not-found': { class: 'notFound', sound: true },
  'prompt-not-found': { class: 'notFound', sound: true },
  'arguments-invalid': { class: 'usage', sound: true, refusal: true },
  'json-rpc-error': { class: 'toolError', sound: true },
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
  refused: { class: 'refused', refusal: true },
  'sessions-busy': { class: 'unreachable' },
  'insufficient-scope': { class: 'refused' },
  usage: { class: 'usage' },
  interrupted: { class: 'interrupted', ours: true, uncertain: true, retry: 'never' },
  internal: { class: 'failed' },
} as const satisfies Readonly<Record<string, Traits>>;

export type ErrorCode = keyof typeof errors;

export const traitsOf = (code: ErrorCode): Traits & { readonly class: (typeof errors)[ErrorCode]['class'] } =>
  errors[code];

/** What a server answered in place of a result, as it stood in its message. */
export type JsonRpcError = { readonly code: number; readonly data?: unknown };

/** What an error is about, for programs: of `json-rpc-error` that answer, of `server-not-found` the name that is not there. */
export type ErrorSubject =
  | { readonly kind: 'json-rpc'; readonly answer: JsonRpcError }
  | { readonly kind: 'missing'; readonly name: string };

type ErrorOptions = {
  readonly hint?: string | undefined;
  readonly detail?: readonly string[];
  readonly cause?: unknown;
  readonly about?: ErrorSubject | undefined;
};

/**
 * An expected failure that could not be returned as a value. `message` names the thing and the bad value, `hint` says
 * what to do next, `detail` holds lines worth showing under it (a log's tail, a build's output). Holds no secret but where
 * a server said one: what is printed passes the mask.
 */
export class LoomsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly detail: readonly string[];
  readonly about: ErrorSubject | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LoomsError';
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail ?? [];
    this.about = options.about;
  }
}

/** Whether that is what went wrong. */
export const isFailure = (error: unknown, ...codes: readonly ErrorCode[]): error is LoomsError =>
  error instanceof LoomsError && codes.includes(error.code);

/** What went wrong; `internal` for what nobody expected. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof LoomsError ? error.code : 'internal');

/** For `catch`: what stands for a failure with this code; any other is thrown on. */
export const insteadOf =
  <T>(code: ErrorCode, instead: (failure: LoomsError) => T) =>
  (error: unknown): T => {
    if (isFailure(error, code)) return instead(error);
    throw error;
  };

/** The same error with another hint, and other lines under it where they are given. */
export const withHint = (error: LoomsError, hint: string | undefined, detail = error.detail): LoomsError => {
  const { code, message, cause, about } = error;
  return new LoomsError(code, message, { hint, detail, cause, about });
};

/** Ends a switch over a union; unreachable when the types hold. */
export function assertNever(value: never): never {
  throw new LoomsError('internal', `unexpected variant ${JSON.stringify(value)}`);
}
