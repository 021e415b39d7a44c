import { expect, test } from 'vitest';
import { lifecycleEvents, requireKnown } from '../../../src/app/inspect/lifecycle-events.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { renderEvent } from '../../../src/cli/render/servers/lifecycle-events.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { engineEvent } from '../../../src/docker/engine/listing/events.ts';
import type { Engine } from '../../../src/docker/port.ts';
import type { AlertTurn } from '../../../src/model/alerts.ts';
import type { DockerDescription } from '../../../src/model/engine.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { Notice } from '../../../src/model/notices.ts';
import { isoTime } from '../../../src/model/times.ts';
import type { ChangeRecord } from '../../../src/model/trail/audit.ts';
import type { LifecycleEvent } from '../../../src/model/trail/lifecycle-events.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { schemaProblems } from '../../support/schemas.ts';

const project = asProjectName('p');

const told = (time: number, more: object = { type: 'started' }, server = 'fs'): EngineEvent =>
  ({
    key: `${time} ${server}`,
    time,
    server: asServerName(server),
    generation: 2,
    container: asContainerId('c'),
    containerName: 'looms-p-fs',
    ...more,
  }) as EngineEvent;

const change = (seq: number, began: number, more: Partial<ChangeRecord> = {}): ChangeRecord => ({
  seq,
  change: `change-${seq}`,
  time: isoTime(began),
  user: 'ada',
  host: 'desk',
  pid: 1,
  command: 'looms apply',
  project,
  engine: 'E',
  servers: [
    {
      server: asServerName('fs'),
      action: 'replace',
      source: 'specs/fs.yaml:3@0123456789abcdef0123456789abcdef01234567 (Ann <ann@example.com>, not signed)',
      reasons: [
        {
          kind: 'spec-changed',
          fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '128', to: '160' }],
        },
      ],
    },
  ],
  ...more,
});
const ended = (at: number): Partial<ChangeRecord> => ({
  result: 'gate-failed',
  outcomes: [
    { server: asServerName('fs'), outcome: 'gate-failed', code: 'server-exited', message: 'exited with code 3' },
  ],
  durationMs: 900,
  endedAt: isoTime(at),
});

/** An engine, a trail and a state folder that a test changes while somebody listens. */
class World {
  remembered: EngineEvent[] = [];
  kept: EngineEvent[] = [];
  trail: ChangeRecord[] = [];
  turns: AlertTurn[] = [];
  hear: (event: EngineEvent) => void = () => undefined;
  onPause: () => void = () => undefined;
  readonly warnings: Notice[] = [];
  now = 10_000;
  brokenKept = false;

  ports(): Ports {
    const world = this;
    const engine: Partial<Engine> = {
      describe: async () => ({ id: 'E' }) as DockerDescription,
      events: (_project, { since, follow }, hear, options) => {
        const from = 'at' in since ? since.at : 0;
        for (const event of world.remembered.filter(({ time }) => time >= from)) hear(event);
        if (!follow) return Promise.resolve();
        world.hear = hear;
        return new Promise((_resolve, reject) =>
          options?.signal?.addEventListener('abort', () => reject(new LoomsError('interrupted', 'stopped'))),
        );
      },
    };
    return portsOn(engine, {
      now: () => world.now,
      keptLogs: {
        events: async (_at: object, since: number) => {
          if (world.brokenKept) throw new LoomsError('ledger-unreadable', 'damaged');
          return world.kept.filter(({ time }) => time >= since);
        },
        alertTurns: async (_at: object, since: number) => {
          if (world.brokenKept) throw new LoomsError('ledger-unreadable', 'damaged');
          return world.turns.filter(({ time }) => time >= since);
        },
      } as unknown as Ports['keptLogs'],
      auditReader: {
        newest: async () => Math.max(0, ...world.trail.map(({ seq }) => seq + 1)),
        changes: async function* ({ since = '', after = 0 }: { since?: string; after?: number }) {
          yield* world.trail.filter(({ seq, time }) => seq > after && time >= since);
        },
      } as unknown as Ports['auditReader'],
      whoAmI: { user: 'ada', host: 'desk', pid: 1, command: '' },
      processIsAlive: () => true,
      warn: (notice) => void world.warnings.push(notice),
      pause: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        world.onPause();
      },
    });
  }
}

function line(event: LifecycleEvent): string {
  if (event.source === 'engine') return `${event.type} ${event.server}`;
  if (event.type === 'alert') return `${event.state} ${event.server} ${event.rule}`;
  return `${event.action} ${event.server} ${event.result}`;
}

async function all(world: World, names: readonly string[] = []): Promise<LifecycleEvent[]> {
  const events: LifecycleEvent[] = [];
  const request = { project, names: names.map(asServerName), since: { agoMs: 9_000 }, follow: false } as const;
  for await (const event of lifecycleEvents(world.ports(), request, new AbortController().signal)) events.push(event);
  return events;
}

test('what the engine remembers, what a watch kept and what looms did are one story, each event once and with its reasons', async () => {
  const world = new World();
  world.kept = [told(500), told(2_000), told(3_000, { type: 'oom' })];
  world.remembered = [
    told(3_000, { type: 'oom' }),
    told(6_000, { type: 'ended', exitCode: 137 }),
    told(6_500, { type: 'started' }, 'db'),
  ];
  world.trail = [
    change(1, 4_000, ended(5_000)),
    change(3, 6_000, { ...ended(7_000), engine: 'another' }),
    change(5, 8_000, { servers: [{ server: asServerName('db'), action: 'start' }] }),
  ];
  const events = await all(world);
  expect(events.map(line)).toEqual([
    'started fs',
    'oom fs',
    'replace fs gate-failed',
    'ended fs',
    'started db',
    'start db running',
  ]);
  expect((await all(world, ['db'])).map(line)).toEqual(['started db', 'start db running']);
  // The same event has the same id whenever it is told, and ids sort by time.
  expect((await all(world)).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  const ofEngine = events.flatMap(({ source, id }) => (source === 'engine' ? [id] : []));
  expect([...ofEngine].sort()).toEqual(ofEngine);
  expect(events.every(({ id }) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(id))).toBe(true);
  expect(events[2]).toMatchObject({
    ts: isoTime(5_000),
    run: 'change-1',
    cause: {
      principal: 'ada@desk',
      file: 'specs/fs.yaml',
      line: 3,
      commit: '0123456789abcdef0123456789abcdef01234567',
      author: 'Ann <ann@example.com>, not signed',
    },
    code: 'server-exited',
    ms: 900,
  });
  expect(events.slice(1, 4).map((event) => renderEvent(event, palette(false)))).toEqual([
    '1970-01-01T00:00:03Z  fs gen 2 ran out of memory: the kernel ended something in it',
    [
      '1970-01-01T00:00:05Z  fs replace: gate-failed',
      '    exited with code 3',
      '    because the spec changed',
      '      docker_backend.resource_limits.memory_mb  128 → 160',
      '    by looms apply, ada@desk, specs/fs.yaml:3@0123456789ab by Ann <ann@example.com>, not signed',
    ].join('\n'),
    '1970-01-01T00:00:06Z  fs gen 2 ended with exit code 137',
  ]);
});

test('a change says what had it made, for whom, in which trace, and which event came before', async () => {
  const world = new World();
  const [server] = change(1, 4_000).servers ?? [];
  const more = { trigger: 'engine', command: 'looms watch', traceId: 'f'.repeat(32) } as const;
  const gen = { from: 2, to: 3 };
  const servers = server === undefined ? [] : [{ ...server, event: '01', gen }];
  world.trail = [
    change(1, 4_000, { ...more, servers, ...ended(5_000) }),
    change(3, 6_000, { trigger: 'api', principal: 'page', ...ended(7_000) }),
    change(5, 8_000, ended(9_000)),
  ];
  const events = await all(world);
  expect(events).toMatchObject([
    { run: 'change-1', gen, traceId: 'f'.repeat(32), cause: { trigger: 'engine', principal: 'ada@desk', event: '01' } },
    { run: 'change-3', cause: { trigger: 'api', principal: 'page' } },
    { run: 'change-5', cause: { principal: 'ada@desk' } },
  ]);
  for (const event of events) expect(schemaProblems('events', event)).toEqual([]);
  const words = events[0] && renderEvent(events[0], palette(false));
  expect(words).toContain('fs replace (gen 2 → 3): ');
  expect(words).toContain('by looms watch (engine), ada@desk');
});

test('what somebody changed is told beside its reason and as it happened, as the plan has it', async () => {
  const world = new World();
  const [server] = change(1, 4_000).servers ?? [];
  const path = 'docker_backend.network.other';
  const drift = { kind: 'live-drift', fields: [{ path, from: 'connected', to: 'none' }] } as const;
  const reasons = [drift, ...(server?.reasons ?? [])];
  world.trail = [change(1, 4_000, { ...(server && { servers: [{ ...server, reasons }] }), ...ended(5_000) })];
  const [event] = await all(world);
  expect(event && renderEvent(event, palette(false)).split('\n').slice(2, -1)).toEqual([
    '    because changed outside looms',
    '      docker_backend.network.other  not connected → connected',
    '    because the spec changed',
    '      docker_backend.resource_limits.memory_mb  128 → 160',
  ]);
  // For programs reasons are those of the plan.
  expect(event).toMatchObject({ reasons: [drift, { kind: 'spec-changed' }] });
});

test('what alerts did stands among the events, also for who follows', async () => {
  const world = new World();
  const turn = { rule: 'memory > 90%', server: asServerName('fs'), value: '93 %' } as const;
  world.turns = [{ ...turn, state: 'firing', time: 3_000 }];
  world.remembered = [told(2_000), told(4_000)];
  const events = await all(world);
  expect(events.map(line)).toEqual(['started fs', 'firing fs memory > 90%', 'started fs']);
  for (const event of events) expect(schemaProblems('events', event)).toEqual([]);
  expect(events[1] && renderEvent(events[1], palette(false))).toBe('1970-01-01T00:00:03Z  fs alert memory > 90%: 93 %');
  expect((await all(world, ['db'])).map(line)).toEqual([]);

  const stop = new AbortController();
  world.onPause = () => void world.turns.push({ ...turn, state: 'resolved', time: 9_000, why: 'stopped' });
  const followed: string[] = [];
  const request = { project, names: [], since: { agoMs: 9_000 }, follow: true } as const;
  for await (const event of lifecycleEvents(world.ports(), request, stop.signal)) {
    followed.push(renderEvent(event, palette(false)));
    if (followed.length === 4) stop.abort();
  }
  expect(followed.at(-1)).toBe('1970-01-01T00:00:09Z  fs resolved memory > 90%: 93 % (it was stopped)');
});

test('who follows is told of what alerts did also where the next look comes long after the last', async () => {
  const world = new World();
  world.remembered = [told(2_000)];
  const stop = new AbortController();
  world.onPause = () => {
    // A machine that slept for an hour, or a reader that took nothing.
    if (world.turns.length > 0) return stop.abort();
    world.turns = [{ rule: 'memory > 90%', server: asServerName('fs'), value: '93 %', state: 'firing', time: 12_000 }];
    world.now = 3_600_000;
  };
  const seen: string[] = [];
  const request = { project, names: [], since: { agoMs: 9_000 }, follow: true } as const;
  for await (const event of lifecycleEvents(world.ports(), request, stop.signal)) seen.push(line(event));
  expect(seen).toEqual(['started fs', 'firing fs memory > 90%']);
});

test('who follows is told of what comes, and of a change once it has ended', async () => {
  const world = new World();
  world.remembered = [told(2_000)];
  world.trail = [change(1, 4_000)];
  const stop = new AbortController();
  let pauses = 0;
  world.onPause = () => {
    pauses += 1;
    if (pauses === 1) world.hear(told(6_000, { type: 'oom' }));
    if (pauses === 2) world.trail = [change(1, 4_000, ended(7_000)), change(3, 7_000)];
    if (pauses === 3)
      world.trail = [change(1, 4_000, ended(7_000)), change(3, 7_000, { ...ended(8_000), result: 'done' })];
  };
  const seen: string[] = [];
  const request = { project, names: [], since: { agoMs: 9_000 }, follow: true } as const;
  for await (const event of lifecycleEvents(world.ports(), request, stop.signal)) {
    seen.push(line(event));
    if (seen.length === 4) stop.abort();
  }
  expect(seen).toEqual(['started fs', 'oom fs', 'replace fs gate-failed', 'replace fs gate-failed']);
});

test('events that a watch kept and that cannot be read are missed with a warning', async () => {
  const world = new World();
  world.brokenKept = true;
  world.remembered = [told(2_000)];
  expect((await all(world)).map(line)).toEqual(['started fs']);
  expect(world.warnings).toEqual([
    { code: 'events-unknown', message: 'events that a watch kept are not known: damaged' },
  ]);
});

test("an engine's words are read, Docker's and Podman's; what is of another role, or of nobody, is left out", () => {
  const labels = { 'looms.project': 'p', 'looms.server': 'fs', 'looms.role': 'server', 'looms.generation': '3' };
  const entry = (Action: string, more: object = {}, all: object = labels) => ({
    Action,
    timeNano: 1_700_000_000_123_000_000,
    Actor: { ID: 'c', Attributes: { ...all, name: 'looms-p-fs', ...more } },
  });
  expect(engineEvent(entry('die', { exitCode: '137' }))).toMatchObject({
    type: 'ended',
    exitCode: 137,
    server: 'fs',
    generation: 3,
    time: 1_700_000_000_123,
  });
  expect(engineEvent(entry('died', { containerExitCode: '3' }))).toMatchObject({ type: 'ended', exitCode: 3 });
  expect(engineEvent(entry('health_status: unhealthy'))).toMatchObject({ type: 'health', health: 'unhealthy' });
  expect(engineEvent(entry('oom'))).toMatchObject({ type: 'oom' });
  expect(engineEvent(entry('exec_create: node'))).toBeUndefined();
  expect(engineEvent(entry('start', {}, { ...labels, 'looms.role': 'relay' }))).toBeUndefined();
  expect(engineEvent(entry('start', {}, {}))).toBeUndefined();
});

test('a server that is gone is known by the trail of this engine, also where none of it is recent', async () => {
  const long = [
    change(1, 1_000),
    change(2, 2_000, { engine: 'another', servers: [{ server: asServerName('web'), action: 'create' }] }),
  ];
  const ports = {
    orchestrator: async () => ({
      servers: async () => ({ servers: [], deleted: [] }),
      describe: async () => ({ id: 'E' }),
    }),
    auditReader: {
      async *changes({ servers = [] }: { servers?: readonly string[] }) {
        yield* long.filter((one) => one.servers?.some(({ server }) => servers.includes(server)));
      },
    },
  } as unknown as Ports;
  const asked = (name: string) => requireKnown(ports, { project, names: [asServerName(name)] }, new Set());
  await asked('fs');
  await expect(asked('web')).rejects.toMatchObject({ code: 'server-not-found' });
  await expect(asked('nobody')).rejects.toMatchObject({ code: 'server-not-found' });
});
