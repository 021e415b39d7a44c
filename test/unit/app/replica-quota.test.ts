import { expect, test } from 'vitest';
import { getAllProjects } from '../../../src/app/inspect/project-use.ts';
import { planWork } from '../../../src/app/plan/plan-work.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { DeclaredServer } from '../../../src/model/desired.ts';
import type { Policies } from '../../../src/model/policy.ts';
import type { Prepared } from '../../../src/orchestrator/port.ts';
import { emptyEngine, project, server } from '../../support/planner-world.ts';

const limits = { memoryMiB: 512, cpuCores: 1 };
const scale = { min: 0, max: 4, sessionsPerReplica: 8, idleSeconds: 300 };
const times = (replicas: number): DeclaredServer => server('fs', { limits, replicas });

const policies = (quota: object): Policies =>
  [
    { rules: { projects: { '*': { exceptions: [], ...quota } } }, file: 'policy.yaml', lines: {} },
  ] as unknown as Policies;

/** Plans a change from one server to another on a cluster, held against a quota. */
function planned(action: 'create' | 'scale' | 'unchanged', from: DeclaredServer | undefined, to: DeclaredServer) {
  const intent = { kind: 'files', project, servers: [to] };
  const prepared = {
    intent,
    plan: {
      project,
      engine: emptyEngine().engine,
      changes: [{ server: to.spec.name, action }],
      warnings: [],
      steps: [],
    },
    servers: [to],
    records: from === undefined ? [] : [{ runs: true, recorded: { spec: from.spec, image: from.image.ref } }],
  } as unknown as Prepared;
  const ports = { orchestrator: async () => ({ plan: async () => prepared }), now: () => 0 } as unknown as Ports;
  return (quota: object) => planWork(ports, prepared.intent, { policies: policies(quota) });
}

test('a server takes of a quota what all its containers may take', async () => {
  const refused = (detail: string) => ({ code: 'refused', detail: [expect.stringContaining(detail)] });
  await expect(planned('scale', times(1), times(3))({ maxTotalMemoryMiB: 1024 })).rejects.toMatchObject(
    refused('would have 1536 MiB of memory in all, at most 1024'),
  );
  await expect(planned('create', undefined, times(3))({ maxTotalCpuCores: 2 })).rejects.toMatchObject(
    refused('would have 3 CPU cores in all, at most 2'),
  );
  const follows = server('fs', { limits, scale });
  await expect(planned('create', undefined, follows)({ maxTotalMemoryMiB: 2047 })).rejects.toMatchObject(
    refused('would have 2048 MiB of memory in all, at most 2047'),
  );
  const { plan } = await planned('scale', times(1), times(3))({ maxTotalMemoryMiB: 1536, maxServers: 1 });
  expect(plan.warnings).toEqual([]);
});

test('a project that has too many containers may have fewer', async () => {
  const { plan } = await planned('scale', times(4), times(3))({ maxTotalMemoryMiB: 1024 });
  expect(plan.warnings).toMatchObject([{ code: 'policy-max-total-memory-mb' }]);
});

test('what a project takes counts all containers of a server, and those of one that sleeps', async () => {
  const view = ({ spec, image }: DeclaredServer, state: string, status: string) => ({
    ...{ name: spec.name, state, status: { status }, instances: [], replicas: { ready: 0, asked: 0 } },
    recorded: { spec, image: image.ref },
  });
  const servers = [
    view(times(3), 'running', 'running'),
    view(server('sleeper', { limits, scale }), 'asleep', 'created'),
    view(server('off', { limits }), 'stopped', 'exited'),
  ];
  const orchestrator = { projects: async () => [project], servers: async () => ({ servers, now: 0, notices: [] }) };
  const ports = {
    orchestrator: async () => orchestrator,
    auditReader: { countCalls: async () => 0 },
    now: () => 0,
  } as unknown as Ports;
  const { all } = await getAllProjects(ports, []);
  expect(all.projects[0]?.use).toEqual({ servers: 3, memoryMiB: 7 * 512, cpuCores: 7, callsToday: 0 });
});
