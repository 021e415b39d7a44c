import { describe, expect, it } from 'vitest';
import {
  type Deployment,
  type KubeObject,
  type Pod,
  type ReplicaSet,
  revisionKey,
  templateHash,
} from '../../../src/kubernetes/model/objects.ts';
import { generationsOf } from '../../../src/kubernetes/model/observed.ts';
import { strayNotices, straysOf } from '../../../src/kubernetes/model/strays.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';

const template = { spec: { containers: [] } };
const deployment: Deployment = {
  metadata: { name: 'looms-fs', uid: 'd1', annotations: { [revisionKey]: '1' } },
  spec: { template },
};
const ownedBy = (kind: string, uid: string, more: object = {}) => ({
  ownerReferences: [{ kind, uid, name: 'any', controller: true, ...more }],
});
const replicaSet = (more: object = ownedBy('Deployment', 'd1')): ReplicaSet => ({
  metadata: { name: 'looms-fs-1', uid: 'r1', labels: { [templateHash]: 'abc' }, ...more },
  spec: { template },
});
const pod = (more: object = ownedBy('ReplicaSet', 'r1'), hash = 'abc'): Pod => ({
  metadata: { name: 'p', labels: { [templateHash]: hash }, ...more },
  spec: template.spec,
});
const claim = { server: asServerName('fs'), generation: 1, specHash: '', managedBy: '' };
const generations = (sets: readonly ReplicaSet[], pods: readonly Pod[] = []) =>
  generationsOf(deployment, sets, pods, () => claim);

describe('the pods of a server', () => {
  it('are those that its ReplicaSet controls', () => {
    expect(generations([replicaSet()], [pod()])[0]?.pods).toHaveLength(1);
  });

  it.each([
    ['is owned and not controlled', pod(ownedBy('ReplicaSet', 'r1', { controller: false }))],
    ['does not say that it is controlled', pod(ownedBy('ReplicaSet', 'r1', { controller: undefined }))],
    ['is controlled by something else of that uid', pod(ownedBy('Job', 'r1'))],
    ['has not the label of its ReplicaSet', pod(ownedBy('ReplicaSet', 'r1'), 'other')],
  ])('are none that %s', (_, forged) => {
    expect(generations([replicaSet()], [forged])[0]?.pods).toEqual([]);
  });

  it('are those that its ReplicaSet controls, whichever labels somebody took from that', () => {
    const labels = { 'looms.dev/project': 'team', 'looms.dev/server': 'fs' };
    const ours: Deployment = { ...deployment, metadata: { ...deployment.metadata, labels } };
    const bare: ReplicaSet = {
      metadata: { name: 'looms-fs-1', uid: 'r1', labels: {}, ...ownedBy('Deployment', 'd1') },
      spec: { template, selector: { matchLabels: { [templateHash]: 'abc' } } },
    };
    const read = ({ metadata }: KubeObject) => (metadata.labels?.['looms.dev/project'] === 'team' ? claim : undefined);
    expect(generationsOf(ours, [bare], [pod()], read)).toMatchObject([{ replicaSet: bare, pods: [{}] }]);
  });

  it('are of no ReplicaSet that its Deployment does not control', () => {
    expect(generations([replicaSet(ownedBy('Deployment', 'd1', { controller: false }))])).toEqual([]);
    expect(generations([replicaSet(ownedBy('StatefulSet', 'd1'))])).toEqual([]);
  });
});

describe('pods that no Deployment keeps', () => {
  const project = asProjectName('team');
  const labels = { 'looms.dev/server': 'fs' };
  const strays = (of: object, more: Partial<Pod> = {}) =>
    straysOf(project, [{ ...pod({ labels, ...of }), ...more }], [replicaSet()]).length;

  it('are those with labels of the project that nothing controls, or a ReplicaSet that nothing controls', () => {
    expect(strays({})).toBe(1);
    expect(strays({ labels: { 'looms.dev/project': 'team' } })).toBe(1);
    expect(strays(ownedBy('Job', 'j1'))).toBe(1);
    const alone = { ...replicaSet({ labels: {} }) };
    expect(straysOf(project, [pod({ labels, ...ownedBy('ReplicaSet', 'r1') })], [alone])).toHaveLength(1);
  });

  it('are none that a Deployment keeps by its ReplicaSet, may keep, or that ended or are about to', () => {
    expect(strays(ownedBy('ReplicaSet', 'r1'))).toBe(0);
    expect(strays(ownedBy('ReplicaSet', 'newer than the list'))).toBe(0);
    expect(strays({ deletionTimestamp: '2026-11-28T10:00:00Z' })).toBe(0);
    expect(strays({}, { status: { phase: 'Failed' } })).toBe(0);
    expect(strays({ labels: { app: 'other' } })).toBe(0);
    expect(strays({ labels: { 'looms.dev/project': 'other' } })).toBe(0);
  });

  it('are told with what ends them', () => {
    const of = (...strays: readonly Pod[]) => strayNotices({ project, namespace: 'looms-team', strays });
    expect(of()).toEqual([]);
    expect(of(pod(), pod())).toMatchObject([
      { code: 'not-ours', message: expect.stringContaining('`kubectl -n looms-team delete pod p p` ends them') },
    ]);
  });
});
