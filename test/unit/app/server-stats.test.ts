import { expect, test } from 'vitest';
import { type ServerStats, sortStats, statsOf } from '../../../src/app/inspect/server-stats.ts';
import { renderStats } from '../../../src/cli/render/servers/server-stats.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { sampleOf } from '../../../src/docker/engine/listing/usage.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { asContainerId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import type { ContainerUsage, UsageSample } from '../../../src/model/trail/usage.ts';

const MiB = 1024 * 1024;

const sample = (more: Partial<UsageSample> = {}): UsageSample => ({
  at: 10_000,
  cpuMs: 0,
  cpuPeriods: 0,
  throttledPeriods: 0,
  memoryBytes: 10 * MiB,
  processes: 2,
  network: { receivedBytes: 1000, sentBytes: 0 },
  blockIo: { readBytes: 0, writtenBytes: 0 },
  ...more,
});

const usage = (name: string, taken: UsageSample | null, more: Partial<ContainerUsage> = {}): ContainerUsage => ({
  server: asServerName(name),
  container: asContainerId(`${name}-id`),
  containerName: `looms-p-${name}`,
  generation: 1,
  status: taken === null ? 'stopped' : 'running',
  run: 'first',
  limits: { cpuCores: 0.5, memoryBytes: 100 * MiB, processes: 10 },
  sessions: 0,
  startedAt: 1_000,
  restarts: 0,
  image: 'debian:12',
  sample: taken,
  ...more,
});

/** The kernel ended something in the container of `full`. */
const oom = (time: number): EngineEvent => ({
  key: `${time}`,
  time,
  type: 'oom',
  server: asServerName('full'),
  generation: 1,
  container: asContainerId('full-id'),
  containerName: 'looms-p-full',
});

const stats = (now: ContainerUsage, before?: ContainerUsage, calls: Record<string, number> = {}): ServerStats =>
  statsOf(asProjectName('p'), now, before, {
    calls: new Map(Object.entries(calls)),
    events: [oom(999), oom(1_000), oom(2_000)],
  });

test('processor time is what was taken between two looks, against the limit, and what is near a limit is named', () => {
  const before = usage('fs', sample({ cpuPeriods: 5, throttledPeriods: 1 }));
  const now = usage(
    'fs',
    sample({ at: 12_000, cpuMs: 900, cpuPeriods: 25, throttledPeriods: 6, memoryBytes: 80 * MiB, processes: 7 }),
  );
  expect(stats(now, before, { 'fs-id': 12 })).toMatchObject({
    use: {
      cpu: { cores: 0.45, limitCores: 0.5, share: 0.9, throttledPeriods: 6, throttledShare: 0.25 },
      memory: { share: 0.8 },
      processes: { share: 0.7 },
    },
    callsPerMinute: 12,
    near: ['cpu', 'memory'],
  });
});

test('what was started again in between, or has no limit, has no share', () => {
  const before = usage('fs', sample({ cpuMs: 5_000 }));
  const restarted = usage('fs', sample({ at: 11_000, cpuMs: 10 }), { run: 'second' });
  expect(stats(restarted, before).use?.cpu).toMatchObject({ cores: null, share: null, throttledShare: null });
  const limits = { cpuCores: null, memoryBytes: null, processes: null };
  const free = stats(usage('fs', sample({ at: 11_000, cpuMs: 6_000, processes: 99 }), { limits }), before);
  expect(free).toMatchObject({ use: { cpu: { cores: 1, share: null }, processes: { share: null } }, near: [] });
});

test('what a metrics API averaged is told with its time, in the first look too, and what nobody knows is a hyphen', () => {
  const average = { cores: 0.25, overMs: 15_000, until: Date.parse('2026-11-29T10:00:00Z') };
  const unknown = {
    cpuMs: null,
    cpuPeriods: null,
    throttledPeriods: null,
    processes: null,
    network: null,
    blockIo: null,
  };
  const told = stats(usage('far', sample({ ...unknown, average })), usage('far', sample()));
  expect(told.use).toMatchObject({
    cpu: { cores: 0.25, share: 0.5, throttledPeriods: null, throttledShare: null },
    processes: { count: null, share: null },
    metrics: { at: '2026-11-29T10:00:00.000Z', overMs: 15_000 },
  });
  expect(stats(usage('near', sample())).use).toMatchObject({ cpu: { cores: null }, metrics: null });
  const line = renderStats([told], palette(false)).split('\n')[1];
  expect(line?.split(/ {2,}/)).toEqual(['far', '1', '0.25/0.5 50%', '10M/100M 10%', '-', '-', '-', '0', '0', '-', '0']);
});

test('the nearest to a limit stands first, what does not run last, and ! marks what is near', () => {
  const all = [
    stats(usage('idle', sample())),
    stats(usage('gone', null)),
    stats(usage('full', sample({ memoryBytes: 95 * MiB, network: null }), { sessions: 3 })),
    stats(usage('busy', sample({ at: 11_000, cpuMs: 250 })), usage('busy', sample())),
  ];
  const text = renderStats(sortStats(all, 'limit'), palette(false));
  expect(text.split('\n')).toEqual([
    'NAME  GEN  CPU           MEMORY          PROCS  NET IN/OUT  DISK R/W  SESSIONS  CALLS/MIN  THROTTLED  OOM',
    'full  1    -             ! 95M/100M 95%  2/10   -           0B/0B     3         0          0          2',
    'busy  1    0.25/0.5 50%  10M/100M 10%    2/10   1000B/0B    0B/0B     0         0          0          0',
    'idle  1    -             10M/100M 10%    2/10   1000B/0B    0B/0B     0         0          0          0',
    'gone  1    stopped       -               -      -           -         0         0          -          -',
  ]);
  expect(sortStats(all, 'name').map(({ name }) => name)).toEqual(['busy', 'full', 'gone', 'idle']);
  expect(sortStats(all, 'sessions').map(({ name }) => name)).toEqual(['full', 'busy', 'idle', 'gone']);
});

test('memory is counted without idle files, by either version of cgroups', () => {
  const answer = (stats: object) => ({
    read: '2026-11-29T01:40:54.024410325Z',
    cpu_stats: { cpu_usage: { total_usage: 27_423_361 }, throttling_data: { periods: 4, throttled_periods: 1 } },
    memory_stats: { usage: 5 * MiB, stats },
    pids_stats: { current: 3 },
    networks: { eth0: { rx_bytes: 10, tx_bytes: 1 }, eth1: { rx_bytes: 5, tx_bytes: 2 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: 'Read', value: 7 },
        { op: 'write', value: 9 },
        { op: 'Total', value: 16 },
      ],
    },
  });
  expect(sampleOf(answer({ total_inactive_file: MiB, inactive_file: 0 }))).toEqual({
    at: Date.parse('2026-11-29T01:40:54.024Z'),
    cpuMs: 27.423361,
    cpuPeriods: 4,
    throttledPeriods: 1,
    memoryBytes: 4 * MiB,
    processes: 3,
    network: { receivedBytes: 15, sentBytes: 3 },
    blockIo: { readBytes: 7, writtenBytes: 9 },
  });
  expect(sampleOf(answer({ inactive_file: 2 * MiB })).memoryBytes).toBe(3 * MiB);
  expect(sampleOf({ cpu_stats: {}, memory_stats: {} })).toMatchObject({ memoryBytes: 0, network: null });
});
