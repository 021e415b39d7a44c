import { expect, test } from 'vitest';
import { restoreServer } from '../../../src/kubernetes/apply/restore.ts';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { type Deployment, revisionKey } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import type { ApiRequest } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project, server } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const namespace = `looms-${project}`;

test('a server that slept before what it was replaced by failed its gate sleeps again, and nothing is waited for', async () => {
  const scale = { min: 0, max: 5, sessionsPerReplica: 2, idleSeconds: 60 };
  const declared = server('fs', { scale, mcp: { command: 'run' } });
  const meta = (name: string, revision: string, more: object = {}) => ({
    ...{ name, namespace, uid: name, resourceVersion: '1', generation: 1, ...more },
    labels: { [label.project]: project, [label.server]: fs },
    annotations: { [revisionKey]: revision, [annotation.record]: 'record', [annotation.generation]: revision },
  });
  const templateOf = (image: string) => ({ spec: { containers: [{ name: 'server', image }] } });
  const ownerReferences = [{ uid: workloadName(fs), kind: 'Deployment', name: '', controller: true }];
  const deployment: Deployment = {
    metadata: meta(workloadName(fs), '2'),
    spec: { replicas: 1, template: templateOf('new:1') },
  };
  const sets = ['old:1', 'new:1'].map((image, index) => ({
    metadata: meta(`set-${index + 1}`, String(index + 1), { ownerReferences }),
    spec: { template: templateOf(image) },
  }));
  const written: unknown[] = [];
  const request = async ({ method, path, body }: ApiRequest): Promise<unknown> => {
    if (method === 'PUT' || method === 'PATCH') written.push(body);
    if (path.endsWith('/replicasets')) return { items: sets };
    return path.includes('/deployments/') ? deployment : { items: [] };
  };
  const recorded = { spec: declared.spec, image: declared.image.ref };
  const ports = {
    cluster: { request },
    settings: { records: { read: () => recorded, makerOf: () => ({ kind: 'here' }), hash: () => declared.hash } },
    mask: (text: string) => text,
  } as unknown as KubernetesPorts;
  const step = {
    ...{ id: 'fs/restore-server', text: '', after: [], cause: { kind: 'change', server: fs } },
    ...{ op: 'restore-server', name: workloadName(fs), replicaSet: 'set-1', generation: 1, sleeps: true },
  } as unknown as Parameters<typeof restoreServer>[2];
  const place = { ports, observed: { project, namespace, engine: { id: 'c' } } as Observed };
  await restoreServer(place, fs, step, deployment, undefined, {});
  expect(written).toMatchObject([
    { spec: { replicas: 0, template: templateOf('old:1') } },
    { metadata: { annotations: { [annotation.outcome]: 'gate-failed' } } },
  ]);
});
