import { afterEach, expect, test } from 'vitest';
import { receiverKey } from '../../../src/app/alerts/message.ts';
import { createAlerts } from '../../../src/app/alerts/watch-alerts.ts';
import type { Sampler } from '../../../src/app/measure/sampler.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Told } from '../../../src/app/watch/told.ts';
import type { AlertBook, AlertReceiver, AlertSettings, AlertTurn } from '../../../src/model/alerts.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Notice } from '../../../src/model/notices.ts';
import { readAlertRule } from '../../../src/spec/alert-rule.ts';
import { eventually } from '../../support/eventually.ts';
import { project } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const over: AbortController[] = [];
afterEach(() => {
  for (const one of over.splice(0)) one.abort();
});

function rulesOf(...texts: readonly string[]): AlertSettings['rules'] {
  return texts.map((text) => {
    const read = readAlertRule(text);
    if ('problem' in read) throw new Error(read.problem);
    return { ...read, position: { file: 'looms.yaml', line: 1, column: 1 }, length: 1 };
  });
}

const receiver = (url: string): AlertReceiver => ({ url: { kind: 'literal', value: url }, secret: null });

type Posted = (url: string, signal: AbortSignal) => Promise<void>;

/** Alerts of a server that differs from what is declared; the loop goes on at each `pass`, after so many seconds. */
function world(settings: AlertSettings, posted: Posted) {
  let nowMs = 1_000_000;
  let book: AlertBook | undefined;
  let go = (): void => {};
  let waits = 0;
  const file = { says: settings };
  const told: Told[] = [];
  const kept: AlertTurn[] = [];
  const disk = { isFull: false };
  const engine = { id: 'here', isAway: true };
  const places: string[] = [];
  const warnings: string[] = [];
  const stop = new AbortController();
  over.push(stop);
  const ports = {
    whoAmI: { host: 'desk', pid: 1 },
    monotonicMs: () => nowMs,
    now: () => nowMs,
    warn: ({ message }: Notice) => (disk.isFull ? warnings.push(message) : expect.fail(message)),
    forgetSecrets: () => {},
    orchestrator: async () => ({ describe: async () => ({ id: engine.id }) }),
    pause: (_: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        waits += 1;
        go = resolve;
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve());
      }),
    alerts: {
      changeAlerts: async (_: unknown, change: (before: AlertBook | undefined) => AlertBook | undefined) => {
        book = change(book) ?? book;
        return book;
      },
    },
    keptLogs: {
      keepAlertTurns: async (at: { readonly engine: string }, turns: readonly AlertTurn[]) => {
        if (disk.isFull) throw new Error('the disk is full');
        places.push(at.engine);
        kept.push(...turns);
      },
    },
  } as unknown as Ports;
  const sampler = {
    latest: () => (engine.isAway ? undefined : new Map()),
    points: () => [],
    want: () => () => {},
    onLook: () => () => {},
  } as unknown as Sampler;
  const alerts = createAlerts(ports, {
    project,
    sampler,
    servers: () => [{ server: fs, state: 'healthy', isDown: false, drift: ['image'] }],
    settings: async () => file.says,
    post: (url, _, signal) => posted(url, signal),
  });
  const ended = alerts.run(stop.signal, (one) => void told.push(one));
  const idle = (count: number) => eventually(async () => expect(waits).toBe(count));
  return {
    alerts,
    file,
    stop,
    ended,
    book: () => book,
    /** What another program wrote. */
    write(other: Partial<AlertBook>) {
      if (book !== undefined) book = { ...book, ...other };
    },
    kept: () => kept,
    disk,
    engine,
    places,
    warnings,
    ways: () => told.flatMap((one) => (one.type === 'away' || one.type === 'back' ? [one.type] : [])),
    /** Starts the next look, `seconds` later, and waits until it has ended. */
    async pass(seconds: number) {
      await idle(Math.max(1, waits));
      const before = waits;
      nowMs += seconds * 1000;
      go();
      await idle(before + 1);
    },
    /** The same without the wait for its end. */
    async begin(seconds: number) {
      await idle(Math.max(1, waits));
      nowMs += seconds * 1000;
      go();
    },
  };
}

test('what fires and resolves is kept for looms events, each once', async () => {
  const { file, pass, kept } = world({ rules: rulesOf('drift'), receivers: [] }, async () => {});
  await pass(31);
  await pass(31);
  expect(kept()).toMatchObject([{ rule: 'drift', server: fs, state: 'firing' }]);
  file.says = { rules: [], receivers: [] };
  await pass(31);
  await pass(31);
  expect(kept().slice(1)).toMatchObject([{ rule: 'drift', server: fs, state: 'resolved', why: 'no-rule' }]);
});

test('what cannot be kept of it is kept once it can be', async () => {
  const { file, pass, kept, disk, warnings } = world({ rules: rulesOf('drift'), receivers: [] }, async () => {});
  disk.isFull = true;
  await pass(31);
  await pass(31);
  file.says = { rules: [], receivers: [] };
  await pass(31);
  expect(kept()).toEqual([]);
  expect(warnings[0]).toMatch(/the disk is full/);
  disk.isFull = false;
  await pass(31);
  expect(kept()).toMatchObject([{ state: 'firing' }, { state: 'resolved' }]);
  await pass(31);
  expect(kept()).toHaveLength(2);
});

test('it is said that more waits to be kept than is kept of it', async () => {
  const none = { rules: [], receivers: [] };
  const fifty = { ...none, rules: rulesOf(...Array.from({ length: 50 }, (_, index) => `drift for ${index + 1}s`)) };
  const { file, pass, kept, disk, warnings } = world(fifty, async () => {});
  const isSaid = (): boolean => warnings.some((text) => text.startsWith('more than 1000 turns of alerts wait'));
  /** All of them fire and resolve: a hundred turns. */
  const hundred = async (): Promise<void> => {
    file.says = fifty;
    for (const seconds of [1, 31, 31]) await pass(seconds);
    file.says = none;
    await pass(1);
  };
  disk.isFull = true;
  for (let turn = 0; turn < 10; turn += 1) await hundred();
  expect(isSaid()).toBe(false);
  await hundred();
  expect(isSaid()).toBe(true);
  disk.isFull = false;
  await pass(31);
  expect(kept()).toHaveLength(1_000);
});

test('the engine that is there after one was away is asked who it is', async () => {
  const { file, pass, engine, places } = world({ rules: rulesOf('drift'), receivers: [] }, async () => {});
  await pass(31);
  await pass(31);
  engine.id = 'another';
  engine.isAway = false;
  file.says = { rules: rulesOf('drift for 2s'), receivers: [] };
  await pass(31);
  await pass(31);
  expect([...new Set(places)]).toEqual(['here', 'another']);
});

test('of each receiver that cannot be reached it is told once, and that it is over when none is left', async () => {
  const both = [receiver('https://a.example'), receiver('https://b.example')];
  const { file, pass, ways } = world({ rules: rulesOf('drift'), receivers: both }, async (url) => {
    throw new Error(`${url} is away`);
  });
  await pass(31);
  await eventually(async () => expect(ways()).toEqual(['away', 'away']));
  await pass(31);
  await pass(61);
  expect(ways()).toEqual(['away', 'away']);
  file.says = { rules: rulesOf('drift'), receivers: both.slice(1) };
  await pass(1);
  expect(ways()).toEqual(['away', 'away']);
  file.says = { rules: rulesOf('drift'), receivers: [] };
  await pass(1);
  expect(ways()).toEqual(['away', 'away', 'back']);
});

test('a receiver that does not answer holds up neither the looks nor the others', async () => {
  const told: string[] = [];
  const receivers = ['https://deaf.example', 'https://b.example'].map(receiver);
  const { alerts, pass } = world({ rules: rulesOf('drift for 1m'), receivers }, (url, signal) => {
    told.push(url);
    if (url !== 'https://deaf.example') return Promise.resolve();
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await pass(1);
  await pass(50);
  await pass(50);
  expect(alerts.current()).toMatchObject([{ state: 'firing' }]);
  await pass(31);
  await eventually(async () => expect([...told].sort()).toEqual(['https://b.example', 'https://deaf.example']));
  await pass(15);
  expect(told).toHaveLength(2);
});

test('rules that were removed are shown no more', async () => {
  const { alerts, file, pass } = world({ rules: rulesOf('memory > 90%'), receivers: [] }, async () => {});
  await pass(1);
  expect(alerts.current()).toMatchObject([{ rule: 'memory > 90%', state: 'unknown' }]);
  file.says = { rules: [], receivers: [] };
  await pass(1);
  expect(alerts.current()).toEqual([]);
  expect(alerts.families().flatMap(({ samples }) => samples)).toEqual([]);
});

test('a program that ends while it tells leaves that to the next one at once', async () => {
  const { promise: began, resolve } = Promise.withResolvers<void>();
  const settings = { rules: rulesOf('drift'), receivers: [receiver('https://a.example')] };
  const { begin, book, stop, ended } = world(settings, (_, signal) => {
    resolve();
    return new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await begin(31);
  await began;
  expect(book()?.tellers).toHaveLength(1);
  stop.abort();
  await ended;
  expect(book()?.tellers).toEqual([]);
  expect(book()?.alerts).toMatchObject([{ state: 'firing', told: {} }]);
});

test('a program that was killed while it told keeps nobody from telling, also where the clock was set back since', async () => {
  const posted: string[] = [];
  const settings = { rules: rulesOf('drift'), receivers: [receiver('https://a.example')] };
  const { begin, pass, book, write } = world(settings, async (url) => void posted.push(url));
  await pass(1);
  const key = receiverKey(receiver('https://a.example'));
  write({ tellers: [{ receiver: key, id: 'killed', until: (book()?.at ?? 0) + 3_600_000 }] });
  await begin(31);
  await eventually(async () => expect(posted).toEqual(['https://a.example']));
});
