import { expect, it } from 'vitest';
import { label } from '../../../src/kubernetes/model/names.ts';
import type { KubeObject, Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import type { Observed, Workload } from '../../../src/kubernetes/model/observed.ts';
import { egressPolicyName } from '../../../src/kubernetes/objects/network-policies.ts';
import { listingOf } from '../../../src/kubernetes/views/server-views.ts';
import type { DesiredServer } from '../../../src/model/desired.ts';
import { project, server } from '../../support/planner-world.ts';

type There = {
  readonly spec?: Partial<DesiredServer>;
  /** The mode that its pod is labelled. */
  readonly labelled?: string;
  readonly policies?: readonly KubeObject[];
};

const policy = (name: string, labels: Readonly<Record<string, string>> = { [label.project]: project }): KubeObject => ({
  kind: 'NetworkPolicy',
  metadata: { name, labels },
});
const usual = [policy('looms-deny'), policy('looms-isolated'), policy('looms-bridge')];

/** What of networks is told of a server, whose Deployment says that it is isolated. */
function networks({ spec = {}, labelled = 'isolated', policies = usual }: There = {}) {
  const { spec: recorded } = server('fs', spec);
  const claim = {
    server: recorded.name,
    generation: 1,
    recorded: { spec: recorded, image: 'a' },
    specHash: '',
    managedBy: '',
  };
  const template = {
    metadata: { labels: { [label.network]: 'isolated' } },
    spec: { containers: [{ name: 'server', image: 'a' }] },
  };
  const pod: Pod = {
    metadata: { name: 'p', labels: { [label.network]: labelled } },
    spec: template.spec,
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const replicaSet: ReplicaSet = { metadata: { name: 'r' }, spec: { template } };
  const workload: Workload = {
    server: recorded.name,
    deployment: { metadata: { name: 'looms-fs', labels: { [label.network]: 'isolated' } }, spec: { template } },
    claim,
    generations: [{ claim, replicaSet, pods: [pod], isMeant: true }],
  };
  const observed = {
    project,
    servers: [workload],
    foreign: [],
    support: new Map(policies.map((one) => [`NetworkPolicy ${one.metadata.name}`, one])),
  } as unknown as Observed;
  return listingOf(observed).servers[0]?.confinement.networks;
}

it('is let out by what its pod is labelled, whatever its Deployment says', () => {
  expect(networks()).toMatchObject([{ name: 'looms-isolated', internal: true }]);
  expect(networks({ labelled: 'bridge' })).toMatchObject([{ name: 'looms-bridge', internal: false }]);
});

it('has no network where all is denied and no mode lets it out', () => {
  expect(networks({ labelled: 'none' })).toEqual([]);
  expect(networks({ labelled: 'none', policies: [] })).toMatchObject([{ internal: false }]);
});

it('takes a policy for ours by the names that looms writes, and not by a label alone', () => {
  const found = (name: string, more: There = {}, labels?: Readonly<Record<string, string>>) =>
    networks({ ...more, policies: [...usual, policy(name, labels)] })?.filter(({ isRecorded }) => !isRecorded);
  const egress = [{ host: '10.1.2.3', port: 1025, tls: false, address: '10.1.2.3' }];
  const listing: There = { spec: { network: { mode: 'isolated', egress, egressLearn: false } } };
  const name = egressPolicyName(server('fs', listing.spec).spec);
  expect(found(name, listing)).toEqual([]);
  expect(found(name)).toMatchObject([{ name, internal: false }]);
  // That of another list lets out what this one does not.
  expect(found('looms-fs-egress-00000000', listing)).toMatchObject([{ name: 'looms-fs-egress-00000000' }]);
  expect(found('allow-all')).toMatchObject([{ name: 'allow-all', internal: false }]);
  expect(found('looms-bridge', {}, {})).toMatchObject([{ name: 'looms-bridge' }]);
});
