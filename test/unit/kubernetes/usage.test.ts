import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import { readAmount } from '../../../src/kubernetes/model/quantity.ts';
import { clusterNow, clusterTime } from '../../../src/kubernetes/observe/describe.ts';
import type { Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { readPodMetrics } from '../../../src/kubernetes/views/pod-metrics.ts';
import { usageOf } from '../../../src/kubernetes/views/usage.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { ExecSession } from '../../../src/orchestrator/session-host.ts';

/** A cluster whose clock is an hour ahead. */
const ahead = 3_600_000;
const clusterAhead = (metrics: () => Promise<unknown> = async () => ({})) =>
  ({
    request: async ({ path }: { path: string }) =>
      path.startsWith('/apis/metrics.k8s.io/')
        ? metrics()
        : { metadata: { creationTimestamp: `${new Date(Date.now() + ahead).toISOString().slice(0, 19)}Z` } },
  }) as unknown as Cluster;

function local(words: string): ExecSession {
  const child = spawn('sh', ['-c', words]);
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode }))),
    destroy: () => void child.kill('SIGKILL'),
  };
}

const lookedAt = 5;

/** What is told of one pod that says this; and the process that says it. */
async function usageWhere(words: string, cluster = clusterAhead(), now = lookedAt) {
  const template = { spec: { containers: [{ name: 'server' }] } };
  const pod: Pod = {
    metadata: { name: 'p', uid: 'u', namespace: 'looms-a' },
    spec: template.spec,
    status: { containerStatuses: [{ name: 'server', state: { running: { startedAt: '2026-11-29T10:00:00Z' } } }] },
  };
  const claim = { server: asServerName('fs'), generation: 1, specHash: '', managedBy: '' };
  const replicaSet: ReplicaSet = { metadata: { name: 'r' }, spec: { template } };
  const deployment = { metadata: { name: 'looms-fs' }, spec: { template } };
  const generations = [{ claim, replicaSet, pods: [pod], isMeant: true }];
  const observed = { now, namespace: 'looms-a', servers: [{ server: claim.server, deployment, claim, generations }] };
  const session = local(words);
  const sessions = { exec: async () => session, countSessions: async () => 0 };
  const found = await usageOf({ cluster, sessions } as unknown as KubernetesPorts, observed as unknown as Observed);
  return { sample: found[0]?.sample, sessions: found[0]?.sessions, ended: await session.ended };
}
const said = 'echo "cpu.usage_usec 1500"; echo "memory 100"';

describe('what a pod takes', () => {
  it('is told with the time at which it was heard, on the clock of the cluster as far as that is known', async () => {
    const cluster = clusterAhead();
    expect((await usageWhere(said, cluster)).sample).toMatchObject({ at: lookedAt, memoryBytes: 100 });
    await clusterNow(cluster);
    const before = Date.now();
    const at = (await usageWhere(`sleep 0.3; ${said}`, cluster)).sample?.at ?? 0;
    expect(at - ahead).toBeGreaterThan(before + 300 - 1001);
    expect(at - ahead).toBeLessThan(Date.now() + 1001);
    const next = (await usageWhere(`sleep 0.3; ${said}`, cluster)).sample?.at ?? 0;
    expect(next - at).toBeGreaterThanOrEqual(300);
  });

  it.each([
    ['goes on for ever', `${said}; exec yes`],
    ['does not come to an end', `${said}; exec sleep 60`],
  ])(
    'is not known, and nobody waits, where a pod %s',
    async (_, words) => {
      const { sample, ended } = await usageWhere(words);
      expect(sample).toBeNull();
      expect(ended).not.toEqual({ exitCode: 0 });
    },
    15_000,
  );
});

describe('what the metrics API says', () => {
  const now = Date.parse('2026-11-29T10:05:00Z');
  const podMetrics = (more: object = {}, usage: object = { cpu: '250000001n', memory: '1500Ki' }) => ({
    metadata: { name: 'p' },
    timestamp: '2026-11-29T10:04:50Z',
    window: '15.5s',
    containers: [
      { name: 'reach', usage: { cpu: '1', memory: '1Gi' } },
      { name: 'server', usage },
    ],
    ...more,
  });
  const read = (...items: readonly unknown[]) => readPodMetrics({ items }, now).get('p');

  it('is read as an average over its window and the memory of its end, of the container of the server alone', () => {
    const average = { cores: 0.250000001, overMs: 15_500, until: now - 10_000 };
    expect(read(podMetrics())).toEqual({ average, memoryBytes: 1500 * 1024 });
    expect(read(podMetrics({ window: '1m0.5s' }))?.average.overMs).toBe(60_500);
  });

  it.each([
    ['nothing', undefined],
    ['no object', null],
    ['no name', podMetrics({ metadata: {} })],
    ['no time', podMetrics({ timestamp: 'now' })],
    ['no window', podMetrics({ window: '' })],
    ['a window that is none', podMetrics({ window: '15 seconds' })],
    ['a window of no time', podMetrics({ window: '0s' })],
    ['containers that are none', podMetrics({ containers: 'server' })],
    ['another container only', podMetrics({ containers: [{ name: 'reach', usage: { cpu: '1', memory: '1' } }] })],
    ['a number for a quantity', podMetrics({}, { cpu: 1, memory: '1' })],
    ['less than nothing', podMetrics({}, { cpu: '-1', memory: '1' })],
    ['no memory', podMetrics({}, { cpu: '1' })],
    ['what was long ago', podMetrics({ timestamp: '2026-11-29T09:59:59Z' })],
    ['what is still to come', podMetrics({ timestamp: '2026-11-29T10:06:01Z' })],
  ])('is nothing where it says %s', (_, item) => {
    expect(read(item)).toBeUndefined();
  });

  it.each([[null], [{}], [{ items: 'none' }], ['text']])('is nothing where the answer is %j', (answer) => {
    expect(readPodMetrics(answer, now).size).toBe(0);
  });

  const served = (item = podMetrics()) => clusterAhead(async () => ({ items: [item] }));

  it('counts for processor time and memory, and the pod itself says the rest, its sessions in the same exec', async () => {
    const words = `${said}; echo "pids 3"; echo "cpu.nr_throttled 2"; echo "sessions 4"`;
    const { sample, sessions } = await usageWhere(words, served(), now);
    expect(sample).toMatchObject({ memoryBytes: 1500 * 1024, processes: 3, throttledPeriods: 2, cpuMs: 1.5 });
    expect([sample?.average?.overMs, sessions]).toEqual([15_500, 4]);
  });

  it('is told alone of a pod that says nothing itself, as one without a shell', async () => {
    const { sample } = await usageWhere('exit 126', served(), now);
    expect(sample).toMatchObject({
      at: now - 10_000,
      memoryBytes: 1500 * 1024,
      processes: null,
      cpuMs: null,
      network: null,
    });
  });

  it.each([
    ['does not say a word of the pod', served(podMetrics({ metadata: { name: 'other' } }))],
    ['tells of the run before', served(podMetrics({ window: '4m52s' }))],
    ['is not served, or may not be read', clusterAhead(async () => Promise.reject(new Error('404 or 403')))],
  ])('is left aside where it %s: then the pod says it all', async (_, cluster) => {
    const { sample } = await usageWhere(said, cluster, now);
    expect(sample).toMatchObject({ memoryBytes: 100, cpuMs: 1.5 });
    expect(sample).not.toHaveProperty('average');
  });
});

it.each([
  ['123456n', 0.000123456],
  ['250u', 0.00025],
  ['100m', 0.1],
  ['1500Ki', 1_536_000],
  ['1.5Gi', 1_610_612_736],
  ['2Pi', 2 ** 51],
  ['12e6', 12_000_000],
  ['3E', 3e18],
  ['1E2', 100],
  ['.5', 0.5],
  ['+7', 7],
])('the quantity %s is %d', (quantity, amount) => {
  expect(readAmount(quantity)).toBe(amount);
});

it.each([[''], ['-1'], ['1 Gi'], ['1KiB'], ['m'], ['1e'], ['1e999'], ['0x10']])('%j is no quantity', (quantity) => {
  expect(readAmount(quantity)).toBeUndefined();
});

it('the clock of a cluster goes on between two looks at it, and no look sets it back without need', async () => {
  const cluster = clusterAhead();
  expect(clusterTime(cluster)).toBeUndefined();
  await clusterNow(cluster);
  const first = clusterTime(cluster) ?? 0;
  await clusterNow(cluster);
  expect((clusterTime(cluster) ?? 0) - first).toBeGreaterThanOrEqual(0);
  expect(Math.abs(first - ahead - Date.now())).toBeLessThan(1001);
});
