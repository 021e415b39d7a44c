import { afterAll, beforeAll, expect, it } from 'vitest';
import { performStep, type StepEnvironment } from '../../../src/kubernetes/apply/perform-step.ts';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import { revisionKey, templateHash } from '../../../src/kubernetes/model/objects.ts';
import type { KubeStep } from '../../../src/kubernetes/plan/steps.ts';
import type { Failure } from '../../../src/model/events.ts';
import { asStepId } from '../../../src/model/ids.ts';
import type { Serving } from '../../../src/model/server-view.ts';
import type { GateOutcome } from '../../../src/orchestrator/port.ts';
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
let pods = ['pod'];
beforeAll(async () => {
  api = await apiServer();
  // A Deployment whose pods are ready.
  api.answer = ({ method, url: { pathname } }, response) => {
    if (method !== 'GET') return json(response, 200, { metadata: { creationTimestamp: '2026-11-28T10:00:00Z' } });
    if (pathname.endsWith('/deployments/looms-fs')) {
      const metadata = { ...claimed, name: 'looms-fs', namespace, uid: 'd', generation: 1 };
      return json(response, 200, {
        metadata,
        spec: { replicas: pods.length, template },
        status: { observedGeneration: 1 },
      });
    }
    if (pathname.endsWith('/replicasets')) {
      return json(response, 200, { items: [{ metadata: owned('rs', 'Deployment', 'd'), spec: { template } }] });
    }
    const status = {
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'server', imageID: runs }],
    };
    return json(response, 200, {
      items: pods.map((name) => ({ metadata: owned(name, 'ReplicaSet', 'rs'), spec: template.spec, status })),
    });
  };
});
afterAll(() => api?.close());

const passed = { passed: true, tools: 2, note: '2 tools' } as const;
const failedWith = (code: Failure['code']) =>
  ({ passed: false, failure: { code, message: 'no', detail: [] } }) as const;

/** What comes of a gate whose sessions end so, one after the other; `asked`: the pods that they went to. */
const gated = async (outcomes: readonly GateOutcome[], signature?: string) => {
  const healthy: unknown[] = [];
  const asked: string[] = [];
  const ports = {
    cluster: api.cluster(),
    settings: { records: { read: () => undefined, makerOf: () => ({ kind: 'unsigned' }), sign: () => signature } },
    monotonicMs: () => 0,
    gate: async ({ containerName }: Serving) => {
      asked.push(containerName);
      return outcomes[asked.length - 1];
    },
  };
  const env = {
    ports,
    observed: { project, namespace, engine: { id: 'e' }, servers: [] },
    rollsBack: false,
    written: new Map(),
    begun: new Map(),
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
  return { ...(await performStep(step, env as unknown as StepEnvironment, undefined, () => {}, {})), healthy, asked };
};

it('is passed by a pod that answered its probe and is full of the sessions of clients by now', async () => {
  expect(await gated([failedWith('server-crowded')])).toEqual({
    result: 'ok',
    note: 'it answered, and is full of sessions by now',
    healthy: [],
    asked: ['pod'],
  });
});

it('notes with which image a pod passed it, signed, where that can be pulled again', async () => {
  const noted = async (imageId: string, signature?: string): Promise<unknown> => {
    runs = imageId;
    await gated([failedWith('server-crowded')], signature);
    const patch = api.arrived.findLast(({ method }) => method === 'PATCH');
    return JSON.parse(patch?.body ?? '').metadata.annotations[annotation.imageSeen];
  };
  expect(await noted(`docker.io/library/debian@${digest}`, 'key:abc')).toBe(`${digest} key:abc`);
  expect(await noted(`docker.io/library/debian@${digest}`)).toBeNull();
  expect(await noted(digest, 'key:abc')).toBeNull();
});

it('is not passed by a server that answers no session', async () => {
  const exits = failedWith('server-exited');
  expect(await gated([exits, exits])).toMatchObject({ result: 'failed', failure: { code: 'server-exited' } });
  expect(await gated([failedWith('handshake-timeout')])).toMatchObject({ result: 'failed', asked: ['pod'] });
});

it('is tried once more where the session ended with its pod or broke on its way, with another pod where there is one', async () => {
  for (const code of ['server-exited', 'engine-not-found', 'engine-unreachable', 'engine-timeout'] as const) {
    expect(await gated([failedWith(code), passed])).toMatchObject({ result: 'ok', asked: ['pod', 'pod'] });
  }
  pods = ['one', 'two'];
  expect(await gated([failedWith('server-not-running'), passed])).toMatchObject({
    result: 'ok',
    asked: ['two', 'one'],
    healthy: [{ container: expect.stringContaining('one') }],
  });
  pods = ['pod'];
});

it('is not failed by what says nothing of the server', async () => {
  const away = failedWith('engine-unreachable');
  await expect(gated([away, away])).rejects.toMatchObject({ code: 'engine-unreachable' });
  await expect(gated([failedWith('secret-missing')])).rejects.toMatchObject({ code: 'secret-missing' });
});
