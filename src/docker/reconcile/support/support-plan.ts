import type { DeclaredServer } from '../../../model/desired.ts';
import type { ProjectName, StepId } from '../../../model/ids.ts';
import type { SupportChange } from '../../../model/plan.ts';
import type { NetworkShape, Observed, ObservedContainer, ObservedNetwork } from '../../model/observed.ts';
import type { EgressSubnets } from '../../model/way-out.ts';
import type { StepDraft } from '../../steps.ts';
import { supportStep } from '../step-builders.ts';

/** The networks of a project: closed, and open to the outside. A server that has none is on neither. */
export type Mode = 'isolated' | 'bridge';
export const modes: readonly Mode[] = ['isolated', 'bridge'];

export type SupportInput = {
  readonly project: ProjectName;
  readonly observed: Observed;
  readonly egressSubnets: EgressSubnets;
  /** Servers of this plan that shall run; none of them is blocked. */
  readonly servers: readonly DeclaredServer[];
  /** Containers of servers that stay on the engine although this plan does not let them run. */
  readonly staying: readonly ObservedContainer[];
  readonly relayImage: string;
  readonly forwarderImage: string;
  readonly managedBy: string;
  /** The step that makes an image available, when it is not. */
  readonly imageStep: (ref: string) => readonly StepId[];
};

/** What is done about one kind of support; `teardown` steps wait until those are gone that needed what they remove. */
export type SupportPlan = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly StepDraft[];
  readonly teardown: readonly StepDraft[];
};

/** What goes after the servers of a network, and the network after that. */
export type Teardown = {
  readonly network: string;
  /** Relays or forwarders: what servers needed there. */
  readonly containers: readonly StepDraft[];
  readonly networks: readonly StepDraft[];
};

export const nothing: SupportPlan = { changes: [], steps: [], teardown: [] };

export const networkNamed = ({ networks }: Observed, wanted: string): ObservedNetwork | undefined =>
  networks.find(({ name }) => name === wanted);

/** Makes a network; its step's id goes on with `id`. */
export const madeNetwork = (network: NetworkShape, id: string, why: string): SupportPlan => ({
  changes: [{ kind: 'network', name: network.name, action: 'create', reasons: [{ kind: 'missing' }] }],
  steps: [supportStep(`network:${id}/create`, why, { op: 'create-network', network })],
  teardown: [],
});

export const removeNetwork = (
  { id: network, name }: ObservedNetwork,
  id: string,
  why: string,
  after: readonly StepId[] = [],
): StepDraft => supportStep(`network:${id}/remove`, why, { op: 'remove-network', network, name }, after);

/** A network that looms made, and that nothing but what looms made is on. */
export function ownNetwork(observed: Observed, name: string): ObservedNetwork | undefined {
  const found = networkNamed(observed, name);
  const own = new Set(observed.containers.map(({ id }) => id));
  return found?.ours && found.members.every((id) => own.has(id)) ? found : undefined;
}

export const removedChange = (kind: SupportChange['kind'], name: string): SupportChange => ({
  kind,
  name,
  action: 'remove',
  reasons: [{ kind: 'not-in-spec' }],
});

export const usesMode = (server: DeclaredServer, mode: Mode): boolean => server.spec.network.mode === mode;

/** Whether a container is on a network, by the network's name. */
export const isOn = (container: ObservedContainer, network: string): boolean =>
  container.shape.networks.some((one) => one.name === network);
