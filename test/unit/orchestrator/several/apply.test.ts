import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeclaredServer } from '../../../../src/model/desired.ts';
import type { DockerDescription } from '../../../../src/model/engine.ts';
import { isFailure, LoomsError } from '../../../../src/model/errors.ts';
import type { ExecutionEvent } from '../../../../src/model/events.ts';
import { asServerName } from '../../../../src/model/ids.ts';
import type { Place } from '../../../../src/model/place.ts';
import type { ApplyOptions, ApplyReport, FilesIntent, Orchestrator } from '../../../../src/orchestrator/port.ts';
import { requireDistinct } from '../../../../src/orchestrator/several/describe.ts';
import { severalOrchestrator } from '../../../../src/orchestrator/several/orchestrator.ts';
import { type MemberEngine, memberEngine, traits, type World } from '../../../support/member-engines.ts';
import { emptyEngine, project, server } from '../../../support/planner-world.ts';
import { forAllAsync } from '../../../support/properties.ts';

/** As long as a busy machine may take until what was begun is seen. */
const patient = { timeout: 30_000 };

const on = (name: string, engine: string, more: Partial<Place> = {}): DeclaredServer => ({
  ...server(name),
  place: { engines: [engine], labels: {}, prefer: 'spread', onLost: 'wait', ...more },
});

const intentOf = (servers: readonly DeclaredServer[]): FilesIntent => ({
  kind: 'files',
  project,
  servers,
  recipes: new Map(),
  undesired: 'warn',
});

type Several = {
  readonly world: World;
  readonly engines: readonly MemberEngine[];
  readonly orchestrator: Orchestrator;
};

/** Longer than an engine of these tests takes to answer. */
async function aWhile(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

function several(has: Readonly<Record<string, readonly string[]>>): Several & { pass: (ms: number) => void } {
  const world: World = { log: [], clock: 0 };
  let now = 0;
  const engines = Object.entries(has).map(([name, servers]) =>
    memberEngine(world, traits(name), servers.map(asServerName)),
  );
  const orchestrator = severalOrchestrator(
    engines.map(({ member }) => member),
    { pause: aWhile, monotonicMs: () => now },
  );
  return {
    ...{ world, engines, orchestrator },
    pass: (ms) => {
      now += ms;
    },
  };
}

const optionsOf = (change: Partial<ApplyOptions> = {}): ApplyOptions => ({
  lockTimeoutMs: 0,
  acceptNewPlan: () => true,
  check: async () => [],
  stopSignal: new AbortController().signal,
  abortSignal: new AbortController().signal,
  atOnceSignal: new AbortController().signal,
  sink: () => {},
  onLockWait: () => {},
  ...change,
});

const applied = async (
  { orchestrator }: Pick<Several, 'orchestrator'>,
  servers: readonly DeclaredServer[],
  options?: Partial<ApplyOptions>,
): Promise<ApplyReport> => orchestrator.apply(await orchestrator.plan(intentOf(servers)), optionsOf(options));

const outcomes = ({ servers }: ApplyReport) => servers.map(({ server: name, outcome }) => `${name}: ${outcome}`);
const held = ({ engines }: Several) => engines.map(({ servers }) => [...servers.keys()].sort());

test('a server that moves is taken from its old engine once it has passed its gate on the new one', async () => {
  const it = several({ a: ['x', 'y'], b: [] });
  const { plan } = await it.orchestrator.plan(intentOf([on('x', 'b'), on('y', 'a')]));
  expect(plan.changes.map(({ server: name, action, engine }) => [name, action, engine])).toEqual([
    ['x', 'replace', 'b'],
    ['y', 'unchanged', 'a'],
  ]);
  expect(plan.changes[0]).toMatchObject({ order: 'start-first', reasons: [{ kind: 'moved', from: 'a', to: 'b' }] });
  expect(plan.steps.find(({ id }) => id === 'a:x/remove')?.after).toContain('b:x/gate');
  const report = await applied(it, [on('x', 'b'), on('y', 'a')]);
  expect(it.world.log).toEqual(['b: create x', 'b: gate x', 'a: drain x', 'a: remove x']);
  expect(outcomes(report)).toEqual(['x: done', 'y: unchanged']);
  expect(report.outcome).toBe('done');
  expect((await it.orchestrator.plan(intentOf([on('x', 'b'), on('y', 'a')]))).plan.steps).toEqual([]);
});

test('one that does not pass its gate on the new engine serves on on the old one', async () => {
  const it = several({ a: ['x'], b: [] });
  it.engines[1]?.failing.add(asServerName('x'));
  const report = await applied(it, [on('x', 'b')]);
  expect(held(it)).toEqual([['x'], []]);
  expect(outcomes(report)).toEqual(['x: gate-failed']);
  expect(report.outcome).toBe('gate-failed');
  expect(report.results['a:x/remove' as never]).toMatchObject({ result: 'skipped' });
});

test('servers that change places wait for one another without end nowhere', async () => {
  const it = several({ a: ['x', 'y'], b: ['p', 'q'] });
  const report = await applied(it, [on('x', 'b'), on('y', 'b'), on('p', 'a'), on('q', 'a')]);
  expect(held(it)).toEqual([
    ['p', 'q'],
    ['x', 'y'],
  ]);
  expect(report.outcome).toBe('done');
});

test('nothing is done anywhere before every engine is locked and the whole is agreed to', async () => {
  const it = several({ a: [], b: [] });
  const checked: string[] = [];
  const refusal = new LoomsError('refused', 'no');
  const check: ApplyOptions['check'] = async ({ plan }) => {
    checked.push(plan.changes.map(({ server: name, engine }) => `${name} on ${engine}`).join(', '));
    throw refusal;
  };
  const run = applied(it, [on('x', 'a'), on('y', 'b')], { check });
  await expect(run).rejects.toBe(refusal);
  expect(checked).toEqual(['x on a, y on b']);
  expect(it.world.log).toEqual([]);
});

test('an engine that does not answer holds up nothing of the others, and what may be on it is made nowhere', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  const [a] = it.engines;
  if (a === undefined) throw new Error('no engine');
  a.isAway = true;
  const declared = [server('x'), on('y', 'b'), on('z', 'b')];
  const { plan } = await it.orchestrator.plan(intentOf(declared));
  expect(plan.warnings.map(({ code }) => code)).toEqual(['engine-silent']);
  expect(plan.changes.map(({ server: name, action }) => `${name} ${action}`)).toEqual([
    'x blocked',
    'y create',
    'z unchanged',
  ]);
  expect(plan.changes[0]).toMatchObject({
    why: { kind: 'engine-silent', detail: expect.stringContaining('engine a') },
  });
  expect(outcomes(await applied(it, declared))).toEqual(['x: blocked', 'y: done', 'z: unchanged']);
  expect(held(it)).toEqual([['x'], ['y', 'z']]);
  const misplaced = await it.orchestrator.plan(intentOf([on('w', 'c')]));
  expect(misplaced.plan.changes[0]).toMatchObject({ why: { kind: 'unsupported' } });
});

test('a server that may move is made elsewhere once its engine is lost, and taken from it when that is back', async () => {
  const it = several({ a: ['x'], b: [] });
  const [a] = it.engines;
  if (a === undefined) throw new Error('no engine');
  const declared = [{ ...server('x'), place: { labels: {}, prefer: 'spread', onLost: 'move' } as const }];
  expect(outcomes(await applied(it, declared))).toEqual(['x: unchanged']);
  a.isAway = true;
  expect(outcomes(await applied(it, declared))).toEqual(['x: blocked']);
  it.pass(299_999);
  expect(outcomes(await applied(it, declared))).toEqual(['x: blocked']);
  it.pass(1);
  expect(outcomes(await applied(it, declared))).toEqual(['x: done']);
  expect(held(it)).toEqual([['x'], ['x']]);
  a.isAway = false;
  expect(outcomes(await applied(it, declared))).toEqual(['x: done']);
  expect(held(it)).toEqual([[], ['x']]);
});

test('an engine that is long in being found silent holds up one question, and no other until it is back', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  const [a] = it.engines;
  if (a === undefined) throw new Error('no engine');
  a.isAway = true;
  a.whenAway = () => it.pass(30_000);
  const listed = async () => (await it.orchestrator.servers(project)).servers.map(({ name }) => name);
  expect(await listed()).toEqual(['z']);
  let asked = 0;
  const answering = Promise.withResolvers<void>();
  a.whenAway = () => {
    asked += 1;
    return answering.promise;
  };
  expect(await listed()).toEqual(['z']);
  expect(await listed()).toEqual(['z']);
  expect(asked).toBe(1);
  a.isAway = false;
  answering.resolve();
  await expect.poll(listed, patient).toEqual(['x', 'z']);
});

test('a plan whose servers are elsewhere by the time it is carried out is stale', async () => {
  const it = several({ a: [], b: [] });
  const declared = [server('x'), on('y', 'a')];
  const prepared = await it.orchestrator.plan(intentOf(declared));
  it.engines[1]?.servers.set(asServerName('x'), 1);
  await expect(it.orchestrator.apply(prepared, optionsOf())).rejects.toMatchObject({ code: 'plan-stale' });
  expect(it.world.log).toEqual([]);
});

test('nothing is taken away for a server that does not run any more where it stays', async () => {
  const it = several({ a: ['x'], b: [] });
  it.world.clock = 1;
  const x = asServerName('x');
  it.engines[1]?.servers.set(x, 1);
  const prepared = await it.orchestrator.plan(intentOf([server('x')]));
  it.engines[1]?.stopped.add(x);
  await expect(it.orchestrator.apply(prepared, optionsOf())).rejects.toMatchObject({ code: 'plan-stale' });
  expect(it.world.log).toEqual([]);
  it.engines[1]?.stopped.clear();
  await it.orchestrator.apply(prepared, optionsOf());
  expect(it.world.log).toEqual(['a: drain x', 'a: remove x']);
});

const names = ['p', 'q', 'r'] as const;
const engineNames = ['a', 'b', 'c'] as const;
const file = fc
  .tuple(...names.map(() => fc.option(fc.constantFrom(...engineNames, 'any'), { nil: undefined })))
  .map((places) =>
    places.flatMap((place, index): DeclaredServer[] => {
      const name = names[index] ?? 'p';
      if (place === undefined) return [];
      return [place === 'any' ? server(name) : on(name, place)];
    }),
  );

test('whatever fails, is stopped, or runs at once: what served serves on, and a run without a fault comes to rest', async () => {
  await forAllAsync(
    fc.record({
      has: fc.tuple(...engineNames.map(() => fc.subarray([...names]))),
      files: fc.tuple(file, file),
      failing: fc.tuple(...engineNames.map(() => fc.subarray([...names]))),
      stopAfter: fc.option(fc.nat(12), { nil: undefined }),
    }),
    async (
      { has, files, failing, stopAfter },
      saw: (occurred: 'moved' | 'gate failed' | 'stopped' | 'stale') => void,
    ) => {
      const it = several({ a: has[0] ?? [], b: has[1] ?? [], c: has[2] ?? [] });
      it.engines.forEach(({ failing: bad }, index) => {
        for (const name of failing[index] ?? []) bad.add(asServerName(name));
      });
      const before = new Set(has.flat());
      const run = async (declared: readonly DeclaredServer[]): Promise<ApplyReport | undefined> => {
        const stop = new AbortController();
        let steps = 0;
        const sink = (event: ExecutionEvent): void => {
          if (event.type !== 'step-ended') return;
          steps += 1;
          if (steps !== stopAfter) return;
          saw('stopped');
          stop.abort();
        };
        return applied(it, declared, { sink, stopSignal: stop.signal }).catch((error: unknown) => {
          // Another run was faster.
          if (!isFailure(error, 'plan-stale')) throw error;
          saw('stale');
          return undefined;
        });
      };
      const reports = await Promise.all(files.map(run));
      if (reports.some((one) => one?.outcome === 'gate-failed')) saw('gate failed');
      const moves = reports.flatMap((one) => one?.plan.changes ?? []);
      if (moves.some((one) => 'reasons' in one && one.reasons.some(({ kind }) => kind === 'moved'))) saw('moved');
      for (const name of before) {
        expect(it.engines.some(({ servers }) => servers.has(asServerName(name)))).toBe(true);
      }
      for (const { failing: bad } of it.engines) bad.clear();
      const [last] = files;
      if (last === undefined) return;
      const report = await applied(it, last);
      expect(report.outcome).toBe('done');
      for (const { spec } of last) {
        expect(it.engines.filter(({ servers }) => servers.has(spec.name))).toHaveLength(1);
      }
      expect((await it.orchestrator.plan(intentOf(last))).plan.steps).toEqual([]);
    },
    { runs: 300, cases: ['moved', 'gate failed', 'stopped', 'stale'] },
  );
});

const first = ({ engines }: Several): MemberEngine => {
  const [one] = engines;
  if (one === undefined) throw new Error('no engine');
  return one;
};

test('what an engine tells from memory does not make it be there', async () => {
  const it = several({ a: ['x'], b: [] });
  const declared = [{ ...server('x'), place: { labels: {}, prefer: 'spread', onLost: 'move' } as const }];
  await applied(it, declared);
  first(it).isAway = true;
  await applied(it, declared);
  for (let minutes = 0; minutes < 5; minutes += 1) {
    it.pass(60_000);
    await it.orchestrator.describe();
  }
  expect(outcomes(await applied(it, declared))).toEqual(['x: done']);
  expect(held(it)).toEqual([['x'], ['x']]);
});

test('a server that was made after the last look is made nowhere else when its engine goes away', async () => {
  const it = several({ a: [], b: ['y'] });
  const declared = [server('x'), server('y')];
  await applied(it, declared);
  expect(held(it)).toEqual([['x'], ['y']]);
  first(it).isAway = true;
  expect(outcomes(await applied(it, declared))).toEqual(['x: blocked', 'y: unchanged']);
});

test.each([
  ['does not let us in', new LoomsError('engine-rejected', 'the token has expired')],
  ['says that it cannot now', new LoomsError('engine-unavailable', 'etcd has no leader')],
])('an engine that %s keeps nobody from the others, and is not lost', async (_, refusal) => {
  const it = several({ a: ['x'], b: ['z'] });
  first(it).refusal = refusal;
  const declared = [{ ...server('x'), place: { labels: {}, prefer: 'spread', onLost: 'move' } as const }, on('z', 'b')];
  expect((await it.orchestrator.serving(project, asServerName('z'))).container).toBe('b-z');
  const { plan } = await it.orchestrator.plan(intentOf(declared));
  expect(plan.warnings.map(({ message }) => message)).toEqual([expect.stringContaining(refusal.message)]);
  it.pass(600_000);
  expect(outcomes(await applied(it, declared))).toEqual(['x: blocked', 'z: unchanged']);
});

test('streams of engines that answer go on while another one is away, and end when it is back', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  first(it).isAway = true;
  let ready = 0;
  const onReady = (): void => {
    ready += 1;
  };
  let looks = 0;
  first(it).whenAway = () => {
    looks += 1;
    if (looks === 3) first(it).isAway = false;
  };
  await it.orchestrator.watchServers(project, { onReady, onChange: () => {} });
  expect([ready, it.engines[1]?.watchers.size, looks]).toEqual([1, 1, 3]);
});

test('a stream is open as soon as its own engine answers, while another one still hangs', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  const hanging = Promise.withResolvers<void>();
  first(it).isAway = true;
  first(it).whenAway = () => hanging.promise;
  const watched = () => it.engines.map(({ watchers }) => watchers.size);
  const watch = (signal: AbortSignal, onReady = () => {}) =>
    it.orchestrator.watchServers(project, { onReady, onChange: () => {} }, { signal });
  const [given, ending] = [new AbortController(), new AbortController()];
  const left = watch(given.signal);
  await expect.poll(watched, patient).toEqual([0, 1]);
  given.abort();
  await expect(left).rejects.toMatchObject({ code: 'interrupted' });
  let ready = 0;
  const stays = watch(ending.signal, () => {
    ready += 1;
  });
  await expect.poll(() => ready, patient).toBe(1);
  first(it).isAway = false;
  hanging.resolve();
  await expect.poll(() => ready, patient).toBe(2);
  // The first one that listened has left: for it no stream is opened any more.
  expect(watched()).toEqual([1, 2]);
  ending.abort();
  await expect(stays).rejects.toMatchObject({ code: 'interrupted' });
});

test('an engine whose user may look at the project alone is watched, and is known to be back', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  first(it).whenTooMuch = () => it.pass(30_000);
  const ending = new AbortController();
  const hear = { onReady: () => {}, onChange: () => {} };
  const watched = it.orchestrator.watchServers(project, hear, { signal: ending.signal });
  await expect.poll(() => it.engines.map(({ watchers }) => watchers.size), patient).toEqual([1, 1]);
  ending.abort();
  await expect(watched).rejects.toMatchObject({ code: 'interrupted' });

  const listed = async () => (await it.orchestrator.servers(project)).servers.map(({ name }) => name);
  first(it).isAway = true;
  first(it).whenAway = () => it.pass(30_000);
  expect(await listed()).toEqual(['z']);
  first(it).isAway = false;
  await expect.poll(listed, patient).toEqual(['x', 'z']);
});

test('who gives up a question has what came by then', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  const never = Promise.withResolvers<void>();
  first(it).isAway = true;
  first(it).whenAway = () => never.promise;
  const signal = AbortSignal.timeout(20);
  expect((await it.orchestrator.instances(project, { signal })).map(({ server: name }) => name)).toEqual(['z']);
  never.resolve();
});

test('a list does not wait for an engine that hangs longer than it is told to, and that one is found silent by itself', async () => {
  const it = several({ a: ['x'], b: ['z'] });
  const hanging = Promise.withResolvers<void>();
  first(it).isAway = true;
  first(it).whenAway = () => hanging.promise;
  const listed = async (options?: { othersMs: number }) => {
    const { servers, notices } = await it.orchestrator.servers(project, options);
    return [...servers.map(({ name }) => name), ...notices.map(({ message }) => message)];
  };
  const away = 'engine a does not answer, and what is on it is not shown';
  expect(await listed({ othersMs: 5_000 })).toEqual(['z', `${away}: it has not answered yet`]);
  it.pass(30_000);
  hanging.resolve();
  await aWhile();
  const never = Promise.withResolvers<void>();
  first(it).whenAway = () => never.promise;
  expect(await listed()).toEqual(['z', `${away}: nothing listens`]);
  never.resolve();
});

test('where none answers, a list waits for what the first one says, whatever it is told', async () => {
  const it = several({ a: ['x'] });
  const slow = Promise.withResolvers<void>();
  first(it).isAway = true;
  first(it).whenAway = () => slow.promise;
  const listed = it.orchestrator.servers(project, { othersMs: 0 });
  await aWhile();
  first(it).isAway = false;
  slow.resolve();
  expect((await listed).servers.map(({ name }) => name)).toEqual(['x']);
});

test('what a server left on an engine is no part of it where it is now', async () => {
  const it = several({ a: [], b: ['x'] });
  first(it).deleted.add(asServerName('x'));
  const restart = {
    kind: 'recorded',
    project,
    servers: [asServerName('x')],
    wish: { kind: 'restart' },
    directory: '/',
  } as const;
  expect((await it.orchestrator.plan(restart)).plan.changes).toEqual([]);
});

test('of a server on two engines the one that was made last counts, whatever their clocks say', async () => {
  const it = several({ a: ['x'], b: [] });
  first(it).clockAheadMs = 600_000;
  it.world.clock = 1000;
  it.engines[1]?.servers.set(asServerName('x'), 900);
  const { servers, now } = await it.orchestrator.servers(project);
  expect(servers.map(({ engine, createdAt }) => [engine, now - createdAt])).toEqual([['b', 100]]);
  expect((await it.orchestrator.serving(project, asServerName('x'))).container).toBe('b-x');
});

test('sessions go to the engine that a server leaves until it has passed its gate on the other one', async () => {
  const it = several({ a: ['x'], b: [] });
  const x = asServerName('x');
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  Object.assign(it.engines[1] ?? {}, {
    whenGated: () => {
      begun.resolve();
      return gate.promise;
    },
  });
  const run = applied(it, [on('x', 'b')]);
  await begun.promise;
  expect((await it.orchestrator.serving(project, x)).container).toBe('a-x');
  gate.resolve();
  await run;
  expect((await it.orchestrator.serving(project, x)).container).toBe('b-x');
});

test('a plan names the engines that it is for', async () => {
  const it = several({ a: [], b: [] });
  const plan = async () => (await it.orchestrator.plan(intentOf([on('x', 'a')]))).plan.engine;
  expect(await plan()).toMatchObject({ id: 'several', engines: { a: 'a', b: 'b' } });
  first(it).isAway = true;
  expect(await plan()).toMatchObject({ engines: { b: 'b' } });
});

test('a server that was stopped where it was made last serves from no older one; one that is on its way does', async () => {
  const it = several({ a: ['x'], b: [] });
  const x = asServerName('x');
  const [, b] = it.engines;
  if (b === undefined) throw new Error('no engine');
  const serving = async () => (await it.orchestrator.serving(project, x)).container;
  it.world.clock = 1000;
  b.servers.set(x, 900);
  b.stopped.add(x);
  await expect(serving()).rejects.toMatchObject({ code: 'server-not-running', message: 'x is stopped on b' });
  b.unstarted.add(x);
  expect(await serving()).toBe('a-x');
  b.unstarted.clear();
  b.gateFailed.add(x);
  expect(await serving()).toBe('a-x');
  b.gateFailed.clear();
  b.servers.set(x, -100);
  expect(await serving()).toBe('a-x');
});

test('one engine under two names is refused before anything is planned or changed, where both answer', async () => {
  const world: World = { log: [], clock: 0 };
  const x = asServerName('x');
  const [a, b] = ['a', 'b'].map((name) => memberEngine(world, traits(name), [x], 'ONE')) as [
    MemberEngine,
    MemberEngine,
  ];
  const { plan, servers, scale, describe } = severalOrchestrator([a.member, b.member], {
    pause: aWhile,
    monotonicMs: () => 0,
  });
  const asked = [
    () => plan(intentOf([server('x')])),
    () => servers(project),
    () => scale(project, x, { kind: 'up', to: 2 }),
    describe,
  ];
  for (const ask of asked) {
    await expect(ask()).rejects.toMatchObject({
      code: 'spec-invalid',
      message: 'engines a and b of looms.yaml are one engine: ONE',
      detail: [expect.stringMatching(/^a: /), expect.stringMatching(/^b: /)],
    });
  }
  b.isAway = true;
  expect((await plan(intentOf([server('x')]))).plan.warnings.map(({ code }) => code)).toEqual(['engine-silent']);
});

test('two engines of one machine are two, and so are those of a machine and its copy, which have one id', () => {
  const one = { ...(emptyEngine().engine as DockerDescription), id: 'ONE', name: 'vm', stateFolder: '/var/lib/docker' };
  const answered = (...values: readonly DockerDescription[]) =>
    values.map((value, index) => ({ member: { name: `e${index}` }, value })) as unknown as Parameters<
      typeof requireDistinct
    >[0];
  requireDistinct(answered(one, { ...one, stateFolder: '/srv/docker' }, { ...one, name: 'copy' }));
  expect(() => requireDistinct(answered(one, { ...one, endpoint: 'ssh://vm' }))).toThrow('are one engine: ONE');
});
