import { describe, expect, it } from 'vitest';
import { noteServed } from '../../../src/kubernetes/apply/note-served.ts';
import { restored } from '../../../src/kubernetes/apply/put-server.ts';
import { readClaim } from '../../../src/kubernetes/model/claims.ts';
import { annotation } from '../../../src/kubernetes/model/names.ts';
import type { Deployment, KubeObject, Pod, PodTemplate, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import type { Observed, Workload } from '../../../src/kubernetes/model/observed.ts';
import { isNewer } from '../../../src/kubernetes/model/written.ts';
import { deploymentOf } from '../../../src/kubernetes/objects/objects.ts';
import { asRecorded, findDrift } from '../../../src/kubernetes/plan/drift.ts';
import { scriptsToHave, signedScripts } from '../../../src/kubernetes/plan/own-scripts.ts';
import type { ApiRequest, Cluster } from '../../../src/kubernetes/port.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import type { FieldDifference } from '../../../src/model/plan.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { recordSigner } from '../../../src/state/record-signer.ts';
import { httpServer, project } from '../../support/planner-world.ts';

const web = httpServer('web');
const built = httpServer('web', { image: { kind: 'dockerfile', path: 'Dockerfile' } });
const ourKey = 'a key that is long enough to be one';

/** A looms on some machine. */
function looms({ version = '1.0.0', relay = 'relay', key = ourKey, registry = undefined as string | undefined } = {}) {
  const managedBy = `looms/${version}`;
  const records = {
    ...recordSigner({ LOOMS_RECORD_KEY: key }),
    read: readRecordedSpec,
    hash: ({ spec, image }: NonNullable<ReturnType<typeof readRecordedSpec>>) => specHash(spec, image),
  };
  const settings = {
    ...{ project, registry, relayImage: relay, managedBy },
    recordOf: ({ spec, image }: typeof web) => recordSpec(spec, image.ref),
  };
  return { managedBy, records, settings };
}
type Looms = ReturnType<typeof looms>;

/** What a cluster has of a server. */
type There = { readonly deployment: Deployment; readonly replicaSet: ReplicaSet };

const inPods = ({ deployment, replicaSet }: There, change: (template: PodTemplate) => PodTemplate): There => ({
  deployment: { ...deployment, spec: { ...deployment.spec, template: change(deployment.spec.template) } },
  replicaSet,
});
const withContainers =
  (name: string, change: object) =>
  (template: PodTemplate): PodTemplate => ({
    ...template,
    spec: {
      ...template.spec,
      containers: template.spec.containers.map((one) => (one.name === name ? { ...one, ...change } : one)),
    },
  });
const noted = ({ deployment, replicaSet }: There, annotations: Readonly<Record<string, string>>): There => ({
  deployment,
  replicaSet: {
    ...replicaSet,
    metadata: { ...replicaSet.metadata, annotations: { ...replicaSet.metadata.annotations, ...annotations } },
  },
});

function workloadOf({ deployment, replicaSet }: There, { records }: Looms): Workload {
  const [claim, past] = [deployment, replicaSet].map((one) => readClaim(one, project, records));
  if (claim === undefined || past === undefined) throw new Error('they say of which server they are');
  return {
    server: claim.server,
    deployment,
    claim,
    generations: [{ claim: past, replicaSet, pods: [], isMeant: true }],
  };
}

/**
 * A generation that a looms wrote and that passed its gate; `otherwise`: what its version writes otherwise of pods, `begins`: whether
 * its pods are this run's.
 */
async function made(
  by: Looms,
  { generation = 1, otherwise = (one: PodTemplate) => one, begins = true, of = web } = {},
) {
  const annotations = { [annotation.generation]: String(generation), [annotation.managedBy]: by.managedBy };
  const podAnnotations = { [annotation.generation]: String(generation) };
  const written = deploymentOf(of, by.settings, { secret: 'none', annotations, podAnnotations }) as Deployment;
  const replicaSet = { metadata: { ...written.metadata, name: 'set', uid: 'set' }, spec: written.spec } as ReplicaSet;
  const there = inPods({ deployment: written, replicaSet }, otherwise);
  const workload = workloadOf(there, by);
  const [one] = workload.generations;
  if (one === undefined) throw new Error('it has a generation');
  let notes: Readonly<Record<string, string>> = {};
  const cluster = {
    async request({ method, body }: ApiRequest) {
      if (method === 'PATCH') notes = (body as KubeObject).metadata.annotations ?? {};
      return { metadata: { name: '', creationTimestamp: '2026-11-28T11:00:00Z' } };
    },
  } as unknown as Cluster;
  const env = {
    ports: { cluster, managedBy: by.managedBy, settings: { records: by.records } } as unknown as KubernetesPorts,
    observed: { project, namespace: 'looms-test', servers: [] as readonly Workload[] } as Observed,
    rollsBack: false,
    written: new Map([[workload.server, there.deployment]]),
    begun: new Map(begins ? [[workload.server, generation]] : []),
  };
  expect(
    await noteServed(env, one, { metadata: { name: 'pod' }, spec: { containers: [] } } as Pod, {}),
  ).toBeUndefined();
  return noted(there, notes);
}

/** What a looms takes for changed of pods. */
async function changed(there: There, by: Looms): Promise<readonly FieldDifference[] | undefined> {
  const cluster = { request: async ({ body }: ApiRequest) => body } as unknown as Cluster;
  const workload = workloadOf(there, by);
  const at = { project, servers: [workload], support: new Map() } as unknown as Observed;
  const found = (await findDrift(cluster, at, [], by.settings)).servers.get('web');
  expect(found?.beside).toEqual([]);
  return found?.ofPods;
}

const reach = (image: string) => ({ path: 'containers[reach].image', from: image, to: 'relay' });

describe('two looms that reach servers through other images', () => {
  it('leave one another’s pods as they are, also when they write what is beside them', async () => {
    const mirrored = await made(looms({ relay: 'mirror/relay' }));
    const here = looms();
    expect(await changed(mirrored, here)).toEqual([]);
    const again = asRecorded(workloadOf(mirrored, here), here.settings) as Deployment;
    expect(again.spec.template).toEqual(mirrored.deployment.spec.template);
    expect(await changed(await made(here), looms({ relay: 'mirror/relay' }))).toEqual([]);
  });

  it('find what was changed by hand since: that image, or another field of the pods', async () => {
    const mirrored = await made(looms({ relay: 'mirror/relay' }));
    const swapped = inPods(mirrored, withContainers('reach', { image: 'evil' }));
    expect(await changed(swapped, looms())).toEqual([reach('evil')]);
    expect(await changed(swapped, looms({ relay: 'mirror/relay' }))).toMatchObject([{ from: 'evil' }]);
    const edited = inPods(mirrored, withContainers('server', { image: 'evil' }));
    expect(await changed(edited, looms())).toMatchObject([
      { path: 'containers[server].image', from: 'evil' },
      reach('mirror/relay'),
    ]);
  });

  it('believe no note that their key did not sign, or that is of another generation', async () => {
    const other = looms({ relay: 'mirror/relay', key: 'the key of somebody else, who is nobody' });
    const mirrored = [reach('mirror/relay')];
    expect(await changed(await made(other), looms())).toEqual(mirrored);
    const own = await made(looms({ relay: 'mirror/relay' }));
    const note = own.replicaSet.metadata.annotations?.[annotation.written] ?? '';
    const next = await made(looms({ relay: 'mirror/relay' }), { generation: 2 });
    expect(await changed(next, looms())).toEqual([]);
    for (const text of [note, '', 'looms/9.0.0', `looms/9.0.0 ${note.split(' ').slice(1).join(' ')}`])
      expect(await changed(noted(next, { [annotation.written]: text }), looms())).toEqual(mirrored);
    // An earlier template with its note, under what is recorded by now.
    const back = { deployment: { ...next.deployment, spec: own.deployment.spec }, replicaSet: own.replicaSet };
    expect(await changed(back, looms())).toContainEqual(reach('mirror/relay'));
  });

  it('sign no pods that another one may have made', async () => {
    const there = await made(looms({ relay: 'mirror/relay' }), { begins: false });
    expect(there.replicaSet.metadata.annotations).not.toHaveProperty([annotation.written]);
    expect(await changed(there, looms())).toEqual([reach('mirror/relay')]);
  });
});

it('leave the note with the generation that is gone back to', async () => {
  const there = await made(looms());
  const [one] = workloadOf(there, looms()).generations;
  if (one === undefined) throw new Error('it has a generation');
  expect(one.claim.written).toMatchObject({ by: 'looms/1.0.0' });
  expect(restored(there.deployment, one).metadata.annotations).not.toHaveProperty([annotation.written]);
});

describe('two looms of other versions', () => {
  const otherwise = withContainers('server', { terminationMessagePolicy: 'File' });
  const newer = looms({ version: '1.10.0' });

  it('come to rest at the pods of the newer one', async () => {
    const there = await made(newer, { otherwise });
    expect(await changed(there, looms({ version: '1.9.0' }))).toEqual([]);
    const path = 'containers[server].terminationMessagePolicy';
    expect(await changed(await made(looms({ version: '1.9.0' }), { otherwise }), newer)).toMatchObject([{ path }]);
  });

  it('find what was changed by hand since, and another registry', async () => {
    const there = await made(newer, { otherwise });
    const swapped = inPods(there, withContainers('reach', { image: 'evil' }));
    expect(await changed(swapped, looms())).toContainEqual(reach('evil'));
    const edited = inPods(there, withContainers('server', { image: 'evil' }));
    expect(await changed(edited, looms())).toContainEqual(expect.objectContaining({ from: 'evil', to: web.image.ref }));
    const [from, to] = ['registry.example.com/a', 'registry.example.com/b'];
    const pushed = await made(looms({ version: '1.10.0', registry: from }), { otherwise, of: built });
    const field = { path: 'containers[server].image', from: `${from}/dockerfile:0`, to: `${to}/dockerfile:0` };
    expect(await changed(pushed, looms({ registry: to }))).toEqual([field]);
  });

  it('are told apart by their numbers', () => {
    expect(['1.9.0', '1.10.0', '2.0.0'].map((one) => isNewer(`looms/${one}`, 'looms/1.10.0'))).toEqual([
      false,
      false,
      true,
    ]);
  });
});

describe('the scripts of a project', () => {
  const scripts = (text: string, note?: string): KubeObject => ({
    kind: 'ConfigMap',
    metadata: { name: 'looms-scripts', ...(note === undefined ? {} : { annotations: { [annotation.written]: note } }) },
    data: { 'gate.sh': text },
  });
  const portsOf = ({ managedBy, records }: Looms) =>
    ({ managedBy, settings: { records } }) as unknown as Pick<KubernetesPorts, 'managedBy' | 'settings'>;
  const wanted = (by: Looms, live: KubeObject, own: string): KubeObject =>
    scriptsToHave(portsOf(by), { project, support: new Map([['ConfigMap looms-scripts', live]]) }, scripts(own));
  const put = (by: Looms, object: KubeObject): KubeObject => signedScripts(portsOf(by), { project }, object);
  const [old, recent] = [looms(), looms({ version: '2.0.0' })];

  it('stay those of the newer of two looms', () => {
    const before = put(old, scripts('old'));
    const there = put(recent, wanted(recent, before, 'new'));
    expect(there.data).toEqual({ 'gate.sh': 'new' });
    expect(there.metadata.annotations?.[annotation.written]).toMatch(/^looms\/2\.0\.0 /);
    expect([wanted(recent, there, 'new'), wanted(old, there, 'old')]).toEqual([there, there]);
    // A label that is set back beside them.
    expect(put(old, wanted(old, there, 'old'))).toEqual(there);
  });

  it('are one’s own where somebody changed them since, or no newer one that signs with this key wrote them', () => {
    const note = put(recent, scripts('new')).metadata.annotations?.[annotation.written];
    const stranger = looms({ version: '2.0.0', key: 'the key of somebody else, who is nobody' });
    for (const live of [scripts('evil', note), scripts('new'), put(stranger, scripts('new'))])
      expect(wanted(old, live, 'old')).toEqual(scripts('old'));
  });

  it('are not written anew for a note alone', () => {
    for (const live of [scripts('same'), scripts('same', 'looms/0.1.0 a b'), put(recent, scripts('same'))])
      expect(wanted(old, live, 'same')).toEqual(live);
  });
});
