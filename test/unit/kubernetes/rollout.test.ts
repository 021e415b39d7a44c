import { describe, expect, it } from 'vitest';
import { awaitRollout } from '../../../src/kubernetes/apply/rollout.ts';
import { label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { revisionKey, templateHash } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import { graceMs } from '../../../src/kubernetes/model/refusals.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const namespace = `looms-${project}`;
const labels = { [label.project]: project, [label.server]: fs };
const unmadeSays = 'Failed to create new replica set "meant": exceeded quota';
const uncreated = { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message: unmadeSays };
const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' };

/** What one look sees: the server's pod, by how it is, or an error. */
type Look = {
  readonly ready?: boolean;
  /** Of several pods, whether each is ready. */
  readonly each?: readonly boolean[];
  readonly restarts?: number;
  /** The same of the container beside the server that asks it for the gate. */
  readonly gateRestarts?: number;
  /** Why the container of each pod does not begin; absent: it does. */
  readonly waiting?: readonly (string | undefined)[];
  /** How the server's container ended the last time. */
  readonly ended?: string;
  readonly uid?: string;
  readonly refused?: 'old' | 'meant';
  /** Whether the Deployment's controller cannot make the ReplicaSet of what it was last asked for. */
  readonly unmade?: boolean;
  readonly error?: LoomsError;
};

const refusedWith = (status: number): LoomsError =>
  new LoomsError('engine-rejected', 'no', {
    cause: Object.assign(new Error('no'), { refusal: { status, reason: '' } }),
  });

/** A rollout that is seen as `looks` say, one after the other, the last for good. */
function world(...looks: readonly [Look, ...Look[]]) {
  const pauses: number[] = [];
  let ms = 0;
  const look = (): Look => looks[Math.min(pauses.length, looks.length - 1)] ?? looks[0];
  const of = (name: string, owner: string, more: object = {}) => ({
    name,
    namespace,
    uid: name,
    labels: { ...labels, [templateHash]: owner === 'deployment' ? name : owner },
    ownerReferences: [
      { uid: owner, kind: owner === 'deployment' ? 'Deployment' : 'ReplicaSet', name: owner, controller: true },
    ],
    ...more,
  });
  const spec = { template: { spec: { containers: [] } } };
  const replicaSet = (revision: string, is: 'old' | 'meant') => ({
    metadata: of(is, 'deployment', { annotations: { [revisionKey]: revision } }),
    spec,
    status: { conditions: look().refused === is ? [failure] : [] },
  });
  const answer = ({ path }: ApiRequest): unknown => {
    const {
      error,
      ready = false,
      each = [ready],
      restarts = 0,
      gateRestarts,
      waiting = [],
      ended,
      uid = 'a',
      refused,
      unmade = false,
    } = look();
    if (error !== undefined) throw error;
    if (path.endsWith(`/deployments/${workloadName(fs)}`)) {
      return {
        metadata: of(workloadName(fs), '', {
          ...{ uid: 'deployment', generation: 1, annotations: unmade ? {} : { [revisionKey]: '2' } },
        }),
        spec: { ...spec, replicas: Math.max(1, each.length) },
        status: {
          observedGeneration: unmade ? 0 : 1,
          conditions: [...(refused === undefined ? [] : [failure]), ...(unmade ? [uncreated] : [])],
        },
      };
    }
    if (path.endsWith('/replicasets')) {
      return { items: [replicaSet('1', 'old'), ...(unmade ? [] : [replicaSet('2', 'meant')])] };
    }
    if (!path.endsWith('/pods')) return { items: [] };
    const pods = each.map((is, index) => ({
      metadata: of(`pod-${uid}${index === 0 ? '' : index}`, 'meant'),
      spec: { containers: [] },
      status: {
        conditions: [{ type: 'Ready', status: is ? 'True' : 'False' }],
        containerStatuses: [
          {
            ...{ name: 'server', ready: is || gateRestarts !== undefined, restartCount: is ? 0 : restarts },
            ...(waiting[index] === undefined ? {} : { state: { waiting: { reason: waiting[index] } } }),
            ...(ended === undefined
              ? {}
              : { lastState: { terminated: { exitCode: 128, reason: ended, message: 'why' } } }),
          },
          ...(gateRestarts === undefined ? [] : [{ name: 'reach', ready: is, restartCount: gateRestarts }]),
        ],
      },
    }));
    return { items: pods };
  };
  const ports = {
    cluster: {
      request: async (request: ApiRequest) => answer(request),
      lines: async function* () {},
    } as unknown as Cluster,
    sessions: { tailLog: async () => [] },
    settings: { records: { read: () => undefined, makerOf: () => ({ kind: 'here' }) } },
    monotonicMs: () => ms,
    pause: async (milliseconds: number) => {
      pauses.push(milliseconds);
      ms += milliseconds;
    },
  } as unknown as KubernetesPorts;
  const observed = { project, namespace } as Observed;
  return {
    pauses,
    passed: () => ms,
    /** Whether the wait ended with the first look after what may pass had not passed. */
    isGraced: () => ms >= graceMs && ms < graceMs + 2000,
    waited: (enough: 'one' | 'all' = 'one') =>
      awaitRollout(ports, observed, fs, { timeoutMs: 60_000, enough }).then(({ pod }) => pod.metadata.name),
  };
}

describe('the wait for a rollout', () => {
  it('looks every half second at first, and every one and a half at last', async () => {
    const one = world({}, {}, {}, {}, {}, { ready: true });
    expect(await one.waited()).toBe('pod-a');
    expect(one.pauses).toEqual([500, 750, 1125, 1500, 1500]);
  });

  it('passes over what the cluster may do better the next time', async () => {
    const errors = [
      new LoomsError('engine-unreachable', 'nothing listens'),
      new LoomsError('engine-timeout', 'no answer'),
      refusedWith(429),
      refusedWith(500),
      // An API server that begins again listens before it knows all roles and accounts.
      refusedWith(403),
      refusedWith(401),
    ];
    const [first, ...more] = errors.map((error) => ({ error }));
    expect(await world(first ?? {}, ...more, { ready: true }).waited()).toBe('pod-a');
  });

  it('does not outlast its time, and stops at once at what does not pass', async () => {
    const away = world({ error: new LoomsError('engine-unreachable', 'nothing listens') });
    await expect(away.waited()).rejects.toMatchObject({ code: 'engine-unreachable' });
    expect(away.pauses.reduce((sum, one) => sum + one)).toBeLessThan(362_000);
    const wrong = world({ error: refusedWith(400) });
    await expect(wrong.waited()).rejects.toMatchObject({ code: 'engine-rejected' });
    expect(wrong.pauses).toEqual([]);
    for (const status of [401, 403]) {
      const forbidden = world({ error: refusedWith(status) });
      await expect(forbidden.waited()).rejects.toMatchObject({ code: 'engine-rejected' });
      expect(forbidden.isGraced()).toBe(true);
    }
  });

  it('counts what a pod was begun again since it is waited for', async () => {
    expect(await world({ restarts: 3 }, { restarts: 3 }, { restarts: 3, ready: true }).waited()).toBe('pod-a');
    const again = world({ restarts: 3 }, { restarts: 4 });
    await expect(again.waited()).rejects.toMatchObject({ code: 'server-unhealthy' });
    expect(again.pauses).toHaveLength(1);
    // One that came later was never begun before.
    const other = world({ restarts: 3 }, { restarts: 1, uid: 'b' });
    await expect(other.waited()).rejects.toMatchObject({ code: 'server-unhealthy' });
  });

  it('ends where what asks a server over HTTP for its gate was begun again, as it was not passed', async () => {
    const silent = world({ gateRestarts: 1 }, { gateRestarts: 1 }, { gateRestarts: 2 });
    await expect(silent.waited()).rejects.toMatchObject({
      code: 'server-unhealthy',
      message: 'fs did not become ready: it did not pass the gate in its pod',
    });
    expect(silent.pauses).toHaveLength(2);
    expect(await world({ gateRestarts: 1 }, { gateRestarts: 1, ready: true }).waited()).toBe('pod-a');
  });

  it('ends where the cluster makes no pod of what is meant, and not where it makes none of what was', async () => {
    const quota = world({ refused: 'meant' });
    await expect(quota.waited('all')).rejects.toMatchObject({
      code: 'container-start-failed',
      message: expect.stringContaining('exceeded quota'),
    });
    expect(quota.isGraced()).toBe(true);
    expect(await world({ refused: 'old' }, { ready: true }).waited()).toBe('pod-a');
    // Where one is enough, that one is there and may serve; without any there is none to wait for.
    expect(await world({ refused: 'meant' }, { ready: true }).waited()).toBe('pod-a');
    await expect(world({ refused: 'meant', each: [] }).waited()).rejects.toMatchObject({
      code: 'container-start-failed',
    });
  });
});

describe('what the cluster says in passing', () => {
  const unmade: Look = { unmade: true };
  const refused: Look = { refused: 'meant' };
  const unbegun: Look = { waiting: ['CreateContainerConfigError'] };
  const looks = (count: number, look: Look): readonly Look[] => Array.from({ length: count }, () => look);

  it('is passed over: what makes pods, or begins containers, tries again by itself', async () => {
    for (const look of [refused, unbegun, unmade]) {
      expect(await world(look, { ready: true }).waited('all')).toBe('pod-a');
      // Two words that do not last as long as one would have to, one after the other.
      const [first, ...more] = [...looks(12, look), {}, ...looks(12, look), { ready: true }];
      const twice = world(first ?? {}, ...more);
      expect(await twice.waited('all')).toBe('pod-a');
      expect(twice.passed()).toBeGreaterThan(30_000);
    }
  });

  it('is its last word when it has not changed for a while, and no earlier', async () => {
    for (const reason of ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']) {
      const one = world({ waiting: [reason] });
      await expect(one.waited('all')).rejects.toMatchObject({
        code: 'container-start-failed',
        message: `fs did not become ready: ${reason}: `,
      });
      expect(one.isGraced()).toBe(true);
    }
    for (const enough of ['one', 'all'] as const) {
      const none = world(unmade);
      await expect(none.waited(enough)).rejects.toMatchObject({
        code: 'container-start-failed',
        message: `fs did not become ready: ${unmadeSays}`,
      });
      expect(none.isGraced()).toBe(true);
    }
  });

  it('goes on through the tries to begin a container, of which none is an end of the server', async () => {
    const failed: Look = { waiting: ['RunContainerError'], ended: 'StartError' };
    const between = { ...failed, waiting: ['CrashLoopBackOff'] };
    const again = { ...between, restarts: 1 };
    const none = world(failed, between, between, { ...failed, restarts: 1 }, again);
    await expect(none.waited('all')).rejects.toMatchObject({
      code: 'container-start-failed',
      message: 'fs did not become ready: StartError: why',
    });
    expect(none.isGraced()).toBe(true);
    expect(await world(failed, between, { ended: 'StartError', restarts: 1 }, { ready: true }).waited()).toBe('pod-a');
    const other = world(failed, between, { restarts: 2, ended: 'Error' });
    await expect(other.waited()).rejects.toMatchObject({ code: 'server-unhealthy' });
  });
});

describe('a wait for an image', () => {
  const pull = (reason: string): Look => ({ waiting: [reason] });
  const [failed, backedOff] = [pull('ErrImagePull'), pull('ImagePullBackOff')];

  it('goes on where a pull failed once, and ends with the second one that fails', async () => {
    expect(await world({}, failed, failed, backedOff, backedOff, { ready: true }).waited()).toBe('pod-a');
    const none = world({}, failed, backedOff, backedOff, failed);
    await expect(none.waited('all')).rejects.toMatchObject({
      code: 'image-pull-failed',
      message: 'fs did not become ready: ErrImagePull: ',
    });
    expect(none.pauses).toHaveLength(4);
  });

  it('ends at once where pulls had failed before, or none can come to anything', async () => {
    for (const reason of ['ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']) {
      const one = world(pull(reason));
      await expect(one.waited()).rejects.toMatchObject({ code: 'image-pull-failed' });
      expect(one.pauses).toEqual([]);
    }
  });
});

describe('a wait for several pods', () => {
  it('goes on where one is enough as long as one of them may serve', async () => {
    const look = { each: [false, false], waiting: ['CreateContainerError'] };
    expect(await world(look, { each: [false, true], waiting: ['CreateContainerError'] }).waited('one')).toBe('pod-a1');
    await expect(world(look).waited('all')).rejects.toMatchObject({ code: 'container-start-failed' });
    const none = world(look, { each: [false, false], waiting: ['CreateContainerError', 'CreateContainerError'] });
    await expect(none.waited('one')).rejects.toMatchObject({ code: 'container-start-failed' });
    expect(none.isGraced()).toBe(true);
  });

  it('ends with the first that is ready where one is enough, else with the last', async () => {
    const some = { each: [true, false, false] };
    expect(await world(some).waited('one')).toBe('pod-a');
    const all = world(some, { each: [true, true, false] }, { each: [true, true, true] });
    expect(await all.waited('all')).toBe('pod-a2');
    expect(all.pauses).toHaveLength(2);
  });

  it('ends at once where one of them ends again, however many are ready', async () => {
    const broken = world({ each: [true, false] }, { each: [true, false], restarts: 1 });
    await expect(broken.waited('all')).rejects.toMatchObject({ code: 'server-unhealthy' });
    expect(broken.pauses).toHaveLength(1);
  });

  it('has the time of one for each, and says how many are ready', async () => {
    const one = world({ each: [false] });
    await expect(one.waited('all')).rejects.toMatchObject({ message: 'fs did not become ready: it is not ready' });
    const two = world({ each: [true, false] });
    await expect(two.waited('all')).rejects.toMatchObject({
      message: 'fs did not become ready: 1 of its 2 pods are ready',
    });
    expect(two.passed() - one.passed()).toBeGreaterThan(55_000);
  });
});
