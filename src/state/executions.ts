import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ContainerId } from '../model/ids.ts';

/** Where this machine keeps what it counted: the XDG state folder. */
export function ledgerPath(environment: Readonly<Record<string, string | undefined>>): string {
  const state = environment.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return join(state, 'looms', 'ledger.sqlite');
}

/** Two writers at once wait for one another this long, ms, instead of failing. */
const busyTimeoutMs = 2000;

async function open(path: string) {
  // On demand: Node loads SQLite only for commands that count, and says that it is experimental on older lines.
  const { DatabaseSync } = await import('node:sqlite');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('CREATE TABLE IF NOT EXISTS executions (container TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT');
  return database;
}

/** Adds one execution to a container's count. Throws what SQLite throws; the caller says it and goes on. */
export async function countExecution(path: string, container: ContainerId): Promise<void> {
  const database = await open(path);
  try {
    database
      .prepare('INSERT INTO executions VALUES (?, 1) ON CONFLICT (container) DO UPDATE SET count = count + 1')
      .run(container);
  } finally {
    database.close();
  }
}

/** Executions counted on this machine for these containers; those never called are left out. */
export async function readExecutions(
  path: string,
  containers: readonly ContainerId[],
): Promise<ReadonlyMap<ContainerId, number>> {
  // Planning must not write: without a ledger nothing was counted.
  if (!existsSync(path)) return new Map();
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    const select = database.prepare('SELECT count FROM executions WHERE container = ?');
    const counts = containers.flatMap((container) => {
      const row = select.get(container);
      return row === undefined ? [] : [[container, Number(row.count)] as const];
    });
    return new Map(counts);
  } finally {
    database.close();
  }
}
