import { insteadOf } from '../../model/errors.ts';
import type { HealthPlace, HealthRecord } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Notice, NoticeCode } from '../../model/notices.ts';
import type { Ports } from '../ports.ts';

/** What this machine keeps about servers. */
export type Kept = {
  /** Undefined: the ledger cannot be read, so that nothing is known. */
  readonly counts: ReadonlyMap<ContainerId, number> | undefined;
  readonly health: ReadonlyMap<ServerName, HealthRecord>;
  /** Why something is not known, for people; at most one. */
  readonly notices: readonly Notice[];
};

/** For `catch`: where the ledger cannot be read, that is warned of, and this stands for what it says. */
export const withoutLedger = <T>({ warn }: Pick<Ports, 'warn'>, code: NoticeCode, what: string, instead: T) =>
  insteadOf('ledger-unreadable', ({ message }) => {
    warn({ code, message: `${what}: ${message}` });
    return instead;
  });

/** Calls and health from the ledger. One that cannot be read becomes a notice: what runs is shown all the same. */
export async function readKept(ports: Ports, containers: readonly ContainerId[], at: HealthPlace): Promise<Kept> {
  return Promise.all([ports.countExecutions(containers), ports.readHealth(at)])
    .then(([counts, health]): Kept => ({ counts, health, notices: [] }))
    .catch(
      insteadOf('ledger-unreadable', ({ message, hint }): Kept => {
        const text = `calls and health are not known: ${message}${hint === undefined ? '' : `; ${hint}`}`;
        return { counts: undefined, health: new Map(), notices: [{ code: 'calls-unknown', message: text }] };
      }),
    );
}
