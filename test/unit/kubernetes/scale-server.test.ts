import { describe, expect, it } from 'vitest';
import { scaleServer, wakeServer } from '../../../src/kubernetes/apply/scale-server.ts';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { revisionKey, templateHash } from '../../../src/kubernetes/model/objects.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import { servingServer } from '../../../src/kubernetes/views/serving.ts';
import type { Scale } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { OwnSessions } from '../../../src/model/replicas.ts';
import { project, server } from '../../support/planner-world.ts';

const fs = asServerName('fs');
const namespace = `looms-${project}`;
const [anHourAgo, made, now] = ['2026-11-30T09:01:00Z', '2026-11-30T10:00:00Z', '2026-11-30T10:01:00Z'];
const usual: Scale = { min: 0, max: 5, sessionsPerReplica: 2, idleSeconds: 60 };

type World = {
  readonly scale?: Scale;
  readonly replicas?: number;
  /** Sessions in each pod; absent: it cannot say. */
  readonly sessions?: readonly (number | undefined)[];
  readonly stopped?: boolean;
  /** An earlier generation has a pod still. */
  readonly changing?: boolean;
  /** A run holds the lock of the project. */
  readonly locked?: boolean;
  /** Not all pods are ready. */
  readonly coming?: boolean;
  /** Since when its pods are ready. */
  readonly readySince?: string;
  /** Of its pods, so many have not been made. */
  readonly unmade?: number;
  /** Why they are not, and since when. */
  readonly refusedSince?: string;
  /** Which pod is not ready, and has not been for an hour. */
  readonly hanging?: number;
  /** Costs of pods that another gateway writes after each of ours. */
  readonly outranked?: Readonly<Record<string, string>>;
  /** Writes that come too late. */
  readonly conflicts?: number;
  /** How an earlier generation's pod is that is there still; absent with `changing`: ready. */
  readonly phase?: string;
  /** Why no pod begins. */
  readonly waiting?: string;
  /** It has a volume, and an earlier pod of it ends for so many looks. */
  readonly endingFor?: number;
  /** No pod of it comes: while it is waited for somebody asks for none, by stopping it or without. */
  readonly lost?: 'asleep' | 'stopped';
  /** Done while logs are kept. */
  readonly meanwhile?: (sessions: (number | undefined)[]) => void;
};

/** A cluster with one server, that keeps what is written to it. */
function world({
  scale = usual,
  replicas = 1,
  sessions: given = [0],
  stopped = false,
  changing = false,
  locked = false,
  coming = false,
  readySince = made,
  unmade = 0,
  refusedSince,
  hanging,
  outranked = {},
  conflicts = 0,
  phase,
  waiting,
  endingFor,
  lost,
  meanwhile = () => {},
}: World) {
  const volume = { type: 'volume', source: 'data', target: '/data', readOnly: false } as const;
  const mounts = endingFor === undefined ? [] : [volume];
  const declared = server('fs', { scale, mcp: { command: 'run' }, mounts });
  const sessions = [...given];
  const did: string[] = [];
  let endingLooks = endingFor ?? 0;
  const owned = (kind: string, uid: string) => [{ kind, uid, name: uid, controller: true }];
  const labels = { [label.project]: project, [label.server]: fs };
  let asked = replicas;
  let late = conflicts;
  let waitedMs = 0;
  let isStopped = stopped;
  const written: string[] = [];
  const ranks: Record<string, string> = {};
  const template = { spec: { containers: [{ name: 'server' }] } };
  const deployment = () => ({
    metadata: {
      ...{
        name: workloadName(fs),
        namespace,
        uid: 'd',
        resourceVersion: String(written.length),
        generation: 1,
        labels,
      },
      annotations: {
        [revisionKey]: '2',
        [annotation.record]: 'record',
        ...(isStopped ? { [annotation.stopped]: 'true' } : {}),
      },
    },
    spec: { replicas: asked, template },
    status: { observedGeneration: 1 },
  });
  const set = (revision: string) => ({
    metadata: {
      ...{ name: `r${revision}`, namespace, uid: `r${revision}`, ownerReferences: owned('Deployment', 'd') },
      labels: { ...labels, [templateHash]: revision },
      annotations: { [revisionKey]: revision, [annotation.record]: 'record' },
    },
    spec: { template },
    ...(refusedSince === undefined
      ? {}
      : { status: { conditions: [{ type: 'ReplicaFailure', status: 'True', lastTransitionTime: refusedSince }] } }),
  });
  const isHanging = (name: string): boolean => name === `p${hanging}`;
  const pod = (name: string, revision: string) => ({
    metadata: {
      ...{ name, namespace, uid: name, ownerReferences: owned('ReplicaSet', `r${revision}`) },
      creationTimestamp: isHanging(name) ? anHourAgo : made,
      labels: { ...labels, [templateHash]: revision },
      annotations: ranks[name] === undefined ? {} : { [annotation.deletionCost]: ranks[name] },
    },
    spec: template.spec,
    status: {
      conditions: [
        {
          type: 'Ready',
          lastTransitionTime: readySince,
          status: waiting !== undefined || isHanging(name) || (coming && name === 'p1') ? 'False' : 'True',
        },
      ],
      ...(waiting === undefined
        ? {}
        : { containerStatuses: [{ name: 'server', state: { waiting: { reason: waiting, message: 'no' } } }] }),
    },
  });
  const answer = ({ method, path, body }: ApiRequest): unknown => {
    if (method === 'PATCH') {
      const { metadata } = body as { metadata: { annotations: Record<string, string> } };
      ranks[path.split('/').at(-1) ?? ''] = metadata.annotations[annotation.deletionCost] ?? '';
      Object.assign(ranks, outranked);
      return {};
    }
    if (method === 'PUT') {
      if (late > 0) {
        late -= 1;
        asked += 1;
        throw new LoomsError('engine-conflict', 'somebody else was quicker');
      }
      asked = (body as { spec: { replicas: number } }).spec.replicas;
      did.push(`write ${asked}`);
      written.push(String(asked));
      return body;
    }
    if (path.endsWith(`/deployments/${workloadName(fs)}`)) return deployment();
    if (path.endsWith('/replicasets')) return { items: [set('1'), set('2')] };
    if (path.endsWith('/pods')) {
      const now = sessions.slice(unmade).map((_, index) => pod(`p${index}`, '2'));
      const old = pod('old', '1');
      endingLooks -= 1;
      const ending = { ...old, metadata: { ...old.metadata, deletionTimestamp: made } };
      return {
        items: [
          ...(changing ? [{ ...old, status: phase === undefined ? old.status : { phase } }] : []),
          ...(endingLooks >= 0 ? [ending] : []),
          ...now,
        ],
      };
    }
    if (path.endsWith('/leases/looms')) {
      if (!locked) throw new LoomsError('engine-not-found', 'nobody holds it');
      const holder = JSON.stringify({ who: 'a', host: 'elsewhere', pid: 7, command: 'looms apply' });
      const annotations = { 'looms.dev/lock': holder };
      return { metadata: { uid: 'l', annotations, creationTimestamp: now }, spec: { leaseDurationSeconds: 60 } };
    }
    return { metadata: { uid: 'cluster', creationTimestamp: now } };
  };
  const recorded = { spec: declared.spec, image: declared.image.ref };
  const ports = {
    cluster: {
      context: 'c',
      endpoint: 'e',
      request: async (request: ApiRequest) => answer(request),
    } as unknown as Cluster,
    sessions: {
      tailLog: async () => [{ text: 'the token is hunter2' }],
      countSessions: async (id: string) => {
        const [name = '', index] = /p(\d)$/.exec(id) ?? [];
        did.push(`count ${name}`);
        const count = sessions[Number(index)];
        if (count === undefined) throw new LoomsError('session-failed', 'it does not say');
        return count;
      },
    },
    keepLog: async (_place: unknown, { container }: { container: string }) => {
      did.push(`keep ${/p\d$/.exec(container)?.[0]}`);
      meanwhile(sessions);
    },
    monotonicMs: () => waitedMs,
    pause: async (ms: number) => {
      waitedMs += ms;
      if (lost !== undefined) asked = 0;
      isStopped = lost === 'stopped';
    },
    whoAmI: { host: 'here', pid: 1, command: 'looms serve', user: 'b' },
    settings: {
      records: { read: () => recorded, makerOf: () => ({ kind: 'here' }), hash: () => declared.hash },
    },
  } as unknown as KubernetesPorts;
  return {
    ranks,
    written,
    did,
    waitedMs: () => waitedMs,
    wake: () => wakeServer(ports, project, fs),
    up: (to: number) => scaleServer(ports, project, fs, { kind: 'up', to }),
    down: (to: number, own?: OwnSessions) =>
      scaleServer(ports, project, fs, { kind: 'down', to, ...(own === undefined ? {} : { own }) }),
    /** Sessions of the gateway that asks, in each pod; ending the idle ones of a pod ends them there. */
    own: (counts: Readonly<Record<string, { all: number; idle: number }>>): OwnSessions => ({
      countIn: (id) => counts[/p\d$/.exec(id)?.[0] ?? ''] ?? { all: 0, idle: 0 },
      endIdle: async (ids) => {
        for (const id of ids) {
          const [name = '', digit] = /p(\d)$/.exec(id) ?? [];
          did.push(`end ${name}`);
          const index = Number(digit);
          sessions[index] = (sessions[index] ?? 0) - (counts[name]?.idle ?? 0);
          Object.assign(counts[name] ?? {}, { all: (counts[name]?.all ?? 0) - (counts[name]?.idle ?? 0), idle: 0 });
        }
      },
    }),
    servingAfter: (name: string) =>
      servingServer(ports, project, fs, { after: `${name}/${namespace}/${name}` as never }),
    serving: (counts?: Readonly<Record<string, number>>) =>
      servingServer(ports, project, fs, {
        ...(counts === undefined
          ? {}
          : {
              sessions: new Map(
                Object.entries(counts).map(([name, count]) => [`${name}/${namespace}/${name}` as never, count]),
              ),
            }),
      }),
  };
}

describe('another number of pods', () => {
  it('is as many as are asked for within the bounds, and never fewer where more are', async () => {
    expect(await world({}).up(3)).toBe(3);
    expect(await world({}).up(40)).toBe(5);
    const more = world({ replicas: 4 });
    expect([await more.up(2), more.written]).toEqual([4, []]);
  });

  it('wakes what sleeps, and leaves what was stopped', async () => {
    expect(await world({ replicas: 0, sessions: [] }).up(1)).toBe(1);
    const off = world({ replicas: 0, sessions: [], stopped: true });
    expect([await off.up(1), off.written]).toEqual([0, []]);
  });

  it('keeps each pod that has a session, and says which go first', async () => {
    const one = world({ replicas: 4, sessions: [0, 2, 0, 1] });
    expect(await one.down(0)).toBe(2);
    expect(one.ranks).toEqual({ p0: '0', p1: '2', p2: '0', p3: '1' });
  });

  it('takes a pod that cannot say it for one that has sessions', async () => {
    expect(await world({ replicas: 2, sessions: [0, undefined] }).down(0)).toBe(1);
  });

  it('is none without sessions, where it may sleep', async () => {
    const one = world({ replicas: 2, sessions: [0, 0] });
    expect([await one.down(0), one.ranks]).toEqual([0, {}]);
    expect(await world({ scale: { ...usual, min: 1 }, replicas: 2, sessions: [0, 0] }).down(0)).toBe(1);
  });

  it('stays while pods are replaced', async () => {
    const one = world({ replicas: 3, sessions: [0, 0, 0], changing: true });
    expect([await one.down(0), one.written]).toEqual([3, []]);
  });

  it('stays while a run changes the project, and while a pod is on its way that somebody may wait for', async () => {
    const held = world({ replicas: 2, sessions: [0, 0], locked: true });
    expect([await held.down(0), await held.up(3), held.written]).toEqual([2, 3, ['3']]);
    const coming = world({ replicas: 2, sessions: [0, 0], coming: true });
    expect([await coming.down(0), coming.written]).toEqual([2, []]);
  });

  it('stays while one that was just asked for is not made, or has only just become ready', async () => {
    const unmade = world({ replicas: 2, sessions: [0, 0], unmade: 1 });
    expect([await unmade.down(0), unmade.written]).toEqual([2, []]);
    const woken = world({ sessions: [0], unmade: 1, refusedSince: '2026-11-30T10:00:50Z' });
    expect([await woken.down(0), woken.written]).toEqual([1, []]);
    // Who waits for it is told first why there is none.
    const told = world({ sessions: [0], unmade: 1, refusedSince: '2026-11-30T10:00:35Z' });
    expect([await told.down(0), told.written]).toEqual([1, []]);
    const fresh = world({ readySince: '2026-11-30T10:00:55Z' });
    expect([await fresh.down(0), fresh.did]).toEqual([1, []]);
    // By the clock of its node, which is an hour ahead.
    expect(await world({ readySince: '2026-11-30T11:00:00Z' }).down(0)).toBe(0);
  });

  it('is none where the cluster makes none of them', async () => {
    expect(await world({ sessions: [0], unmade: 1, refusedSince: made }).down(0)).toBe(0);
  });

  it('is decided anew where somebody else was quicker', async () => {
    const one = world({ replicas: 2, conflicts: 1 });
    expect([await one.up(3), one.written]).toEqual([3, []]);
  });
});

describe('fewer pods', () => {
  it('have the logs of those that go kept first, and their sessions counted again at once before the write', async () => {
    const one = world({ replicas: 2, sessions: [0, 1] });
    expect(await one.down(0)).toBe(1);
    expect(one.did).toEqual(['count p0', 'count p1', 'keep p0', 'count p0', 'write 1']);
  });

  it('are none where a session was opened meanwhile in one that would go', async () => {
    const opens = (sessions: (number | undefined)[]): void => {
      sessions[0] = 1;
    };
    const one = world({ sessions: [0], meanwhile: opens });
    expect([await one.down(0), one.written]).toEqual([1, []]);
  });

  it('are none where whoever asks is just opening a session there, which is in no pod yet', async () => {
    const one = world({ replicas: 2, sessions: [0, 0] });
    expect([await one.down(0, one.own({ p0: { all: 1, idle: 0 }, p1: { all: 1, idle: 0 } })), one.did]).toEqual([
      2,
      ['count p0', 'count p1'],
    ]);
    const late = { all: 0, idle: 0 };
    const other = world({ sessions: [0], meanwhile: () => Object.assign(late, { all: 1 }) });
    expect([await other.down(0, other.own({ p0: late })), other.written]).toEqual([1, []]);
  });

  it('take idle sessions from the pods alone that go, once these may', async () => {
    const one = world({ replicas: 3, sessions: [2, 1, 1] });
    const own = one.own({ p0: { all: 2, idle: 2 }, p1: { all: 1, idle: 1 }, p2: { all: 1, idle: 0 } });
    expect(await one.down(2, own)).toBe(2);
    expect(one.did.filter((word) => word.startsWith('end'))).toEqual(['end p1']);
    expect(one.ranks).toEqual({ p0: '1', p1: '0', p2: '1' });
    for (const stays of [{ locked: true }, { coming: true }]) {
      const held = world({ replicas: 2, sessions: [1, 1], ...stays });
      const idle = held.own({ p0: { all: 1, idle: 1 }, p1: { all: 1, idle: 1 } });
      expect([await held.down(0, idle), held.did]).toEqual([2, []]);
    }
  });

  it('leave sessions of others in a pod that has idle ones as well', async () => {
    const one = world({ replicas: 2, sessions: [2, 0] });
    expect(await one.down(0, one.own({ p0: { all: 1, idle: 1 } }))).toBe(1);
    expect(one.did).not.toContain('end p0');
  });

  it('come about beside a pod that its node evicted, which stays as a word of that', async () => {
    for (const phase of ['Failed', 'Succeeded']) {
      expect(await world({ replicas: 2, sessions: [0, 0], changing: true, phase }).down(0)).toBe(0);
    }
  });
});

describe('the pods that go', () => {
  const one: Scale = { ...usual, min: 1 };

  it('are those that are not ready before others, as the cluster takes them first', async () => {
    const idle = world({ scale: one, replicas: 2, sessions: [0, 1], hanging: 1 });
    const own = idle.own({ p1: { all: 1, idle: 1 } });
    expect([await idle.down(0, own), idle.ranks]).toEqual([1, { p0: '1', p1: '0' }]);
  });

  it('are none where one that is not ready has sessions, and would go in the place of another', async () => {
    const busy = world({ replicas: 3, sessions: [1, 0, 1], hanging: 2 });
    const own = busy.own({ p0: { all: 1, idle: 1 } });
    expect([await busy.down(0, own), busy.ranks, busy.written]).toEqual([3, {}, []]);
    expect(busy.did).not.toContain('end p0');
  });

  it('are none where another gateway says meanwhile that others go', async () => {
    const other = world({ scale: one, replicas: 2, sessions: [0, 0], outranked: { p0: '1', p1: '0' } });
    expect([await other.down(0), other.written]).toEqual([2, []]);
    const alike = world({ scale: one, replicas: 2, sessions: [0, 0], outranked: { p0: '0', p1: '1' } });
    expect([await alike.down(0), alike.written]).toEqual([1, ['1']]);
  });
});

describe('a server with a volume that wakes', () => {
  it('has no pod before the one that ends is gone', async () => {
    const one = world({ replicas: 0, sessions: [], endingFor: 3 });
    expect([await one.up(1), one.waitedMs()]).toEqual([1, 3000]);
  });

  it('is given up where that one does not end', async () => {
    const one = world({ replicas: 0, sessions: [], endingFor: 9000 });
    await expect(one.up(1)).rejects.toMatchObject({ code: 'server-not-running' });
    expect(one.written).toEqual([]);
  });
});

it('a server of which no pod is asked for any more is waited for no longer', async () => {
  for (const [lost, code] of [
    ['asleep', 'server-asleep'],
    ['stopped', 'server-not-running'],
  ] as const) {
    const one = world({ replicas: 0, sessions: [], lost });
    await expect(one.wake()).rejects.toMatchObject({ code });
    expect([one.waitedMs(), one.written]).toEqual([500, ['1']]);
  }
});

it('a server that fails to wake says why, and nothing that it wrote: its secrets are not known here', async () => {
  await expect(world({ waiting: 'CreateContainerConfigError' }).wake()).rejects.toMatchObject({
    code: 'container-start-failed',
    message: 'fs did not become ready: CreateContainerConfigError: no',
    hint: expect.stringContaining('looms logs fs'),
    detail: [],
  });
});

describe('where a session goes', () => {
  it('is to the pod that the server is shown by, or to one with the fewest that are known of', async () => {
    const one = world({ replicas: 3, sessions: [0, 0, 0] });
    expect((await one.serving()).containerName).toBe('p2');
    const turns = ['p0', 'p1', 'p2', 'gone'].map(async (pod) => (await one.servingAfter(pod)).containerName);
    expect(await Promise.all(turns)).toEqual(['p1', 'p2', 'p0', 'p0']);
    expect((await one.serving({ p0: 1, p2: 1 })).containerName).toBe('p1');
    expect((await one.serving({ p0: 1, p1: 1 })).beside).toHaveLength(2);
    const seen = new Set<string>();
    for (let turn = 0; turn < 60; turn += 1) seen.add((await one.serving({ p0: 3 })).containerName);
    expect([...seen].sort()).toEqual(['p1', 'p2']);
  });

  it('stays where it is while pods are replaced one by one: new ones go to those that are meant', async () => {
    const half = await world({ replicas: 2, sessions: [0], changing: true }).serving({ p0: 9 });
    expect([half.containerName, half.beside?.map(({ container }) => container.split('/')[0])]).toEqual(['p0', ['old']]);
    const whole = await world({ replicas: 2, sessions: [0, 0], changing: true }).serving({ p0: 9 });
    expect([whole.containerName, whole.beside?.map(({ container }) => container.split('/')[0])]).toEqual([
      'p1',
      ['p0'],
    ]);
  });

  it('is nowhere while the server sleeps, which is not that somebody stopped it', async () => {
    await expect(world({ replicas: 0, sessions: [] }).serving()).rejects.toMatchObject({ code: 'server-asleep' });
    await expect(world({ replicas: 1, sessions: [] }).serving()).rejects.toMatchObject({ code: 'server-asleep' });
    await expect(world({ replicas: 0, sessions: [], stopped: true }).serving()).rejects.toMatchObject({
      code: 'server-not-running',
    });
  });
});
