import type { ContainerId, ProjectName, ServerName } from './ids.ts';
import type { ServerInstance } from './server-view.ts';

/** What a server is to the loop (docs/commands.md, "What a loop tells of itself"). */
export const loopStates = [
  'healthy',
  'slow',
  'failing',
  'down',
  'repairing',
  'waiting',
  'asleep',
  'stopped',
  'blocked',
  'unknown',
] as const;

/**
 * How a server is: `healthy` when it answered the handshake and `tools/list` in time and its image's own HEALTHCHECK, where
 * it has one, does not say otherwise; `stopped` when somebody stopped it; `unhealthy` otherwise.
 */
export type Verdict = 'healthy' | 'unhealthy' | 'stopped';

/** What does not answer of a server, and how that was found. Of what took its place since nothing is known. */
export type Unanswered = { readonly container: ContainerId; readonly why: string };

/** What a look at one server found. */
export type HealthFinding = {
  readonly server: ServerName;
  readonly verdict: Verdict;
  readonly container: ContainerId;
  /** Which run of the container was asked (`ServerInstance.run`). */
  readonly run: string;
  /** How many tools it has behind the spec's filter; null when it did not say. */
  readonly tools: number | null;
  /** Why it is not healthy, in one line; empty when it is. */
  readonly detail: string;
  /** When it was found, ms since the epoch; absent: when it is kept. A later finding that is kept already stays. */
  readonly checkedAt?: number;
};

/** The last finding about a server that this machine made. Times are in ms since the epoch, on this machine's clock. */
export type HealthRecord = HealthFinding & {
  readonly checkedAt: number;
  /** The first look in a row that came to this verdict: when it changed, as far as anyone looked. */
  readonly since: number;
};

/** Whose health is kept: projects of one name on two engines have nothing to do with one another. */
export type HealthPlace = { readonly engine: string; readonly project: ProjectName };

/** Where findings are kept on this machine. */
export type HealthKeeper = {
  /** What this machine last found out about servers; others are left out. Throws `ledger-unreadable`. */
  readonly readHealth: (at: HealthPlace) => Promise<ReadonlyMap<ServerName, HealthRecord>>;
  /** Keeps what was found. Never throws: the finding itself matters more; the reason comes back. */
  readonly recordHealth: (
    at: HealthPlace,
    findings: readonly HealthFinding[],
  ) => Promise<{ readonly recorded: true } | { readonly recorded: false; readonly why: string }>;
};

/** What a finding is about. Only `current`, the container as it runs now, says how a server is. */
export type Standing = 'current' | 'restarted-since' | 'earlier-container';

export function standingOf(
  found: Pick<HealthFinding, 'container' | 'run'>,
  { container, run }: Pick<ServerInstance, 'container' | 'run'>,
): Standing {
  if (found.container !== container) return 'earlier-container';
  return found.run === run ? 'current' : 'restarted-since';
}

/** Exit codes of a process that was told to stop: it went by itself, after SIGTERM, or by SIGKILL after its grace. */
const toldCodes: ReadonlySet<number> = new Set([0, 143, 137]);

/** Whether a process ended as one does that was told to. A lack of memory looks alike in the code alone. */
export const endedAsTold = (exitCode: number): boolean => toldCodes.has(exitCode);
