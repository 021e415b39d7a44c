import { expect, test } from 'vitest';
import { diagnose } from '../../../src/app/inspect/diagnose.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { renderDiagnosis } from '../../../src/cli/render/diagnosis.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import type { EngineDescription } from '../../../src/model/engine.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { Orchestrator } from '../../../src/orchestrator/port.ts';
import { schemaProblems } from '../../support/schemas.ts';

const cluster: EngineDescription = {
  id: 'uid',
  name: 'prod',
  kind: 'kubernetes',
  version: 'v1.36.0',
  apiVersion: 'v1',
  os: 'linux',
  architecture: 'amd64',
  endpoint: 'https://127.0.0.1:6443 (context prod)',
  canLimitStorage: true,
  canLimitSwap: true,
  canLimitProcesses: false,
  canHideHost: false,
  securityModules: ['seccomp'],
  nodes: 3,
  canLeadByName: false,
  cpus: 12,
  memoryBytes: 48 * 2 ** 30,
};

const portsOf = (engine: EngineDescription, more: Partial<Orchestrator> = {}) =>
  ({
    managedBy: 'looms/1',
    orchestrator: async () => ({ describe: async () => engine, projects: async () => ['team-a'], ...more }),
    engineAttempts: async () => [
      { origin: '--host', outcome: 'not-set', detail: 'not set' },
      {
        origin: 'looms.yaml:3',
        url: 'https://127.0.0.1:6443',
        outcome: 'chosen',
        detail: 'context prod of kubeconfig',
      },
    ],
    trust: { keyName: async () => 'abc' },
  }) as unknown as Ports;

const lines = async (engine: EngineDescription): Promise<string> => {
  const diagnosis = await diagnose(portsOf(engine));
  expect(schemaProblems('doctor', JSON.parse(JSON.stringify(diagnosis)))).toEqual([]);
  return renderDiagnosis(diagnosis, palette(false)).replace(/Node .*/, 'Node N');
};

test('a cluster is told in its own words, and what nobody has tried of it is a warning', async () => {
  expect(await lines(cluster)).toMatchInlineSnapshot(`
    "✓ looms           looms/1, Node N
    ✓ record key      abc signs records here
    ✓ engine          kubernetes v1.36.0 (API v1) at https://127.0.0.1:6443 (context prod)
    ✓ resources       3 nodes, 12 CPUs, 49152 MiB, linux/amd64
    ! isolation       NetworkPolicies keep isolated servers in, where this cluster enforces them; their nodes may be in reach
                      hint: \`looms doctor --probe\` tries it with two pods, which it takes away again
    ✓ storage limits  storage_mb works: a pod that writes more is evicted
    ✓ process limits  pids_limit is not available: podPidsLimit of a node is what holds for its pods
    ✓ egress by name  network.egress takes addresses only: names take Cilium as the cluster’s network plugin
    ✓ projects        team-a

    where an engine was looked for
      --host        not set
      looms.yaml:3  chosen      https://127.0.0.1:6443  context prod of kubeconfig"
  `);
});

test('nodes that may not be listed are no lack of resources', async () => {
  expect(await lines({ ...cluster, nodes: 0, cpus: 0, memoryBytes: 0 })).toContain(
    '✓ resources       not known: no node takes pods, or who looms is here may not list nodes',
  );
});

test('names in egress are told of a cluster that has policies for them, as what was not tried', async () => {
  expect(await lines({ ...cluster, canLeadByName: true })).toContain(
    '✓ egress by name  network.egress takes names: the cluster has policies of Cilium; that it enforces them was not tried',
  );
});

test('projects that may not be listed keep nobody from working in one', async () => {
  const ports = portsOf(cluster);
  const refused = new LoomsError('engine-rejected', 'cannot list namespaces: no', { hint: 'kubectl auth can-i' });
  const orchestrator = async () => ({
    ...(await ports.orchestrator()),
    projects: async () => {
      throw refused;
    },
  });
  const { engine, checks } = await diagnose({ ...ports, orchestrator });
  expect(engine).not.toBe(null);
  expect(checks.at(-1)).toEqual({
    name: 'projects',
    status: 'ok',
    detail: 'not known: cannot list namespaces: no',
    hint: 'kubectl auth can-i',
  });
});

test('what was seen to hold there is told as such', async () => {
  expect(await lines({ ...cluster, canHideHost: true })).toContain(
    'isolated servers have no connection to the outside or to their nodes',
  );
});

test('what was tried is told as it was seen, and fails where servers are not kept in', async () => {
  const tried = async (tryIsolation: Orchestrator['tryIsolation']) => {
    const { checks } = await diagnose(portsOf(cluster, { tryIsolation }), { probe: true });
    return checks.find(({ name }) => name === 'isolation');
  };
  const seen = 'as was seen';
  expect(await tried(async () => ({ enforced: true, reachesNode: false, seen }))).toEqual({
    name: 'isolation',
    status: 'ok',
    detail: 'isolated servers are kept in, and reach no service of their node: as was seen',
  });
  expect(await tried(async () => ({ enforced: true, reachesNode: true, seen }))).toMatchObject({ status: 'warning' });
  expect(await tried(async () => ({ enforced: null, reachesNode: null, seen }))).toMatchObject({ status: 'warning' });
  expect(await tried(async () => ({ enforced: false, reachesNode: null, seen }))).toMatchObject({
    status: 'failed',
    detail: 'isolated servers are not kept in: as was seen',
  });
  const refused = new LoomsError('engine-rejected', 'may not make a namespace', { hint: 'ask for the right' });
  expect(await tried(() => Promise.reject(refused))).toMatchObject({
    status: 'failed',
    detail: 'it could not be tried: may not make a namespace',
    hint: 'ask for the right',
  });
  await expect(tried(() => Promise.reject(new LoomsError('interrupted', 'stopped')))).rejects.toMatchObject({
    code: 'interrupted',
  });
});
