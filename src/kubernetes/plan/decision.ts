import type { DeclaredServer } from '../../model/desired.ts';
import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import type { Blocker, Change, FieldDifference, PlanWarning } from '../../model/plan.ts';
import type { Undesired } from '../../orchestrator/port.ts';
import type { KubeObject } from '../model/objects.ts';
import type { Observed } from '../model/observed.ts';
import type { AssessContext } from './assess.ts';
import type { FoundDrift } from './drift.ts';
import type { Operation, StepDraft } from './steps.ts';

/** What a plan is decided from: one look at the cluster, what is asked for, and what else is known. */
export type DecideInput = {
  readonly observed: Observed;
  readonly desired: readonly DeclaredServer[];
  readonly undesired: Undesired | { readonly remove: readonly ServerName[] };
  /** Servers that another engine runs from now on. */
  readonly movedAway?: readonly ServerName[] | undefined;
  /** What keeps servers from being made. */
  readonly blockers: ReadonlyMap<ServerName, Blocker>;
  /** What shall stand behind the servers, those that stay included; nothing for one that is blocked and not there. */
  readonly support: readonly KubeObject[];
  readonly drift: FoundDrift;
  readonly context: Omit<AssessContext, 'drift' | 'now' | 'pin' | 'secrets'>;
  readonly stop: ReadonlySet<ServerName>;
  readonly keepFailed: boolean;
  /** Where pods pull images from that looms builds. */
  readonly registry: string | undefined;
  /** Images of which it is known what they are built from. */
  readonly buildable: ReadonlySet<string>;
  /** Digests that images of servers shall have, as they had them then; what has none is pulled by its name. */
  readonly pins: ReadonlyMap<ServerName, string>;
  /** Servers whose records are nobody's here, or cannot be read: what stands behind them is left as it is. */
  readonly doubtful: ReadonlySet<ServerName>;
  readonly warnings: readonly PlanWarning[];
};

/** How a server changes, with the steps of that. */
export type Decided = {
  readonly change: Change;
  readonly steps: readonly StepDraft[];
  readonly drift: readonly FieldDifference[];
};

/** Seconds that a pod has to end beyond what it drains: Kubernetes' own grace, and some for its node. */
export const endSeconds = 45;

/** A step of a server's change. */
export const stepOf = (
  server: ServerName,
  what: string,
  after: readonly StepId[],
  operation: Operation,
  more: Partial<StepDraft> = {},
): StepDraft =>
  ({
    id: asStepId(`${server}/${what}`),
    server,
    cause: { kind: 'change', server },
    after,
    ...more,
    ...operation,
  }) as StepDraft;
