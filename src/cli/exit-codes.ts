import type { ServerHealth } from '../app/inspect/check-health.ts';
import { assertNever, type ErrorCode } from '../model/errors.ts';
import type { ApplyReport } from '../orchestrator/port.ts';

/** What the program's exit codes mean (docs/exit-codes.md). The only place where they are numbers. */
export const exitCode = {
  done: 0,
  failed: 1,
  changes: 2,
  partly: 3,
  gateFailed: 4,
  toolError: 5,
  locked: 6,
  stalePlan: 7,
  refused: 8,
  notConfirmed: 9,
  unhealthy: 10,
  trailBroken: 11,
  usage: 64,
  invalid: 65,
  notFound: 66,
  unreachable: 69,
  cannotWrite: 73,
  secretMissing: 77,
  timedOut: 124,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

const codeOfError: Readonly<Record<ErrorCode, ExitCode>> = {
  'engine-unreachable': exitCode.unreachable,
  'engine-too-old': exitCode.unreachable,
  'engine-timeout': exitCode.unreachable,
  'engine-conflict': exitCode.failed,
  'engine-not-found': exitCode.failed,
  'engine-rejected': exitCode.failed,
  'engine-unsupported': exitCode.failed,
  'context-not-found': exitCode.notFound,
  'image-not-found': exitCode.failed,
  'image-pull-failed': exitCode.failed,
  'image-build-failed': exitCode.failed,
  'registry-unauthorized': exitCode.failed,
  'image-without-shell': exitCode.failed,
  'container-start-failed': exitCode.failed,
  'session-failed': exitCode.unreachable,
  'handshake-timeout': exitCode.unreachable,
  'server-exited': exitCode.unreachable,
  'server-crowded': exitCode.unreachable,
  'server-not-found': exitCode.notFound,
  'server-not-running': exitCode.unreachable,
  'server-unhealthy': exitCode.unhealthy,
  'generation-not-found': exitCode.notFound,
  'call-timeout': exitCode.unreachable,
  'tool-not-found': exitCode.notFound,
  'resource-not-found': exitCode.notFound,
  'prompt-not-found': exitCode.notFound,
  'arguments-invalid': exitCode.usage,
  'json-rpc-error': exitCode.toolError,
  'input-refused': exitCode.toolError,
  'ledger-unreadable': exitCode.failed,
  'lock-held': exitCode.locked,
  'lock-lost': exitCode.locked,
  'plan-stale': exitCode.stalePlan,
  'plan-invalid': exitCode.invalid,
  'secret-missing': exitCode.secretMissing,
  'secret-source-failed': exitCode.unreachable,
  'record-untrusted': exitCode.notConfirmed,
  'spec-invalid': exitCode.invalid,
  'file-not-found': exitCode.notFound,
  'file-exists': exitCode.cannotWrite,
  'file-not-writable': exitCode.cannotWrite,
  'not-implemented': exitCode.invalid,
  'not-confirmed': exitCode.notConfirmed,
  refused: exitCode.refused,
  usage: exitCode.usage,
  interrupted: exitCode.interrupted,
  internal: exitCode.failed,
};

/** The exit code of a failure that ends the program. */
export const exitCodeOfError = (code: ErrorCode): ExitCode => codeOfError[code];

/** The exit code of an apply or delete: one reason of all failures has its own code, and so has a signal. */
export function exitCodeOfOutcome(
  outcome: ApplyReport['outcome'],
  failures: readonly ErrorCode[],
  signal: 'SIGINT' | 'SIGTERM' | undefined,
): ExitCode {
  switch (outcome) {
    case 'done':
      return exitCode.done;
    case 'partly':
      return exitCode.partly;
    case 'gate-failed':
      return exitCode.gateFailed;
    case 'not-serving':
      return exitCode.unhealthy;
    case 'blocked':
      return exitCode.refused;
    case 'timed-out':
      return exitCode.timedOut;
    case 'interrupted':
      return signal === 'SIGTERM' ? exitCode.terminated : exitCode.interrupted;
    case 'failed': {
      const codes = new Set(failures.map(exitCodeOfError));
      const [only] = codes;
      return codes.size === 1 && only !== undefined ? only : exitCode.failed;
    }
    default:
      return assertNever(outcome);
  }
}

/** The exit code of a look at servers: one stopped counts if named; failures on this side keep their own code. */
export function exitCodeOfHealth(
  servers: readonly Pick<ServerHealth, 'verdict' | 'failure'>[],
  named: boolean,
): ExitCode {
  const has = (verdict: ServerHealth['verdict']): boolean => servers.some((server) => server.verdict === verdict);
  if (has('unhealthy') || (named && has('stopped'))) return exitCode.unhealthy;
  const unknown = servers.find(({ verdict }) => verdict === 'unknown');
  return unknown?.failure ? exitCodeOfError(unknown.failure.code) : exitCode.done;
}
