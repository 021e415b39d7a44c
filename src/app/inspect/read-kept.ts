import { isFailure } from '../../model/errors.ts';
import type { HealthPlace, HealthRecord } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Ports } from '../ports.ts';

/** What this machine keeps about servers. */
export type Kept = {
  /** Undefined: the ledger cannot be read, so that nothing is known. */
  readonly counts: ReadonlyMap<ContainerId, number> | undefined;
  readonly health: ReadonlyMap<ServerName, HealthRecord>;
  /** Why something is not known, for people; at most one. */
  readonly notices: readonly Notice[];
};

/** Calls and health from the ledger. One that cannot be read becomes a notice: what runs is shown all the same. */
export async function readKept(ports: Ports, containers: readonly ContainerId[], at: HealthPlace): Promise<Kept> {
  try {
    const [counts, health] = await Promise.all([ports.countExecutions(containers), ports.readHealth(at)]);
    return { counts, health, notices: [] };
  } catch (error) {
    if (!isFailure(error, 'ledger-unreadable')) throw error;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    return {
      counts: undefined,
      health: new Map(),
      notices: [{ code: 'calls-unknown', message: `calls and health are not known: ${error.message}${hint}` }],
    };
  }
}
