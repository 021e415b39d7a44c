import { describe, expect, it } from 'vitest';
import { awaitRollout } from '../../../src/kubernetes/apply/rollout.ts';
import { label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { revisionKey, templateHash } from '../../../src/kubernetes/model/objects.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const namespace = `looms-${project}`;
const labels = { [label.project]: project, [label.server]: fs };
const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' };

/** What one look sees: the server's pod, by how it is, or an error. */
type Look = {
  readonly ready?: boolean;
  /** Of several pods, whether each is ready. */
  readonly each?: readonly boolean[];
  readonly restarts?: number;
  /** How often what asks it over HTTP was begun again, beside a server that runs. */
  readonly asked?: number;
  readonly uid?: string;
  readonly refused?: 'old' | 'meant';
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
    const { error, ready = false, each = [ready], restarts = 0, asked, uid = 'a', refused } = look();
    if (error !== undefined) throw error;
    if (path.endsWith(`/deployments/${workloadName(fs)}`)) {
      return {
        metadata: of(workloadName(fs), '', { uid: 'deployment', generation: 1, annotations: { [revisionKey]: '2' } }),
        spec: { ...spec, replicas: each.length },
        status: { observedGeneration: 1, conditions: refused === undefined ? [] : [failure] },
      };
    }
    if (path.endsWith('/replicasets')) return { items: [replicaSet('1', 'old'), replicaSet('2', 'meant')] };
    if (!path.endsWith('/pods')) return { items: [] };
    const pods = each.map((is, index) => ({
      metadata: of(`pod-${uid}${index === 0 ? '' : index}`, 'meant'),
      spec: { containers: [] },
      status: {
        conditions: [{ type: 'Ready', status: is ? 'True' : 'False' }],
        containerStatuses: [
          { name: 'server', ready: is || asked !== undefined, restartCount: is ? 0 : restarts },
          ...(asked === undefined ? [] : [{ name: 'reach', ready: is, restartCount: asked }]),
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
    ];
    const [first, ...more] = errors.map((error) => ({ error }));
    expect(await world(first ?? {}, ...more, { ready: true }).waited()).toBe('pod-a');
  });

  it('does not outlast its time, and stops at once at what does not pass', async () => {
    const away = world({ error: new LoomsError('engine-unreachable', 'nothing listens') });
    await expect(away.waited()).rejects.toMatchObject({ code: 'engine-unreachable' });
    expect(away.pauses.reduce((sum, one) => sum + one)).toBeLessThan(362_000);
    const forbidden = world({ error: refusedWith(403) });
    await expect(forbidden.waited()).rejects.toMatchObject({ code: 'engine-rejected' });
    expect(forbidden.pauses).toEqual([]);
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

  it('ends where a server over HTTP runs and does not pass its gate, which another container asks for', async () => {
    const refuses = world({ asked: 0 }, { asked: 0 }, { asked: 1 });
    await expect(refuses.waited()).rejects.toMatchObject({ code: 'server-unhealthy' });
    expect(refuses.pauses).toHaveLength(2);
    expect(await world({ asked: 1 }, { asked: 1, ready: true }).waited()).toBe('pod-a');
  });

  it('ends where the cluster makes no pod of what is meant, and not where it makes none of what was', async () => {
    await expect(world({ refused: 'meant' }).waited()).rejects.toMatchObject({
      code: 'container-start-failed',
      message: expect.stringContaining('exceeded quota'),
    });
    expect(await world({ refused: 'old' }, { ready: true }).waited()).toBe('pod-a');
  });
});

describe('a wait for several pods', () => {
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
