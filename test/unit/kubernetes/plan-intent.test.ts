import { describe, expect, it, test } from 'vitest';
import { withDigest, writeSeen } from '../../../src/kubernetes/model/image-digest.ts';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import { revisionKey } from '../../../src/kubernetes/model/objects.ts';
import { planIntent } from '../../../src/kubernetes/plan/plan-intent.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import type { DeclaredServer, RecordedSpec } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { ServerName } from '../../../src/model/ids.ts';
import type { FilesIntent, Intent, MadeServer, RecordedIntent, RemovalIntent } from '../../../src/orchestrator/port.ts';
import { specHash } from '../../../src/spec/record/record.ts';
import { project, server } from '../../support/planner-world.ts';

const namespace = `looms-${project}`;

/** A generation of a server, the last one meant. */
type Past = {
  readonly of: DeclaredServer;
  readonly notes?: Readonly<Record<string, string>>;
  /** By which its pods pull its image. */
  readonly digest?: string;
  /** Names of claims. */
  readonly mounts?: readonly string[];
};

/** A cluster with these generations of one server, and with other objects beside it; secrets of some have changed. */
function world(
  past: readonly Past[],
  others: Readonly<Record<string, readonly object[]>> = {},
  changedSecrets: ReadonlyMap<ServerName, readonly string[]> = new Map(),
  spaceLabels: Readonly<Record<string, string>> = { [label.project]: project },
) {
  const asked: (readonly MadeServer[])[] = [];
  let beforeDryRun: ((deployments: unknown[]) => void) | undefined;
  const records = new Map(past.map(({ of }) => [of.hash, { spec: of.spec, image: of.image.ref }]));
  const meta = (name: string, uid: string, { of, digest }: Past, generation: number, more: object) => ({
    name,
    namespace,
    uid,
    resourceVersion: '1',
    labels: { [label.project]: project, [label.server]: of.spec.name, [label.managedBy]: 'looms' },
    ...more,
    annotations: {
      [annotation.record]: of.hash,
      [annotation.specHash]: of.hash,
      [annotation.generation]: String(generation),
      [revisionKey]: String(generation),
      ...(digest === undefined ? {} : { [annotation.image]: digest }),
      ...(more as { annotations?: object }).annotations,
    },
  });
  const specOf = ({ of: { image }, digest, mounts = [] }: Past) => ({
    replicas: 1,
    template: {
      spec: {
        volumes: mounts.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
        containers: [{ name: 'server', image: digest === undefined ? image.ref : withDigest(image.ref, digest) }],
      },
    },
  });
  const now = past.at(-1);
  const deployments =
    now === undefined
      ? []
      : [
          {
            metadata: meta(workloadName(now.of.spec.name), 'deployment', now, past.length, { generation: 1 }),
            spec: specOf(now),
          },
        ];
  const replicaSets = past.map((one, index) => ({
    metadata: meta(`set-${index + 1}`, `set-${index + 1}`, one, index + 1, {
      ownerReferences: [{ uid: 'deployment', kind: 'Deployment', name: '', controller: true }],
      annotations: one.notes ?? {},
    }),
    spec: specOf(one),
  }));
  const lists: Readonly<Record<string, readonly object[]>> = { deployments, replicasets: replicaSets, ...others };
  const answer = ({ method, path, body, query }: ApiRequest): unknown => {
    if (path.endsWith('/selfsubjectreviews')) {
      return { metadata: { name: '', creationTimestamp: '2026-11-28T11:00:00Z' } };
    }
    if (path === '/version') return { gitVersion: 'v1.36.1', platform: 'linux/amd64' };
    if (path === `/api/v1/namespaces/${namespace}`) {
      return { metadata: { name: namespace, uid: 'space', labels: spaceLabels } };
    }
    if (path === '/api/v1/namespaces/kube-system') return { metadata: { name: 'kube-system', uid: 'cluster' } };
    if (path === '/api/v1/nodes') return { items: [] };
    if (method === 'PUT' && query?.dryRun === 'All') {
      beforeDryRun?.(deployments);
      const { name } = (body as { metadata: { name: string } }).metadata;
      return deployments.find(({ metadata }) => metadata.name === name) ?? body;
    }
    const all = lists[path.split('/').at(-1) ?? ''] ?? [];
    return { items: query?.labelSelector === undefined ? all : all.filter(hasLabel(query.labelSelector)) };
  };
  const ports = {
    cluster: { context: 'dev', endpoint: 'https://dev', request: async (request: ApiRequest) => answer(request) },
    settings: {
      records: {
        read: (text: string) => records.get(text),
        makerOf: () => ({ kind: 'here' }),
        hash: ({ spec, image }: RecordedSpec) => specHash(spec, image),
      },
    },
    managedBy: 'looms/1.0.0',
    requireRules: async () => {},
    changedSecrets: async (_: unknown, __: unknown, made: readonly MadeServer[]) => {
      asked.push(made);
      const changed = made.flatMap(({ id, server }) => {
        const names = changedSecrets.get(server);
        return names === undefined ? [] : [[id, names] as const];
      });
      return { changed: new Map(changed), warnings: [] };
    },
  } as unknown as KubernetesPorts & { readonly cluster: Cluster };
  return {
    asked,
    plan: (intent: Intent) => planIntent(ports, intent),
    /** What happens before each dry run. */
    beforeDryRuns: (happens: (deployments: unknown[]) => void) => {
      beforeDryRun = happens;
    },
  };
}

const hasLabel = (selector: string) => (object: object) => {
  const { labels = {} } = (object as { metadata: { labels?: Readonly<Record<string, string>> } }).metadata;
  const [key = '', value] = selector.split('=');
  return value === undefined ? Object.hasOwn(labels, key) : labels[key] === value;
};

const one = server('fs', { mcp: { command: 'node', args: ['1.js'] } });

const other = server('fs', { mcp: { command: 'node', args: ['2.js'] } });

const start: RecordedIntent = {
  kind: 'recorded',
  project,
  servers: [one.spec.name],
  wish: { kind: 'start' },
  directory: '/',
};

describe('secrets of servers on a cluster', () => {
  it('are what their pods were given, over stdio as well', async () => {
    const { asked, plan } = world([{ of: one }]);
    await plan(start);
    expect(asked).toEqual([[expect.objectContaining({ server: 'fs', givenSecrets: true })]]);
  });
});

describe('a pod that its ReplicaSet let go of', () => {
  it.each([label.server, label.project])('is told in a plan, also without %s', async (taken) => {
    const { [taken]: _, ...labels } = { [label.server]: 'fs', [label.project]: project } as Record<string, string>;
    const pods = [{ metadata: { name: 'lost', namespace, labels }, spec: { containers: [] } }];
    const { plan } = await world([{ of: one }], { pods }).plan(start);
    expect(plan.warnings).toMatchObject([{ code: 'not-ours', message: expect.stringMatching(/^lost has labels /) }]);
  });
});

describe('a server that somebody deletes while it is planned for', () => {
  const files: FilesIntent = {
    kind: 'files',
    project,
    servers: [one],
    recipes: new Map(),
    undesired: 'warn',
  };
  const gone = (): never => {
    throw new LoomsError('engine-not-found', 'deployments.apps "looms-fs" not found');
  };

  it('is made anew', async () => {
    const { plan, beforeDryRuns } = world([{ of: one }]);
    beforeDryRuns((deployments) => {
      if (deployments.length === 0) return;
      deployments.length = 0;
      gone();
    });
    expect((await plan(files)).plan.changes).toMatchObject([{ server: 'fs', action: 'create' }]);
  });

  it('is looked for three times', async () => {
    const { plan, beforeDryRuns } = world([{ of: one }]);
    let looks = 0;
    beforeDryRuns(() => {
      looks += 1;
      gone();
    });
    await expect(plan(files)).rejects.toMatchObject({ code: 'engine-not-found' });
    expect(looks).toBe(3);
  });
});

describe('the namespace of a project whose servers are gone', () => {
  const ours = { [label.project]: project, [label.managedBy]: 'looms' };
  const left = async (past: readonly Past[], intent: Intent, labels: Readonly<Record<string, string>> = ours) =>
    (await world(past, {}, new Map(), labels).plan(intent)).plan.warnings.filter(
      ({ code }) => code === 'namespace-stays',
    );
  const removal = (servers: RemovalIntent['servers']): Intent => ({ kind: 'removal', project, servers, data: 'leave' });
  const prune: Intent = { kind: 'prune', project, volumes: true, history: true };

  it('is said to stay by what deletes the last one, and by prune, with what removes it', async () => {
    const message = expect.stringContaining(`\`kubectl delete namespace ${namespace}\``);
    for (const intent of [removal('all'), removal([one.spec.name])]) {
      expect(await left([{ of: one }], intent)).toEqual([{ code: 'namespace-stays', message }]);
    }
    expect(await left([], prune)).toEqual([{ code: 'namespace-stays', message }]);
  });

  it('is not spoken of while it has servers, or where it is not looms’ own', async () => {
    expect(await left([{ of: one }], prune)).toEqual([]);
    expect(await left([], removal('all'))).toEqual([]);
    const theirs = { [label.project]: project, [label.managedBy]: 'somebody' };
    expect(await left([{ of: one }], removal('all'), theirs)).toEqual([]);
  });
});

describe('what is removed from a cluster', () => {
  it('takes no files with it that are to be kept, as a cluster keeps none', async () => {
    const { plan } = world([{ of: server('fs') }]);
    const removal = { kind: 'removal', project, servers: [server('fs').spec.name] } as const;
    await expect(plan({ ...removal, data: 'keep' })).rejects.toMatchObject({
      code: 'engine-unsupported',
      hint: expect.stringContaining('leave --preserve-data out'),
    });
    const given = await plan({ ...removal, data: 'give-up' });
    expect(given.plan.changes).toMatchObject([{ server: 'fs', action: 'remove' }]);
  });
});

describe('volumes of what is removed from a cluster', () => {
  it('are said to stay, but for one that somebody deletes', async () => {
    const claims = ['looms-kept', 'looms-going'].map((name, index) => ({
      metadata: { name, namespace, ...(index === 1 ? { deletionTimestamp: '2026-11-28T10:59:59Z' } : {}) },
    }));
    const mounts = ['looms-kept', 'looms-going'];
    const { plan } = world([{ of: one, mounts }], { persistentvolumeclaims: claims });
    const made = await plan({ kind: 'removal', project, servers: [one.spec.name], data: 'leave' });
    expect(made.plan.warnings).toMatchObject([
      { code: 'volumes-stay', message: expect.stringContaining('they hold data: looms-kept;') },
    ]);
  });
});

describe('what is pruned on a cluster', () => {
  const ours = { [label.project]: project, [label.managedBy]: 'looms' };
  const claim = (name: string) => ({ metadata: { name, namespace, uid: name, labels: ours } });
  const pod = (claimName: string) => ({
    metadata: { name: 'job-a', namespace, uid: 'job-a' },
    spec: { containers: [], volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] },
  });
  const prune = (more: { readonly volumes?: boolean; readonly history?: boolean }): Intent => ({
    kind: 'prune',
    project,
    volumes: false,
    history: false,
    ...more,
  });

  it('is no claim that somebody else’s pod mounts', async () => {
    const { plan } = world([{ of: one }], {
      persistentvolumeclaims: [claim('looms-used'), claim('looms-free')],
      pods: [pod('looms-used')],
    });
    const made = (await plan(prune({ volumes: true }))).plan;
    expect(made.steps.map(({ text }) => text)).toEqual(['delete PersistentVolumeClaim looms-free']);
    expect(made.support).toMatchObject([{ kind: 'volume', name: 'looms-free', action: 'remove' }]);
  });

  it('is no past generation of a server that is there, and a warning says that others have none', async () => {
    const { plan } = world([{ of: other }, { of: one }]);
    const made = (await plan(prune({ history: true }))).plan;
    expect([made.steps, made.warnings.map(({ code }) => code)]).toEqual([[], ['history-not-kept']]);
    expect((await plan(prune({}))).plan.warnings).toEqual([]);
  });
});

describe('a rollback on a cluster', () => {
  const [a, b, c] = [server('fs', { mcp: { args: ['a'] } }), one, other];
  const served = { [annotation.served]: '2026-11-28T10:00:00Z' };
  const rolledBack = { ...served, [annotation.outcome]: 'rolled-back' };
  const back: Intent = { kind: 'rollback', project, server: one.spec.name };
  const backTo = async (...past: readonly Past[]): Promise<number | undefined> => {
    const { intent } = await world(past).plan(back);
    return intent.kind === 'rollback' ? intent.to : undefined;
  };

  it('goes to what served before, and is something else', async () => {
    const past = [
      { of: a, notes: served },
      { of: b, notes: served },
      { of: c, notes: served },
    ];
    expect(await backTo(...past, { of: c, notes: served })).toBe(2);
  });

  it('goes further back the second time, not to what was just left', async () => {
    const past = [
      { of: a, notes: served },
      { of: b, notes: served },
      { of: c, notes: rolledBack },
    ];
    expect(await backTo(...past, { of: b, notes: served })).toBe(1);
    // Also where the revision that was left had served under an earlier number.
    const rotated = [
      { of: a, notes: served },
      { of: c, notes: served },
      { of: c, notes: rolledBack },
    ];
    expect(await backTo(...rotated, { of: b, notes: served })).toBe(1);
    expect(await backTo(...rotated, { of: c, notes: served }, { of: b, notes: served })).toBe(4);
  });

  it('goes to nothing that never passed its gate, whether it is noted or not', async () => {
    const failed = { [annotation.outcome]: 'gate-failed', [annotation.failure]: 'server-unhealthy: no' };
    const again = { of: server('fs', { mcp: { args: ['d'] } }), notes: { ...served, ...failed } };
    expect(await backTo({ of: a, notes: served }, again, { of: b }, { of: c, notes: served })).toBe(1);
    await expect(backTo({ of: a }, { of: c, notes: served })).rejects.toMatchObject({ code: 'generation-not-found' });
    const nonsense = { [annotation.served]: 'yes' };
    await expect(backTo({ of: a, notes: nonsense }, { of: c, notes: served })).rejects.toMatchObject({
      code: 'generation-not-found',
    });
  });

  it('goes to the same spec where its image was another one, and has that', async () => {
    const of = (digest: string) => ({
      ...served,
      [annotation.imageSeen]: writeSeen(`sha256:${digest.repeat(64)}`, 'x'),
    });
    const past = [
      { of: a, notes: of('1') },
      { of: b, notes: of('2') },
      { of: b, notes: of('3') },
    ];
    const { intent, plan } = await world(past).plan(back);
    expect(intent).toMatchObject({ to: 2 });
    expect(plan.steps.find(({ text }) => text.includes('generation 4'))).toMatchObject({
      digest: `sha256:${'2'.repeat(64)}`,
    });
    expect(await backTo({ of: a, notes: of('1') }, { of: b, notes: of('3') }, { of: b, notes: of('3') })).toBe(1);
    expect(await backTo({ of: a, notes: of('1') }, { of: b, notes: served }, { of: b, notes: of('3') })).toBe(1);
  });

  it('that was cut off goes on', async () => {
    const past = [
      { of: a, notes: served },
      { of: b, notes: served },
      { of: c, notes: served },
    ];
    expect(await backTo(...past, { of: b })).toBe(2);
    expect(await backTo(...past, { of: c })).toBe(2);
    expect(await backTo(...past, { of: server('fs', { mcp: { args: ['d'] } }) })).toBe(3);
  });
});

test('pods that are made anew from a record keep the digest of their image, and those of a file have its tag', async () => {
  const pinned = `sha256:${'a'.repeat(64)}`;
  const asked = async (intent: Intent) => {
    const { plan } = await world([{ of: one, digest: pinned }]).plan(intent);
    return plan.steps.filter(({ text }) => text.includes('generation 2'));
  };
  expect(await asked({ ...start, wish: { kind: 'restart' } })).toMatchObject([{ op: 'put-server', digest: pinned }]);
  const files: Intent = {
    kind: 'files',
    project,
    servers: [one],
    replace: [one.spec.name],
    undesired: 'ignore',
    recipes: new Map(),
  };
  const [step] = await asked(files);
  expect(step).toMatchObject({ op: 'put-server' });
  expect(step).not.toHaveProperty('digest');
});

describe('the image of a server that is made anew', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  const secrets = new Map([[one.spec.name, ['TOKEN'] as const]]);
  const put = async (of: DeclaredServer, more: Partial<FilesIntent> = {}) => {
    const files = { kind: 'files', project, servers: [of], recipes: new Map(), undesired: 'ignore', ...more } as const;
    const { plan } = await world([{ of: one, digest }], {}, secrets).plan(files);
    return plan.steps.find(({ op }) => op === 'put-server');
  };

  it('is the one that it was gone back to, as long as its spec stays', async () => {
    expect(await put(one)).toMatchObject({ newPods: true, digest });
    expect(await put(other)).not.toHaveProperty('digest');
  });

  it('is what its file says where somebody asks for it by name', async () => {
    expect(await put(one, { replace: [one.spec.name] })).not.toHaveProperty('digest');
  });
});

test('a number of generations to keep is told not to be looked at, where some are made', async () => {
  const codes = async (keep: number | undefined, kind: 'start' | 'restart') => {
    const { plan } = await world([{ of: one }]).plan({ ...start, wish: { kind }, keep });
    return plan.warnings.map(({ code }) => code);
  };
  expect(await codes(5, 'restart')).toEqual(['keep-not-kept']);
  expect([await codes(undefined, 'restart'), await codes(3, 'restart'), await codes(5, 'start')]).toEqual([[], [], []]);
});

describe('a server that is blocked on a cluster', () => {
  const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
  // Two pods of it cannot have one volume.
  const blocked = server('two', { mcp: { command: 'node' }, replicas: 2, mounts });
  const files = (...servers: readonly DeclaredServer[]): FilesIntent => ({
    ...{ kind: 'files', project, servers, recipes: new Map(), undesired: 'ignore' },
  });
  const made = async (past: readonly Past[], ...servers: readonly DeclaredServer[]) => {
    const { plan } = await world(past).plan(files(...servers));
    return { actions: plan.changes.map(({ server: name, action }) => `${name} ${action}`), plan };
  };

  it('has nothing made for it, and nothing at all where no other is made', async () => {
    const { actions, plan } = await made([], blocked);
    expect([actions, plan.steps, plan.support]).toEqual([['two blocked'], [], []]);
  });

  it('keeps nothing from others, whose support is made', async () => {
    const { actions, plan } = await made([], one, blocked);
    expect(actions).toEqual(['fs create', 'two blocked']);
    const kinds = plan.support.map(({ kind }) => kind);
    expect(kinds).toContain('network');
    expect(kinds).not.toContain('volume');
  });

  it('that is there keeps what stands behind it, as it was recorded', async () => {
    const { actions, plan } = await made([{ of: one }], { ...blocked, spec: { ...blocked.spec, name: one.spec.name } });
    expect(actions).toEqual(['fs blocked']);
    expect(plan.support.map(({ kind }) => kind)).not.toContain('volume');
    expect(plan.support.map(({ action }) => action)).not.toContain('remove');
  });

  it('is blocked by a name that is taken, also where what would have it is not made', async () => {
    const claim = { kind: 'PersistentVolumeClaim', metadata: { name: 'looms-data', namespace, uid: 'theirs' } };
    const with1 = server('two', { mcp: { command: 'node' }, mounts });
    const { plan } = await world([], { persistentvolumeclaims: [claim] }).plan(files(with1));
    expect(plan.changes).toMatchObject([{ action: 'blocked', why: { kind: 'name-taken' } }]);
    expect([plan.steps, plan.support]).toEqual([[], []]);
  });
});
