import type { DeclaredServer } from '../../../model/desired.ts';
import { asStepId, type ProjectName, type StepId } from '../../../model/ids.ts';
import type { SupportChange } from '../../../model/plan.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { Operation, StepDraft } from '../../steps.ts';

/** The networks of a project: closed, and open to the outside. A server that has none is on neither. */
export type Mode = 'isolated' | 'bridge';
export const modes: readonly Mode[] = ['isolated', 'bridge'];

export type SupportInput = {
  readonly project: ProjectName;
  readonly observed: Observed;
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

/** A step that is of no single server. */
export const supportStep = (
  id: string,
  why: string,
  operation: Operation,
  after: readonly StepId[] = [],
): StepDraft => ({
  id: asStepId(id),
  cause: { kind: 'support', why },
  after,
  ...operation,
});

export const usesMode = (server: DeclaredServer, mode: Mode): boolean => server.spec.network.mode === mode;

/** Whether a container is on a network, by the network's name. */
export const isOn = (container: ObservedContainer, network: string): boolean =>
  container.shape.networks.some((one) => one.name === network);
