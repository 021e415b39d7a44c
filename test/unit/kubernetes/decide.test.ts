import { describe, expect, it } from 'vitest';
import { readClaim } from '../../../src/kubernetes/model/claims.ts';
import { type ImageDigest, withDigest } from '../../../src/kubernetes/model/image-digest.ts';
import { annotation, label, workloadName } from '../../../src/kubernetes/model/names.ts';
import type { Condition, Deployment, KubeObject, Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import { revisionKey } from '../../../src/kubernetes/model/objects.ts';
import { type Generation, idOfPod, type Observed, type Workload } from '../../../src/kubernetes/model/observed.ts';
import { blockersOf } from '../../../src/kubernetes/plan/blocker.ts';
import { type DecideInput, decide } from '../../../src/kubernetes/plan/decide.ts';
import { overDeployment } from '../../../src/kubernetes/plan/over.ts';
import { preparedOf } from '../../../src/kubernetes/plan/prepare.ts';
import type { DeclaredServer } from '../../../src/model/desired.ts';
import type { FieldDifference, NonEmpty } from '../../../src/model/plan.ts';
import { project, server } from '../../support/planner-world.ts';

const meta = (kind: string, name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: `looms-${project}`, uid: `uid of ${kind} ${name}`, resourceVersion: '1', ...more },
});

const space: KubeObject = meta('Namespace', `looms-${project}`, { labels: { [label.project]: project } });

type There = {
  readonly generation?: number;
  readonly ready?: boolean;
  readonly replicas?: number;
  /** Pods that are there, where those are not as many as are asked for. */
  readonly pods?: number;
  /** Annotations of the Deployment, and of what was made of it. */
  readonly notes?: Readonly<Record<string, string>>;
  readonly served?: boolean;
  readonly image?: ImageDigest;
};

/** A server as it is after an apply. */
function there(
  declared: DeclaredServer,
  { generation = 1, ready = true, replicas = 1, pods: count = replicas, notes = {}, served = false, image }: There = {},
): Workload {
  const { name } = declared.spec;
  const claim = {
    server: name,
    generation,
    recorded: { spec: declared.spec, image: declared.image.ref },
    specHash: declared.hash,
    managedBy: 'looms/1.0.0',
    ...(image === undefined ? {} : { image }),
  };
  const { ref } = declared.image;
  const pulled = image?.kind === 'pinned' ? withDigest(ref, image.digest) : ref;
  const template = { spec: { containers: [{ name: 'server', image: pulled }] } };
  const deployment: Deployment = {
    ...meta('Deployment', workloadName(name), {
      generation: 4,
      annotations: { [revisionKey]: '1', ...notes },
    }),
    spec: { replicas, template },
  };
  const replicaSet: ReplicaSet = {
    ...meta('ReplicaSet', `${workloadName(name)}-${generation}`, {
      annotations: { [revisionKey]: '1', ...(served ? { [annotation.served]: '2026-11-28T10:00:00Z' } : {}) },
      creationTimestamp: '2026-11-28T10:00:00Z',
    }),
    spec: { template },
  };
  const pods = Array.from(
    { length: count },
    (_, index): Pod => ({
      ...meta('Pod', `${workloadName(name)}-${generation}-${'abcdefghij'[index]}`, {
        creationTimestamp: '2026-11-28T10:59:00Z',
      }),
      spec: template.spec,
      status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
    }),
  );
  return { server: name, deployment, claim, generations: [{ claim, replicaSet, pods, isMeant: true }] };
}

/** As looms itself made it: its generation has a number. */
function counted({ generations, ...workload }: Workload, more: Readonly<Record<string, string>> = {}): Workload {
  return {
    ...workload,
    generations: generations.map(({ replicaSet, ...one }) => {
      const number = { [annotation.generation]: String(one.claim.generation) };
      const annotations = { ...replicaSet.metadata.annotations, ...number, ...more };
      return { ...one, replicaSet: { ...replicaSet, metadata: { ...replicaSet.metadata, annotations } } };
    }),
  };
}

/** The pod that sessions go to. */
const mainOf = ({ generations }: Workload) => idOfPod(generations[0]?.pods[0] as Pod);

const observed = (servers: readonly Workload[], more: Partial<Observed> = {}): Observed => ({
  project,
  namespace: `looms-${project}`,
  engine: {
    id: 'cluster',
    name: 'dev',
    kind: 'kubernetes',
    version: '1.36.1',
    apiVersion: 'v1',
    os: 'linux',
    architecture: 'amd64',
    endpoint: 'https://127.0.0.1:6443 (dev)',
    canLimitStorage: true,
    canLimitSwap: false,
    canLimitProcesses: false,
    canHideHost: false,
    securityModules: ['seccomp'],
    nodes: 1,
    canLeadByName: false,
    cpus: 2,
    memoryBytes: 8e9,
  },
  now: Date.parse('2026-11-28T11:00:00Z'),
  space,
  servers,
  foreign: [],
  strays: [],
  support: new Map(),
  secrets: [],
  ...more,
});

const plan = (at: Observed, desired: readonly DeclaredServer[], more: Partial<DecideInput> = {}) =>
  decide({
    observed: at,
    desired,
    blockers: blockersOf(desired, { observed: at, support: [], registry: undefined, ...more }),
    undesired: 'ignore',
    support: [],
    drift: { servers: new Map(), unknown: [], support: new Map() },
    context: {
      executions: new Map(),
      changedSecrets: new Map(),
      replace: new Set(),
      unhealthy: new Map(),
      rollbackTo: undefined,
    },
    stop: new Set(),
    keepFailed: false,
    doubtful: new Set(),
    registry: undefined,
    buildable: new Set(),
    pins: new Map(),
    warnings: [],
    ...more,
  });

const field: FieldDifference = { path: 'containers[server].resources.limits.memory', from: '1Gi', to: '512Mi' };
const drifted = (name: string, of: 'ofPods' | 'beside'): DecideInput['drift'] => ({
  servers: new Map([[name, { ofPods: [], beside: [], [of]: [field] }]]),
  unknown: [],
  support: new Map(),
});
const opsOf = (made: ReturnType<typeof plan>): readonly string[] => made.steps.map(({ op }) => op);

/** Reads no record: only numbers are looked at. */
const unread = { read: () => undefined, makerOf: () => ({ kind: 'unsigned' }) as const, hash: () => '' };

/** One that can be on a cluster. */
const fs = server('fs', { mcp: { command: 'node', args: ['server.js'] } });

describe('the plan of a server on a cluster', () => {
  it('makes what is missing, gates it, and takes it away where it does not answer', () => {
    const made = plan(observed([]), [fs]);
    expect(made.changes).toMatchObject([{ action: 'create', reasons: [{ kind: 'missing' }] }]);
    expect(opsOf(made)).toEqual(['put-server', 'gate', 'undo-create']);
    expect(plan(observed([]), [fs], { keepFailed: true }).steps[2]).toMatchObject({ op: 'undo-create', keeps: true });
    expect(made.steps[2]).toMatchObject({ onFailureOf: ['fs/gate'], failuresOnly: true });
  });

  it('is empty where all is as declared, twice the same', () => {
    const at = observed([there(fs)]);
    const made = plan(at, [fs]);
    expect([made.changes, made.steps, made.drift]).toEqual([
      [expect.objectContaining({ action: 'unchanged' })],
      [],
      [],
    ]);
    expect(plan(at, [fs]).basis).toBe(made.basis);
  });

  it('replaces start-first under the next generation, and goes back to what serves where that fails', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const made = plan(observed([there(fs, { generation: 3 })]), [changed]);
    expect(made.changes).toMatchObject([
      {
        action: 'replace',
        order: 'start-first',
        reasons: [{ kind: 'spec-changed', fields: [{ path: 'mcp_server.args' }] }],
      },
    ]);
    expect(made.steps).toMatchObject([
      { op: 'put-server', generation: 4, newPods: true, over: { uid: 'uid of Deployment looms-fs' } },
      { op: 'gate', after: ['fs/put-server'] },
      { op: 'restore-server', onFailureOf: ['fs/put-server', 'fs/gate'], generation: 3 },
    ]);
  });

  it.each([
    [[3, 999_999_999], 4],
    [[99_999_999], 100_000_000],
    [[99_999_999, 100_000_000], 100_000_001],
    [[999_999_999], 2],
  ])(
    'counts on from %j to %i: a number that nobody came to by counting is no reason to count beyond what is read',
    (numbers, next) => {
      const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
      const all = numbers.map((generation) => there(fs, { generation }));
      const last = all.at(-1) as Workload;
      const at = { ...last, generations: all.flatMap(({ generations }) => generations) };
      const [put] = plan(observed([at]), [changed]).steps;
      expect(put).toMatchObject({ op: 'put-server', generation: next, newPods: true });
      const annotations = { [annotation.generation]: String(next) };
      const labels = { [label.project]: project, [label.server]: 'fs' };
      expect(readClaim({ metadata: { name: 'looms-fs', labels, annotations } }, project, unread)?.generation).toBe(
        next,
      );
    },
  );

  it('counts on from the number in its pods, whatever somebody wrote beside them', () => {
    const { deployment, ...forged } = there(fs, { generation: 999_999_999 });
    const template = { ...deployment.spec.template, metadata: { annotations: { [annotation.generation]: '3' } } };
    const at = { ...forged, deployment: { ...deployment, spec: { ...deployment.spec, template } } };
    const [put] = plan(observed([at]), [fs], { drift: drifted('fs', 'ofPods') }).steps;
    expect(put).toMatchObject({ op: 'put-server', generation: 4 });
  });

  it('goes back to nothing where nothing served', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    expect(opsOf(plan(observed([there(fs, { ready: false })]), [changed]))).toEqual(['put-server', 'gate']);
  });

  it('sets back what was changed by hand: new pods where they are made from it, else as it is', () => {
    const at = observed([there(fs)]);
    const ofPods = plan(at, [fs], { drift: drifted('fs', 'ofPods') });
    expect(ofPods.changes[0]).toMatchObject({ action: 'replace', reasons: [{ kind: 'live-drift', fields: [field] }] });
    expect(ofPods.drift).toMatchObject([{ server: 'fs', fields: [field] }]);
    const beside = plan(at, [fs], { drift: drifted('fs', 'beside') });
    expect(beside.changes[0]).toMatchObject({ action: 'clean-up' });
    expect(beside.steps).toMatchObject([{ op: 'put-server', newPods: false, generation: 1 }]);
  });

  it('has new pods where the Secret is gone that looms made for them, and leaves one that a person makes alone', () => {
    const name = 'looms-fs-env-0123456789ab';
    const naming = (secret: string): Workload => {
      const { deployment, ...rest } = there(fs);
      const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: secret, key: 'TOKEN' } } }];
      const template = { spec: { containers: [{ name: 'server', env }] } };
      return { ...rest, deployment: { ...deployment, spec: { ...deployment.spec, template } } };
    };
    const of = (secret: string, secrets: readonly KubeObject[] = []) =>
      plan(observed([naming(secret)], { secrets }), [fs]);
    const fields = [{ path: `Secret ${name}`, from: 'none', to: 'there' }];
    for (const secrets of [[], [meta('Secret', name, { deletionTimestamp: '2026-11-28T10:59:59Z' })]]) {
      const made = of(name, secrets);
      expect(made.changes).toMatchObject([{ action: 'replace', reasons: [{ kind: 'live-drift', fields }] }]);
      expect(made.steps[0]).toMatchObject({ op: 'put-server', newPods: true });
      expect(made.drift).toMatchObject([{ server: 'fs', fields }]);
    }
    expect(of(name, [meta('Secret', name)]).changes).toMatchObject([{ action: 'unchanged' }]);
    expect(of('looms-fs-env').changes).toMatchObject([{ action: 'unchanged' }]);
    expect(of('looms-other-env-0123456789ab').changes).toMatchObject([{ action: 'unchanged' }]);
  });

  it('starts what somebody scaled to nothing, and waits for what is not ready', () => {
    const scaled = plan(observed([there(fs, { replicas: 0 })]), [fs]);
    expect([scaled.changes[0]?.action, opsOf(scaled).slice(0, 2)]).toEqual(['start', ['put-server', 'gate']]);
    const waiting = plan(observed([there(fs, { ready: false })]), [fs]);
    expect([waiting.changes[0]?.action, opsOf(waiting)]).toEqual(['start', ['gate']]);
    const many = plan(observed([there(fs, { replicas: 3 })]), [fs]);
    expect(many.drift[0]?.fields).toEqual([{ path: 'replicas', from: '3', to: '1' }]);
  });

  it('stops what is disabled and waits for its sessions; what is stopped stays as it is', () => {
    const disabled = { ...fs, spec: { ...fs.spec, enabled: false } };
    expect(opsOf(plan(observed([there(fs)]), [disabled]))).toEqual(['put-server', 'await-gone']);
    expect(opsOf(plan(observed([there(fs, { replicas: 0 })]), [disabled]))).toEqual([]);
  });

  it('removes what is in no file only where that is asked for, its secrets after its pods', () => {
    const secret: KubeObject = meta('Secret', 'looms-fs-env-0123456789ab', { labels: { [label.server]: 'fs' } });
    const at = observed([there(fs)], { secrets: [secret] });
    expect(opsOf(plan(at, [], { undesired: 'ignore' }))).toEqual([]);
    expect(plan(at, [], { undesired: 'warn' }).warnings).toMatchObject([{ code: 'not-in-spec' }]);
    const removed = plan(at, [], { undesired: 'remove' });
    expect(removed.steps).toMatchObject([
      { op: 'delete-object', kind: 'Deployment' },
      { op: 'await-gone' },
      { op: 'delete-object', kind: 'Secret', after: ['fs/await-gone'] },
    ]);
  });

  it('removes what another engine runs from now on, whatever becomes of others, and does not tell it as left', () => {
    const moved = plan(observed([there(fs)]), [], { undesired: 'warn', movedAway: [fs.spec.name] });
    expect(moved.changes.map(({ server, action }) => `${server} ${action}`)).toEqual(['fs remove']);
    expect(moved.warnings.map(({ code }) => code)).not.toContain('not-in-spec');
  });

  it('is blocked by what is somebody else’s, and by what a cluster cannot keep', () => {
    const why = (at: Observed, one = fs) => plan(at, [one]).changes[0];
    const taken: Deployment = { ...there(fs).deployment };
    expect(why(observed([], { foreign: [taken] }))).toMatchObject({ action: 'blocked', why: { kind: 'name-taken' } });
    const unlabelled = { ...taken, metadata: { ...taken.metadata, labels: { [label.managedBy]: 'looms' } } };
    const how = 'label deployment looms-fs looms.dev/project=test looms.dev/server=fs --overwrite';
    expect(why(observed([], { foreign: [unlabelled] }))).toMatchObject({ why: { hint: expect.stringContaining(how) } });
    expect(why(observed([], { space: meta('Namespace', 'looms-test') }))).toMatchObject({
      why: { kind: 'name-taken' },
    });
    const folder = server('fs', {
      mcp: { command: 'node', args: ['server.js'] },
      mounts: [{ type: 'bind', source: '/srv', target: '/srv', readOnly: true }],
    });
    expect(why(observed([]), folder)).toMatchObject({ action: 'blocked', why: { kind: 'unsupported' } });
  });

  it('is blocked while somebody deletes its Deployment: what is written to that would go with it', () => {
    const { deployment, ...rest } = there(fs);
    const metadata = { ...deployment.metadata, deletionTimestamp: '2026-11-28T10:59:59Z' };
    const at = observed([{ ...rest, deployment: { ...deployment, metadata } }]);
    const ending = { action: 'blocked', why: { kind: 'ending', name: 'Deployment looms-fs' } };
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    for (const declared of [fs, changed, { ...fs, spec: { ...fs.spec, enabled: false } }])
      expect(plan(at, [declared])).toMatchObject({ changes: [ending], steps: [] });
    expect(opsOf(plan(at, [], { undesired: 'remove' }))).toEqual(['delete-object', 'await-gone']);
  });

  it('is blocked while somebody deletes a claim that its pods have or would have: that goes with them', () => {
    const claim = (more: object = {}): KubeObject =>
      meta('PersistentVolumeClaim', 'looms-data', { labels: { [label.project]: project }, ...more });
    const ending = claim({ deletionTimestamp: '2026-11-28T10:59:59Z' });
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const mounting = server('fs', { mcp: { command: 'node', args: ['server.js'] }, mounts });
    const { deployment, ...rest } = there(fs);
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'looms-data' } }];
    const template = { spec: { ...deployment.spec.template.spec, volumes } };
    const mounted = { ...rest, deployment: { ...deployment, spec: { ...deployment.spec, template } } };
    const of = (servers: readonly Workload[], declared: DeclaredServer, live: KubeObject) =>
      plan(observed(servers, { support: new Map([['PersistentVolumeClaim looms-data', live]]) }), [declared]);
    const blocked = { action: 'blocked', why: { kind: 'ending', name: 'PersistentVolumeClaim looms-data' } };
    expect(of([], mounting, ending)).toMatchObject({ changes: [blocked], steps: [] });
    expect(of([mounted], fs, ending)).toMatchObject({ changes: [blocked], steps: [] });
    const disabled = { ...fs, spec: { ...fs.spec, enabled: false } };
    expect(of([mounted], disabled, ending)).toMatchObject({ changes: [blocked], steps: [] });
    expect(of([there(fs)], fs, ending).changes).toMatchObject([{ action: 'unchanged' }]);
    expect(of([mounted], fs, claim()).changes).toMatchObject([{ action: 'unchanged' }]);
    expect(of([], mounting, claim()).changes).toMatchObject([{ action: 'create' }]);
  });

  it('says what of a server is otherwise on a cluster when it is made, and not again', () => {
    const one = server('fs', {
      mcp: { command: 'node', args: ['server.js'] },
      limits: { ...fs.spec.limits, pidsLimit: 40 },
    });
    const told = (at: Observed, of = one) => plan(at, [of]).warnings.filter(({ code }) => code === 'other-on-cluster');
    const message = expect.stringMatching(/^docker_backend\.resource_limits\.pids_limit: /);
    expect(told(observed([]))).toContainEqual({
      code: 'other-on-cluster',
      server: 'fs',
      message,
      at: { file: 'mcp.yaml', line: 1 },
    });
    expect(told(observed([there(one)]))).toEqual([]);
    const lineOf = (path: string): number => (path.endsWith('.pids_limit') ? 7 : 2);
    expect(told(observed([]), { ...one, lineOf })).toContainEqual(
      expect.objectContaining({ message, at: { file: 'mcp.yaml', line: 7 } }),
    );
  });

  it('says once what of servers with the defaults is otherwise, and with its field what somebody wrote', () => {
    const usual = (name: string, more: Parameters<typeof server>[1] = {}) =>
      server(name, { mcp: { command: 'node' }, limits: { ...fs.spec.limits, pidsLimit: 256 }, ...more });
    const told = (...servers: readonly DeclaredServer[]) =>
      plan(observed([]), servers).warnings.map(({ server: whose, message }) => `${whose ?? 'all'}: ${message}`);
    const all = told(usual('a'), usual('b'));
    expect(all).toEqual([
      'all: servers with the defaults: HOME is /tmp, also where the image says otherwise; programs can be run from folders in memory: a pod cannot forbid that, as an engine does; ' +
        'network policies hold its traffic back, where the cluster enforces them, as `looms doctor --probe` tries; servers of the project do not find each other by name',
    ]);
    const own = usual('b', { security: { tmpfs: { '/data': '1m' } }, network: { mode: 'none' } });
    expect(told(usual('a'), own)).toEqual([
      expect.stringMatching(/^b: docker_backend\.security\.tmpfs: /),
      expect.stringMatching(/^b: docker_backend\.network\.mode: /),
      ...all,
    ]);
  });

  it('replaces one whose secrets changed or that does not answer', () => {
    const variables: NonEmpty<string> = ['TOKEN'];
    const context: DecideInput['context'] = {
      executions: new Map(),
      changedSecrets: new Map([[fs.spec.name, variables]]),
      replace: new Set(),
      unhealthy: new Map([[fs.spec.name, { container: mainOf(there(fs)), why: 'it hangs' }]]),
      rollbackTo: undefined,
    };
    expect(plan(observed([there(fs)]), [fs], { context }).changes[0]).toMatchObject({
      action: 'replace',
      reasons: [{ kind: 'secret-changed' }, { kind: 'unhealthy', why: 'it hangs' }],
    });
  });

  it('is not replaced for the silence of a pod that another loop has replaced since', () => {
    const context: DecideInput['context'] = {
      executions: new Map(),
      changedSecrets: new Map(),
      replace: new Set(),
      unhealthy: new Map([[fs.spec.name, { container: mainOf(there(fs)), why: 'it hangs' }]]),
      rollbackTo: undefined,
    };
    const next = there(fs, { generation: 2 });
    expect(plan(observed([next]), [fs], { context }).changes[0]).toMatchObject({ action: 'unchanged' });
  });

  it('goes on with a rollout that was cut off, and back to the pods that served where it fails', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const old = there(fs).generations[0] as Generation;
    const now = there(changed, { generation: 2, ready: false });
    const cut: Workload = { ...now, generations: [{ ...old, isMeant: false }, ...now.generations] };
    const made = plan(observed([cut]), [changed]);
    expect(made.changes[0]?.action).toBe('start');
    expect(made.steps).toMatchObject([{ op: 'gate' }, { op: 'restore-server', generation: 1 }]);
  });

  it('goes back to what served last where a run was killed that had stopped it first', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const past = (generation: number, more: There) => {
      const [one] = there(fs, { generation, pods: 0, ...more }).generations as readonly [Generation];
      return { ...one, isMeant: false };
    };
    const noted = ({ replicaSet, ...one }: Generation, outcome: string): Generation => {
      const annotations = { ...replicaSet.metadata.annotations, [annotation.outcome]: outcome };
      return { ...one, replicaSet: { ...replicaSet, metadata: { ...replicaSet.metadata, annotations } } };
    };
    const good = past(2, { served: true });
    const killed = (more: There, before: readonly Generation[]): Workload => {
      const now = there(changed, { generation: 4, ready: false, ...more });
      return { ...now, generations: [...before, ...now.generations] };
    };
    const stepsOf = (workload: Workload, declared = changed) => plan(observed([workload]), [declared]).steps;
    const before = [past(1, { served: true }), good, noted(past(3, { served: true }), 'gate-failed')];
    const back = { op: 'restore-server', replicaSet: good.replicaSet.metadata.uid, generation: 2 };
    const [gate, wayBack] = stepsOf(killed({}, before));
    expect([gate?.op, wayBack]).toEqual(['gate', expect.objectContaining({ ...back, onFailureOf: ['fs/gate'] })]);
    expect(wayBack).not.toHaveProperty('sleeps');
    // Its pods are as good as not there before the controller has made their ReplicaSet, and where others are to follow.
    const { deployment, ...unseen } = { ...killed({}, before), generations: before };
    const unnamed = { ...deployment, metadata: { ...deployment.metadata, annotations: {} } };
    expect(stepsOf({ ...unseen, deployment: unnamed })).toMatchObject([{ op: 'gate' }, back]);
    expect(stepsOf({ ...unseen, deployment }).map(({ op }) => op)).toEqual(['gate']);
    expect(stepsOf(killed({}, before), fs)).toMatchObject([{ op: 'put-server' }, { op: 'gate' }, back]);
    // What has served is not given up since it is down now, and what never did is nothing to go back to.
    expect(stepsOf(killed({ served: true }, before)).map(({ op }) => op)).toEqual(['gate']);
    expect(stepsOf(killed({}, [past(1, {})])).map(({ op }) => op)).toEqual(['gate']);
    // Others are to follow what served and is down now: back to that.
    const meant = { op: 'restore-server', generation: 4 };
    expect(stepsOf(killed({ served: true }, before), fs)).toMatchObject([{ op: 'put-server' }, { op: 'gate' }, meant]);
    // What became ready by itself after the run was killed has its gate yet to pass.
    const ready = counted(killed({ ready: true }, before));
    expect(stepsOf(ready)).toMatchObject([{ op: 'gate' }, back]);
  });

  it('passes its gate later where the run that made it was killed, and is left alone where no looms made it', () => {
    const served = { [annotation.served]: '2026-11-28T10:00:00Z' };
    expect(opsOf(plan(observed([counted(there(fs))]), [fs]))).toEqual(['gate']);
    expect(opsOf(plan(observed([counted(there(fs), served)]), [fs]))).toEqual([]);
    expect(opsOf(plan(observed([there(fs)]), [fs]))).toEqual([]);
    // Made anew by `kubectl rollout restart`: the number is that of what it was before.
    const restarted = counted(there(fs));
    const before = counted(there(fs), served).generations.map((one) => ({ ...one, pods: [], isMeant: false }));
    const at = { ...restarted, generations: [...before, ...restarted.generations] };
    expect(opsOf(plan(observed([at]), [fs]))).toEqual([]);
  });
});

describe('images that are built for a cluster', () => {
  const registry = 'registry.example/team';
  const node = { kind: 'node', base: 'node:24-slim', packages: [] } as unknown as DeclaredServer['spec']['image'];
  const built = (name: string, more: object = {}) =>
    server(name, { image: node, mcp: { command: 'node', args: ['server.js'] }, ...more });
  const one = built('one');
  const published = 'image:registry.example/team/node:0';
  const known = { registry, buildable: new Set([one.image.ref]) };

  it('are brought to their registry once, before pods that pull them', () => {
    const made = plan(observed([]), [one, built('two', { pullPolicy: 'never' })], known);
    expect(opsOf(made).filter((op) => op === 'publish-image')).toHaveLength(1);
    expect(made.steps[0]).toMatchObject({
      id: published,
      ref: 'looms/node:0',
      there: 'registry.example/team/node:0',
      canBuild: true,
      mayPull: true,
      wasPulled: false,
      text: 'publish image registry.example/team/node:0',
    });
    expect(made.steps.flatMap(({ op, after }) => (op === 'put-server' ? [after] : []))).toEqual([
      [published],
      [published],
    ]);
    expect(made.images).toMatchObject([
      { ref: 'looms/node:0', action: 'build', why: 'where registry.example/team does not have it yet' },
    ]);
  });

  it('are asked for where pods that are there do not serve, and not where nothing pulls them', () => {
    const waiting = plan(observed([there(one, { ready: false })]), [one], known);
    expect(waiting.steps).toMatchObject([{ op: 'publish-image' }, { op: 'gate', after: [published] }]);
    expect(plan(observed([there(one)]), [one], known)).toMatchObject({ steps: [], images: [] });
    const beside = plan(observed([there(one)]), [one], { ...known, drift: drifted('one', 'beside') });
    expect(beside.steps).toMatchObject([{ op: 'put-server', after: [] }]);
    const more = plan(observed([there(one)]), [built('one', { replicas: 2 })], known);
    expect(more.steps).toMatchObject([
      { op: 'publish-image' },
      { op: 'put-server', after: [published] },
      { op: 'gate' },
    ]);
    const off = plan(observed([there(one)]), [built('one', { enabled: false })], known);
    expect(opsOf(off)).toEqual(['put-server', 'await-gone']);
  });

  /** A server whose pods were made of that image. */
  const pulledBy = (name: string, image: ImageDigest): Workload =>
    there({ ...built(name), image: { ...one.image, ref: 'registry.example/team/node:0' } }, { image });

  it('are only asked for where nobody knows what they are built from', () => {
    const at = observed([there({ ...one, image: { ...one.image, ref: 'registry.example/team/node:0' } })]);
    const context: DecideInput['context'] = {
      executions: new Map(),
      changedSecrets: new Map(),
      replace: new Set([one.spec.name]),
      unhealthy: new Map(),
      rollbackTo: undefined,
    };
    const made = plan(at, [one], { registry, context });
    expect(made.images).toEqual([]);
    expect(made.steps[0]).toMatchObject({
      op: 'publish-image',
      canBuild: false,
      wasPulled: true,
      text: 'look for image registry.example/team/node:0',
    });
  });

  it('are looked for by the digest that pods of any server of the project had, or that is gone back to', () => {
    const [then, now] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;
    const there = (image: ImageDigest) => pulledBy('two', image);
    const asked = (at: Observed, pins: readonly string[] = []) =>
      plan(at, [one], { ...known, pins: new Map(pins.map((digest) => [one.spec.name, digest])) }).steps[0];
    expect(asked(observed([there({ kind: 'pinned', digest: then })]))).toMatchObject({ wasPulled: true, digest: then });
    expect(asked(observed([there({ kind: 'seen', digest: then })]))).toMatchObject({ digest: then });
    expect(asked(observed([there({ kind: 'pinned', digest: now })]), [then])).toMatchObject({ digest: then });
  });

  it('are two for two servers of one recipe that keep two builds of it', () => {
    const [then, now] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;
    const two = built('two');
    const pins = new Map([
      [one.spec.name, then],
      [two.spec.name, now],
    ]);
    const made = plan(observed([]), [one, two], { ...known, pins });
    const [first, second] = [`${published}@${then}`, `${published}@${now}`];
    expect(made.steps.slice(0, 2)).toMatchObject([
      { id: first, digest: then },
      { id: second, digest: now },
    ]);
    expect(made.steps.flatMap(({ op, after }) => (op === 'put-server' ? [after] : []))).toEqual([[first], [second]]);
    expect(made.images).toHaveLength(1);
    // One that has none yet has what another one keeps.
    const next = plan(observed([pulledBy('two', { kind: 'pinned', digest: now })]), [one], known);
    expect(opsOf(next).filter((op) => op === 'publish-image')).toHaveLength(1);
    expect(next.steps[0]).toMatchObject({ id: second });
  });

  it('block their server where nothing says where nodes pull them from', () => {
    const made = plan(observed([]), [one], { buildable: known.buildable });
    expect(made.changes).toMatchObject([{ action: 'blocked', why: { kind: 'unsupported' } }]);
    expect([made.steps, made.images]).toEqual([[], []]);
  });
});

describe('the image of a server that is gone back to', () => {
  const [then, now] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;
  const context: DecideInput['context'] = {
    executions: new Map(),
    changedSecrets: new Map(),
    replace: new Set(),
    unhealthy: new Map(),
    rollbackTo: 1,
  };
  const back = (image: ImageDigest | undefined, digest: string | undefined, to = fs) => {
    const pins = new Map(digest === undefined ? [] : [[fs.spec.name, digest] as const]);
    return plan(observed([there(fs, image === undefined ? {} : { image })]), [to], { context, pins });
  };
  const { ref } = fs.image;

  it('is the one of then, where that is another than pods have now', () => {
    const made = back({ kind: 'seen', digest: now }, then);
    expect(made.changes).toMatchObject([
      {
        action: 'replace',
        reasons: [
          { kind: 'requested', detail: 'rollback to generation 1' },
          { kind: 'image-changed', fields: [{ path: 'image', from: `${ref}@${now}`, to: `${ref}@${then}` }] },
        ],
      },
    ]);
    expect(made.steps[0]).toMatchObject({ op: 'put-server', newPods: true, digest: then });
    expect(back(undefined, then).changes).toMatchObject([{ action: 'replace' }]);
    expect(back({ kind: 'pinned', digest: then }, then).changes).toMatchObject([{ action: 'unchanged' }]);
  });

  it('is what its name means where nobody knows more', () => {
    const other = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    expect(back({ kind: 'seen', digest: now }, undefined, other).steps[0]).not.toHaveProperty('digest');
  });
});

describe('what stands behind servers on a cluster', () => {
  const scripts: KubeObject = meta('ConfigMap', 'looms-scripts', { labels: { [label.project]: project } });

  it('is made before them, the namespace first', () => {
    const made = plan(observed([], { space: null }), [fs], { support: [space, scripts] });
    expect(made.support.map(({ kind, action }) => `${action} ${kind}`)).toEqual(['create scripts', 'create namespace']);
    expect(made.steps[1]?.after).toEqual([made.steps[0]?.id]);
    expect(made.steps[2]).toMatchObject({ op: 'put-server', after: made.steps.slice(0, 2).map(({ id }) => id) });
  });

  it('leaves a namespace that may not be looked at to whoever may', () => {
    const made = plan(observed([], { space: undefined }), [fs], { support: [space, scripts] });
    expect(made.support.map(({ kind, action }) => `${action} ${kind}`)).toEqual(['create scripts']);
    expect(made.changes).toMatchObject([{ action: 'create' }]);
  });

  const labels = { [label.project]: project, [label.managedBy]: 'looms' };
  const behind = (...objects: readonly KubeObject[]) =>
    new Map(objects.map((one) => [`${one.kind} ${one.metadata.name}`, one]));
  const policyOf = (name: string, more: object = { [label.server]: 'fs' }): KubeObject =>
    meta('NetworkPolicy', name, { labels: { ...labels, ...more } });

  it('is taken away where no server needs it; what is not ours, of the project or holds data stays', () => {
    const support = behind(
      meta('Service', 'looms-fs', { labels: { ...labels, [label.server]: 'fs' } }),
      policyOf('looms-deny', {}),
      meta('NetworkPolicy', 'theirs'),
      meta('PersistentVolumeClaim', 'looms-data', { labels }),
    );
    expect(plan(observed([there(fs)], { support }), [fs]).steps).toMatchObject([
      { op: 'delete-object', kind: 'Service', name: 'looms-fs' },
    ]);
  });

  it('goes after the gate of its server, and stays where that is blocked or its record is nobody’s', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const support = behind(policyOf('looms-fs-egress-old'));
    const at = observed([there(fs)], { support });
    expect(plan(at, [changed]).steps.at(-1)).toMatchObject({ op: 'delete-object', after: ['fs/gate'] });
    const folder = server('fs', {
      mcp: { command: 'node', args: ['server.js'] },
      mounts: [{ type: 'bind', source: '/srv', target: '/srv', readOnly: true }],
    });
    expect(opsOf(plan(at, [folder]))).toEqual([]);
    expect(opsOf(plan(at, [], { doubtful: new Set([fs.spec.name]) }))).toEqual([]);
  });

  it('goes with the policy of Cilium of a list that is another by now', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const old = meta('CiliumNetworkPolicy', 'looms-fs-names-old', { labels: { ...labels, [label.server]: 'fs' } });
    const made = plan(observed([there(fs)], { support: behind(old) }), [changed]);
    expect(made.steps.at(-1)).toMatchObject({ kind: 'CiliumNetworkPolicy', after: ['fs/gate'] });
    expect(made.support).toMatchObject([{ kind: 'network', action: 'remove' }]);
  });

  it('is refused to names where the cluster has no policies for them, and where that stands is told', () => {
    const network = { egress: [{ host: 'api.example.com', port: 443, tls: true }] };
    const led = server('fs', { mcp: { command: 'node', args: ['server.js'] }, network });
    const at = observed([]);
    if (at.engine.kind !== 'kubernetes') throw new Error('a cluster is needed');
    expect(plan(at, [led]).changes).toMatchObject([
      { action: 'blocked', why: { detail: expect.stringMatching(/^\S+:\d+: docker_backend\.network\.egress: api/) } },
    ]);
    const knowing = plan(observed([], { engine: { ...at.engine, canLeadByName: true } }), [led]);
    expect(knowing.changes).toMatchObject([{ action: 'create' }]);
    expect(knowing.warnings.map(({ message }) => message)).toContain(
      "docker_backend.network.egress: names are let out by a policy of Cilium; it goes by what the cluster's name service answers",
    );
  });

  it('is set back with what others hang on it', () => {
    const held = { finalizers: ['example.com/keep'], ownerReferences: [{ uid: 'o', kind: 'Project', name: 'team' }] };
    const live = { ...scripts, metadata: { ...scripts.metadata, labels, ...held } };
    const drift = { ...drifted('other', 'beside'), support: new Map([['ConfigMap looms-scripts', [field]]]) };
    const [put] = plan(observed([there(fs)], { support: behind(live) }), [fs], {
      support: [space, scripts],
      drift,
    }).steps;
    expect(put).toMatchObject({ op: 'put-object', object: { metadata: held }, over: { resourceVersion: '1' } });
  });

  it('is waited for by its own server alone', () => {
    const own: KubeObject = meta('Service', 'looms-other', { labels: { ...labels, [label.server]: 'other' } });
    const made = plan(observed([]), [fs], { support: [space, scripts, own] });
    expect(made.steps.find(({ op }) => op === 'put-server')?.after).toEqual(['put-object:ConfigMap:looms-scripts']);
  });

  it('blocks a server where somebody else’s has the name that it needs', () => {
    const support = behind(meta('ConfigMap', 'looms-scripts'));
    const made = plan(observed([], { support }), [fs], { support: [space, scripts] });
    expect(made.changes[0]).toMatchObject({ action: 'blocked', why: { kind: 'name-taken' } });
  });

  it('blocks no server that needs another name', () => {
    const own: KubeObject = meta('Service', 'looms-other', { labels: { ...labels, [label.server]: 'other' } });
    const support = behind(meta('Service', 'looms-other'));
    const made = plan(observed([], { support }), [fs, server('other')], { support: [space, own] });
    expect(made.changes.map(({ server: name, action }) => `${name} ${action}`)).toEqual(['fs create', 'other blocked']);
  });

  const enforce = 'pod-security.kubernetes.io/enforce';
  const wanted = (more: object): KubeObject => meta('Namespace', 'looms-test', { labels: { ...labels, ...more } });

  it('lets in less once all gates have passed, and more before', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] } });
    const open = observed([there(fs)], { space: wanted({ 'pod-security.kubernetes.io/warn': 'restricted' }) });
    const tighter = plan(open, [changed], { support: [wanted({ [enforce]: 'restricted' })] });
    expect(tighter.steps.at(-1)).toMatchObject({
      op: 'label-namespace',
      after: ['fs/gate'],
      labels: { [enforce]: 'restricted', 'pod-security.kubernetes.io/warn': null },
    });
    const closed = observed([there(fs)], { space: wanted({ [enforce]: 'restricted' }) });
    const looser = plan(closed, [changed], {
      support: [wanted({ 'pod-security.kubernetes.io/warn': 'restricted' })],
    });
    expect(looser.steps[0]).toMatchObject({ op: 'label-namespace', after: [], labels: { [enforce]: null } });
    expect(looser.steps[1]).toMatchObject({ op: 'put-server', after: [looser.steps[0]?.id] });
  });

  it('leaves a namespace as it is in all that others have written, and where a record is nobody’s', () => {
    const others = { annotations: { 'openshift.io/sa.scc.uid-range': '1/2' }, finalizers: ['theirs'] };
    const shared: KubeObject = {
      ...space,
      metadata: { ...space.metadata, ...others, labels: { ...labels, team: 'x' } },
    };
    const same = plan(observed([there(fs)], { space: shared }), [fs], { support: [wanted({})] });
    expect(same.steps).toEqual([]);
    const doubtful = new Set([fs.spec.name]);
    const kept = plan(observed([there(fs)], { space: shared }), [], {
      support: [wanted({ [enforce]: 'restricted' })],
      doubtful,
    });
    expect(kept.steps).toEqual([]);
  });
});

describe('a server with several pods', () => {
  const three = server('fs', { mcp: { command: 'node', args: ['server.js'] }, replicas: 3 });
  const one = server('fs', { mcp: { command: 'node', args: ['server.js'] } });

  it('is made with all of them, and gated', () => {
    const made = plan(observed([]), [three]);
    expect(made.steps.find(({ op }) => op === 'put-server')).toMatchObject({ replicas: { least: 3, most: 3 } });
    expect(plan(observed([there(three, { replicas: 3 })]), [three]).changes[0]?.action).toBe('unchanged');
  });

  it('is scaled, and not replaced, where its spec says another number', () => {
    const more = plan(observed([there(one)]), [three]);
    expect(more.changes).toMatchObject([
      {
        action: 'scale',
        reasons: [{ kind: 'spec-changed', fields: [{ path: 'mcp_server.replicas', from: '1', to: '3' }] }],
      },
    ]);
    expect(more.steps).toMatchObject([
      { op: 'put-server', newPods: false, counts: true, text: 'scale Deployment looms-fs to 3' },
      { op: 'gate', generation: 1 },
    ]);
    const fewer = plan(observed([there(three, { replicas: 3 })]), [one]);
    expect([fewer.changes[0]?.action, opsOf(fewer)]).toEqual(['scale', ['put-server']]);
  });

  it('is set back where somebody scaled it by hand, to fewer as well', () => {
    const fewer = plan(observed([there(three, { replicas: 2 })]), [three]);
    expect(fewer.changes[0]).toMatchObject({ action: 'clean-up' });
    expect(fewer.drift[0]?.fields).toEqual([{ path: 'replicas', from: '2', to: '3' }]);
  });

  it('waits for all of them once, and for one that is lost later for none', () => {
    const half = { ...there(three, { replicas: 3, pods: 2 }) };
    expect(plan(observed([half]), [three]).changes[0]).toMatchObject({
      action: 'start',
      reasons: [{ kind: 'gate-pending' }],
    });
    const lost = there(three, { replicas: 3, pods: 2, served: true });
    expect(plan(observed([lost]), [three]).changes[0]?.action).toBe('unchanged');
  });

  it('waits for no pod of before that its node evicted', () => {
    const now = there(three, { replicas: 3, generation: 2, served: true });
    const of = (status: Pod['status']): Workload => {
      const before = there(three, { replicas: 1, generation: 1 }).generations.map((one) => ({
        ...one,
        isMeant: false,
        pods: one.pods.map((pod) => ({ ...pod, status: { ...status } })),
      }));
      return { ...now, generations: [...before, ...now.generations] };
    };
    const actionOf = (status: Pod['status']) => plan(observed([of(status)]), [three]).changes[0]?.action;
    expect([actionOf({ phase: 'Failed' }), actionOf({ phase: 'Running' })]).toEqual(['unchanged', 'start']);
  });

  it('is refused with a volume, which is for one node at a time', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const [change] = plan(observed([]), [server('fs', { mcp: { command: 'node' }, replicas: 2, mounts })]).changes;
    expect(change).toMatchObject({
      action: 'blocked',
      why: {
        kind: 'unsupported',
        detail:
          'mcp.yaml:1: mcp_server.replicas: its volume data is for one node at a time, and there may be 2 pods of it',
      },
    });
    const spread = server('fs', { mcp: { command: 'node' }, replicas: 2, mounts });
    const [where] = plan(observed([]), [{ ...spread, lineOf: (path) => path.length }]).changes;
    expect(where).toMatchObject({ why: { detail: expect.stringMatching(/^mcp\.yaml:19: mcp_server\.replicas: /) } });
  });
});

describe('a server that is scaled by its sessions', () => {
  const scale = { min: 0, max: 5, sessionsPerReplica: 2, idleSeconds: 60 };
  const scaled = server('fs', { mcp: { command: 'node', args: ['server.js'] }, scale });
  const stopped = { [annotation.stopped]: 'true' };
  const actionOf = (at: Workload, declared = scaled) => plan(observed([at]), [declared]).changes[0]?.action;

  it('is made with one pod, so that its gate passes', () => {
    const made = plan(observed([]), [scaled]);
    expect(made.steps.find(({ op }) => op === 'put-server')).toMatchObject({ replicas: { least: 1, most: 5 } });
  });

  it('may have any number within its bounds, and none: then it is asleep', () => {
    expect([0, 1, 4, 5].map((replicas) => actionOf(there(scaled, { replicas })))).toEqual(Array(4).fill('unchanged'));
    const over = plan(observed([there(scaled, { replicas: 7 })]), [scaled]);
    expect([over.changes[0]?.action, over.drift[0]?.fields]).toEqual([
      'clean-up',
      [{ path: 'replicas', from: '7', to: '5' }],
    ]);
  });

  it('counts as one that runs while it is asleep, as it wakes by itself', () => {
    const runsAt = (more: There) => {
      const seen = observed([there(scaled, { replicas: 0, ...more })]);
      const intent = { kind: 'prune', project, volumes: false, history: false } as const;
      return preparedOf(seen, intent, plan(seen, [scaled]), {}).records.map(({ runs }) => runs);
    };
    expect([runsAt({}), runsAt({ notes: stopped })]).toEqual([[true], [false]]);
  });

  it('is started where somebody stopped it, and stopped also while it is asleep', () => {
    expect(actionOf(there(scaled, { replicas: 0, notes: stopped }))).toBe('start');
    const off = { ...scaled, spec: { ...scaled.spec, enabled: false } };
    expect(actionOf(there(scaled, { replicas: 0 }), off)).toBe('stop');
    expect(actionOf(there(scaled, { replicas: 0, notes: stopped }), off)).toBe('unchanged');
  });

  it('keeps its number where it is replaced, and wakes for that where it is asleep', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] }, scale });
    for (const replicas of [0, 4]) {
      const made = plan(observed([there(scaled, { replicas })]), [changed]);
      expect(made.changes[0]?.action).toBe('replace');
      expect(made.steps[0]).toMatchObject({ op: 'put-server', newPods: true, replicas: { least: 1, most: 5 } });
    }
  });

  it('goes back to sleep where what it is replaced by fails its gate, if it ever served', () => {
    const changed = server('fs', { mcp: { command: 'node', args: ['other.js'] }, scale });
    const stepsOf = (more: There) => plan(observed([there(scaled, { replicas: 0, ...more })]), [changed]).steps;
    expect(stepsOf({ served: true })).toMatchObject([
      { op: 'put-server' },
      { op: 'gate' },
      {
        ...{ op: 'restore-server', generation: 1, sleeps: true, onFailureOf: ['fs/put-server', 'fs/gate'] },
        text: 'take Deployment looms-fs back to generation 1, asleep',
      },
    ]);
    expect(stepsOf({}).map(({ op }) => op)).toEqual(['put-server', 'gate']);
    expect(stepsOf({ served: true, notes: stopped }).map(({ op }) => op)).toEqual(['put-server', 'gate']);
  });

  it('is not waited for while it wakes, but where that takes too long or its pod ends', () => {
    const waking = there(scaled, { ready: false, served: true });
    expect(actionOf(waking)).toBe('unchanged');
    expect(actionOf(there(scaled, { ready: false }))).toBe('start');
    const late = observed([waking], { now: Date.parse('2026-11-28T11:30:00Z') });
    expect(plan(late, [scaled]).changes[0]?.action).toBe('start');
  });

  it('is waited for no longer where no pod of it comes', () => {
    const woken = (at: Partial<Condition>, failure: readonly Condition[] = []): Workload => {
      const one = there(scaled, { pods: 0, served: true });
      const [meant] = one.generations as readonly [Generation];
      const conditions = [{ type: 'Available', status: 'False', ...at }];
      return {
        ...one,
        deployment: { ...one.deployment, status: { conditions } },
        generations: [{ ...meant, replicaSet: { ...meant.replicaSet, status: { conditions: failure } } }],
      };
    };
    // What its controller has not seen yet was available, as it asked for no pod.
    expect(actionOf(woken({ status: 'True', lastTransitionTime: '2026-11-28T10:00:00Z' }))).toBe('unchanged');
    expect(actionOf(woken({ lastTransitionTime: '2026-11-28T10:56:00Z' }))).toBe('unchanged');
    expect(actionOf(woken({ lastTransitionTime: '2026-11-28T10:54:00Z' }))).toBe('start');
    const refused = { type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' };
    expect(actionOf(woken({ lastTransitionTime: '2026-11-28T10:59:00Z' }, [refused]))).toBe('start');
    // Which may be a word in passing, as long as it has not been said for a while.
    for (const [lastTransitionTime, action] of [
      ['2026-11-28T10:59:45Z', 'unchanged'],
      ['2026-11-28T10:59:40Z', 'start'],
    ] as const) {
      const said = { ...refused, lastTransitionTime };
      expect(actionOf(woken({ lastTransitionTime: '2026-11-28T10:59:00Z' }, [said]))).toBe(action);
    }
  });

  it('is as old as its oldest pod, and is rotated neither while it sleeps nor the moment it wakes', () => {
    const lifecycle = { ...scaled.spec.lifecycle, rotationIntervalHours: 1 };
    const rotating = { ...scaled, spec: { ...scaled.spec, lifecycle } };
    // Its generation is 24 hours older than its pod.
    const at = (replicas: number, hours: number) => {
      const now = Date.parse('2026-11-29T10:00:00Z') + hours * 3_600_000;
      const one = there(rotating, { replicas });
      const [meant] = one.generations as readonly [Generation];
      const metadata = { ...meant.pods[0]?.metadata, creationTimestamp: '2026-11-29T10:00:00Z' };
      const pods = meant.pods.map((pod) => ({ ...pod, metadata: { ...pod.metadata, ...metadata } }));
      const workload = { ...one, generations: [{ ...meant, pods }] };
      const { changes, rotations } = plan(observed([workload], { now }), [rotating]);
      return [changes[0]?.action, rotations.map(({ at: due = '' }) => Date.parse(due) > now)];
    };
    expect([at(1, 0.5), at(1, 1), at(0, 1)]).toEqual([
      ['unchanged', [true]],
      ['replace', []],
      ['unchanged', []],
    ]);
  });

  it('is woken where it may not sleep any more', () => {
    const awake = server('fs', { mcp: { command: 'node', args: ['server.js'] }, scale: { ...scale, min: 1 } });
    const woken = plan(observed([there(scaled, { replicas: 0 })]), [awake]);
    expect(woken.changes).toMatchObject([
      { action: 'scale', reasons: [{ kind: 'spec-changed', fields: [{ path: 'mcp_server.scale.min' }] }] },
    ]);
    expect(woken.changes[0]).toHaveProperty('reasons.length', 1);
    expect(woken.steps).toMatchObject([
      { op: 'put-server', counts: true, replicas: { least: 1, most: 5 } },
      { op: 'gate' },
    ]);
  });

  it('is written over also where a gateway has scaled it meanwhile, and not where its pods are others', () => {
    const at = (replicas: number, image = 'example:1'): Workload => {
      const one = there(scaled, { replicas });
      const template = { spec: { containers: [{ name: 'server', image }] } };
      return { ...one, deployment: { ...one.deployment, spec: { replicas, template } } };
    };
    expect(overDeployment(at(1))).toEqual(overDeployment(at(3)));
    expect(overDeployment(at(1))).not.toEqual(overDeployment(at(1, 'other:1')));
    const fixed = (replicas: number) => overDeployment(there(fs, { replicas }));
    expect(fixed(1)).not.toEqual(fixed(3));
  });
});
