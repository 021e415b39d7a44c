import { assertNever, LoomsError } from '../model/errors.ts';
import type { HealthFinding, HealthPlace } from '../model/health.ts';
import { recordHealth } from './health.ts';
import { type LogWrite, writeLogs } from './kept-logs.ts';
import { describeFault } from './ledger.ts';
import { rememberFinding } from './server-memory.ts';

/** What is written of servers beside the trail, as plain data: it may be done in another thread. */
export type StateWrite =
  | { readonly kind: 'health'; readonly at: HealthPlace; readonly findings: readonly HealthFinding[] }
  | { readonly kind: 'finding'; readonly key: string; readonly found: string }
  | { readonly kind: 'logs'; readonly write: LogWrite };

/** The files that it is written to. */
export type StatePlaces = { readonly ledger: string; readonly logs: string };

export type StateWriter = {
  /** Resolves when it is written. Throws `ledger-unreadable`. */
  readonly write: (write: StateWrite) => Promise<void>;
  /** The same for what may be lost, which nobody waits for unless it is written here. */
  readonly leave: (write: StateWrite) => Promise<void>;
  /** Resolves when all is written that was asked for. */
  readonly close: () => Promise<void>;
};

export const fileOf = ({ ledger, logs }: StatePlaces, { kind }: StateWrite): string =>
  kind === 'logs' ? logs : ledger;

/** What went wrong with a write, as it is thrown. */
export function writeFault(error: unknown, places: StatePlaces, write: StateWrite): LoomsError {
  const { why, hint } = describeFault(error, fileOf(places, write));
  return new LoomsError('ledger-unreadable', why, { hint, cause: error });
}

/** The writer that does it here. SQLite holds this thread up as long as the disk takes. */
export function writesHere(places: StatePlaces): StateWriter {
  const write: StateWriter['write'] = async (one) => {
    try {
      await perform(places, one);
    } catch (error) {
      throw writeFault(error, places, one);
    }
  };
  return { write, leave: (one) => write(one).catch(() => undefined), close: async () => undefined };
}

function perform({ ledger, logs }: StatePlaces, write: StateWrite): Promise<void> {
  switch (write.kind) {
    case 'health':
      return recordHealth(ledger, write.at, write.findings, Date.now);
    case 'finding':
      return rememberFinding(ledger, write.key, write.found);
    case 'logs':
      return writeLogs(logs, write.write);
    default:
      return assertNever(write);
  }
}
