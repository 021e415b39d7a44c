import type { DatabaseSync } from 'node:sqlite';
import type { ContainerId } from '../model/ids.ts';
import { readLedger } from './ledger.ts';

/** What adds one execution to a container's count, within the caller's transaction. */
export function executionCounter(database: DatabaseSync): (container: ContainerId) => void {
  const count = database.prepare(
    'INSERT INTO executions VALUES (?, 1) ON CONFLICT (container) DO UPDATE SET count = count + 1',
  );
  return (container) => void count.run(container);
}

/** Executions counted on this machine for these containers; those never called are left out. Throws `ledger-unreadable`. */
export async function readExecutions(
  path: string,
  containers: readonly ContainerId[],
): Promise<ReadonlyMap<ContainerId, number>> {
  // Planning must not write: without a ledger nothing was counted.
  const counts = await readLedger(path, 'executions', (database) => {
    const select = database.prepare('SELECT count FROM executions WHERE container = ?');
    return containers.flatMap((container) => {
      const row = select.get(container);
      return row === undefined ? [] : [[container, Number(row.count)] as const];
    });
  });
  return new Map(counts);
}
