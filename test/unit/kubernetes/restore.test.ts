import { expect, test } from 'vitest';
import { checkLock, performStep, type StepEnvironment } from '../../../src/kubernetes/apply/perform-step.ts';
import { restoreServer } from '../../../src/kubernetes/apply/restore.ts';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { type Deployment, revisionKey } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import type { KubeStep } from '../../../src/kubernetes/plan/steps.ts';
import type { ApiRequest } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { Failure } from '../../../src/model/events.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project, server } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const namespace = `looms-${project}`;

const scale = { min: 0, max: 5, sessionsPerReplica: 2, idleSeconds: 60 };

/** What the API server says instead of its answers: to the first requests, to all, to the writes that it takes. */
type Answers = { readonly failures: LoomsError[]; always?: LoomsError; lost?: LoomsError };

/** A server whose Deployment means the second of two generations, and what is written to go back to the first. */
function world(of: { readonly scale?: typeof scale }, changed: Partial<Deployment['metadata']> = {}) {
  const declared = server('fs', { ...of, mcp: { command: 'run' } });
  const labels = { [label.project]: project, [label.server]: fs };
  const meta = (name: string, revision: string, more: object = {}) => ({
    ...{ name, namespace, uid: name, resourceVersion: '1', generation: 1, ...more },
    labels,
    annotations: { [revisionKey]: revision, [annotation.record]: 'record', [annotation.generation]: revision },
  });
  const templateOf = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'server', image }] } });
  const ownerReferences = [{ uid: workloadName(fs), kind: 'Deployment', name: '', controller: true }];
  let deployment: Deployment = {
    metadata: { ...meta(workloadName(fs), '2'), ...changed },
    spec: { replicas: 1, template: templateOf('new:1') },
  };
  const first = deployment;
  const sets = ['old:1', 'new:1'].map((image, index) => ({
    metadata: meta(`set-${index + 1}`, String(index + 1), { ownerReferences }),
    spec: { template: templateOf(image) },
  }));
  const written: unknown[] = [];
  const answers: Answers = { failures: [] };
  let ms = 0;
  const request = async ({ method, path, body }: ApiRequest): Promise<unknown> => {
    const failure = answers.failures.shift() ?? answers.always;
    if (failure !== undefined) throw failure;
    if (method === 'PUT' || method === 'PATCH') written.push(body);
    if (method === 'PUT' && answers.lost !== undefined) {
      // As the API server keeps it: another generation, and no word of the controller's yet.
      const { metadata, spec } = body as Deployment;
      deployment = { metadata: { ...first.metadata, ...metadata, generation: 2 }, spec };
      throw answers.lost;
    }
    if (path.endsWith('/replicasets')) return { items: sets };
    return path.includes('/deployments/') ? deployment : { items: [] };
  };
  const recorded = { spec: declared.spec, image: declared.image.ref };
  const ports = {
    cluster: { request },
    settings: { records: { read: () => recorded, makerOf: () => ({ kind: 'here' }), hash: () => declared.hash } },
    mask: (text: string) => text,
    monotonicMs: () => ms,
    pause: async (milliseconds: number) => {
      ms += milliseconds;
    },
  } as unknown as KubernetesPorts;
  const step = {
    ...{ id: 'fs/restore-server', text: '', after: [], cause: { kind: 'change', server: fs } },
    ...{ op: 'restore-server', name: workloadName(fs), replicaSet: 'set-1', generation: 1, sleeps: true },
  } as unknown as Parameters<typeof restoreServer>[2];
  const place = { ports, observed: { project, namespace, engine: { id: 'c' } } as Observed };
  return {
    ports,
    step,
    written,
    answers,
    deployment: first,
    passed: () => ms,
    back: (left: Parameters<typeof restoreServer>[3]) => restoreServer(place, fs, step, left, undefined, {}),
  };
}

const isBack = { spec: { replicas: 0, template: { spec: { containers: [{ image: 'old:1' }] } } } };

test('a server that slept before what it was replaced by failed its gate sleeps again, and nothing is waited for', async () => {
  const { written, deployment, back } = world({ scale });
  await back({ last: deployment });
  expect(written).toMatchObject([isBack, { metadata: { annotations: { [annotation.outcome]: 'gate-failed' } } }]);
});

test('what others hang on a server stays there on its way back', async () => {
  const finalizers = ['example.com/keep'];
  const { written, deployment, back } = world({ scale }, { finalizers });
  await back({ last: deployment });
  expect(written[0]).toMatchObject({ ...isBack, metadata: { finalizers } });
});

test.each([[{}], [{ scale }]])(
  'a write of which nobody heard is gone back from, and none of somebody else',
  async (of) => {
    const { deployment: last } = world(of);
    const before = { ...last, spec: { ...last.spec, paused: true } };
    const lost = world(of, { generation: 2 });
    await lost.back({ last: before, begun: 2 });
    expect(lost.written).toMatchObject([isBack, {}]);
    const others = world(of, { generation: 2 });
    for (const begun of [undefined, 3]) {
      await expect(others.back({ last: before, begun })).rejects.toMatchObject({ code: 'engine-conflict' });
    }
    expect(others.written).toEqual([]);
  },
);

test('a write of which nobody heard is gone back from before the controller has seen it, and noted on none that served', async () => {
  const { deployment: last } = world({});
  const annotations = { ...last.metadata.annotations, [revisionKey]: '1' };
  const lost = world({}, { generation: 2, annotations });
  await lost.back({ last, begun: 2 });
  expect(lost.written).toMatchObject([isBack]);
  const none = world({}, { annotations: { ...annotations, [annotation.generation]: '1' } });
  await none.back({ last, begun: 2 });
  expect(none.written).toEqual([]);
});

test('a person who changed a server after a write of which nobody heard keeps the change', async () => {
  const { deployment: last } = world({});
  await expect(world({}, { generation: 3 }).back({ last, begun: 2 })).rejects.toMatchObject({
    code: 'engine-conflict',
  });
});

test('what a run began to write is known to its way back, but where the cluster did not take it', async () => {
  const { deployment: last } = world({});
  const there = world({}, { generation: 2 });
  const servers = [{ server: fs, deployment: last }];
  const env = {
    ports: there.ports,
    observed: { project, namespace, engine: { id: 'c' }, servers },
    find: () => server('fs', { mcp: { command: 'run' } }),
    ...{ written: new Map(), begun: new Map(), digests: new Map() },
  } as unknown as StepEnvironment;
  const does = (step: unknown, answered?: Failure) => performStep(step as KubeStep, env, answered, () => {}, {});
  const put = {
    op: 'put-server',
    id: 'fs/put-server',
    server: fs,
    name: workloadName(fs),
    generation: 2,
    newPods: true,
  };
  await expect(does({ ...put, after: [], replicas: { least: 1, most: 1 } })).rejects.toThrow();
  const back = { ...there.step, server: fs };
  const conflict: Failure = { code: 'engine-conflict', message: 'somebody was quicker', detail: [] };
  await expect(does(back, conflict)).rejects.toMatchObject({ code: 'engine-conflict' });
  expect(await does(back, { ...conflict, code: 'engine-timeout' })).toEqual({ result: 'ok' });
  expect(there.written[0]).toMatchObject(isBack);
});

const away = new LoomsError('engine-unreachable', 'nothing listens');
const refusedWith = (status: number): LoomsError =>
  new LoomsError('engine-rejected', 'no', {
    cause: Object.assign(new Error('no'), { refusal: { status, reason: '' } }),
  });
const isNoted = { metadata: { annotations: { [annotation.outcome]: 'gate-failed' } } };

test('an API server that is away, or knows nobody yet, is waited for by a way back', async () => {
  const there = world({});
  there.answers.failures.push(away, away, away, refusedWith(403), refusedWith(401));
  await there.back({ last: there.deployment });
  expect(there.written).toMatchObject([isBack, isNoted]);
});

test('it is waited for a minute, one that refuses for less, and not where it refuses what it is asked for', async () => {
  const passedWith = async (always: LoomsError): Promise<number> => {
    const one = world({});
    one.answers.always = always;
    await expect(one.back({ last: one.deployment })).rejects.toBe(always);
    return one.passed();
  };
  expect(await passedWith(away)).toBe(60_000);
  expect(await passedWith(refusedWith(403))).toBe(20_000);
  expect(await passedWith(refusedWith(422))).toBe(0);
});

test('a way back of which nobody heard is none of somebody else, and is not written again', async () => {
  const there = world({});
  there.answers.lost = away;
  await there.back({ last: there.deployment });
  expect(there.written).toMatchObject([isBack, isNoted]);
});

test('the lock is looked at before each step that takes something away, and waited for by a way back alone', async () => {
  const { ports, step, passed } = world({});
  const checked = (of: object, ...failures: LoomsError[]): Promise<void> => {
    const check = async (): Promise<void> => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
    };
    return checkLock(of as KubeStep, ports, { check }, {});
  };
  const back = { ...step, onFailureOf: ['fs/gate'] };
  await checked(back, away, away);
  expect(passed()).toBe(2000);
  const lost = new LoomsError('lock-lost', 'taken');
  await expect(checked(back, lost)).rejects.toBe(lost);
  await expect(checked({ op: 'put-server' }, away)).rejects.toBe(away);
  await checked({ op: 'gate' }, away);
  expect(passed()).toBe(2000);
});
