import type { EngineDescription } from './engine.ts';
import type { ContainerId, ProjectName, ServerName, StepId } from './ids.ts';
import type { Notice } from './notices.ts';
import type { FilePlace } from './source.ts';

export type NonEmpty<T> = readonly [T, ...T[]];

/** Whether a list has an entry. */
export const isNonEmpty = <T>(list: readonly T[]): list is NonEmpty<T> => list.length > 0;

/** One field that differs, with both values as text; a secret shows as `(secret)`. */
export type FieldDifference = {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  /** Who set it as it is, where the engine knows that, and when at the latest (RFC 3339). */
  readonly setBy?: { readonly manager: string; readonly at?: string };
};

/** Why something changes: a closed set with machine names. */
export type Reason =
  /** The recorded spec is not the desired one. */
  | { readonly kind: 'spec-changed'; readonly fields: NonEmpty<FieldDifference> }
  /** The running container is not what was recorded: someone changed it by hand. */
  | { readonly kind: 'live-drift'; readonly fields: NonEmpty<FieldDifference> }
  /** The image reference means another image now. */
  | { readonly kind: 'image-changed'; readonly fields: NonEmpty<FieldDifference> }
  /** An HTTP server was made with another value of these variables. */
  | { readonly kind: 'secret-changed'; readonly variables: NonEmpty<string> }
  | { readonly kind: 'missing' }
  /** Of a project with several engines: what serves is on another one than it shall be. */
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  | { readonly kind: 'exited'; readonly exitCode: number; readonly outOfMemory: boolean }
  | { readonly kind: 'not-started' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'unhealthy'; readonly why: string }
  | { readonly kind: 'misnamed'; readonly name: string }
  | { readonly kind: 'gate-pending' }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'rotation-due'; readonly by: 'age' | 'executions'; readonly detail: string }
  | { readonly kind: 'duplicate'; readonly ids: NonEmpty<ContainerId> }
  | { readonly kind: 'not-in-spec' }
  /** `detail` says what was asked for, where the command does not: `rollback to generation 3`. */
  | { readonly kind: 'requested'; readonly detail?: string }
  | { readonly kind: 'interrupted-rotation' }
  | { readonly kind: 'unreadable-record' }
  /** A forwarder or a stand-in runs another program than this version of looms gives it. */
  | { readonly kind: 'other-program' }
  /** A record of a past generation that is not worth keeping any more. */
  | { readonly kind: 'beyond-keep'; readonly keep: number }
  | { readonly kind: 'repeated'; readonly generation: number };

export type Blocker =
  | {
      readonly kind: 'name-taken';
      readonly name: string;
      readonly id: ContainerId;
      readonly image: string;
      readonly owner: string;
      readonly hint: string;
    }
  | { readonly kind: 'network-taken' | 'volume-taken'; readonly name: string; readonly hint: string }
  /** Somebody deletes what the server needs or is: it goes once what holds it up has ended. */
  | { readonly kind: 'ending'; readonly name: string; readonly hint: string }
  | { readonly kind: 'unsupported'; readonly detail: string; readonly hint?: string }
  /** Of a project with several engines: the one that may have it does not answer, so that nobody knows how it is. */
  | { readonly kind: 'engine-silent'; readonly detail: string; readonly hint: string };

type ServerChange =
  | { readonly action: 'unchanged' }
  | { readonly action: 'create'; readonly reasons: NonEmpty<Reason> }
  /** start-first: no downtime. stop-first: `why` names what cannot live twice. */
  | { readonly action: 'replace'; readonly order: 'start-first'; readonly reasons: NonEmpty<Reason> }
  | {
      readonly action: 'replace';
      readonly order: 'stop-first';
      readonly why: string;
      readonly reasons: NonEmpty<Reason>;
    }
  /**
   * The right container in the wrong state or under the wrong name; clean-up: the right one, with others beside it; scale: the
   * right ones, and its spec asks for another number of them.
   */
  | { readonly action: 'start' | 'stop' | 'rename' | 'clean-up' | 'scale'; readonly reasons: NonEmpty<Reason> }
  | { readonly action: 'remove'; readonly reasons: NonEmpty<Reason> }
  | { readonly action: 'blocked'; readonly why: Blocker };

/** Where a project has several engines, the one that something is on, or shall be. */
export type OnEngine = { readonly engine?: string };

export type Change = OnEngine & { readonly server: ServerName; readonly container?: ContainerId } & ServerChange;

type Cause =
  | { readonly kind: 'change'; readonly server: ServerName }
  | { readonly kind: 'support'; readonly why: string };

/** What a step is to whoever shows, saves or reports a plan; what it does is the orchestrator's own. */
export type StepHeader = OnEngine & {
  readonly id: StepId;
  readonly server?: ServerName;
  readonly cause: Cause;
  /** Steps whose result must be `ok` before this one starts. */
  readonly after: readonly StepId[];
  /**
   * A way back: the step runs only when one of these failed (removing a new generation whose gate failed, starting the
   * old one again), once all of `after` have ended. Absent: the step runs only when all of `after` are ok.
   */
  readonly onFailureOf?: readonly StepId[];
  /** Of a way back: it answers real failures only, not work that was left halfway by an interrupt. */
  readonly failuresOnly?: true;
  /**
   * The end of something that must not be left halfway: it still runs after a first Ctrl-C, and when calls are
   * given up, when all of `after` are ok.
   */
  readonly completes?: true;
};

export type Step = StepHeader & {
  /** The orchestrator's word for what the step does, as `create-container`; further fields of a step are its own, too. */
  readonly op: string;
  /** What the step does, in a few words: `pull node:24-slim`. Holds names that are not ours. */
  readonly text: string;
};

/** An image that is fetched or made for a plan, which takes most of its time. */
export type PlannedImage = OnEngine & { readonly ref: string; readonly action: 'pull' | 'build'; readonly why: string };

/** Drift by hand, listed apart from the changes it causes: shown first, under "changed outside looms". */
export type Drift = OnEngine & {
  readonly server: ServerName;
  readonly container: ContainerId;
  readonly fields: NonEmpty<FieldDifference>;
};

/**
 * What stands behind the servers: networks, volumes, relays, forwarders, kept files, records and images; on a cluster the
 * namespace, its network policies (`network`), scripts of pods, services and secrets. Sorted by name.
 */
export type SupportChange = OnEngine & {
  readonly kind:
    | 'network'
    | 'volume'
    | 'relay'
    | 'forwarder'
    | 'data'
    | 'record'
    | 'image'
    | 'namespace'
    | 'scripts'
    | 'service'
    | 'secret';
  readonly name: string;
  readonly action: 'create' | 'replace' | 'start' | 'restore' | 'remove';
  readonly reasons: NonEmpty<Reason>;
};

/** When a server that stays as it is will be replaced because it has served its time; what its spec limits, at least one. */
export type NextRotation = {
  readonly server: ServerName;
  /** By age, on the engine's clock (RFC 3339). */
  readonly at?: string;
  /** By executions: how many more tool calls. */
  readonly callsLeft?: number;
};

/** What a plan tells beside its changes. */
export type PlanWarning = Omit<Notice, 'hint'> & {
  /** Where what it is about stands in a file; absent: it is about no field. */
  readonly at?: FilePlace;
};

/** The engine that a plan is for. */
export type PlannedEngine = Pick<EngineDescription, 'id' | 'name' | 'kind' | 'version' | 'apiVersion' | 'endpoint'> & {
  /** Of several: the ids of those that answered, by their names in looms.yaml. All sets of engines have one `id`. */
  readonly engines?: Readonly<Record<string, string>>;
};

export type Plan<S extends Step = Step> = {
  readonly schemaVersion: 1;
  readonly project: ProjectName;
  readonly engine: PlannedEngine;
  /** Hash of the changes and steps, with their reasons: a saved plan whose basis is not today's is stale. */
  readonly basis: string;
  /** Sorted by server. */
  readonly changes: readonly Change[];
  readonly support: readonly SupportChange[];
  /** Sorted by reference. */
  readonly images: readonly PlannedImage[];
  readonly steps: readonly S[];
  readonly drift: readonly Drift[];
  /** Sorted by server. What is due already is a change. */
  readonly rotations: readonly NextRotation[];
  readonly warnings: readonly PlanWarning[];
};

/** Whether a change does nothing but replace a server that has served its time. */
export const isRotation = (change: Change): boolean =>
  'reasons' in change && change.reasons.every(({ kind }) => kind === 'rotation-due');

/** Whether the engine is as declared: nothing to do and nothing in the way. */
export const isInSync = (plan: Plan): boolean =>
  plan.steps.length === 0 && plan.support.length === 0 && plan.changes.every((change) => change.action === 'unchanged');
