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

/** Does a write, wherever that is. Throws `ledger-unreadable`. */
export type StateWriter = (write: StateWrite) => Promise<void>;

/** The writer that does it here. SQLite holds this thread up as long as the disk takes. */
export const writesHere =
  (places: StatePlaces): StateWriter =>
  async (write) => {
    try {
      await perform(places, write);
    } catch (error) {
      const { why, hint } = describeFault(error, write.kind === 'logs' ? places.logs : places.ledger);
      throw new LoomsError('ledger-unreadable', why, { hint, cause: error });
    }
  };

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
