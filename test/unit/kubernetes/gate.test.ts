import { afterAll, beforeAll, expect, it } from 'vitest';
import { performStep, type StepEnvironment } from '../../../src/kubernetes/apply/perform-step.ts';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import { revisionKey, templateHash } from '../../../src/kubernetes/model/objects.ts';
import type { KubeStep } from '../../../src/kubernetes/plan/steps.ts';
import type { Failure } from '../../../src/model/events.ts';
import { asStepId } from '../../../src/model/ids.ts';
import { type ApiServer, apiServer, json } from '../../support/api-server.ts';
import { server as declared, project } from '../../support/planner-world.ts';

const namespace = `looms-${project}`;
const fs = declared('fs', { mcp: { command: 'node', args: ['server.js'] } });
const claimed = {
  labels: { [label.project]: project, [label.server]: 'fs' },
  annotations: { [annotation.generation]: '2', [revisionKey]: '2' },
};
const owned = (name: string, kind: string, owner: string) => ({
  ...claimed,
  labels: { ...claimed.labels, [templateHash]: 'h' },
  name,
  namespace,
  uid: name,
  ownerReferences: [{ uid: owner, kind, name: owner, controller: true }],
});
const template = { spec: { containers: [{ name: 'server', image: 'debian:bookworm-slim' }] } };
const digest = `sha256:${'a'.repeat(64)}`;

let api: ApiServer;
/** What the node says that the pod runs. */
let runs = '';
beforeAll(async () => {
  api = await apiServer();
  // A Deployment whose only pod is ready.
  api.answer = ({ method, url: { pathname } }, response) => {
    if (method !== 'GET') return json(response, 200, { metadata: { creationTimestamp: '2026-11-28T10:00:00Z' } });
    if (pathname.endsWith('/deployments/looms-fs')) {
      const metadata = { ...claimed, name: 'looms-fs', namespace, uid: 'd', generation: 1 };
      return json(response, 200, { metadata, spec: { replicas: 1, template }, status: { observedGeneration: 1 } });
    }
    if (pathname.endsWith('/replicasets')) {
      return json(response, 200, { items: [{ metadata: owned('rs', 'Deployment', 'd'), spec: { template } }] });
    }
    const status = {
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'server', imageID: runs }],
    };
    return json(response, 200, {
      items: [{ metadata: owned('pod', 'ReplicaSet', 'rs'), spec: template.spec, status }],
    });
  };
});
afterAll(() => api?.close());

const gated = async (failure: Failure, signature?: string) => {
  const healthy: unknown[] = [];
  const ports = {
    cluster: api.cluster(),
    settings: { records: { read: () => undefined, makerOf: () => ({ kind: 'unsigned' }), sign: () => signature } },
    monotonicMs: () => 0,
    gate: async () => ({ passed: false, failure }),
  };
  const env = {
    ports,
    observed: { project, namespace, engine: { id: 'e' }, servers: [] },
    rollsBack: false,
    find: () => fs,
    onHealthy: (one: unknown) => healthy.push(one),
  };
  const step = {
    op: 'gate',
    id: asStepId('fs/gate'),
    server: fs.spec.name,
    generation: 2,
    timeoutSeconds: 1,
  } as unknown as KubeStep;
  return { ...(await performStep(step, env as unknown as StepEnvironment, undefined, () => {}, {})), healthy };
};

it('is passed by a pod that answered its probe and is full of the sessions of clients by now', async () => {
  expect(await gated({ code: 'server-crowded', message: 'no room', detail: [] })).toEqual({
    result: 'ok',
    note: 'it answered, and is full of sessions by now',
    healthy: [],
  });
});

it('notes with which image a pod passed it, signed, where that can be pulled again', async () => {
  const full: Failure = { code: 'server-crowded', message: 'no room', detail: [] };
  const noted = async (imageId: string, signature?: string): Promise<unknown> => {
    runs = imageId;
    await gated(full, signature);
    const patch = api.arrived.findLast(({ method }) => method === 'PATCH');
    return JSON.parse(patch?.body ?? '').metadata.annotations[annotation.imageSeen];
  };
  expect(await noted(`docker.io/library/debian@${digest}`, 'key:abc')).toBe(`${digest} key:abc`);
  expect(await noted(`docker.io/library/debian@${digest}`)).toBeNull();
  expect(await noted(digest, 'key:abc')).toBeNull();
});

it('is not passed by a server that answers no session', async () => {
  expect(await gated({ code: 'server-exited', message: 'it ended', detail: [] })).toMatchObject({ result: 'failed' });
});
