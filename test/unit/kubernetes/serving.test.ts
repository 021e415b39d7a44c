import { expect, test } from 'vitest';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { revisionKey } from '../../../src/kubernetes/model/objects.ts';
import type { ApiRequest } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { servingServer } from '../../../src/kubernetes/views/serving.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project, server } from '../../support/planner-world.ts';

const fs = asServerName('fs');

/** What a session is told by a server without pods that was woken at 11:00, so many minutes later. */
function told(minutes: number): Promise<unknown> {
  const scale = { min: 0, max: 5, sessionsPerReplica: 2, idleSeconds: 60 };
  const declared = server('fs', { scale, mcp: { command: 'run' } });
  const meta = (name: string, more: object = {}) => ({
    ...{ name, namespace: `looms-${project}`, uid: name, ...more },
    labels: { [label.project]: project, [label.server]: fs },
    annotations: { [revisionKey]: '1', [annotation.record]: 'record' },
  });
  const template = { spec: { containers: [{ name: 'server' }] } };
  const conditions = [{ type: 'Available', status: 'False', lastTransitionTime: '2026-11-28T11:00:00Z' }];
  const deployment = { metadata: meta(workloadName(fs)), spec: { replicas: 1, template }, status: { conditions } };
  const ownerReferences = [{ uid: workloadName(fs), kind: 'Deployment', name: '', controller: true }];
  const now = new Date(Date.parse('2026-11-28T11:00:00Z') + minutes * 60_000).toISOString();
  const request = async ({ path }: ApiRequest): Promise<unknown> => {
    if (path.endsWith('/replicasets'))
      return { items: [{ metadata: meta('set', { ownerReferences }), spec: { template } }] };
    if (path.includes('/deployments/')) return deployment;
    return path.endsWith('/pods') ? { items: [] } : { metadata: { name: '', creationTimestamp: now } };
  };
  const recorded = { spec: declared.spec, image: declared.image.ref };
  const ports = {
    cluster: { request },
    settings: { records: { read: () => recorded, makerOf: () => ({ kind: 'here' }), hash: () => declared.hash } },
  } as unknown as KubernetesPorts;
  return servingServer(ports, project, fs);
}

test('a server that gets no pod is about to wake for five minutes, and then it is not ready', async () => {
  await expect(told(4)).rejects.toMatchObject({ code: 'server-asleep' });
  await expect(told(6)).rejects.toMatchObject({ code: 'server-not-running' });
});
