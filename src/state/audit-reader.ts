import { existsSync, type Stats, statSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { LoomsError } from '../model/errors.ts';
import { isoTime } from '../model/times.ts';
import type {
  AuditQuery,
  AuditReader,
  CallRecord,
  ChangeRecord,
  TrailHead,
  Verification,
} from '../model/trail/audit.ts';
import { parseExactly } from '../model/values/exact-number.ts';
import { isRecord } from '../model/values/is-record.ts';
import { type AuditKeys, readKeys } from './audit-key.ts';
import { hasBegun, verifyChain } from './chain.ts';
import { KeyFault } from './key-file.ts';
import {
  busyTimeoutMs,
  describeFault,
  hasOurTrail,
  hasTable,
  hasWholeIndex,
  type LedgerPlaces,
  ledgerExists,
  openLedgerToRead,
} from './ledger.ts';

/** Reads the trail of this machine. Where nothing was written yet, it is empty. Writes nothing. */
export function createAuditReader(places: LedgerPlaces): AuditReader {
  let known: { readonly stamp: string; readonly newest: number } | undefined;
  return {
    calls: (query) => read(places, selectJoined(conditionsOf(query), query), toCall),
    changes: (query) => read(places, selectJoined(conditionsOfChanges(query), query), toChange),
    countCalls(query) {
      const { text, values } = conditionsOf(query);
      return count(
        places,
        `SELECT count(*) AS n FROM audit AS start WHERE start.event = 'started' AND ${text}`,
        values,
      );
    },
    async newest() {
      const stamp = stampOf(places.database);
      if (stamp !== undefined && stamp === known?.stamp) return known.newest;
      const newest = await count(places, 'SELECT max(seq) AS n FROM audit', []);
      known = stamp === undefined ? undefined : { stamp, newest };
      return newest;
    },
    async verify(expected) {
      const found = await asked(places, (database) => {
        // One view of it all: a writer may go on meanwhile.
        database.exec('BEGIN');
        if (!hasOurTrail(database)) return otherTables;
        if (!hasTable(database, 'audit') && (hasBegun(database) || existsSync(places.keyFile))) return allRemoved;
        if (!hasBegun(database)) return undefined;
        const verified = verifyChain(database, needKeys(places), expected);
        return verified.intact && !hasWholeIndex(database) ? otherTables : verified;
      });
      return found ?? nothingWritten(places, expected);
    },
  };
}

/** How long nothing was written to a file whose time is sure to tell the next write, ms: file systems count in ticks. */
const settledMs = 100;

/** The same as before where nothing was written to the ledger meanwhile; undefined where that cannot be told. */
function stampOf(database: string): string | undefined {
  const look = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });
  let files: readonly (Stats | undefined)[];
  try {
    files = [database, `${database}-wal`].map(look);
  } catch {
    // Opening it says why.
    return undefined;
  }
  if (files.some((file) => file !== undefined && Date.now() - file.mtimeMs < settledMs)) return undefined;
  return files.map((file) => (file === undefined ? '' : `${file.ino} ${file.size} ${file.mtimeMs}`)).join();
}

/** The number that a query answers; 0 where nothing is written. */
async function count(places: LedgerPlaces, sql: string, values: readonly SQLInputValue[]): Promise<number> {
  const found = await asked(places, (database) =>
    hasRecords(database) ? database.prepare(sql).get(...values) : undefined,
  );
  return Number(found?.n ?? 0);
}

/** What is found in the ledger; undefined where there is none. */
async function asked<T>(places: LedgerPlaces, look: (database: DatabaseSync) => T): Promise<T | undefined> {
  const database = await open(places);
  try {
    return database && look(database);
  } catch (error) {
    throw unreadable(error, places);
  } finally {
    database?.close();
  }
}

/** After how many rows everything else in this program gets its turn: they take about 4 ms. */
const rowsATurn = 200;

/**
 * What a query finds, one after the other, each made from the record of its start and that of its end. SQLite answers in
 * this thread, so whoever reads on at once would otherwise keep a gateway from relaying until the last row.
 */
async function* read<T>(
  places: LedgerPlaces,
  { sql, values }: Select,
  make: (seq: number, start: string, ending: string | undefined) => T,
): AsyncGenerator<T> {
  const database = await open(places);
  if (database === undefined) return;
  try {
    if (!hasRecords(database)) return;
    let rows = 0;
    for (const row of database.prepare(sql).iterate(...values)) {
      rows += 1;
      if (rows % rowsATurn === 0) await turn();
      yield make(Number(row.seq), String(row.record), row.ending === null ? undefined : String(row.ending));
    }
  } catch (error) {
    throw unreadable(error, places);
  } finally {
    database.close();
  }
}

/** The mark of an end, or the key, without the table that was made before: it was dropped, or the file replaced. */
const allRemoved: Verification = { intact: false, seq: 1, fault: 'cut-off' };

/** The records may be as they were written; what is asked for by their columns may be something else. */
const otherTables: Verification = { intact: false, fault: 'tables' };

/** The tables of the trail are not those that looms makes. */
class OtherTables extends Error {}

/** Whether there is a trail to ask; throws where what it answers would not follow from its records. */
function hasRecords(database: DatabaseSync): boolean {
  if (!hasOurTrail(database)) throw new OtherTables('its tables are not as looms makes them');
  return hasTable(database, 'audit');
}

/** A key that is left proves no fault: a first call may have failed right behind making it. It is said. */
function nothingWritten({ keyFile }: LedgerPlaces, expected: TrailHead | undefined): Verification {
  if (expected !== undefined) return { intact: false, seq: 1, fault: 'other-head' };
  return { intact: true, records: 0, ...(existsSync(keyFile) ? { keyWithoutTrail: keyFile } : {}) };
}

/** Undefined: there is no ledger. */
async function open(places: LedgerPlaces): Promise<DatabaseSync | undefined> {
  try {
    if (!ledgerExists(places.database)) return undefined;
    const database = await openLedgerToRead(places.database);
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    return database;
  } catch (error) {
    throw unreadable(error, places);
  }
}

function needKeys({ keyFile }: LedgerPlaces): AuditKeys {
  const keys = readKeys(keyFile);
  if (keys !== undefined) return keys;
  throw new KeyFault(`the key of the trail is gone (${keyFile})`, 'put it back: without it nothing can be verified');
}

function unreadable(error: unknown, { database }: LedgerPlaces): LoomsError {
  const { why, hint } = faultOf(error, database);
  return new LoomsError('ledger-unreadable', `the audit trail cannot be read: ${why}`, { hint, cause: error });
}

function faultOf(error: unknown, path: string): ReturnType<typeof describeFault> {
  if (error instanceof KeyFault) return { why: error.message, hint: error.hint };
  if (!(error instanceof OtherTables)) return describeFault(error, path);
  return { why: `${path}: ${error.message}`, hint: '`looms audit verify` says more' };
}

type Condition = { readonly text: string; readonly values: readonly SQLInputValue[] };
type Select = { readonly sql: string; readonly values: readonly SQLInputValue[] };

// In brackets: `->>` binds no tighter than `||`.
const field = (name: string): string => `(start.record ->> '$.${name}')`;

const oneOf = (column: string, wanted: readonly string[] | undefined): readonly Condition[] =>
  wanted === undefined ? [] : [{ text: `${column} IN (${wanted.map(() => '?').join(', ')})`, values: wanted }];

/** What is asked of calls and changes alike. All values are bound, none is part of the text. */
const sharedConditions = ({ project, since, backTo, until, who = [], after }: AuditQuery): readonly Condition[] => [
  ...(backTo === undefined ? [] : [newerThan(backTo)]),
  ...oneOf(field('project'), project === undefined ? undefined : [project]),
  ...(after === undefined ? [] : [{ text: 'start.seq > ?', values: [after] }]),
  ...(since === undefined ? [] : [{ text: 'start.time >= ?', values: [since] }]),
  ...(until === undefined ? [] : [{ text: 'start.time < ?', values: [until] }]),
  ...(who.length === 0 ? [] : [whoIs(who)]),
];

/** What a query asks of the first record of a call. */
const conditionsOf = (query: AuditQuery): Condition =>
  all([
    { text: "start.event IN ('started', 'refused')", values: [] },
    ...oneOf(field('server'), query.servers),
    ...oneOf(field('tool'), query.tools),
    ...sharedConditions(query),
  ]);

/** What a query asks of the first record of a change. */
function conditionsOfChanges(query: AuditQuery): Condition {
  const [named] = oneOf("(one.value ->> '$.server')", query.servers);
  const ofServers =
    named === undefined
      ? []
      : [{ ...named, text: `EXISTS (SELECT 1 FROM json_each(start.record, '$.servers') AS one WHERE ${named.text})` }];
  return all([{ text: "start.event = 'change'", values: [] }, ...ofServers, ...sharedConditions(query)]);
}

const all = (conditions: readonly Condition[]): Condition => ({
  text: conditions.map(({ text }) => text).join(' AND '),
  values: conditions.flatMap(({ values }) => values),
});

/** First records, each with the record of its end. */
const selectJoined = ({ text, values }: Condition, { newestFirst }: AuditQuery): Select => ({
  sql: `
    SELECT start.seq AS seq, start.record AS record, ending.record AS ending
    FROM audit AS start
    LEFT JOIN audit AS ending ON ending.event = 'ended' AND ending.call = start.call
    WHERE ${text}
    ORDER BY start.seq ${newestFirst === true ? 'DESC' : 'ASC'}`,
  values,
});

/** Records come into the trail at most so long after their own time, ms: whoever writes waits for others. */
const lateMs = 60_000;

function newerThan(backTo: string): Condition {
  const behind = 'SELECT seq FROM audit WHERE time < ? ORDER BY seq DESC LIMIT 1';
  return {
    text: `start.seq > coalesce((${behind}), 0) AND start.time >= ?`,
    values: [isoTime(Date.parse(backTo) - lateMs), backTo],
  };
}

function whoIs(who: readonly string[]): Condition {
  const places = who.map(() => '?').join(', ');
  return {
    text: `(${field('user')} IN (${places}) OR (${field('user')} || '@' || ${field('host')}) IN (${places}))`,
    values: [...who, ...who],
  };
}

const made = ['time', 'user', 'host', 'pid'] as const;

/** In the order in which people read them. */
const callFields: readonly (keyof CallRecord)[] = [
  ...(['seq', 'call', ...made, 'project', 'server', 'generation', 'container', 'engine', 'protocolVersion'] as const),
  ...(['tool', 'principal', 'timeoutMs', 'argumentsBytes', 'argumentsHash', 'arguments'] as const),
  ...(['result', 'code', 'resultBytes', 'durationMs'] as const),
];

function parseRecord(text: string): Readonly<Record<string, unknown>> {
  const value = parseExactly(text);
  return isRecord(value) ? value : {};
}

/** In the order in which people read them. */
const changeFields: readonly (keyof ChangeRecord)[] = [
  ...(['seq', 'change', ...made, 'command', 'trigger', 'principal', 'traceId', 'project', 'engine'] as const),
  ...(['servers', 'support', 'secret', 'lock'] as const),
  ...(['result', 'code', 'message', 'outcomes', 'durationMs', 'endedAt'] as const),
];

/** The fields of a record that it has, in their order. */
const inOrder = <T>(names: readonly (keyof T & string)[], found: Readonly<Record<string, unknown>>): T =>
  Object.fromEntries(names.flatMap((name) => (found[name] === undefined ? [] : [[name, found[name]]]))) as T;

function toChange(seq: number, start: string, ending: string | undefined): ChangeRecord {
  const { call: _, time: endedAt, ...last } = ending === undefined ? {} : parseRecord(ending);
  const { call: change, ...first } = parseRecord(start);
  return inOrder(changeFields, { seq, change, ...first, ...last, endedAt });
}

/** What is stored is ours and covered by the chain; a record that someone changed is found by `verify`, not here. */
function toCall(seq: number, start: string, ending: string | undefined): CallRecord {
  const { call, time, ...last } = ending === undefined ? {} : parseRecord(ending);
  return inOrder(callFields, { seq, ...parseRecord(start), ...last });
}
