import { describe, expect, it } from 'vitest';
import { compareObjects, comparePod } from '../../../src/kubernetes/compare/compare-objects.ts';
import type { KubeObject, ManagedFields, Pod, PodSpec } from '../../../src/kubernetes/model/objects.ts';

type Change = { readonly memory?: string; readonly env?: readonly object[]; readonly labels?: object };

const deployment = (
  { memory = '512Mi', env = [], labels = {} }: Change = {},
  managedFields: readonly ManagedFields[] = [],
): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'looms-fs',
    uid: 'u1',
    resourceVersion: '7',
    generation: 3,
    creationTimestamp: '2026-11-28T10:00:00Z',
    labels: { 'looms.dev/server': 'fs', ...labels },
    annotations: { 'deployment.kubernetes.io/revision': '3' },
    managedFields,
  },
  spec: {
    replicas: 1,
    template: {
      metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': memory } },
      spec: { containers: [{ name: 'server', resources: { limits: { cpu: '1', memory } }, env }] },
    },
  },
  status: { replicas: memory === '512Mi' ? 1 : 2 },
});

const memoryOf = (manager: string, time?: string): ManagedFields => ({
  manager,
  ...(time === undefined ? {} : { time }),
  fieldsV1: {
    'f:spec': {
      'f:template': {
        'f:spec': { 'f:containers': { 'k:{"name":"server"}': { 'f:resources': { 'f:limits': { 'f:memory': {} } } } } },
      },
    },
  },
});

describe('an object that somebody changed', () => {
  it('differs in nothing that the API server and its controllers write', () => {
    expect(compareObjects(deployment(), deployment())).toEqual([]);
    const { status: _, ...other } = deployment();
    const { name, labels } = other.metadata;
    expect(compareObjects(deployment(), { ...other, metadata: { name, ...(labels ? { labels } : {}) } })).toEqual([]);
  });

  it('differs in nothing that others hang on it; what its pods shall have of that is told', () => {
    const of = (more: object, ofPods: object = {}): KubeObject => {
      const { metadata, spec, ...rest } = deployment();
      const { template, ...others } = spec as { template: object };
      const held = { ...template, metadata: { ...ofPods } };
      return { ...rest, metadata: { ...metadata, ...more }, spec: { ...others, template: held } };
    };
    const finalizers = ['foregroundDeletion'];
    const ownerReferences = [{ uid: 'o', kind: 'Project', name: 'team' }];
    expect(compareObjects(of({ finalizers, ownerReferences }), of({}))).toEqual([]);
    expect(compareObjects(of({}, { finalizers }), of({}))).toMatchObject([
      { field: { path: 'metadata.finalizers' }, ofPods: true },
    ]);
  });

  it('tells the field, both values, who set it and when at the latest', () => {
    const live = deployment({ memory: '1Gi' }, [
      memoryOf('looms', '2026-11-28T09:00:00Z'),
      memoryOf('kubectl-edit', '2026-11-28T10:02:00Z'),
    ]);
    expect(compareObjects(live, deployment())).toEqual([
      {
        field: {
          path: 'containers[server].resources.limits.memory',
          from: '1Gi',
          to: '512Mi',
          setBy: { manager: 'kubectl-edit', at: '2026-11-28T10:02:00Z' },
        },
        ofPods: true,
      },
    ]);
  });

  it('is nobody’s where looms alone owns the field, or nobody says when', () => {
    const setBy = (managed: readonly ManagedFields[]) =>
      compareObjects(deployment({ memory: '1Gi' }, managed), deployment())[0]?.field.setBy;
    expect(setBy([memoryOf('looms')])).toBeUndefined();
    expect(setBy([memoryOf('kubectl')])).toEqual({ manager: 'kubectl' });
    expect(setBy([{ manager: 'other', fieldsV1: { 'f:metadata': {} } }])).toBeUndefined();
  });

  it('tells what was added and what is beside the pods', () => {
    const [found, ...more] = compareObjects(deployment({ labels: { team: 'a' } }), deployment());
    expect(found).toMatchObject({ field: { path: 'metadata.labels.team', from: 'a', to: 'none' }, ofPods: false });
    expect(more).toEqual([]);
  });

  it('compares variables by their names, whatever their order, and shows no credential', () => {
    const [a, b] = [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ];
    expect(compareObjects(deployment({ env: [a, b] }), deployment({ env: [b, a] }))).toEqual([]);
    const secret = { name: 'API_TOKEN', value: 'only in the cluster' };
    const found = compareObjects(deployment({ env: [a, b, secret] }), deployment({ env: [a, b] }));
    expect(found.map(({ field }) => field)).toEqual([
      { path: 'containers[server].env[API_TOKEN].name', from: 'API_TOKEN', to: 'none' },
      { path: 'containers[server].env[API_TOKEN].value', from: '(secret)', to: 'none' },
    ]);
  });
});

describe('what is told of a value', () => {
  const key = `ghp_${'a1B2'.repeat(10)}`;
  const changed = (more: { readonly spec?: object; readonly annotations?: object }) => {
    const live = deployment();
    const spec = live.spec as { readonly template: { readonly spec: object } };
    const template = { ...spec.template, spec: { ...spec.template.spec, ...more.spec } };
    const metadata = { ...live.metadata, annotations: { ...live.metadata.annotations, ...more.annotations } };
    return compareObjects({ ...live, metadata, spec: { ...spec, template } }, live).map(({ field }) => field);
  };

  it('is told by its own fields where a container or a list came, its credentials hidden', () => {
    const sidecar = {
      name: 'sidecar',
      image: 'proxy',
      env: [
        { name: 'DB_PASSWORD', value: 'hunter2' },
        { name: 'LEVEL', value: 'debug' },
      ],
    };
    expect(changed({ spec: { initContainers: [sidecar] } })).toEqual([
      { path: 'initContainers[sidecar].env[DB_PASSWORD].name', from: 'DB_PASSWORD', to: 'none' },
      { path: 'initContainers[sidecar].env[DB_PASSWORD].value', from: '(secret)', to: 'none' },
      { path: 'initContainers[sidecar].env[LEVEL].name', from: 'LEVEL', to: 'none' },
      { path: 'initContainers[sidecar].env[LEVEL].value', from: 'debug', to: 'none' },
      { path: 'initContainers[sidecar].image', from: 'proxy', to: 'none' },
      { path: 'initContainers[sidecar].name', from: 'sidecar', to: 'none' },
    ]);
  });

  it.each<[string, object]>([
    ['a key in a list of words', { args: ['--key', key] }],
    ['a value behind the word that names it', { args: ['--api-token', 'hunter2'] }],
    ['a value in one word with its name', { command: ['sh', '-c', 'run --password=hunter22'] }],
    ['a password in an address', { args: ['--db=postgres://me:hunter2@db/a'] }],
    [
      'a header of a probe',
      { livenessProbe: { httpGet: { httpHeaders: [{ name: 'Authorization', value: 'hunter2' }] } } },
    ],
    ['a variable in a list without keys', { unknownList: [{ name: 'TOKEN', value: 'hunter2' }] }],
  ])('is no credential: %s', (_, more) => {
    const text = JSON.stringify(changed({ spec: { initContainers: [{ name: 'one', ...more }] } }));
    expect(text).toContain('(secret)');
    expect(text).not.toMatch(/hunter2|ghp_/);
  });

  it('is no credential in an annotation, by its key or by itself', () => {
    expect(changed({ annotations: { 'example.com/api-token': 'hunter2', note: `see ${key}`, team: 'a' } })).toEqual([
      { path: 'metadata.annotations.example.com/api-token', from: '(secret)', to: 'none' },
      { path: 'metadata.annotations.note', from: '(secret)', to: 'none' },
      { path: 'metadata.annotations.team', from: 'a', to: 'none' },
    ]);
  });

  it('is what it is where only its place sounds like one', () => {
    expect(
      changed({
        spec: { automountServiceAccountToken: true, volumes: [{ name: 'token', secret: { secretName: 'x' } }] },
      }),
    ).toEqual([
      { path: 'automountServiceAccountToken', from: 'true', to: 'none' },
      { path: 'volumes[token].name', from: 'token', to: 'none' },
      { path: 'volumes[token].secret.secretName', from: 'x', to: 'none' },
    ]);
  });
});

describe('a pod that somebody changed', () => {
  const made = '2026-11-28T10:00:00Z';
  const spec = (memory: string): PodSpec => ({
    containers: [{ name: 'server', image: 'a', resources: { limits: { memory } } }],
  });
  const labels = { 'looms.dev/network': 'isolated', team: 'a', 'pod-template-hash': 'abc' };
  const pod = (of: PodSpec, managedFields: readonly ManagedFields[] = [], labelled: object = labels): Pod => ({
    metadata: { name: 'p', creationTimestamp: made, managedFields, labels: { ...labelled } },
    spec: of,
  });
  const template = (of = spec('1Gi')) => ({ metadata: { labels }, spec: of });
  const ofContainers = (fields: object) => ({ 'f:spec': { 'f:containers': { 'k:{"name":"server"}': fields } } });
  const creation: ManagedFields = {
    manager: 'kube-controller-manager',
    time: made,
    fieldsV1: ofContainers({ 'f:image': {}, 'f:resources': { 'f:limits': { 'f:memory': {} } } }),
  };
  const memory = ofContainers({ 'f:resources': { 'f:limits': { 'f:memory': {} } } });
  const later = '2026-11-28T11:00:00Z';
  const resize: ManagedFields = { manager: 'kubectl-edit', time: later, subresource: 'resize', fieldsV1: memory };

  it('is told when its resources were resized in place, or a container was added to it', () => {
    expect(comparePod(pod(spec('1Gi'), [creation, resize]), template())).toEqual([]);
    expect(comparePod(pod(spec('2Gi'), [creation, resize]), template())).toEqual([
      {
        path: 'pod containers[server].resources.limits.memory',
        from: '2Gi',
        to: '1Gi',
        setBy: { manager: 'kubectl-edit', at: later },
      },
    ]);
    const debugged = { ...spec('1Gi'), ephemeralContainers: [{ name: 'debugger', image: 'busybox' }] };
    const debug: ManagedFields = {
      manager: 'kubectl-debug',
      time: later,
      subresource: 'ephemeralcontainers',
      fieldsV1: {
        'f:spec': { 'f:ephemeralContainers': { '.': {}, 'k:{"name":"debugger"}': { 'f:image': {}, 'f:name': {} } } },
      },
    };
    expect(comparePod(pod(debugged, [creation, debug]), template()).map(({ path }) => path)).toEqual([
      'pod ephemeralContainers[debugger].image',
      'pod ephemeralContainers[debugger].name',
    ]);
  });

  it('is as it was made where admission put a container beside the server, or gave it other resources', () => {
    const injected = { containers: [...spec('2Gi').containers, { name: 'mesh', image: 'proxy' }] };
    const status: ManagedFields = { manager: 'kubelet', time: later, subresource: 'status', fieldsV1: memory };
    const relabelled: ManagedFields = {
      manager: 'kubectl-label',
      time: later,
      fieldsV1: { 'f:metadata': { 'f:labels': { 'f:x': {} } } },
    };
    expect(comparePod(pod(injected, [creation, status, relabelled]), template())).toEqual([]);
  });

  it('is told by what was changed alone where admission changed it as well', () => {
    const injected = { containers: [...spec('2Gi').containers, { name: 'mesh', image: 'proxy' }] };
    expect(comparePod(pod(injected, [creation, resize]), template()).map(({ path }) => path)).toEqual([
      'pod containers[server].resources.limits.memory',
    ]);
    const image: ManagedFields = { manager: 'kubectl-set', time: later, fieldsV1: ofContainers({ 'f:image': {} }) };
    const other = { containers: spec('2Gi').containers.map((one) => ({ ...one, image: 'b' })) };
    expect(comparePod(pod(other, [creation, image]), template())).toMatchObject([
      { path: 'pod containers[server].image', from: 'b', to: 'a' },
    ]);
  });

  it('is told by all of it where the cluster does not keep who set what', () => {
    expect(comparePod(pod(spec('2Gi')), template())).toHaveLength(1);
    expect(comparePod(pod(spec('2Gi'), [{}]), template())).toHaveLength(1);
  });

  it('is told when a label is another, which policies go by', () => {
    const labelled = (more: object) => comparePod(pod(spec('1Gi'), [creation], { ...labels, ...more }), template());
    expect(labelled({})).toEqual([]);
    expect(labelled({ 'looms.dev/network': 'bridge' })).toEqual([
      { path: 'pod metadata.labels.looms.dev/network', from: 'bridge', to: 'isolated' },
    ]);
    expect(labelled({ team: undefined })).toMatchObject([{ from: 'none', to: 'a' }]);
    expect(labelled({ 'looms.dev/other': 'x' })).toMatchObject([{ from: 'x', to: 'none' }]);
    expect(labelled({ 'mesh.example/injected': 'yes' })).toEqual([]);
  });
});
