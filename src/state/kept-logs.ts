import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { AlertTurn } from '../model/alerts.ts';
import type { EngineEvent } from '../model/engine-events.ts';
import { assertNever } from '../model/errors.ts';
import type { HealthPlace } from '../model/health.ts';
import { asContainerId, asServerName, type ContainerId } from '../model/ids.ts';
import { stateFolder } from '../model/state-folder.ts';
import type { CountedLine, KeptLine, KeptQuery, LoggedContainer, LogKeeper } from '../model/trail/kept-logs.ts';
import { eventIn, turnIn } from './kept-claims.ts';
import { readLedger, writeDatabase } from './ledger.ts';

/** Of each server: lines with what they take beside their text, bytes; then the oldest go, a tenth more than is needed. */
const mostBytes = 10 * 1024 * 1024;
const trimmedBytes = mostBytes * 0.9;
const bytesBesideText = 32;
const longestMs = 14 * 86_400_000;
/** Events of a server that are kept: a HEALTHCHECK that flaps makes hundreds a second. */
const mostEvents = 10_000;
/** Lines that are read at once: what a slow reader has of a log in memory. */
const pageLines = 500;

const schema = `
  CREATE TABLE IF NOT EXISTS containers (
    id INTEGER PRIMARY KEY,
    container TEXT NOT NULL UNIQUE,
    engine TEXT NOT NULL,
    project TEXT NOT NULL,
    server TEXT NOT NULL,
    generation INTEGER NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS lines (
    owner INTEGER NOT NULL,
    time INTEGER NOT NULL,
    n INTEGER NOT NULL,
    stream TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (owner, time, n)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (
    engine TEXT NOT NULL,
    project TEXT NOT NULL,
    time INTEGER NOT NULL,
    key TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (engine, project, time, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS alert_turns (
    engine TEXT NOT NULL,
    project TEXT NOT NULL,
    time INTEGER NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (engine, project, time, turn)
  ) STRICT, WITHOUT ROWID;
`;

const ofServer = 'engine = ? AND project = ? AND server = ?';
const ofEvents = "engine = ? AND project = ? AND event ->> '$.server' = ?";
const newestEvents = `SELECT time FROM events WHERE ${ofEvents} ORDER BY time DESC LIMIT 1 OFFSET ?`;
const olderEvents = `DELETE FROM events WHERE ${ofEvents} AND time < ?`;
const bytesOfLine = `octet_length(text) + ${bytesBesideText}`;
const countBytes = `UPDATE containers SET bytes =
  (SELECT coalesce(sum(${bytesOfLine}), 0) FROM lines WHERE owner = containers.id) WHERE id = ?`;

/** What a log keeper writes; `oldest` is the moment, ms since 1970, from which on something is kept. */
export type LogWrite = { readonly at: HealthPlace; readonly oldest: number } & (
  | { readonly kind: 'lines'; readonly of: LoggedContainer; readonly lines: readonly CountedLine[] }
  | { readonly kind: 'events'; readonly events: readonly EngineEvent[] }
  | { readonly kind: 'alert-turns'; readonly turns: readonly AlertTurn[] }
);

/** The file of the state folder that logs are kept in, readable by its owner only. */
export const keptLogsFile = (environment: Readonly<Record<string, string | undefined>>): string =>
  join(stateFolder(environment, homedir), 'logs.sqlite');

/** Keeps what is to be written, and forgets what is too much or too old by then. Throws what SQLite throws. */
export const writeLogs = (path: string, write: LogWrite): Promise<void> =>
  writeDatabase(path, schema, (database) => {
    switch (write.kind) {
      case 'lines':
        insert(database, write.at, write.of, write.lines);
        return forget(database, { at: write.at, server: write.of.server, oldest: write.oldest });
      case 'events':
        return insertEvents(database, write);
      case 'alert-turns':
        return insertTurns(database, write);
      default:
        return assertNever(write);
    }
  });

/** Rows that a query finds; none where the file does not have the table yet. */
type ReadAll = (
  table: string,
  sql: string,
  ...values: readonly SQLInputValue[]
) => Promise<readonly Record<string, unknown>[]>;

/** The logs that are kept in that file. `now` is ms since 1970; `write` is `writeLogs`, wherever it runs. */
export function logKeeper(
  path: string,
  write: (write: LogWrite) => Promise<void>,
  now: () => number = () => Date.now(),
): LogKeeper {
  const oldest = (): number => now() - longestMs;
  const all: ReadAll = async (table, sql, ...values) =>
    (await readLedger(path, table, (database) => database.prepare(sql).all(...values))) ?? [];
  return {
    async keptUntil(container) {
      const sql = `SELECT max(time) AS time FROM lines WHERE owner = (SELECT id FROM containers WHERE container = ?)`;
      const [found] = await all('lines', sql, container);
      return Math.max(Number(found?.time ?? 0), oldest());
    },
    keep: (at, { container, server, generation }, lines) =>
      write({ kind: 'lines', at, oldest: oldest(), of: { container, server, generation }, lines }),
    async containers({ engine, project }) {
      const sql = `SELECT container, server, generation FROM containers
        WHERE engine = ? AND project = ? ORDER BY generation, id`;
      return (await all('lines', sql, engine, project)).map(({ container, server, generation }) => ({
        container: asContainerId(String(container)),
        server: asServerName(String(server)),
        generation: Number(generation),
      }));
    },
    lines: (container, query) => readLines(all, container, query),
    keepEvents: (at, events) => write({ kind: 'events', at, oldest: oldest(), events }),
    keepAlertTurns: (at, turns) => write({ kind: 'alert-turns', at, oldest: oldest(), turns }),
    async alertTurns({ engine, project }, since) {
      const sql = 'SELECT turn FROM alert_turns WHERE engine = ? AND project = ? AND time >= ? ORDER BY time';
      return (await all('alert_turns', sql, engine, project, since)).flatMap(({ turn }) => turnIn(turn) ?? []);
    },
    async events({ engine, project }, since) {
      const sql = 'SELECT event FROM events WHERE engine = ? AND project = ? AND time >= ? ORDER BY time';
      return (await all('events', sql, engine, project, since)).flatMap(({ event }) => eventIn(event) ?? []);
    },
  };
}

function insertEvents(
  database: DatabaseSync,
  { at: { engine, project }, oldest, events }: Extract<LogWrite, { kind: 'events' }>,
): void {
  const statement = database.prepare('INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)');
  for (const event of events) statement.run(engine, project, event.time, event.key, JSON.stringify(event));
  database.prepare('DELETE FROM events WHERE engine = ? AND project = ? AND time < ?').run(engine, project, oldest);
  for (const server of new Set(events.map((event) => event.server))) {
    const place = [engine, project, server];
    const last = database.prepare(newestEvents).get(...place, mostEvents - 1);
    if (last !== undefined) database.prepare(olderEvents).run(...place, last.time ?? 0);
  }
}

function insertTurns(
  database: DatabaseSync,
  { at: { engine, project }, oldest, turns }: Extract<LogWrite, { kind: 'alert-turns' }>,
): void {
  const statement = database.prepare('INSERT OR IGNORE INTO alert_turns VALUES (?, ?, ?, ?)');
  for (const turn of turns) statement.run(engine, project, turn.time, JSON.stringify(turn));
  const newest = 'SELECT time FROM alert_turns WHERE engine = ? AND project = ? ORDER BY time DESC LIMIT 1 OFFSET ?';
  const last = Number(database.prepare(newest).get(engine, project, mostEvents - 1)?.time ?? 0);
  database
    .prepare('DELETE FROM alert_turns WHERE engine = ? AND project = ? AND time < ?')
    .run(engine, project, Math.max(oldest, last));
}

function insert(
  database: DatabaseSync,
  { engine, project }: HealthPlace,
  { container, server, generation }: LoggedContainer,
  lines: readonly CountedLine[],
): void {
  database
    .prepare(
      `INSERT INTO containers (container, engine, project, server, generation) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (container) DO NOTHING`,
    )
    .run(container, engine, project, server, generation);
  const owner = Number(database.prepare('SELECT id FROM containers WHERE container = ?').get(container)?.id);
  const kept = database.prepare('SELECT octet_length(text) AS bytes FROM lines WHERE owner = ? AND time = ? AND n = ?');
  const put = database.prepare('INSERT OR REPLACE INTO lines (owner, time, n, stream, text) VALUES (?, ?, ?, ?, ?)');
  let more = 0;
  for (const { time, n, stream, text } of lines) {
    const found = kept.get(owner, time, n);
    const before = found === undefined ? -bytesBesideText : Number(found.bytes);
    const bytes = Buffer.byteLength(text);
    // One that was not finished when it was kept is longer the next time.
    if (bytes <= before) continue;
    put.run(owner, time, n, stream, text);
    more += bytes - before;
  }
  database.prepare('UPDATE containers SET bytes = bytes + ? WHERE id = ?').run(more, owner);
}

/** Deletes what is too old of all, and the oldest of a server that has too much. */
function forget(
  database: DatabaseSync,
  { at: { engine, project }, server, oldest }: { at: HealthPlace; server: string; oldest: number },
): void {
  const deleteBefore = (owner: SQLInputValue, time: number): void => {
    database.prepare('DELETE FROM lines WHERE owner = ? AND time < ?').run(owner, time);
    database.prepare(countBytes).run(owner);
  };
  const aged = database.prepare(
    'SELECT id FROM containers WHERE EXISTS (SELECT 1 FROM lines WHERE owner = containers.id AND time < ?)',
  );
  for (const { id } of aged.all(oldest)) deleteBefore(id ?? null, oldest);
  const place = [engine, project, server];
  const owners = database.prepare(`SELECT id, bytes FROM containers WHERE ${ofServer}`).all(...place);
  if (owners.reduce((sum, { bytes }) => sum + Number(bytes), 0) > mostBytes) {
    const newest = database.prepare(
      `SELECT time FROM (
         SELECT time, sum(${bytesOfLine}) OVER (ORDER BY time DESC, n DESC) AS total
         FROM lines JOIN containers ON containers.id = owner WHERE ${ofServer}
       ) WHERE total > ? ORDER BY time DESC LIMIT 1`,
    );
    const last = Number(newest.get(...place, trimmedBytes)?.time ?? 0);
    for (const { id } of owners) deleteBefore(id ?? null, last + 1);
  }
  database.exec('DELETE FROM containers WHERE NOT EXISTS (SELECT 1 FROM lines WHERE owner = containers.id)');
}

async function* readLines(
  all: ReadAll,
  container: ContainerId,
  { streams, since = 0, until = Number.MAX_SAFE_INTEGER, tail }: KeptQuery,
): AsyncGenerator<KeptLine> {
  const ofContainer = 'owner = (SELECT id FROM containers WHERE container = ?)';
  const asKept = (row: Record<string, unknown>) => ({ time: Number(row.time), n: Number(row.n) });
  let after = { time: since, n: -1 };
  if (tail !== undefined) {
    const span = [container, since, until];
    const sql = `SELECT time, n FROM lines WHERE ${ofContainer} AND time BETWEEN ? AND ? ORDER BY time DESC, n DESC`;
    const [before] = await all('lines', `${sql} LIMIT 1 OFFSET ?`, ...span, tail);
    if (before !== undefined) after = asKept(before);
  }
  const sql = `SELECT time, n, stream, text FROM lines
    WHERE ${ofContainer} AND (time, n) > (?, ?) AND time <= ? ORDER BY time, n LIMIT ${pageLines}`;
  for (;;) {
    const page = await all('lines', sql, container, after.time, after.n, until);
    for (const row of page) {
      after = asKept(row);
      const stream = row.stream === 'stdout' ? 'stdout' : 'stderr';
      if (streams.includes(stream)) yield { time: after.time, stream, text: String(row.text) };
    }
    if (page.length < pageLines) return;
  }
}
