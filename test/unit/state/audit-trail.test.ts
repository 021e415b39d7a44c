import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { AuditQuery, CallRecord } from '../../../src/model/trail/audit.ts';
import { readExecutions } from '../../../src/state/executions.ts';
import { ledgerPlaces } from '../../../src/state/ledger.ts';
import { auditedCall, trailIn, writeCalls } from '../../support/audit-calls.ts';
import { eventually } from '../../support/eventually.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'looms-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const supportModule = new URL('../../support/audit-calls.ts', import.meta.url).href;

async function callsOf(query: AuditQuery = {}, place = folder): Promise<CallRecord[]> {
  const calls: CallRecord[] = [];
  for await (const call of trailIn(place).reader.calls(query)) calls.push(call);
  return calls;
}

/** Newer lines of Node keep schemas from being written over; who writes the file is not kept from it. */
const withoutDefense: object = { defensive: false };

/** Does to the database what nobody should. */
function tamper(sql: string): void {
  const database = new DatabaseSync(trailIn(folder).places.database, withoutDefense);
  database.exec(sql);
  database.close();
}

describe('the audit trail', () => {
  it('says who called what, when, and how it ended; arguments only by size and hash', async () => {
    const { trail } = trailIn(folder);
    const { start, ended } = await trail.started(auditedCall({ arguments: { b: 'ü', a: 1 } }));
    expect(start).toEqual({ written: true });
    expect(await ended({ result: 'tool-error', durationMs: 12, resultBytes: 34 })).toEqual({ written: true });
    expect(await callsOf()).toEqual([
      {
        seq: 1,
        call: expect.stringMatching(/^[0-9a-f-]{36}$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        user: 'ada',
        host: 'desk',
        pid: process.pid,
        project: 'p',
        server: 'fs',
        generation: 1,
        container: 'c1',
        engine: 'engine-1',
        protocolVersion: '2025-11-25',
        tool: 'echo',
        timeoutMs: 300_000,
        argumentsBytes: '{"a":1,"b":"ü"}'.length + 1,
        argumentsHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        result: 'tool-error',
        resultBytes: 34,
        durationMs: 12,
      },
    ]);
  });

  it('writes an end that nobody waits for with what comes next, by itself where nothing does, and before it is closed', async () => {
    const { trail, writer } = trailIn(folder);
    const ends = async () => (await callsOf()).map(({ tool, result }) => `${tool} ${result}`);
    const first = await trail.started(auditedCall({ tool: 'first' }));
    const told: string[] = [];
    const ended = first.ended({ result: 'ok', durationMs: 1 }, 'soon').then(() => told.push('first ended'));
    // What is written now goes with it, behind it.
    const second = await trail.started(auditedCall({ tool: 'second' }));
    told.push('second began');
    await ended;
    expect(told).toEqual(['first ended', 'second began']);
    await second.ended({ result: 'ok', durationMs: 1 }, 'soon');
    expect(await ends()).toEqual(['first ok', 'second ok']);
    const third = await trail.started(auditedCall({ tool: 'third' }));
    third.ended({ result: 'ok', durationMs: 1 }, 'soon');
    await writer.close();
    expect(await ends()).toEqual(['first ok', 'second ok', 'third ok']);
  });

  it('gives the same arguments the same hash on this machine, and another one elsewhere', async () => {
    const other = mkdtempSync(join(folder, 'other-'));
    for (const place of [folder, folder, other]) {
      const { ended } = await trailIn(place).trail.started(auditedCall({ arguments: { a: 1, b: 2 } }));
      await ended({ result: 'ok', durationMs: 1 });
    }
    const [first, second] = await callsOf();
    const elsewhere = await callsOf({}, other);
    expect(first?.argumentsHash).toBe(second?.argumentsHash);
    expect(elsewhere[0]?.argumentsHash).not.toBe(first?.argumentsHash);
  });

  it('keeps arguments when that is asked for, masked', async () => {
    const { places, writer } = trailIn(folder);
    const { createAuditTrail } = await import('../../../src/state/audit-trail.ts');
    const who = { user: 'ada', host: 'desk', pid: 1 };
    const trail = createAuditTrail({ writer, who, mask: (args) => ({ ...args, token: '(secret)' }) });
    const call = auditedCall({ arguments: { token: 'plugh-98765', n: 1 }, keepArguments: true });
    await (await trail.started(call)).ended({ result: 'ok', durationMs: 1 });
    expect((await callsOf())[0]?.arguments).toEqual({ token: '(secret)', n: 1 });
    expect(readFileSync(places.database, 'latin1')).not.toContain('plugh');
  });

  it('has a call that never ended, and one that was refused, which is not counted', async () => {
    const { trail, places } = trailIn(folder);
    await trail.started(auditedCall({ tool: 'lost' }));
    const { timeoutMs, arguments: _, keepArguments, ...target } = auditedCall({ tool: 'drop' });
    expect(await trail.refused(target, 'tool-not-found')).toEqual({ written: true });
    const [lost, refused] = await callsOf();
    expect(lost).toMatchObject({ tool: 'lost' });
    expect(lost).not.toHaveProperty('result');
    expect(refused).toMatchObject({ tool: 'drop', result: 'refused', code: 'tool-not-found' });
    expect(refused).not.toHaveProperty('argumentsHash');
    expect(await readExecutions(places.database, [asContainerId('c1')])).toEqual(new Map([['c1', 1]]));
  });

  it('is read back to a moment, from its end, and no further than a minute behind that', async () => {
    await writeCalls(folder, 3);
    const [first] = await callsOf();
    const asked = { project: asProjectName('p'), newestFirst: true };
    expect(await callsOf({ ...asked, backTo: first?.time ?? '' })).toHaveLength(3);
    expect(await callsOf({ ...asked, backTo: new Date(Date.now() + 1_000).toISOString() })).toEqual([]);
    // A clock that was set back by an hour at the third record: what is before it says nothing of what is now.
    const at = (ms: number) => new Date(Date.parse(first?.time ?? '') + ms).toISOString();
    tamper(`UPDATE audit SET record = json_set(record, '$.time', '${at(-3_600_000)}') WHERE seq = 3`);
    expect((await callsOf({ ...asked, backTo: at(0) })).map(({ seq }) => seq)).toEqual([5]);
    // One that is some seconds older, and was written later, hides nothing.
    tamper(`UPDATE audit SET record = json_set(record, '$.time', '${at(-5_000)}') WHERE seq = 3`);
    expect((await callsOf({ ...asked, backTo: at(0) })).map(({ seq }) => seq)).toEqual([5, 1]);
  });

  it('counts the calls of a day in no more time for those of the years before it', async () => {
    await writeCalls(folder, 3);
    const [first] = await callsOf();
    const backTo = first?.time ?? '';
    const project = asProjectName('p');
    // Later in the chain, so that the records of the day keep their places at its end.
    tamper(`
      UPDATE audit SET seq = seq + 50000;
      INSERT INTO audit (seq, record, hash)
        WITH RECURSIVE old (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM old WHERE seq < 50000)
        SELECT old.seq, json_set(record, '$.time', '2020-01-01T00:00:00.000Z'), hash
        FROM old JOIN audit AS one ON one.seq = 50001`);
    const { reader } = trailIn(folder);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const began = performance.now();
      await work();
      return performance.now() - began;
    };
    expect(await reader.countCalls({ project, backTo: '2020-01-01T00:00:00.000Z' })).toBe(50_003);
    expect(await reader.countCalls({ project, backTo })).toBe(3);
    const all = await timed(() => reader.countCalls({ project, backTo: '2020-01-01T00:00:00.000Z' }));
    const often = await timed(async () => {
      for (let asked = 0; asked < 5; asked += 1) await reader.countCalls({ project, backTo });
    });
    expect(often).toBeLessThan(all);
  });

  it('lets everything else have its turn while a long part of it is read', async () => {
    await writeCalls(folder, 1);
    tamper(`WITH RECURSIVE n(i) AS (VALUES (3) UNION ALL SELECT i + 1 FROM n WHERE i < 2001)
      INSERT INTO audit SELECT i, json_set(record, '$.call', 'c' || i), hash FROM n, audit WHERE seq = 1`);
    let turns = 0;
    let others = setImmediate(function again() {
      turns += 1;
      others = setImmediate(again);
    });
    const turnsAt: number[] = [];
    for await (const _ of trailIn(folder).reader.calls({})) turnsAt.push(turns);
    clearImmediate(others);
    expect(turnsAt).toHaveLength(2_000);
    expect(new Set(turnsAt).size).toBeGreaterThan(9);
  });

  it('says which record is the newest, however soon after the last look another one is written', async () => {
    const { reader } = trailIn(folder);
    expect(await reader.newest()).toBe(0);
    for (const written of [2, 4, 6]) {
      await writeCalls(folder, 1);
      expect([await reader.newest(), await reader.newest()]).toEqual([written, written]);
    }
    // Nothing is written for long enough that the time of the file tells: it is not read, and a write is seen all the same.
    const { database } = trailIn(folder).places;
    const long = new Date(Date.now() - 60_000);
    for (const file of [database, `${database}-wal`].filter((path) => existsSync(path))) utimesSync(file, long, long);
    expect(await reader.newest()).toBe(6);
    const opened = vi.spyOn(DatabaseSync.prototype, 'prepare');
    expect(await reader.newest()).toBe(6);
    expect(opened).not.toHaveBeenCalled();
    opened.mockRestore();
    await writeCalls(folder, 1);
    expect(await reader.newest()).toBe(8);
  });

  it('can be read and filtered, oldest or newest first', async () => {
    const { trail } = trailIn(folder);
    for (const [project, server, tool] of [
      ['p', 'fs', 'read'],
      ['p', 'fs', 'write'],
      ['q', 'db', 'read'],
    ] as const) {
      await trail.started(auditedCall({ project: asProjectName(project), server: asServerName(server), tool }));
    }
    const tools = async (query: AuditQuery) => (await callsOf(query)).map(({ server, tool }) => `${server}.${tool}`);
    expect(await tools({})).toEqual(['fs.read', 'fs.write', 'db.read']);
    expect(await tools({ newestFirst: true })).toEqual(['db.read', 'fs.write', 'fs.read']);
    expect(await tools({ project: asProjectName('q') })).toEqual(['db.read']);
    expect(await tools({ servers: ['fs', 'x'], tools: ['read'] })).toEqual(['fs.read']);
    expect(await tools({ who: ['ada'] })).toHaveLength(3);
    expect(await tools({ who: ['bob', 'ada@desk'] })).toHaveLength(3);
    expect(await tools({ who: ['ada@elsewhere', "' OR 1=1 --"] })).toEqual([]);
    const [first, second] = await callsOf();
    expect(await tools({ since: '2000-01-01T00:00:00.000Z' })).toHaveLength(3);
    expect(await tools({ until: first?.time ?? '' })).toEqual([]);
    expect(await tools({ since: second?.time ?? '' })).toContain('fs.write');
  });

  it('is empty and intact where nothing was written, and reading writes nothing', async () => {
    expect(await callsOf()).toEqual([]);
    expect(await trailIn(folder).reader.verify()).toEqual({ intact: true, records: 0 });
    expect(() => statSync(dirname(trailIn(folder).places.database))).toThrow('ENOENT');
  });

  it('goes on in a ledger of an older looms, which only counted', async () => {
    const { places, reader } = trailIn(folder);
    mkdirSync(dirname(places.database));
    const old = new DatabaseSync(places.database);
    old.exec('CREATE TABLE executions (container TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT');
    old.exec("INSERT INTO executions VALUES ('c1', 41)");
    old.close();
    expect(await reader.verify()).toEqual({ intact: true, records: 0 });
    expect(await callsOf()).toEqual([]);
    await writeCalls(folder, 1);
    expect(await readExecutions(places.database, [asContainerId('c1')])).toEqual(new Map([['c1', 42]]));
  });

  it('is readable by its owner only', async () => {
    await trailIn(folder).trail.started(auditedCall());
    const { database, keyFile } = trailIn(folder).places;
    for (const path of [database, `${database}-wal`, keyFile]) expect(statSync(path).mode & 0o777, path).toBe(0o600);
    expect(statSync(dirname(database)).mode & 0o777).toBe(0o700);
  });

  it('lies where the XDG rules put it', () => {
    expect(ledgerPlaces({ HOME: '/h', XDG_STATE_HOME: 'relative' }).database).toBe(
      '/h/.local/state/looms/ledger.sqlite',
    );
    expect(ledgerPlaces({ HOME: '/h', XDG_STATE_HOME: '/s' }).keyFile).toBe('/s/looms/audit-key');
  });

  it('loses nothing when eight programs begin and write it at once', async () => {
    const script = `
      import { writeCalls } from ${JSON.stringify(supportModule)};
      await writeCalls(${JSON.stringify(folder)}, 25, process.argv[1]);
    `;
    const writers = Array.from({ length: 8 }, (_, index) => `writer-${index}`);
    const exits = writers.map(async (who) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, who], { stdio: 'inherit' });
      const [code] = await once(child, 'exit');
      return code;
    });
    expect(await Promise.all(exits)).toEqual(writers.map(() => 0));
    const { reader, places } = trailIn(folder);
    expect(await reader.verify()).toMatchObject({ intact: true, records: 8 * 25 * 2 });
    expect(await readExecutions(places.database, [asContainerId('c1')])).toEqual(new Map([['c1', 200]]));
    const calls = await callsOf();
    for (const who of writers)
      expect(calls.filter(({ user, result }) => user === who && result === 'ok')).toHaveLength(25);
  }, 60_000);
});

describe('verifying the trail', () => {
  const verify = (...args: Parameters<ReturnType<typeof trailIn>['reader']['verify']>) =>
    trailIn(folder).reader.verify(...args);
  const hash = 'a'.repeat(64);

  beforeEach(() => writeCalls(folder, 5));

  it.each([
    ['a result that was changed', `UPDATE audit SET record = replace(record, '"ok"', '"refused"') WHERE seq = 4`, 4],
    ['a time that was changed', `UPDATE audit SET record = json_set(record, '$.time', 'x') WHERE seq = 7`, 7],
    ['a hash that was changed', `UPDATE audit SET hash = '${hash}' WHERE seq = 3`, 3],
    [
      'two records that changed places',
      'UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 100',
      3,
    ],
    [
      'a record removed and the rest moved up',
      'DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3',
      3,
    ],
    ['a record put behind the last one', `INSERT INTO audit (seq, record, hash) VALUES (11, '{}', '${hash}')`, 11],
  ])('finds %s', async (_, sql, seq) => {
    tamper(sql);
    expect(await verify()).toMatchObject({ intact: false, seq, fault: 'changed' });
  });

  it.each([
    ['a record that was removed', 'DELETE FROM audit WHERE seq = 6', 6, 'missing'],
    ['a beginning that was removed', 'DELETE FROM audit WHERE seq < 3', 1, 'missing'],
    ['an end that was removed', 'DELETE FROM audit WHERE seq > 8', 9, 'cut-off'],
    ['all records removed', 'DELETE FROM audit', 1, 'cut-off'],
    [
      'an end removed together with its mark',
      'DELETE FROM audit WHERE seq > 8; DELETE FROM audit_marks',
      9,
      'unproven-end',
    ],
    [
      'an end removed and its mark moved',
      'DELETE FROM audit WHERE seq > 8; UPDATE audit_marks SET seq = 8, hash = (SELECT hash FROM audit WHERE seq = 8)',
      9,
      'unproven-end',
    ],
  ])('finds %s', async (_, sql, seq, fault) => {
    tamper(sql);
    expect(await verify()).toMatchObject({ intact: false, seq, fault });
  });

  it.each([
    ['the table of the records dropped', 'DROP TABLE audit'],
    ['both tables dropped, with the key still there', 'DROP TABLE audit; DROP TABLE audit_marks'],
  ])('finds %s', async (_, sql) => {
    tamper(sql);
    expect(await verify()).toEqual({ intact: false, seq: 1, fault: 'cut-off' });
    expect(await callsOf()).toEqual([]);
  });

  it('finds the table of the records dropped also without the key', async () => {
    rmSync(trailIn(folder).places.keyFile);
    tamper('DROP TABLE audit');
    expect(await verify()).toEqual({ intact: false, seq: 1, fault: 'cut-off' });
  });

  it('finds the table of the mark dropped', async () => {
    tamper('DROP TABLE audit_marks');
    expect(await verify()).toEqual({ intact: false, seq: 11, fault: 'unproven-end' });
  });

  const ended = "CREATE INDEX audit_ends ON audit (call) WHERE event = 'ended'";
  /** Another table of the same name, with a line of it changed; every record and hash in it as before. */
  const rebuilt = (line: string, other: string): string => {
    const sql = new DatabaseSync(trailIn(folder).places.database)
      .prepare("SELECT sql FROM sqlite_schema WHERE name = 'audit'")
      .get()?.sql as string;
    expect(sql).toContain(line);
    return `ALTER TABLE audit RENAME TO old; DROP INDEX audit_ends; ${sql.replace(line, other)};
      INSERT INTO audit (seq, record, hash) SELECT seq, record, hash FROM old; DROP TABLE old; ${ended}`;
  };

  it.each([
    ['event', () => rebuilt("'$.event')", "iif(seq = 3, '$.x', '$.event'))")],
    ['time', () => rebuilt("(record ->> '$.time')", "(iif(seq = 3, '', record ->> '$.time'))")],
    ['call', () => rebuilt("'$.call')", "iif(seq = 4, '$.x', '$.call'))")],
    ['a view', () => 'ALTER TABLE audit RENAME TO kept; CREATE VIEW audit AS SELECT * FROM kept WHERE seq <> 3'],
    ['a name in other letters', () => 'ALTER TABLE audit RENAME TO old; ALTER TABLE old RENAME TO AUDIT'],
    ['a trigger', () => 'CREATE TRIGGER gone AFTER INSERT ON audit BEGIN DELETE FROM audit; END'],
    ['an index of fewer records', () => `DROP INDEX audit_ends; ${ended} AND seq <> 4`],
    [
      'an index that says to have all',
      () => `DROP INDEX audit_ends; ${ended} AND seq <> 4;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, ' AND seq <> 4', '') WHERE name = 'audit_ends'`,
    ],
  ])('finds tables in which a record is hidden from who asks for it: %s', async (_, sql) => {
    tamper(sql());
    expect(await verify()).toEqual({ intact: false, fault: 'tables' });
  });

  it('hides no record behind tables of somebody else: it says that it cannot be read, and no quota counts less', async () => {
    tamper(rebuilt("'$.event')", "iif(seq = 3, '$.x', '$.event'))"));
    const unreadable = { code: 'ledger-unreadable', hint: expect.stringContaining('looms audit verify') };
    await expect(callsOf()).rejects.toMatchObject(unreadable);
    const project = asProjectName('p');
    await expect(
      trailIn(folder).reader.countCalls({ project, backTo: new Date().toISOString() }),
    ).rejects.toMatchObject(unreadable);
  });

  it('takes a ledger as its own that was copied by a dump, looked at by ANALYZE, or has tables of other versions', async () => {
    tamper('CREATE TABLE later (a TEXT PRIMARY KEY) STRICT; ANALYZE; VACUUM');
    expect(await verify()).toMatchObject({ intact: true, records: 10 });
    expect(await callsOf()).toHaveLength(5);
  });

  it('finds a ledger that was emptied', async () => {
    const { database } = trailIn(folder).places;
    writeFileSync(database, '');
    rmSync(`${database}-wal`, { force: true });
    expect(await verify()).toEqual({ intact: false, seq: 1, fault: 'cut-off' });
  });

  it.each([
    ['the ledger is gone', () => rmSync(trailIn(folder).places.database)],
    ['nothing is in it', () => tamper('DELETE FROM audit; DELETE FROM audit_marks')],
  ])('says that a key is there and the trail is not: %s', async (_, remove) => {
    remove();
    const { keyFile } = trailIn(folder).places;
    expect(await verify()).toEqual({ intact: true, records: 0, keyWithoutTrail: keyFile });
  });

  it('still finds a missing end after more was written', async () => {
    tamper('DELETE FROM audit WHERE seq > 8');
    await writeCalls(folder, 2);
    expect(await verify()).toEqual({ intact: false, seq: 9, fault: 'missing' });
  });

  it('does not let a new record hide an end whose mark is gone: it says so, and counts the call', async () => {
    tamper('DELETE FROM audit WHERE seq > 8; DELETE FROM audit_marks');
    const { trail, places } = trailIn(folder);
    const { start, ended } = await trail.started(auditedCall());
    expect(start).toMatchObject({ written: false, hint: expect.stringContaining('looms audit verify') });
    expect(await ended({ result: 'ok', durationMs: 1 })).toEqual({ written: true });
    expect(await readExecutions(places.database, [asContainerId('c1')])).toEqual(new Map([['c1', 6]]));
    expect(await verify()).toMatchObject({ intact: false, seq: 9 });
  });

  it('finds an older copy of the trail by a head that was noted down', async () => {
    const { places } = trailIn(folder);
    const older = readFileSync(places.database);
    await writeCalls(folder, 3);
    const noted = await verify();
    if (!noted.intact) throw new Error('broken');
    expect(await verify(noted.head)).toMatchObject({ intact: true, records: 16 });
    await writeCalls(folder, 1);
    expect(await verify(noted.head)).toMatchObject({ intact: true, records: 18 });
    writeFileSync(places.database, older);
    expect(await verify()).toMatchObject({ intact: true, records: 10 });
    expect(await verify(noted.head)).toMatchObject({ intact: false, fault: 'other-head' });
    rmSync(places.database);
    expect(await verify(noted.head)).toMatchObject({ intact: false, fault: 'other-head' });
  });

  it('needs the key: without it nothing is verified, nothing is written, and no new one is made', async () => {
    const { places, trail } = trailIn(folder);
    const key = readFileSync(places.keyFile);
    rmSync(places.keyFile);
    await expect(verify()).rejects.toMatchObject({
      code: 'ledger-unreadable',
      message: expect.stringContaining('key'),
    });
    expect((await trail.started(auditedCall())).start).toMatchObject({ written: false });
    expect(() => statSync(places.keyFile)).toThrow('ENOENT');
    expect(await callsOf()).toHaveLength(5);

    writeFileSync(places.keyFile, `${'0'.repeat(64)}\n`, { mode: 0o600 });
    expect(await verify()).toMatchObject({ intact: false, seq: 1, fault: 'changed' });
    writeFileSync(places.keyFile, key);
    chmodSync(places.keyFile, 0o644);
    expect((await trail.started(auditedCall())).start).toMatchObject({
      written: false,
      hint: `chmod 600 ${places.keyFile}`,
    });
  });
});

describe('a trail that cannot be written', () => {
  it('is said when another program holds the ledger, and the same again later', async () => {
    await writeCalls(folder, 1);
    const { places, trail } = trailIn(folder);
    const other = new DatabaseSync(places.database);
    other.exec('BEGIN IMMEDIATE');
    const { start, ended } = await trail.started(auditedCall());
    expect(start).toMatchObject({ written: false, why: expect.stringContaining('locked') });
    expect(await ended({ result: 'ok', durationMs: 1 })).toEqual({ written: true });
    other.exec('ROLLBACK');
    other.close();
    await writeCalls(folder, 1);
    expect(await trailIn(folder).reader.verify()).toMatchObject({ intact: true, records: 4 });
  }, 20_000);

  it('holds nothing else up while another program holds the ledger, and goes on when that lets go', async () => {
    await writeCalls(folder, 1);
    const { trail, places } = trailIn(folder);
    const other = new DatabaseSync(places.database);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const turning = setInterval(() => (turns += 1), 5);
    const starting = trail.started(auditedCall());
    await eventually(() => expect(turns).toBeGreaterThan(100), 10_000);
    other.exec('COMMIT');
    other.close();
    clearInterval(turning);
    const { start, ended } = await starting;
    expect([start, await ended({ result: 'ok', durationMs: 1 })]).toEqual([{ written: true }, { written: true }]);
    expect(await trailIn(folder).reader.verify()).toMatchObject({ intact: true, records: 4 });
  });

  it('takes two hundred calls at once in a few transactions, each before it is sent, in one chain', async () => {
    const { trail, writer } = trailIn(folder);
    const calls = await Promise.all(
      Array.from({ length: 200 }, (_, index) => trail.started(auditedCall({ arguments: { index } }))),
    );
    expect(calls.every(({ start }) => start.written)).toBe(true);
    await Promise.all(calls.map(({ ended }) => ended({ result: 'ok', durationMs: 1 })));
    await writer.close();
    expect(await trailIn(folder).reader.verify()).toMatchObject({ intact: true, records: 400 });
    expect((await callsOf()).every(({ result }) => result === 'ok')).toBe(true);
  });

  it('is said when the ledger is no database, and it is left as it is', async () => {
    const { places, trail, reader } = trailIn(folder);
    mkdirSync(dirname(places.database));
    writeFileSync(places.database, 'not a database at all'.repeat(100));
    const { start } = await trail.started(auditedCall());
    expect(start).toMatchObject({ written: false, why: expect.stringContaining('no SQLite database') });
    expect(readFileSync(places.database, 'utf8')).toContain('not a database');
    await expect(reader.verify()).rejects.toMatchObject({ code: 'ledger-unreadable' });
    await expect(callsOf()).rejects.toMatchObject({ code: 'ledger-unreadable' });
  });

  it.each([
    ['a pipe', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => void mkdirSync(path)],
  ])('is said when the ledger is %s, and nobody waits for it', async (_, make) => {
    const { places, trail, reader } = trailIn(folder);
    mkdirSync(dirname(places.database));
    make(places.database);
    const why = `${places.database} is no regular file`;
    expect((await trail.started(auditedCall())).start).toMatchObject({ written: false, why });
    await expect(reader.verify()).rejects.toMatchObject({ code: 'ledger-unreadable' });
    await expect(readExecutions(places.database, [asContainerId('c1')])).rejects.toMatchObject({
      code: 'ledger-unreadable',
      message: `the ledger cannot be read: ${why}`,
    });
  });

  it.each([
    ['a pipe', (path: string) => void execFileSync('mkfifo', ['-m', '600', path])],
    ['a folder', (path: string) => void mkdirSync(path)],
  ])('is said of the key when that is %s', async (_, make) => {
    const { places, trail } = trailIn(folder);
    mkdirSync(dirname(places.database));
    make(places.keyFile);
    expect((await trail.started(auditedCall())).start).toMatchObject({
      written: false,
      why: `${places.keyFile} is no regular file`,
    });
  });

  it('is said when its folder cannot be made', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const { start } = await trailIn(file).trail.started(auditedCall());
    expect(start).toMatchObject({ written: false, hint: expect.stringContaining('XDG_STATE_HOME') });
  });
});
