import { expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { createLoopRecord } from '../../../src/app/watch/loop-record.ts';
import type { Told } from '../../../src/app/watch/told.ts';
import { type WatchOptions, watchProject } from '../../../src/app/watch/watch-project.ts';
import type { DeclaredServer } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Plan } from '../../../src/model/plan.ts';
import type { AuditedChange, ChangeEnd, ChangeRecord } from '../../../src/model/trail/audit.ts';
import { noTracing } from '../../../src/model/trail/tracing.ts';
import type { Orchestrator, Prepared } from '../../../src/orchestrator/port.ts';
import { severalOrchestrator } from '../../../src/orchestrator/several/orchestrator.ts';
import { eventually } from '../../support/eventually.ts';
import { memberEngine, traits, type World } from '../../support/member-engines.ts';
import { emptyEngine, project, server } from '../../support/planner-world.ts';

const x = asServerName('x');

/** Short waits of the loop are over at once; those for the next look by the clock never are. */
const longestWaitMs = 5_000;

/** A loop over engines a and b, with what it told, and the changes that the trail has of it, newest first. */
function world(
  servers: readonly DeclaredServer[],
  options: Partial<WatchOptions> = {},
  changed: Partial<Orchestrator> = {},
) {
  const it: World = { log: [], clock: 1000 };
  const [a, b] = [memberEngine(it, traits('a')), memberEngine(it, traits('b'))];
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, now: () => Date.parse('2026-11-21T12:00:00.000Z') + nowMs };
  const waits: number[] = [];
  const pause: Ports['pause'] = (milliseconds, signal) =>
    new Promise((resolve) => {
      waits.push(milliseconds);
      signal?.addEventListener('abort', () => resolve());
      if (milliseconds > longestWaitMs && signal?.aborted !== true) return;
      nowMs += milliseconds;
      setImmediate(resolve);
    });
  const orchestrator = { ...severalOrchestrator([a.member, b.member], { ...clock, pause }), ...changed };
  const changes: Partial<ChangeRecord>[] = [];
  const ports = {
    ...clock,
    pause,
    orchestrator: async () => orchestrator,
    findings: { recall: async () => undefined, remember: async () => {} },
    auditReader: {
      async *changes() {
        yield* [...changes];
      },
    },
    audit: {
      changing: async (change: AuditedChange) => {
        const record = { ...change, time: new Date(clock.now()).toISOString(), user: 'loop' };
        changes.unshift(record);
        const ended = async (end: ChangeEnd) => {
          Object.assign(record, end);
          return { written: true };
        };
        return { start: { written: true }, ended };
      },
    },
    whoAmI: { command: 'looms watch' },
    tracing: async () => noTracing,
    secretPrints: { print: async () => ({}) },
    environment: {},
    files: {},
    forgetSecrets: () => {},
    mask: (text: string) => text,
    warn: () => {},
  } as unknown as Ports;
  const told: Told[] = [];
  const stop = new AbortController();
  const { record, status } = createLoopRecord(clock, 60_000);
  const loaded = { servers, recipes: new Map(), diagnostics: [], texts: [], files: [], locate: () => undefined };
  const run = (): Promise<void> =>
    watchProject(ports, {
      project,
      readPolicies: async () => [],
      requireSameEngines: async () => {},
      read: async () => loaded,
      prune: { prune: false, allowEmpty: false, projectNamed: true },
      keep: undefined,
      intervalMs: 60_000,
      dryRun: false,
      timeoutMs: undefined,
      hints: () => {},
      tell: (one) => void told.push(one),
      record,
      stop: stop.signal,
      abort: new AbortController().signal,
      atOnce: new AbortController().signal,
      ...options,
    });
  return { a, b, it, changes, told, status, run, stop, waits };
}

/** Never asked by a probe in the time of a test. */
const quiet = (name: string): DeclaredServer => server(name, { lifecycle: { healthCheckIntervalSeconds: 1e9 } });

const stopOfX: Partial<ChangeRecord> = {
  time: '2026-11-21T11:00:00.000Z',
  user: 'ada',
  command: 'looms mcp stop',
  engine: 'several',
  servers: [{ server: x, action: 'stop' }],
  result: 'done',
  outcomes: [{ server: x, outcome: 'done' }],
};

test('what somebody stopped is neither down nor drift to a loop that only tells of differences', async () => {
  const { a, it, changes, status, run, stop } = world([quiet('x'), quiet('y')], { dryRun: true });
  for (const one of [x, asServerName('y')]) {
    a.servers.set(one, 0);
    a.stopped.add(one);
  }
  changes.push(stopOfX);
  const running = run();
  await eventually(async () => expect(status.isReady()).toBe(true));
  expect(status.servers()).toMatchObject([
    { server: x, state: 'stopped', isDown: false, drift: [] },
    { server: 'y', state: 'down', isDown: true, drift: ['exited'] },
  ]);
  stop.abort();
  await running;
  expect(it.log).toEqual([]);
});

test('what somebody stopped is taken away on an engine that is back, and stays stopped on the one that it had moved to', async () => {
  const { a, b, it, changes, told, status, run, stop } = world([quiet('x')]);
  a.servers.set(x, 0);
  b.servers.set(x, 900);
  b.stopped.add(x);
  changes.push(stopOfX);
  const running = run();
  await eventually(async () => expect(told.map(({ type }) => type)).toContain('changed'));
  // The look after that finds the server where it is stopped alone.
  const last = () => status.view().look;
  await eventually(async () =>
    expect(last()?.plan.changes).toMatchObject([{ action: 'start', reasons: [{ kind: 'exited' }] }]),
  );
  expect(last()?.left.get(x)).toMatchObject({ why: 'stopped-by-person', user: 'ada' });
  stop.abort();
  await running;
  expect(it.log).toEqual(['a: drain x', 'a: remove x']);
  expect([a.servers.has(x), b.servers.has(x), b.stopped.has(x)]).toEqual([false, true, true]);
  expect(status.servers()).toMatchObject([{ server: x, state: 'stopped', drift: [] }]);
  expect(changes[0]).toMatchObject({ command: 'looms watch', servers: [{ server: x, action: 'clean-up' }] });
});

const otherEngines = new LoomsError('refused', 'looms.yaml names other engines');

test('a loop changes nothing while looms.yaml names other engines than it began with, and says so once', async () => {
  let looks = 0;
  const requireSameEngines = async (): Promise<void> => {
    looks += 1;
    throw otherEngines;
  };
  const { it, told, status, run, stop } = world([quiet('x')], { requireSameEngines });
  const running = run();
  await eventually(async () => expect(looks).toBeGreaterThan(2));
  stop.abort();
  await running;
  expect(told).toMatchObject([{ type: 'refused', failure: { message: 'looms.yaml names other engines' } }]);
  expect([it.log, status.isReady()]).toEqual([[], false]);
});

test('nor where it does so since the loop looked, once it has the lock', async () => {
  let asked = 0;
  const requireSameEngines = async (): Promise<void> => {
    asked += 1;
    if (asked === 2) throw otherEngines;
  };
  const { it, told, run, stop } = world([quiet('x')], { requireSameEngines });
  const running = run();
  const said = () => told.map(({ type }) => type);
  await eventually(async () => expect(said()).toContain('in-sync'));
  stop.abort();
  await running;
  expect(said()).toEqual(['watching', 'refused', 'changing', 'changed', 'in-sync']);
  expect(it.log).toEqual(['a: create x', 'a: gate x']);
});

test('a rotation that is held up waits longer each time, also where another one is due after it', async () => {
  const servers = [quiet('x'), quiet('y')];
  let looks = 0;
  const due = { reasons: [{ kind: 'rotation-due', by: 'age', detail: '' }] } as const;
  const plan = {
    ...{ schemaVersion: 1, project, engine: emptyEngine().engine, basis: '', support: [], images: [], steps: [] },
    changes: servers.map(({ spec }) => ({ server: spec.name, container: 'c', action: 'replace', ...due })),
    ...{ drift: [], rotations: [], warnings: [] },
  } as unknown as Plan;
  const prepared = {
    plan,
    servers,
    untrusted: [],
    records: [],
    gated: new Set(),
    made: new Set(),
    generations: new Map(),
  };
  const { told, run, stop, waits } = world(servers, {}, {
    plan: async (intent: Prepared['intent']) => {
      looks += 1;
      return { ...prepared, intent } as unknown as Prepared;
    },
    apply: async () => {
      throw new LoomsError('lock-held', 'another run is on');
    },
  } as Partial<Orchestrator>);
  const running = run();
  // After 1, 2 and 4 s.
  await eventually(async () => expect(waits.some((ms) => ms > 5_000 && ms <= 8_000)).toBe(true));
  stop.abort();
  await running;
  expect(told.map(({ type }) => type)).toContain('away');
  expect(looks).toBeLessThan(15);
});
