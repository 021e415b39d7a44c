import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { stateFolder } from '../model/state-folder.ts';
import { duration } from '../model/times.ts';

export type LedgerPlaces = {
  readonly database: string;
  /** The key of the audit trail; only its owner may read it. */
  readonly keyFile: string;
  /** The key of this machine (machine-key.ts); only its owner may read it. */
  readonly machineKey: string;
  /** Records of others that somebody accepted here (local-state.ts). */
  readonly knownRecords: string;
};

/** Where this machine keeps what it recorded. */
export function ledgerPlaces(environment: Readonly<Record<string, string | undefined>>): LedgerPlaces {
  const folder = stateFolder(environment, homedir);
  return {
    database: join(folder, 'ledger.sqlite'),
    keyFile: join(folder, 'audit-key'),
    machineKey: join(folder, 'machine-key'),
    knownRecords: join(folder, 'known-records'),
  };
}

/** Two writers at once wait for one another this long, ms, instead of failing; no thread stands still meanwhile. */
export const busyTimeoutMs = 2000;

/** A record is its text as it was hashed, which the columns follow from. `audit_marks`: proven ends of the chain. */
const schema = `
  CREATE TABLE IF NOT EXISTS executions (container TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, era TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    record TEXT NOT NULL,
    hash TEXT NOT NULL,
    call TEXT AS (record ->> '$.call') VIRTUAL,
    event TEXT AS (record ->> '$.event') VIRTUAL,
    time TEXT AS (record ->> '$.time') VIRTUAL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS audit_ends ON audit (call) WHERE event = 'ended';
  CREATE TABLE IF NOT EXISTS audit_marks (
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, proof TEXT NOT NULL
  ) STRICT;
`;

/** SQLite of Node, loaded on demand. Older lines of Node say on stderr that it is experimental: that is not our user's. */
async function sqlite(): Promise<typeof import('node:sqlite')> {
  const { emitWarning } = process;
  process.emitWarning = (...args: unknown[]) => {
    if (args[1] !== 'ExperimentalWarning') Reflect.apply(emitWarning, process, args);
  };
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** What stands at the ledger's path is a folder, a pipe or a device. */
class NoRegularFile extends Error {}

/** Whether there is a ledger. Throws when something else has its name: opening a pipe would wait for ever. */
export function ledgerExists(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status !== undefined && !status.isFile()) throw new NoRegularFile(`${path} is no regular file`);
  return status !== undefined;
}

const primaryCode = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;

const busy = 5;
export const isBusy = (error: unknown): boolean => primaryCode(error) === busy;

/** Does a piece of work, again and again while another program holds the ledger, until 2 s have passed. */
async function whenFree<T>(work: () => T): Promise<T> {
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
    }
  }
}

/** Opens the ledger for writing; makes it, also beside others. Throws what SQLite and the file system throw. */
export const openLedger = (path: string): Promise<DatabaseSync> => openDatabase(path, schema);

/** The same for another file of the state folder. */
export async function openDatabase(path: string, tables: string): Promise<DatabaseSync> {
  const { DatabaseSync } = await sqlite();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!ledgerExists(path)) makeFile(path);
  return whenFree(() => {
    const database = new DatabaseSync(path);
    try {
      database.exec('PRAGMA journal_mode = WAL');
      // A program that is killed loses nothing; a machine that loses power may lose the last moments, never the middle.
      // FULL would keep those too, for 15 ms more a call (measured; a whole call takes 200 ms).
      database.exec('PRAGMA synchronous = NORMAL');
      database.exec(tables);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * Makes an empty file for a database. Who called what is nobody else's to read; the files that SQLite puts beside it get
 * the mode of this one. One that is there is never opened: closing it again would take away the locks that this program
 * holds on it by other connections (sqlite.org/howtocorrupt.html, 2.2), and another program would then remove what those
 * have written.
 */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    // Another thread or program was first.
    if (!ledgerExists(path)) throw error;
  }
}

/** Writes to such a file in one transaction, which is one write to disk. Throws what SQLite throws. */
export async function writeDatabase<T>(path: string, tables: string, work: (database: DatabaseSync) => T): Promise<T> {
  const database = await openDatabase(path, tables);
  try {
    return await inTransaction(database, () => work(database));
  } finally {
    database.close();
  }
}

export const writeLedger = <T>(path: string, work: (database: DatabaseSync) => T): Promise<T> =>
  writeDatabase(path, schema, work);

/** Opens the ledger for reading. The file must be there. Throws what SQLite throws. */
export async function openLedgerToRead(path: string): Promise<DatabaseSync> {
  const { DatabaseSync } = await sqlite();
  return new DatabaseSync(path, { readOnly: true });
}

/** Reads a table of the ledger; undefined without ledger or table: nothing was written. Throws `ledger-unreadable`. */
export async function readLedger<T>(
  path: string,
  table: string,
  read: (database: DatabaseSync) => T,
): Promise<T | undefined> {
  try {
    if (!ledgerExists(path)) return undefined;
    const database = await openLedgerToRead(path);
    try {
      return await whenFree(() => (hasTable(database, table) ? read(database) : undefined));
    } finally {
      database.close();
    }
  } catch (error) {
    const { why, hint } = describeFault(error, path);
    throw new LoomsError('ledger-unreadable', `the ledger cannot be read: ${why}`, { hint, cause: error });
  }
}

/** Whether the ledger has a table: one of an older looms may lack it until it is written again. */
export const hasTable = (database: DatabaseSync, name: string): boolean =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;

/** A statement as SQLite keeps it in the schema, but for its spaces. */
const keptSql = (sql: string): string => sql.replace('IF NOT EXISTS ', '').replaceAll(/\s+/g, ' ').trim();
const ourSql: ReadonlySet<string> = new Set(schema.split(';').map(keptSql));
/** A table that nothing of the trail is read from: of another version of looms, or of SQLite's own. */
const otherTable = /^CREATE TABLE (?!audit\b|audit_marks\b)\w+ ?\(/i;

/**
 * Whether the tables of the trail are as `schema` makes them, and nothing else is about them. Each version of looms has
 * made the same. In other tables the columns that records are found by could say something else than the records, which
 * the chain does not cover: a table made anew, a view, a trigger, an index without some of them.
 */
export const hasOurTrail = (database: DatabaseSync): boolean =>
  database
    .prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL')
    .all()
    .every(({ sql }) => ourSql.has(keptSql(String(sql))) || otherTable.test(String(sql)));

/** Whether the index of the trail's ends has them all. Reads the whole table. */
export const hasWholeIndex = (database: DatabaseSync): boolean =>
  database.prepare('PRAGMA integrity_check(audit)').get()?.integrity_check === 'ok';

/** Runs `work` in one transaction that no other writer comes between, and waits for its turn; undone when it throws. */
export async function inTransaction<T>(database: DatabaseSync, work: () => T): Promise<T> {
  await whenFree(() => database.exec('BEGIN IMMEDIATE'));
  try {
    const value = work();
    database.exec('COMMIT');
    return value;
  } catch (error) {
    // SQLite has undone it already after some errors (a full disk), and says so by this.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** What went wrong with the ledger, and what to do: by SQLite's code (sqlite.org/rescode.html), else the error's text. */
export function describeFault(error: unknown, path: string): { readonly why: string; readonly hint: string } {
  const message = messageOf(error);
  if (error instanceof NoRegularFile) return { why: message, hint: 'move it away; looms makes a file there' };
  switch (primaryCode(error)) {
    case busy:
    case 6:
      return {
        why: `another program has ${path} locked for more than ${duration(busyTimeoutMs)}`,
        hint: 'end that program; it may be a database browser with an open transaction',
      };
    case 8:
      return { why: `${path} may not be written`, hint: 'check the permissions of that file and of its folder' };
    case 11:
    case 26:
      return {
        why: `${path} is damaged, or no SQLite database`,
        hint: 'move it away to begin a new one, and keep it: it may still tell something',
      };
    // SQLite could not take a record's text as JSON: somebody changed it.
    case 1:
      return { why: `${path}: ${message}`, hint: '`looms audit verify` finds the record that was changed' };
    case 13:
      return { why: `the disk of ${path} is full`, hint: 'make room there, or point XDG_STATE_HOME elsewhere' };
    default:
      return {
        why: `${path}: ${message}`,
        hint: 'check that file and its folder, or point XDG_STATE_HOME elsewhere',
      };
  }
}
