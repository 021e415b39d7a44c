import type { ServerHealth } from '../app/inspect/check-health.ts';
import { type ErrorCode, traitsOf } from '../model/errors.ts';
import type { ApplyReport } from '../orchestrator/port.ts';
import type { EndingSignal } from './errors.ts';

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
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** The exit code of a failure that ends the program. */
export const exitCodeOfError = (code: ErrorCode): ExitCode => exitCode[traitsOf(code).class];

const codeOfOutcome: Readonly<Record<Exclude<ApplyReport['outcome'], 'failed' | 'interrupted'>, ExitCode>> = {
  done: exitCode.done,
  partly: exitCode.partly,
  'gate-failed': exitCode.gateFailed,
  'not-serving': exitCode.unhealthy,
  blocked: exitCode.refused,
  'timed-out': exitCode.timedOut,
};

/** The exit code after a signal, as a shell has it: 128 and the signal's number. */
export const exitCodeOfSignal = (signal: EndingSignal | undefined): ExitCode =>
  signal === 'SIGTERM' ? exitCode.terminated : signal === 'SIGHUP' ? exitCode.hungUp : exitCode.interrupted;

/** The exit code of an apply or delete: one reason of all failures has its own code, and so has a signal. */
export function exitCodeOfOutcome(
  outcome: ApplyReport['outcome'],
  failures: readonly ErrorCode[],
  signal: EndingSignal | undefined,
): ExitCode {
  if (outcome === 'interrupted') return exitCodeOfSignal(signal);
  if (outcome !== 'failed') return codeOfOutcome[outcome];
  const codes = new Set(failures.map(exitCodeOfError));
  const [only] = codes;
  return codes.size === 1 && only !== undefined ? only : exitCode.failed;
}

/** The exit code of a look at servers: one stopped counts if named, one asleep does not; failures on this side keep their own code. */
export function exitCodeOfHealth(
  servers: readonly Pick<ServerHealth, 'verdict' | 'failure'>[],
  named: boolean,
): ExitCode {
  const has = (verdict: ServerHealth['verdict']): boolean => servers.some((server) => server.verdict === verdict);
  if (has('unhealthy') || (named && has('stopped'))) return exitCode.unhealthy;
  const unknown = servers.find(({ verdict }) => verdict === 'unknown');
  return unknown?.failure ? exitCodeOfError(unknown.failure.code) : exitCode.done;
}
