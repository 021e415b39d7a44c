import { expect, it } from 'vitest';
import { label } from '../../../src/kubernetes/model/names.ts';
import type { KubeObject, Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import { type Observed, supportKey, type Workload } from '../../../src/kubernetes/model/observed.ts';
import { egressPolicies } from '../../../src/kubernetes/objects/network-policies.ts';
import { listingOf } from '../../../src/kubernetes/views/server-views.ts';
import type { DesiredServer } from '../../../src/model/desired.ts';
import { project, server } from '../../support/planner-world.ts';

type There = {
  readonly spec?: Partial<DesiredServer>;
  /** The mode that its pod is labelled. */
  readonly labelled?: string;
  readonly policies?: readonly KubeObject[];
};

const policy = (
  name: string,
  labels: Readonly<Record<string, string>> = { [label.project]: project },
  kind = 'NetworkPolicy',
): KubeObject => ({
  kind,
  metadata: { name, labels },
});
const usual = [policy('looms-deny'), policy('looms-isolated'), policy('looms-bridge')];

/** What is told of how a server is confined, whose Deployment says that it is isolated. */
function confinement({ spec = {}, labelled = 'isolated', policies = usual }: There = {}) {
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
    strays: [],
    support: new Map(policies.map((one) => [supportKey(one), one])),
  } as unknown as Observed;
  return listingOf(observed).servers[0]?.confinement;
}

const networks = (there: There = {}) => confinement(there)?.networks;

const listing = (...egress: DesiredServer['network']['egress']): There => ({
  spec: { network: { mode: 'isolated', egress, egressLearn: false } },
});
/** The policies that looms writes for a list, by kind and name. */
const policiesOf = ({ spec = {} }: There): readonly KubeObject[] =>
  egressPolicies(server('fs', spec).spec, (name) => ({ name, labels: { [label.project]: project } }));

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
  const listed = listing({ host: '10.1.2.3', port: 1025, tls: false, address: '10.1.2.3' });
  const [name = ''] = policiesOf(listed).map(({ metadata }) => metadata.name);
  expect(found(name, listed)).toEqual([]);
  expect(found(name)).toMatchObject([{ name, internal: false }]);
  // That of another list lets out what this one does not.
  expect(found('looms-fs-egress-00000000', listed)).toMatchObject([{ name: 'looms-fs-egress-00000000' }]);
  expect(found('allow-all')).toMatchObject([{ name: 'allow-all', internal: false }]);
  expect(found('looms-bridge', {}, {})).toMatchObject([{ name: 'looms-bridge' }]);
});

it('is led by the policies of its list, those of Cilium too, and by none where one of them is missing', () => {
  const listed = listing(
    { host: 'api.example.com', port: 443, tls: true },
    { host: 'db', port: 5432, tls: false, address: '10.1.2.3' },
  );
  const [byAddress, byName] = policiesOf(listed);
  if (byAddress === undefined || byName === undefined) throw new Error('two policies are needed');
  const at = (...policies: readonly KubeObject[]) => confinement({ ...listed, policies: [...usual, ...policies] });
  expect(at(byAddress, byName)).toMatchObject({
    forwarder: { name: `${byAddress.metadata.name} and ${byName.metadata.name}` },
    networks: [{ name: 'looms-isolated' }],
  });
  expect([at(byAddress)?.forwarder, at(byName)?.forwarder]).toEqual([null, null]);
});

it('is let out by a policy of Cilium that somebody else made', () => {
  const theirs = policy('looms-bridge', { [label.project]: project }, 'CiliumNetworkPolicy');
  expect(networks({ policies: [...usual, theirs] })).toMatchObject([
    { name: 'looms-isolated', isRecorded: true },
    { name: 'looms-bridge', internal: false, isRecorded: false },
  ]);
});
