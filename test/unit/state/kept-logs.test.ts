import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { AlertTurn } from '../../../src/model/alerts.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { CountedLine, KeptQuery } from '../../../src/model/trail/kept-logs.ts';
import { keptLogsFile, logKeeper } from '../../../src/state/kept-logs.ts';
import { writesInThread } from '../../../src/state/write-thread.ts';
import { emptyFolder } from '../../support/looms.ts';

const place = { engine: 'E', project: asProjectName('p') };
const day = 86_400_000;
const now = 100 * day;
const of = (container: string, server = 'fs', generation = 1) => ({
  container: asContainerId(container),
  server: asServerName(server),
  generation,
});
const line = (time: number, text: string, n = 0): CountedLine => ({ time: now + time, stream: 'stderr', text, n });

function keeper() {
  const folder = emptyFolder();
  const clock = { now };
  const path = keptLogsFile({ XDG_STATE_HOME: folder });
  const { write } = writesInThread({ logs: path, ledger: join(folder, 'looms', 'ledger.sqlite') });
  const logs = logKeeper(
    path,
    (one) => write({ kind: 'logs', write: one }),
    () => clock.now,
  );
  const textsOf = async (container: string, query: Partial<KeptQuery> = {}): Promise<string[]> => {
    const texts: string[] = [];
    const all = { streams: ['stdout', 'stderr'], ...query } as const;
    for await (const { text } of logs.lines(asContainerId(container), all)) texts.push(text);
    return texts;
  };
  return { logs, textsOf, clock, path };
}

test('lines are kept once, whoever keeps them, those of one millisecond apart; nobody else may read them', async () => {
  const { logs, textsOf, path } = keeper();
  expect(await logs.containers(place)).toEqual([]);
  await logs.keep(place, of('a'), [line(1, 'one'), line(2, 'two'), line(2, 'two', 1)]);
  await Promise.all([
    logs.keep(place, of('a'), [line(2, 'two'), line(2, 'two', 1), line(3, 'three')]),
    logs.keep(place, of('a'), [line(2, 'two', 1), line(3, 'three'), line(3, 'four', 1)]),
  ]);
  expect(await textsOf('a')).toEqual(['one', 'two', 'two', 'three', 'four']);
  expect(await logs.keptUntil(asContainerId('a'))).toBe(now + 3);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a line that was not finished when it was kept is kept as it is in the end', async () => {
  const { logs, textsOf } = keeper();
  await logs.keep(place, of('a'), [line(1, 'half')]);
  await logs.keep(place, of('a'), [line(1, 'half of it and the rest'), line(2, '')]);
  await logs.keep(place, of('a'), [line(1, 'half')]);
  expect(await textsOf('a')).toEqual(['half of it and the rest', '']);
});

test('they are read by moment, stream and number from the end, page by page', async () => {
  const { logs, textsOf } = keeper();
  const many = Array.from({ length: 1_200 }, (_, at) => line(Math.floor(at / 3), `${at}`, at % 3));
  await logs.keep(place, of('a'), [...many, { ...line(500, 'out'), stream: 'stdout' }]);
  expect(await textsOf('a')).toEqual([...many.map(({ text }) => text), 'out']);
  expect(await textsOf('a', { since: now + 1, until: now + 1 })).toEqual(['3', '4', '5']);
  expect(await textsOf('a', { tail: 2 })).toEqual(['1199', 'out']);
  expect(await textsOf('a', { tail: 5_000, streams: ['stdout'] })).toEqual(['out']);
  expect(await textsOf('a', { tail: 0 })).toEqual([]);
});

test('of a server 10 MB stay, of all its containers together, and the oldest go', async () => {
  const { logs, textsOf, path } = keeper();
  const text = 'x'.repeat(100_000);
  const some = (from: number) => Array.from({ length: 60 }, (_, at) => line(from + at, text));
  await logs.keep(place, of('a'), some(0));
  await logs.keep(place, of('other', 'db'), some(0));
  await logs.keep(place, of('b', 'fs', 2), some(1_000));
  expect((await textsOf('a')).length).toBe(34);
  expect((await textsOf('b')).length).toBe(60);
  expect((await textsOf('other')).length).toBe(60);
  await logs.keep(place, of('c', 'fs', 3), [...some(2_000), ...some(3_000)]);
  expect(await textsOf('a')).toEqual([]);
  expect((await logs.containers(place)).map(({ container }) => container)).toEqual(['other', 'c']);
  // What was deleted makes room for what comes.
  const size = statSync(path).size;
  for (const more of [4_000, 5_000, 6_000]) await logs.keep(place, of('c', 'fs', 3), some(more));
  expect(statSync(path).size).toBeLessThan(size * 1.1);
});

test('what is older than 14 days goes, of containers that write nothing any more too', async () => {
  const { logs, textsOf, clock } = keeper();
  await logs.keep(place, of('a'), [line(0, 'old')]);
  clock.now += 15 * day;
  expect(await logs.keptUntil(asContainerId('a'))).toBe(now + day);
  await logs.keep(place, of('b', 'fs', 2), [line(15 * day, 'new')]);
  expect(await textsOf('a')).toEqual([]);
  expect(await logs.containers(place)).toEqual([of('b', 'fs', 2)]);
});

test('a file that is none of looms is an error that names it', async () => {
  const { logs, path } = keeper();
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, 'no database, but long enough to be taken for something else than an empty file'.repeat(20));
  const unreadable = { code: 'ledger-unreadable', message: expect.stringContaining(path) };
  await expect(logs.keep(place, of('a'), [line(1, 'one')])).rejects.toMatchObject(unreadable);
  await expect(logs.containers(place)).rejects.toMatchObject(unreadable);
});

test('events are kept once, of each project apart, for 14 days', async () => {
  const { logs, clock } = keeper();
  const event = (time: number): EngineEvent => ({
    key: `k${time}`,
    time: now + time,
    type: 'oom',
    ...of('a'),
    containerName: 'looms-p-fs',
  });
  expect(await logs.events(place, 0)).toEqual([]);
  await logs.keepEvents(place, [event(2), event(1)]);
  await logs.keepEvents(place, [event(1), event(3)]);
  expect(await logs.events(place, now + 2)).toEqual([event(2), event(3)]);
  expect(await logs.events({ ...place, engine: 'another' }, 0)).toEqual([]);
  clock.now += 15 * day;
  await logs.keepEvents(place, [event(15 * day)]);
  expect(await logs.events(place, 0)).toEqual([event(15 * day)]);
});

test('what alerts did is kept as long, once for all who saw it', async () => {
  const { logs, clock } = keeper();
  const turn = (time: number): AlertTurn => ({
    rule: 'drift',
    server: asServerName('fs'),
    value: '1 field',
    state: 'firing',
    time: now + time,
  });
  expect(await logs.alertTurns(place, 0)).toEqual([]);
  await logs.keepAlertTurns(place, [turn(2), turn(1)]);
  await logs.keepAlertTurns(place, [turn(2)]);
  expect(await logs.alertTurns(place, now + 1)).toEqual([turn(1), turn(2)]);
  expect(await logs.alertTurns({ ...place, engine: 'another' }, 0)).toEqual([]);
  clock.now += 15 * day;
  await logs.keepAlertTurns(place, [turn(15 * day)]);
  expect(await logs.alertTurns(place, 0)).toEqual([turn(15 * day)]);
});

test.each([
  ['no JSON', '{"rule":'],
  ['a name that no server can have', '{"rule":"drift","server":"../fs","value":"1","state":"firing","time":1}'],
  ['a state that there is not', '{"rule":"drift","server":"fs","value":"1","state":"fired","time":1}'],
  ['another kind of thing', '["fs"]'],
])('of what is kept %s is left out: it is a claim of whoever can write the file', async (_, text) => {
  const { logs, path } = keeper();
  const turn: AlertTurn = { rule: 'drift', server: asServerName('fs'), value: '1', state: 'resolved', time: now };
  const event: EngineEvent = { key: 'k', time: now, type: 'oom', ...of('a'), containerName: 'looms-p-fs' };
  await logs.keepAlertTurns(place, [turn]);
  await logs.keepEvents(place, [event]);
  const database = new DatabaseSync(path);
  const at = [place.engine, place.project];
  database.prepare('INSERT INTO alert_turns VALUES (?, ?, ?, ?)').run(...at, now, text);
  database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)').run(...at, now, 'forged', text);
  database.close();
  expect(await logs.alertTurns(place, 0)).toEqual([turn]);
  expect(await logs.events(place, 0)).toEqual([event]);
});

test('of a server the last 10,000 events stay, and those of others all', async () => {
  const { logs } = keeper();
  const event = (time: number, server: string): EngineEvent => ({
    key: `k${time}`,
    time: now + time,
    type: 'health',
    health: 'unhealthy',
    ...of('a', server),
    containerName: `looms-p-${server}`,
  });
  await logs.keepEvents(place, [event(0, 'quiet')]);
  const flapping = Array.from({ length: 12_000 }, (_, at) => event(at + 1, 'flaps'));
  await logs.keepEvents(place, flapping.slice(0, 9_000));
  await logs.keepEvents(place, flapping.slice(9_000));
  const kept = await logs.events(place, 0);
  expect(kept).toHaveLength(10_001);
  expect(kept.slice(0, 2).map(({ time, server }) => `${time - now} ${server}`)).toEqual(['0 quiet', '2001 flaps']);
});
