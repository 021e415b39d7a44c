import type { ContainerId, ServerName } from './ids.ts';

/**
 * How a server is: `healthy` when it answered the handshake and `tools/list` in time, `stopped` when somebody stopped it,
 * `unhealthy` otherwise.
 */
export type Verdict = 'healthy' | 'unhealthy' | 'stopped';

/** What a look at one server found. */
export type HealthFinding = {
  readonly server: ServerName;
  readonly verdict: Verdict;
  readonly container: ContainerId;
  /** How many tools it has behind the spec's filter; null when it did not say. */
  readonly tools: number | null;
  /** Why it is not healthy, in one line; empty when it is. */
  readonly detail: string;
};

/** The last finding about a server that this machine made. Times are in ms since the epoch, on this machine's clock. */
export type HealthRecord = HealthFinding & {
  readonly checkedAt: number;
  /** The first look in a row that came to this verdict: when it changed, as far as anyone looked. */
  readonly since: number;
};
