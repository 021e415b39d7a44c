import { describe, expect, test } from 'vitest';
import {
  type AlertLook,
  forgetTold,
  isDue,
  lookAtAlerts,
  owedTo,
  withinBound,
  withTold,
} from '../../../src/app/alerts/book.ts';
import { type Known, type Reading, readingOf } from '../../../src/app/alerts/readings.ts';
import type { Point } from '../../../src/app/measure/sampler.ts';
import type { ServerToLoop } from '../../../src/app/watch/loop-record.ts';
import type { Alert, AlertBook, AlertRule } from '../../../src/model/alerts.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { readAlertRule } from '../../../src/spec/alert-rule.ts';

const MiB = 1024 * 1024;
const fs = asServerName('fs');

function rule(text: string): AlertRule {
  const read = readAlertRule(text);
  if ('problem' in read) throw new Error(read.problem);
  return { ...read, position: { file: 'looms.yaml', line: 1, column: 1 }, length: 1 };
}

type Sampled = Partial<Point['sample'] & object>;

const point = (at: number, sampled: Sampled | null = {}, more: Partial<Point> = {}): Point => ({
  at,
  container: asContainerId('c1'),
  run: 'r1',
  limits: { cpuCores: 0.5, memoryBytes: 100 * MiB, processes: 10 },
  restarts: 0,
  oomKills: 0,
  sessions: 0,
  sample:
    sampled === null
      ? null
      : {
          at,
          cpuMs: 0,
          cpuPeriods: 0,
          throttledPeriods: 0,
          memoryBytes: 10 * MiB,
          processes: 2,
          network: null,
          blockIo: { readBytes: 0, writtenBytes: 0 },
          ...sampled,
        },
  ...more,
});

const loop = (more: Partial<ServerToLoop> = {}): ServerToLoop => ({
  server: fs,
  state: 'healthy',
  isDown: false,
  drift: [],
  ...more,
});

describe('what a condition is of a server', () => {
  const read = (text: string, known: Partial<Known>): Reading =>
    readingOf(rule(text), { now: 60_000, points: [], calls: () => undefined, loop: loop(), ...known });
  const known = (isTrue: boolean, value: string, isClear = !isTrue): Reading => ({
    kind: 'known',
    isTrue,
    isClear,
    value,
  });
  const unknown: Reading = { kind: 'unknown' };

  test('memory is a share of its limit or a size; without a measurement of now it is not known', () => {
    const points = [point(45_000), point(60_000, { memoryBytes: 93 * MiB })];
    expect(read('memory > 90%', { points })).toEqual(known(true, '93 %'));
    expect(read('memory > 95%', { points })).toEqual(known(false, '93 %', false));
    expect(read('memory > 98%', { points })).toEqual(known(false, '93 %', true));
    expect(read('memory > 64MiB', { points })).toEqual(known(true, '93 MiB'));
    expect(read('memory < 80%', { points })).toEqual(known(false, '93 %', true));
    expect(read('memory > 90%', { points: [point(60_000, null)] })).toEqual(unknown);
    expect(read('memory > 90%', { points, now: 100_000 })).toEqual(unknown);
    const limits = { cpuCores: null, memoryBytes: null, processes: null };
    expect(read('memory > 90%', { points: [point(60_000, {}, { limits })] })).toEqual(unknown);
  });

  test('over a time it is the mean, once that time was watched', () => {
    const points = [15, 30, 45, 60].map((second) => point(second * 1000, { memoryBytes: second * MiB }));
    expect(read('memory > 30% over 1m', { points })).toEqual(known(true, '37.5 %'));
    expect(read('memory > 30% over 5m', { points, now: 400_000 })).toEqual(unknown);
    expect(read('memory > 30% over 5m', { points })).toEqual(unknown);
  });

  test('processor time is what was taken between two measurements of one run', () => {
    const points = [point(45_000, { cpuMs: 1_000 }), point(60_000, { cpuMs: 7_000 })];
    expect(read('cpu > 70%', { points })).toEqual(known(true, '80 %'));
    expect(read('cpu > 0.5', { points })).toEqual(known(false, '0.4'));
    const replaced = [points[0], { ...point(60_000, { cpuMs: 7_000 }), run: 'r2' }] as Point[];
    expect(read('cpu > 70%', { points: replaced })).toEqual(unknown);
    const throttled = [
      point(45_000, { cpuPeriods: 10, throttledPeriods: 2 }),
      point(60_000, { cpuPeriods: 30, throttledPeriods: 12 }),
    ];
    expect(read('cpu.throttled > 25%', { points: throttled })).toEqual(known(true, '50 %'));
    expect(read('processes >= 20%', { points })).toEqual(known(true, '20 %'));
  });

  test('what is counted is known when it is enough, and too few only when all of the time was watched', () => {
    const counted = [0, 15, 30, 45, 60].map((second, index) =>
      point(
        second * 1000,
        {},
        { oomKills: index, restarts: index === 4 ? 1 : 3, container: asContainerId(index === 4 ? 'c2' : 'c1') },
      ),
    );
    expect(read('oom > 3 over 1m', { points: counted })).toEqual(known(true, '4'));
    expect(read('oom > 3 over 1h', { points: counted, now: 60_000 })).toEqual(known(true, '4'));
    expect(read('oom > 9 over 1h', { points: counted, now: 3_660_000 })).toEqual(unknown);
    expect(read('oom > 9 over 1m', { points: counted })).toEqual(known(false, '4'));
    // The engine starts a successor of its own count.
    expect(read('restarts > 0 over 1m', { points: counted })).toEqual(known(true, '1'));
  });

  test('a share of calls needs twenty of them', () => {
    const calls = (all: number, failed: number) => ({ calls: () => ({ all, failed }) });
    expect(read('calls.errors > 5% over 10m', calls(19, 19))).toEqual(unknown);
    expect(read('calls.errors > 5% over 10m', calls(20, 2))).toEqual(known(true, '10 %'));
    expect(read('calls.errors > 3 over 10m', calls(4, 4))).toEqual(known(true, '4'));
    expect(read('calls > 10 over 10m', calls(4, 4))).toEqual(known(false, '4'));
    expect(read('calls > 10 over 10m', {})).toEqual(unknown);
  });

  test('health is the word of the loop, down whatever is done about it; what is not known is neither', () => {
    expect(read('health is down', { loop: loop({ state: 'waiting', isDown: true }) })).toEqual(known(true, 'down'));
    expect(read('health is waiting', { loop: loop({ state: 'waiting', isDown: true }) })).toEqual(known(true, 'down'));
    expect(read('health is down', { loop: loop({ state: 'slow' }) })).toEqual(known(false, 'slow'));
    expect(read('health is down', { loop: loop({ state: 'unknown' }) })).toEqual(unknown);
    expect(read('drift', { loop: loop({ drift: ['image', 'user'] }) })).toEqual(known(true, 'image, user'));
    expect(read('drift', { loop: loop({ state: 'unknown', drift: ['image'] }) })).toEqual(known(true, 'image'));
    expect(read('drift', { loop: loop({ drift: 'unknown' }) })).toEqual(unknown);
    expect(read('drift', {})).toEqual(known(false, 'as declared'));
  });
});

const hour = 3_600_000;

describe('an alert', () => {
  const is = (isTrue: boolean, isClear = !isTrue): Reading => ({
    kind: 'known',
    isTrue,
    isClear,
    value: String(isTrue),
  });
  const unknown: Reading = { kind: 'unknown' };

  /** Looks 15 s apart, each with what is read then; how the alert of `fs` stands after each. */
  function states(
    text: string,
    readings: readonly Reading[],
    more: Partial<AlertLook> = {},
    before?: { readonly book: AlertBook | undefined; readonly now: number },
  ) {
    let book = before?.book;
    let now = before?.now ?? 0;
    const seen = readings.map((reading) => {
      now += 15_000;
      const look: AlertLook = {
        now,
        rules: [rule(text)],
        servers: new Map([[fs, loop()]]),
        readingOf: () => reading,
        isChanging: () => false,
        ...more,
      };
      book = { at: now, alerts: lookAtAlerts(book, look) };
      return book.alerts.map(({ state }) => state).join(' ') || 'ok';
    });
    return { seen, book: book as AlertBook | undefined, now };
  }
  const times = (reading: Reading, count: number): readonly Reading[] => Array.from({ length: count }, () => reading);

  test('is pending for its time, fires, and resolves when it was clear for a minute', () => {
    const { seen, book } = states('memory > 90% for 30s', [...times(is(true), 3), ...times(is(false), 5)]);
    expect(seen).toEqual(['pending', 'pending', 'firing', 'firing', 'firing', 'firing', 'firing', 'resolved']);
    expect(book?.alerts).toEqual([
      {
        rule: 'memory > 90% for 30s',
        server: 'fs',
        state: 'resolved',
        value: 'false',
        since: 15_000,
        firedAt: 45_000,
        knownAt: 120_000,
        resolvedAt: 120_000,
        told: {},
      },
    ]);
  });

  test('fires at once where no time is given', () => {
    expect(states('drift', [is(true)]).seen).toEqual(['firing']);
  });

  test('that is not true any more before its time was none', () => {
    expect(states('memory > 90% for 1m', [is(true), is(false), is(true)]).seen).toEqual(['pending', 'ok', 'pending']);
  });

  test('that fires does not end between its threshold and 95 % of it, and the minute begins anew', () => {
    const near = is(false, false);
    const { seen } = states('drift', [
      is(true),
      ...times(near, 10),
      ...times(is(false), 4),
      near,
      ...times(is(false), 5),
    ]);
    expect(seen.slice(0, 20)).toEqual(times(is(true), 20).map(() => 'firing'));
    expect(seen.at(-1)).toBe('resolved');
  });

  test('nothing follows from what is not known: what fires goes on, what is pending waits a minute', () => {
    expect(states('drift', [is(true), ...times(unknown, 50)]).seen.at(-1)).toBe('firing');
    const pending = states('memory > 90% for 2m', [is(true), ...times(unknown, 5)]);
    expect(pending.seen).toEqual(['pending', 'pending', 'pending', 'pending', 'pending', 'ok']);
    expect(states('memory > 90% for 30s', [is(true), unknown, is(true)]).seen.at(-1)).toBe('firing');
  });

  test('is quiet while its server is replaced', () => {
    const quiet = { isChanging: () => true };
    expect(states('drift', times(is(true), 3), quiet).seen).toEqual(['ok', 'ok', 'ok']);
    const servers = new Map([[fs, loop({ state: 'repairing', isDown: true })]]);
    expect(states('health is down', times(is(true), 3), { servers }).seen).toEqual(['ok', 'ok', 'ok']);
  });

  test('waits for no clock that was set back: it is pending anew, is told, ends and is reminded of', () => {
    const setBack = (text: string, first: readonly Reading[], then: readonly Reading[]) => {
      const { book } = states(text, first, {}, { book: undefined, now: hour });
      return states(text, then, {}, { book, now: 0 });
    };
    const pending = setBack('drift for 30s', [is(true)], times(is(true), 3));
    expect(pending.seen).toEqual(['pending', 'pending', 'firing']);
    const clearing = setBack('drift', [is(true), is(false)], times(is(false), 5));
    expect(clearing.seen.at(-1)).toBe('resolved');
    const { book, now } = setBack('drift', [is(true)], [is(true)]);
    const to = (alerts: readonly Alert[]) => owedTo(alerts, 'a', { now, remindMs: 2 * hour });
    const owed = to(book?.alerts ?? []);
    expect(isDue(owed, now)).toBe(true);
    const reminder = to(withTold(book?.alerts ?? [], 'a', owed, hour));
    expect(reminder).toMatchObject([{ isReminder: true }]);
    expect(isDue(reminder, now)).toBe(true);
    expect(to(withTold(book?.alerts ?? [], 'a', owed, now))).toEqual([]);
  });

  test('goes on where the clock was set back by some seconds', () => {
    const { book } = states('drift for 30s', [is(true)], {}, { book: undefined, now: 45_000 });
    expect(states('drift for 30s', times(is(true), 6), {}, { book, now: 0 }).seen.indexOf('firing')).toBe(5);
  });

  test('ends with its server, its rule, or when that was stopped; what is not known ends nothing', () => {
    const { book, now } = states('drift', [is(true)]);
    const look = (more: Partial<AlertLook>): readonly Alert[] =>
      lookAtAlerts(book, {
        now,
        rules: [rule('drift')],
        servers: new Map([[fs, loop()]]),
        readingOf: () => unknown,
        isChanging: () => false,
        ...more,
      });
    expect(look({ servers: new Map() })).toMatchObject([{ state: 'resolved', why: 'no-server' }]);
    expect(look({ rules: [] })).toMatchObject([{ state: 'resolved', why: 'no-rule' }]);
    expect(look({ servers: new Map([[fs, loop({ state: 'stopped' })]]) })).toMatchObject([
      { state: 'resolved', why: 'stopped' },
    ]);
    expect(look({ servers: undefined })).toMatchObject([{ state: 'firing' }]);
  });

  test('is owed to each receiver once, half a minute later, with what happens meanwhile; then its end, and reminders', () => {
    const { book, now } = states('drift', [is(true)]);
    const alerts = book?.alerts ?? [];
    const to = (some: readonly Alert[], receiver: string, at: number, remindMs?: number) =>
      owedTo(some, receiver, { now: at, remindMs });
    expect(isDue(to(alerts, 'a', now), now + 29_999)).toBe(false);
    expect(isDue(to(alerts, 'a', now), now + 30_000)).toBe(true);
    const told = withTold(alerts, 'a', to(alerts, 'a', now), now + 30_000);
    expect(to(told, 'a', now + 3_600_000)).toEqual([]);
    expect(to(told, 'b', now)).toHaveLength(1);
    expect(to(told, 'a', now + 30_000 + 60_000, 60_000)).toMatchObject([{ isReminder: true }]);
    const ended = lookAtAlerts(
      { at: now, alerts: told },
      {
        now: now + 60_000,
        rules: [],
        servers: new Map(),
        readingOf: () => unknown,
        isChanging: () => false,
      },
    );
    expect(to(ended, 'a', now + 60_000)).toMatchObject([{ alert: { state: 'resolved' }, isReminder: false }]);
    expect(forgetTold(ended, ['a', 'b'])).toHaveLength(1);
    const ofA = withTold(ended, 'a', to(ended, 'a', now + 60_000), now + 90_000);
    expect(forgetTold(ofA, ['a', 'b'])).toHaveLength(1);
    expect(forgetTold(ofA, ['a'])).toEqual([]);
    expect(forgetTold(ended, [])).toEqual([]);
  });
});

test('of alerts that resolved and nobody takes the newest thousand are kept, and all that fire', () => {
  const told = { rule: 'drift', server: fs, since: 0, value: '', knownAt: 0, told: {}, firedAt: 0 };
  const over = Array.from({ length: 1_003 }, (_, at): Alert => ({ ...told, state: 'resolved', resolvedAt: at }));
  const { alerts, dropped } = withinBound([{ ...told, state: 'firing' }, ...over.toReversed()]);
  expect(dropped).toBe(3);
  expect(alerts).toHaveLength(1_001);
  expect(alerts[0]?.state).toBe('firing');
  expect(alerts.at(-1)).toMatchObject({ resolvedAt: 3 });
});
