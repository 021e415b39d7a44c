import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerStats } from '../../src/app/inspect/server-stats.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { type LeastRights, leastRights } from '../support/least-rights.ts';
import { emptyFolder, looms } from '../support/looms.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

const group = 'metrics.k8s.io';
const version = 'v1beta1';

/** What stands for metrics-server: objects of the kind that it serves, kept by the API server as a test writes them. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `pods.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' } },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'pods', singular: 'pod', kind: 'PodMetrics', listKind: 'PodMetricsList' },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

describe.skipIf(kubectlProgram === '')('stats where the cluster has a metrics API', () => {
  const project = `metrics-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  let user: LeastRights;
  /** The same without the right to read them. */
  let less: LeastRights;

  const run = (who: LeastRights, ...args: readonly string[]) =>
    looms([...args, '--project', project, '--context', 'kubernetes:'], { cwd, env: { KUBECONFIG: who.kubeconfig } });
  const stats = async (who = user): Promise<Readonly<Record<string, ServerStats>>> => {
    const { code, stdout, stderr } = await run(who, 'stats', '--json');
    expect([code, stderr]).toEqual([0, '']);
    return Object.fromEntries((JSON.parse(stdout) as readonly ServerStats[]).map((one) => [one.name, one]));
  };
  /** How the list of them was answered since. */
  const answered = (who = user, from = 0): readonly number[] =>
    who.recorded.slice(from).flatMap(({ url, status }) => (url.pathname.includes(group) ? [status] : []));
  const execs = (from: number): number =>
    user.recorded.slice(from).filter(({ url }) => url.pathname.endsWith('/exec')).length;
  const podOf = async (server: string): Promise<string> => {
    const selector = ['-l', `looms.dev/server=${server}`];
    const { items } = await kubectlJson<{ items: { metadata: { name: string } }[] }>([
      '-n',
      namespace,
      'get',
      'pods',
      ...selector,
    ]);
    return items[0]?.metadata.name ?? '';
  };
  const write = (name: string, cpu: string, memory: string, at: number, window = '10s') =>
    kubectlSays(
      ['apply', '-f', '-'],
      JSON.stringify({
        apiVersion: `${group}/${version}`,
        kind: 'PodMetrics',
        metadata: { name, namespace },
        timestamp: new Date(at).toISOString(),
        window,
        containers: [{ name: 'server', usage: { cpu, memory } }],
      }),
    );

  beforeAll(async () => {
    user = await leastRights(project);
    writeFileSync(join(cwd, 'mcp.yaml'), specs(tinySpec({ name: 'fs' }), tinyHttpSpec({ name: 'web' })));
    const { code, stderr } = await run(user, 'apply', '-f', 'mcp.yaml', '--yes');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
  }, 180_000);
  afterAll(async () => {
    await kubectl(['delete', 'customresourcedefinition', definition.metadata.name, '--ignore-not-found']);
    await less?.clean();
    await user?.clean();
  });

  it('asks pods themselves where there is none, once for what they take and their sessions', async () => {
    const from = user.recorded.length;
    const { fs, web } = await stats();
    expect(answered(user, from)).toEqual([404, 404]);
    // Two looks: of the stdio server one exec each, of the one over HTTP one in each of its containers.
    expect(execs(from)).toBe(6);
    for (const one of [fs, web]) {
      expect(one?.use?.metrics).toBeNull();
      expect(one?.use?.memory.bytes).toBeGreaterThan(0);
      expect(one?.use?.processes.count).toBeGreaterThan(0);
      expect(one?.sessions).toBe(0);
    }
  }, 60_000);

  it('tells processor time and memory by it, and by the pod what it has no word of, or is new to it', async () => {
    await kubectlSays(['apply', '-f', '-'], JSON.stringify(definition));
    await kubectlSays(['wait', '--for=condition=Established', `crd/${definition.metadata.name}`, '--timeout=30s']);
    await eventually(() => kubectlSays(['get', '--raw', `/apis/${group}/${version}/pods`]), 30_000);
    const at = Date.now();
    const known = await podOf('fs');
    const { items } = await kubectlJson<{ items: { status: { startTime: string } }[] }>([
      '-n',
      namespace,
      'get',
      'pods',
      '-l',
      'looms.dev/server=fs',
    ]);
    const aliveMs = at - Date.parse(items[0]?.status.startTime ?? '');
    const window = Math.max(1, Math.floor(aliveMs / 2000));
    await write(known, '123456789n', '150000Ki', at, `${window}s`);
    const from = user.recorded.length;
    const { fs, web } = await stats();
    expect(answered(user, from)).toEqual([200, 200]);
    expect(fs?.use).toMatchObject({
      cpu: { cores: 0.123456789 },
      memory: { bytes: 150_000 * 1024 },
      metrics: { at: new Date(at).toISOString(), overMs: window * 1000 },
    });
    expect(fs?.use?.processes.count).toBeGreaterThan(0);
    expect(web?.use?.metrics).toBeNull();
    expect(web?.use?.memory.bytes).toBeGreaterThan(0);
  }, 60_000);

  it('passes over what is too old or says nothing that can be', async () => {
    await write(await podOf('fs'), '1', '1Gi', Date.now() - 600_000);
    await write(await podOf('web'), 'much', '1Gi', Date.now());
    const { fs, web } = await stats();
    expect([fs?.use?.metrics, web?.use?.metrics]).toEqual([null, null]);
    expect(fs?.use?.memory.bytes).toBeLessThan(1024 ** 3);
  }, 60_000);

  it('needs no right to read it', async () => {
    await write(await podOf('fs'), '1', '1Gi', Date.now(), '1s');
    less = await leastRights(project, { without: [`pods.${group}: list`] });
    const { fs } = await stats(less);
    expect(new Set(answered(less))).toEqual(new Set([403]));
    expect(fs?.use?.metrics).toBeNull();
    expect(fs?.use?.memory.bytes).toBeGreaterThan(0);
  }, 60_000);
});
