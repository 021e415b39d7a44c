import { expect, test } from 'vitest';
import { createSampler } from '../../../src/app/measure/sampler.ts';
import { serverFamilies } from '../../../src/app/measure/server-metrics.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import { metricsText } from '../../../src/model/trail/metrics.ts';
import type { ContainerUsage } from '../../../src/model/trail/usage.ts';
import { eventually } from '../../support/eventually.ts';
import { manualClock } from '../../support/manual-clock.ts';
import { parsed } from '../../support/prometheus.ts';

const project = asProjectName('p');
const MiB = 1024 * 1024;

const usage = (name: string, generation: number, more: Partial<ContainerUsage> = {}): ContainerUsage => ({
  server: asServerName(name),
  container: asContainerId(`${name}-${generation}`),
  containerName: `looms-p-${name}`,
  generation,
  status: 'running',
  run: `run-${generation}`,
  startedAt: 1_000,
  restarts: 2,
  image: 'debian:12',
  limits: { cpuCores: 0.5, memoryBytes: 100 * MiB, processes: 10 },
  sessions: 1,
  sample: {
    at: 10_000,
    cpuMs: 1_500,
    cpuPeriods: 20,
    throttledPeriods: 5,
    memoryBytes: 10 * MiB,
    processes: 3,
    network: { receivedBytes: 7, sentBytes: 8 },
    blockIo: { readBytes: 9, writtenBytes: 10 },
  },
  ...more,
});

const oom = (container: string, time: number): EngineEvent => ({
  key: `${time} ${container}`,
  time,
  type: 'oom',
  server: asServerName(container.slice(0, -2)),
  generation: 1,
  container: asContainerId(container),
  containerName: 'x',
});

/** An engine whose servers and past can be changed, and a clock that goes when it is told to. */
function world(keepsPast = false) {
  const clock = manualClock();
  const engine = {
    all: [usage('fs', 1)] as readonly ContainerUsage[],
    events: [] as readonly EngineEvent[],
    looks: 0,
    isAway: false,
  };
  const ports = {
    ...clock.ports,
    keptLogs: { events: async () => [] },
    warn: () => {},
    orchestrator: async () => ({
      describe: async () => ({ id: 'engine' }),
      usage: async () => {
        engine.looks += 1;
        if (engine.isAway) throw new Error('away');
        return engine.all;
      },
      events: async (_: unknown, { since }: { since: { at: number } }, hear: (event: EngineEvent) => void) =>
        engine.events.filter(({ time }) => time >= since.at).forEach(hear),
    }),
  } as unknown as Ports;
  const sampler = createSampler(ports, project, { keepsPast });
  const stop = new AbortController();
  const running = sampler.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  const looked = (times: number) => clock.until(() => engine.looks >= times);
  return { clock, engine, sampler, looked, end };
}

const fs = asServerName('fs');

test('nobody is measured until somebody wants to know, then every 15 s, and no more when nobody does', async () => {
  const { clock, engine, sampler, looked, end } = world();
  await clock.pass(60_000);
  expect(engine.looks).toBe(0);
  const enough = sampler.want();
  await looked(1);
  await clock.pass(14_000);
  expect(engine.looks).toBe(1);
  await clock.pass(45_000);
  expect(engine.looks).toBe(4);
  expect(sampler.points(fs)).toHaveLength(4);
  enough();
  await clock.pass(60_000);
  expect(engine.looks).toBe(4);
  expect(sampler.latest()).toBeUndefined();
  await end();
});

test('where a past is to be shown, each minute is measured while nobody asks, and every 15 s while somebody does', async () => {
  const { clock, engine, sampler, looked, end } = world(true);
  await looked(1);
  await clock.pass(600_000);
  expect(engine.looks).toBe(11);
  expect(sampler.points(fs)).toHaveLength(11);
  const enough = sampler.want();
  await looked(12);
  await clock.pass(60_000);
  expect(engine.looks).toBe(16);
  enough();
  await clock.pass(600_000);
  expect(engine.looks).toBeLessThanOrEqual(26);
  await end();
});

test('who asks once is told of the first look, and looks go on for five minutes', async () => {
  const { clock, engine, sampler, end } = world();
  let told: unknown;
  void sampler.asked().then((servers) => {
    told = servers?.get(fs);
  });
  await clock.until(() => told !== undefined);
  expect(told).toMatchObject({ generation: 1, restarts: 2, running: 1 });
  await clock.pass(600_000);
  expect(engine.looks).toBeGreaterThanOrEqual(20);
  expect(engine.looks).toBeLessThanOrEqual(21);
  await end();
});

test('what was seen too long ago says nothing of now; the next look tells again', async () => {
  const { clock, engine, sampler, looked, end } = world();
  sampler.want();
  await looked(1);
  engine.isAway = true;
  await clock.pass(60_000);
  expect(sampler.latest()).toBeUndefined();
  engine.isAway = false;
  await looked(engine.looks + 1);
  await eventually(async () => expect(sampler.latest()?.size).toBe(1));
  await end();
});

test('an hour is kept, and nothing of a server that is gone', async () => {
  const { clock, engine, sampler, looked, end } = world();
  sampler.want();
  await looked(1);
  await clock.pass(2 * 3_600_000);
  expect(sampler.points(fs).length).toBeGreaterThan(235);
  expect(sampler.points(fs).length).toBeLessThan(243);
  engine.all = [];
  await looked(engine.looks + 1);
  await eventually(async () => expect(sampler.points(fs)).toEqual([]));
  await end();
});

test('the newest container that runs stands for its server', async () => {
  const { engine, sampler, looked, end } = world();
  engine.all = [usage('fs', 1), usage('fs', 2), usage('fs', 3, { status: 'stopped', sample: null })];
  sampler.want();
  await looked(1);
  await eventually(async () => expect(sampler.latest()?.get(fs)).toMatchObject({ generation: 2, running: 2 }));
  await end();
});

test('two containers of one generation, as pods of a server have, replace nobody', async () => {
  const { engine, sampler, looked, end } = world();
  engine.all = [usage('fs', 1), usage('fs', 1, { container: asContainerId('fs-other') })];
  sampler.want();
  await looked(1);
  await eventually(async () => expect(sampler.latest()?.get(fs)).toMatchObject({ container: 'fs-1', running: 1 }));
  await end();
});

test('what ran out of memory is counted once: before the first look of this run only, then whatever comes', async () => {
  const { engine, sampler, looked, end } = world();
  engine.events = [oom('fs-1', 900), oom('fs-1', 1_200)];
  sampler.want();
  await looked(1);
  const kills = () => sampler.latest()?.get(fs)?.oomKills;
  await eventually(async () => expect(kills()).toBe(1));
  engine.events = [...engine.events, oom('fs-1', 10_000), oom('fs-1', 10_500)];
  await looked(2);
  await eventually(async () => expect(kills()).toBe(3));
  await looked(3);
  engine.all = [usage('fs', 2)];
  await looked(4);
  await eventually(async () => expect(sampler.latest()?.get(fs)).toMatchObject({ generation: 2, oomKills: 3 }));
  await end();
});

/** The same of a container of another engine, whose clock says another time. */
const measuredAt = (name: string, at: number, more: Partial<ContainerUsage> = {}): ContainerUsage => {
  const one = usage(name, 1, more);
  return { ...one, sample: one.sample && { ...one.sample, at } };
};

test('of several engines each is asked for what it told until then by its own clock, also after it was silent', async () => {
  const { engine, sampler, looked, end } = world();
  const kills = (name: string) => sampler.latest()?.get(asServerName(name))?.oomKills;
  const look = async (...all: ContainerUsage[]) => {
    engine.all = all;
    await looked(engine.looks + 1);
  };
  engine.all = [measuredAt('a', 100_000), measuredAt('b', 70_000)];
  sampler.want();
  await looked(1);
  await eventually(async () => expect([kills('a'), kills('b')]).toEqual([0, 0]));
  engine.events = [oom('b-1', 80_000), oom('a-1', 101_000)];
  await look(measuredAt('a', 115_000), measuredAt('b', 85_000));
  await eventually(async () => expect([kills('a'), kills('b')]).toEqual([1, 1]));
  engine.events = [oom('a-1', 101_000)];
  await look(measuredAt('a', 130_000));
  await look(measuredAt('a', 145_000));
  engine.events = [oom('b-1', 80_000), oom('b-1', 90_000), oom('a-1', 101_000)];
  await look(measuredAt('a', 160_000), measuredAt('b', 130_000));
  await eventually(async () => expect([kills('a'), kills('b')]).toEqual([1, 2]));
  await end();
});

test('a server that is the first on an engine whose clock is behind counts from the beginning of its run', async () => {
  const { engine, sampler, looked, end } = world();
  const kills = () => sampler.latest()?.get(asServerName('b'))?.oomKills;
  engine.all = [measuredAt('a', 100_000)];
  sampler.want();
  await looked(1);
  // Long gone before anybody looked.
  engine.events = [oom('c-1', 60_000), oom('b-1', 71_000)];
  engine.all = [measuredAt('a', 115_000), measuredAt('b', 85_000, { startedAt: 70_000 })];
  await looked(2);
  await eventually(async () => expect(kills()).toBe(1));
  engine.all = [measuredAt('a', 130_000), measuredAt('b', 100_000, { startedAt: 70_000, sample: null })];
  engine.events = [...engine.events, oom('b-1', 90_000)];
  await looked(3);
  await eventually(async () => expect(kills()).toBe(2));
  await end();
});

test('each number is told by its name, and one that is not known is not', () => {
  const unlimited = { cpuCores: null, memoryBytes: null, processes: null };
  const use = (one: ContainerUsage) => ({ ...one, oomKills: 4, running: 1 });
  const text = metricsText(
    serverFamilies(
      new Map([
        [fs, use(usage('fs', 1))],
        [asServerName('off'), use(usage('off', 1, { sample: null, limits: unlimited }))],
      ]),
    ),
  );
  const found = [...parsed(text).values()].flatMap(({ samples }) =>
    samples.map(({ name, labels, value }) => `${name} ${Object.values(labels).join(' ')} ${value}`),
  );
  expect(found).toEqual([
    'looms_server_info fs 1 debian:12 1',
    'looms_server_info off 1 debian:12 1',
    'looms_server_restarts_total fs 2',
    'looms_server_restarts_total off 2',
    'looms_server_cpu_seconds_total fs 1.5',
    'looms_server_cpu_limit_cores fs 0.5',
    'looms_server_cpu_periods_total fs 20',
    'looms_server_cpu_throttled_periods_total fs 5',
    `looms_server_memory_working_set_bytes fs ${10 * MiB}`,
    `looms_server_memory_limit_bytes fs ${100 * MiB}`,
    'looms_server_oom_kills_total fs 4',
    'looms_server_oom_kills_total off 4',
    'looms_server_pids fs 3',
    'looms_server_network_bytes_total fs received 7',
    'looms_server_network_bytes_total fs sent 8',
    'looms_server_block_io_bytes_total fs read 9',
    'looms_server_block_io_bytes_total fs written 10',
  ]);
});
