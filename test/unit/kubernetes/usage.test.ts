import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import { lookMark } from '../../../src/kubernetes/objects/scripts.ts';
import { clusterNow, clusterTime } from '../../../src/kubernetes/observe/describe.ts';
import type { Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { usageOf } from '../../../src/kubernetes/views/usage.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { ExecRequest, ExecSession } from '../../../src/orchestrator/session-host.ts';

/** A cluster whose clock is an hour ahead. */
const ahead = 3_600_000;
const clusterAhead = () =>
  ({
    request: async () => ({
      metadata: { creationTimestamp: `${new Date(Date.now() + ahead).toISOString().slice(0, 19)}Z` },
    }),
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
async function usageWhere(words: string, cluster = clusterAhead()) {
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
  const observed = { now: lookedAt, servers: [{ server: claim.server, deployment, claim, generations }] };
  const session = local(words);
  const argvs: (readonly string[])[] = [];
  const exec = async (_id: unknown, { argv }: ExecRequest) => {
    argvs.push(argv);
    return session;
  };
  const sessions = { exec, countSessions: async () => 0 };
  const found = await usageOf({ cluster, sessions } as unknown as KubernetesPorts, observed as unknown as Observed);
  return { argvs, sample: found[0]?.sample, ended: await session.ended };
}
const said = 'echo "cpu.usage_usec 1500"; echo "memory 100"';

describe('what a pod takes', () => {
  it('is asked for by what counts as no session in it', async () => {
    const { argvs } = await usageWhere(said);
    expect(argvs).toEqual([['sh', '-c', expect.stringMatching(`^${lookMark}\n`)]]);
  });

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

it('the clock of a cluster goes on between two looks at it, and no look sets it back without need', async () => {
  const cluster = clusterAhead();
  expect(clusterTime(cluster)).toBeUndefined();
  await clusterNow(cluster);
  const first = clusterTime(cluster) ?? 0;
  await clusterNow(cluster);
  expect((clusterTime(cluster) ?? 0) - first).toBeGreaterThanOrEqual(0);
  expect(Math.abs(first - ahead - Date.now())).toBeLessThan(1001);
});
