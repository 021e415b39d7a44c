import { describe, expect, test } from 'vitest';
import type { Point, Sampler } from '../../../src/app/measure/sampler.ts';
import { recentCalls } from '../../../src/app/page/calls.ts';
import { createLook, healthOf } from '../../../src/app/page/look.ts';
import { newestSample, newestUse, samplesOf } from '../../../src/app/page/measured.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { LoopView } from '../../../src/app/watch/loop-record.ts';
import { pageWords } from '../../../src/cli/render/page-words.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { HealthRecord } from '../../../src/model/health.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { Notice } from '../../../src/model/notices.ts';
import type { Change } from '../../../src/model/plan.ts';
import type { ServerView } from '../../../src/model/server-view.ts';
import type { CallRecord } from '../../../src/model/trail/audit.ts';

const project = asProjectName('p');
const fs = asServerName('fs');
const hour = 3_600_000;
const start = Date.UTC(2026, 10, 29, 6);
const container = asContainerId('c'.repeat(64));

/** A trail with calls so many seconds ago; `looked` counts the records that were read. */
function trail(calls: readonly (Partial<CallRecord> & { readonly agoS: number })[]) {
  const looked = { records: 0 };
  const clock = { at: 0 };
  const warned: Notice[] = [];
  const ports = {
    now: () => start + clock.at,
    monotonicMs: () => clock.at,
    warn: (notice: Notice) => void warned.push(notice),
    auditReader: {
      calls: async function* () {
        for (const { agoS, ...call } of [...calls].sort((a, b) => a.agoS - b.agoS)) {
          looked.records += 1;
          const time = new Date(start - agoS * 1000).toISOString();
          yield { server: 'fs', tool: 'echo', result: 'ok', durationMs: 10, time, ...call } as CallRecord;
        }
      },
    },
  };
  return {
    ports: ports as unknown as Pick<Ports, 'now' | 'monotonicMs' | 'auditReader' | 'warn'>,
    looked,
    clock,
    warned,
  };
}

describe('calls that the page tells of', () => {
  test('are counted by minute, and by tool with what failed and how long they took; refused ones are none', async () => {
    const { ports } = trail([
      { agoS: 10 },
      { agoS: 59, durationMs: 30 },
      { agoS: 61, durationMs: 20, result: 'timeout' },
      { agoS: 5, result: 'refused' },
      { agoS: 5, server: 'web', tool: 'look', result: 'tool-error' },
      { agoS: 3_650, durationMs: 900 },
    ]);
    const { perMinute, tools } = await recentCalls(ports, project)();
    expect([perMinute(fs, start), perMinute(fs, start - 60_000), perMinute(asServerName('none'), start)]).toEqual([
      2, 1, 0,
    ]);
    expect(perMinute(fs, start - hour - 1)).toBeNull();
    expect(tools).toEqual([
      { server: 'fs', tool: 'echo', calls: 3, failed: 1, medianMs: 20, p95Ms: 30 },
      { server: 'web', tool: 'look', calls: 1, failed: 1, medianMs: 10, p95Ms: 10 },
    ]);
  });

  test('the trail is read once for all who look within five seconds, and one that is unreadable tells nothing', async () => {
    const { ports, looked, clock, warned } = trail([{ agoS: 1 }]);
    const calls = recentCalls(ports, project);
    await calls();
    clock.at += 5_000;
    await calls();
    expect(looked.records).toBe(1);
    clock.at += 1;
    await calls();
    expect(looked.records).toBe(2);
    // A measurement that was made since then is told with the calls up to it.
    clock.at += 1_000;
    await calls(clock.at);
    expect(looked.records).toBe(3);
    await calls(clock.at);
    expect(looked.records).toBe(3);
    for (const error of [new LoomsError('ledger-unreadable', 'no'), new Error('the disk is full')]) {
      const unreadable = {
        ...ports,
        auditReader: {
          calls: async function* () {
            yield* [];
            throw error;
          },
        },
      } as unknown as typeof ports;
      const { perMinute, tools } = await recentCalls(unreadable, project)();
      expect([perMinute(fs, start), tools]).toEqual([null, []]);
    }
    expect(warned).toEqual([{ code: 'calls-unknown', message: 'the page does not know the calls: the disk is full' }]);
  });
});

const point = (at: number, cpuMs: number | null, run = 'r1'): Point =>
  ({
    at,
    container,
    run,
    restarts: 0,
    oomKills: 0,
    sessions: 2,
    limits: { cpuCores: 1, memoryBytes: 100, processes: 10 },
    sample: cpuMs === null ? null : { at: 1_000 + at, cpuMs, memoryBytes: 50, processes: 3 },
  }) as Point;

const samplerOf = (points: readonly Point[]): Sampler =>
  ({
    points: (server: string) => (server === 'fs' ? points : []),
    latest: () => new Map([[fs, {}]]),
  }) as unknown as Sampler;

describe('measurements that the page tells of', () => {
  test('a share of processors takes two of the same run; what does not run has none', () => {
    const sampler = samplerOf([point(0, 100), point(15_000, 7_600), point(30_000, null), point(45_000, 10, 'r2')]);
    const clock = { now: () => start + 45_000, monotonicMs: () => 45_000 };
    const none = { perMinute: () => null, tools: [] };
    const samples = samplesOf(sampler, [fs, asServerName('web')], none, clock);
    expect(samples.map(({ at, servers }) => [at.slice(11, 19), servers.map(({ cpuCores }) => cpuCores)])).toEqual([
      ['06:00:00', [null]],
      ['06:00:15', [0.5]],
      ['06:00:30', []],
      ['06:00:45', [null]],
    ]);
    expect(newestSample(sampler, [fs, asServerName('web')], none, clock)).toEqual(samples.at(-1));
    const moving = samplerOf([point(0, 0), point(15_000, 100), point(30_000, 15_100)]);
    expect(newestSample(moving, [fs], none, clock)?.servers[0]?.cpuCores).toBe(1);
    expect(newestSample(samplerOf([]), [fs], none, clock)).toBeUndefined();
    expect(newestUse(sampler, fs)).toEqual({ cpuCores: null, memoryBytes: 50, processes: 3 });
    expect(newestUse(sampler, asServerName('web'))).toBeNull();
  });
});

describe('how a server is to the page', () => {
  const view = { container, run: 'r1', state: 'running' } as ServerView;
  const record: HealthRecord = {
    ...{ server: fs, verdict: 'unhealthy', container, run: 'r1', tools: null, detail: 'no answer' },
    ...{ checkedAt: start, since: start },
  };
  const loopWith = (state: 'healthy' | 'unknown', asked: 'healthy' | 'unknown'): LoopView => ({
    stateOf: () => state,
    probeOf: () => ({ state: asked }),
    isChanging: false,
  });
  const told = (parts: Partial<Parameters<typeof healthOf>[1]>) =>
    healthOf(fs, { view, record, loop: undefined, words: pageWords, ...parts });

  test('the loop says it, else what this machine found out last of this run of the container', () => {
    expect(told({ loop: loopWith('healthy', 'healthy') }).state).toBe('healthy');
    expect(told({})).toEqual({ state: 'failing', detail: 'no answer', checkedAt: new Date(start).toISOString() });
    expect(told({ view: { ...view, run: 'r2' } }).state).toBe('unknown');
    expect(told({ view: { ...view, state: 'stopped' } }).state).toBe('stopped');
    expect(told({ record: undefined }).checkedAt).toBeNull();
  });

  test('what the loop has not asked yet is as it was found last; what cannot be looked at is unknown', () => {
    expect(told({ loop: loopWith('unknown', 'unknown') }).state).toBe('failing');
    expect(told({ loop: loopWith('unknown', 'healthy') }).state).toBe('unknown');
  });
});

describe('a look of the page', () => {
  test('says that the engine is away, and keeps what was known; without files nothing is said of them', async () => {
    let isAway = true;
    const ports = {
      now: () => start,
      readHealth: async () => new Map(),
      countExecutions: async () => new Map(),
      orchestrator: async () => ({
        servers: async () => {
          if (isAway) throw new LoomsError('engine-unreachable', 'no engine');
          return { engine: { id: 'e', name: 'box', kind: 'docker', version: '28' }, servers: [] };
        },
      }),
    } as unknown as Ports;
    const calls = async () => ({ perMinute: () => null, tools: [] });
    const alert = { rule: 'drift', server: fs, state: 'firing', value: 'image', since: 1_000 } as const;
    const look = createLook(ports, {
      ...{ project, version: '1', words: pageWords, sampler: samplerOf([]), calls, loop: undefined },
      alerts: { current: () => [alert] },
    });
    expect((await look()).alerts).toEqual([{ ...alert, since: '1970-01-01T00:00:01.000Z' }]);
    expect(await look()).toMatchObject({ engine: { name: 'unknown', failure: { code: 'engine-unreachable' } } });
    isAway = false;
    expect(await look()).toMatchObject({ engine: { name: 'box', failure: null }, plan: { kind: 'unknown' } });
    isAway = true;
    expect(await look()).toMatchObject({
      engine: { name: 'box', failure: { code: 'engine-unreachable' } },
      source: { kind: 'unknown', why: 'no files are watched: looms serve --watch -f FILE' },
    });
  });

  test('a change is told in the words of diff', () => {
    const missing = [{ kind: 'missing' }] as const;
    const replace: Change = { server: fs, action: 'replace', order: 'stop-first', why: 'one writer', reasons: missing };
    expect(pageWords.change(replace)).toBe('replace with downtime: not there (one writer)');
    expect(pageWords.change({ server: fs, action: 'unchanged' })).toBe('');
    const why = { kind: 'unsupported', detail: 'no seccomp', hint: 'another engine' } as const;
    expect(pageWords.change({ server: fs, action: 'blocked', why })).toBe('blocked: no seccomp (another engine)');
  });
});
