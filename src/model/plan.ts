import type { ContainerId, ImageId, NetworkId, ProjectName, ServerName, StepId } from './ids.ts';
import type { Role } from './labels.ts';
import type { EngineDescription, GenerationOutcome, NetworkShape } from './observed.ts';
import type { ShapeTemplate } from './shape.ts';

export type NonEmpty<T> = readonly [T, ...T[]];

/** Whether a list has an entry. */
export const isNonEmpty = <T>(list: readonly T[]): list is NonEmpty<T> => list.length > 0;

/** One field that differs, with both values as text; a secret shows as `(secret)`. */
export type FieldDifference = { readonly path: string; readonly from: string; readonly to: string };

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
    }
  | { readonly kind: 'network-taken'; readonly name: string }
  | { readonly kind: 'volume-taken'; readonly name: string }
  | { readonly kind: 'unsupported'; readonly detail: string; readonly hint?: string };

export type ServerChange =
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
  /** The right container in the wrong state or under the wrong name; clean-up: the right one, with others beside it. */
  | { readonly action: 'start' | 'stop' | 'rename' | 'clean-up'; readonly reasons: NonEmpty<Reason> }
  | { readonly action: 'remove'; readonly reasons: NonEmpty<Reason> }
  | { readonly action: 'blocked'; readonly why: Blocker };

export type Change = { readonly server: ServerName; readonly container?: ContainerId } & ServerChange;

/** A container that a step acts on: one that is there, or one that an earlier step of this plan makes. */
export type Target = { readonly id: ContainerId } | { readonly madeBy: StepId };

/** What is needed to create a container once its image is known. */
export type PlannedContainer = {
  readonly name: string;
  readonly role: Role;
  /** The image's reference; its id comes from `image`. */
  readonly imageRef: string;
  readonly platform?: string;
  readonly template: ShapeTemplate;
  /** Our labels, complete. */
  readonly ownLabels: Readonly<Record<string, string>>;
  /**
   * Targets of volumes that nothing uses. Those that are missing come to be with the container, so that there is no
   * moment in which one exists and nobody knows that it is fresh. All that are empty are given to the server's user;
   * what holds something is left alone.
   */
  readonly freshVolumes: readonly string[];
};

/** One engine call, or one wait or gate. */
export type Operation =
  | { readonly op: 'create-network'; readonly network: NetworkShape }
  | { readonly op: 'remove-network'; readonly network: NetworkId; readonly name: string }
  | { readonly op: 'pull-image'; readonly ref: string; readonly platform?: string; readonly fallbackToLocal: boolean }
  | {
      readonly op: 'build-image';
      readonly ref: string;
      readonly platform?: string;
      /** false (`pull_policy: never`): an image that the build starts from must be there. */
      readonly mayPull: boolean;
    }
  | { readonly op: 'create-container'; readonly container: PlannedContainer }
  /** Copies files of the writable layer (`lifecycle.preserve`) from one generation to the next. */
  | {
      readonly op: 'carry-files';
      readonly from: ContainerId;
      readonly target: Target;
      readonly name: string;
      readonly paths: readonly string[];
    }
  | { readonly op: 'start-container'; readonly target: Target; readonly name: string }
  | { readonly op: 'unpause-container'; readonly target: Target; readonly name: string }
  | { readonly op: 'gate'; readonly target: Target; readonly name: string; readonly timeoutSeconds: number }
  | { readonly op: 'drain'; readonly target: Target; readonly name: string; readonly seconds: number }
  | { readonly op: 'stop-container'; readonly target: Target; readonly name: string }
  | { readonly op: 'remove-container'; readonly target: Target; readonly name: string }
  | { readonly op: 'rename-container'; readonly target: Target; readonly from: string; readonly to: string }
  /** Keeps what is needed to go back to a generation, its image included, before its container is removed. */
  | {
      readonly op: 'record-generation';
      readonly target: Target;
      /** Of the container that the record is made of, for people. */
      readonly name: string;
      readonly record: string;
      readonly outcome: GenerationOutcome;
    }
  /** Removes an image that looms built, unless anything on the engine still uses it; without an id, the one that the plan built. */
  | { readonly op: 'remove-image'; readonly ref: string; readonly image?: ImageId }
  /** Removes a volume of the project, unless a container uses it. */
  | { readonly op: 'remove-volume'; readonly name: string };

export type Cause =
  | { readonly kind: 'change'; readonly server: ServerName }
  | { readonly kind: 'support'; readonly why: string };

export type Step = {
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
  /** The end of something that must not be left halfway: it still runs after a first Ctrl-C, when all of `after` are ok. */
  readonly completes?: true;
} & Operation;

/** Drift by hand, listed apart from the changes it causes: shown first, under "changed outside looms". */
export type Drift = {
  readonly server: ServerName;
  readonly container: ContainerId;
  readonly fields: NonEmpty<FieldDifference>;
};

/**
 * What stands behind the servers: networks, volumes, relays, files that were kept when a server was deleted, records of
 * past generations and their images. Sorted by name.
 */
export type SupportChange = {
  readonly kind: 'network' | 'volume' | 'relay' | 'data' | 'record' | 'image';
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

export type PlanWarning = { readonly code: string; readonly server?: ServerName; readonly message: string };

export type Plan = {
  readonly schemaVersion: 1;
  readonly project: ProjectName;
  readonly engine: Pick<EngineDescription, 'id' | 'name' | 'kind' | 'version' | 'apiVersion' | 'endpoint'>;
  /** Hash of the changes and steps, with their reasons: a saved plan whose basis is not today's is stale. */
  readonly basis: string;
  /** Sorted by server. */
  readonly changes: readonly Change[];
  readonly support: readonly SupportChange[];
  readonly steps: readonly Step[];
  readonly drift: readonly Drift[];
  /** Sorted by server. What is due already is a change. */
  readonly rotations: readonly NextRotation[];
  readonly warnings: readonly PlanWarning[];
};
