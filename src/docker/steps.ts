import type { GenerationOutcome } from '../model/engine.ts';
import { type ContainerId, type ImageId, type NetworkId, type StepId, shortId } from '../model/ids.ts';
import type { Plan, StepHeader } from '../model/plan.ts';
import { duration } from '../model/times.ts';
import type { Role } from './model/labels.ts';
import type { NetworkShape } from './model/observed.ts';
import type { ShapeTemplate } from './model/shape.ts';

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
  /** Waits until a process in a container listens on all of these (`address:port`). */
  | {
      readonly op: 'await-listening';
      readonly target: Target;
      readonly name: string;
      readonly addresses: readonly string[];
      readonly timeoutSeconds: number;
    }
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

/** A step as the planner makes it, before its words. */
export type StepDraft = StepHeader & Operation;

/** A step of the Docker orchestrator. */
export type DockerStep = StepDraft & { readonly text: string };

export type DockerPlan = Plan<DockerStep>;

const targetText = (target: Target): string => ('id' in target ? shortId(target.id) : `(${target.madeBy})`);

/** What each kind of step does, in a few words. */
const texts: { readonly [Op in Operation['op']]: (step: Extract<Operation, { op: Op }>) => string } = {
  'create-network': ({ network }) => `create network ${network.name}`,
  'remove-network': ({ name }) => `remove network ${name}`,
  'pull-image': ({ ref }) => `pull ${ref}`,
  'build-image': ({ ref }) => `build ${ref}`,
  'create-container': ({ container }) => `create ${container.name} from ${container.imageRef}`,
  'carry-files': ({ paths, name }) => `carry ${paths.join(', ')} over to ${name}`,
  'start-container': ({ name }) => `start ${name}`,
  'unpause-container': ({ name }) => `unpause ${name}`,
  gate: ({ name, timeoutSeconds }) => `gate: ${name} answers MCP within ${duration(timeoutSeconds * 1000)}`,
  'await-listening': ({ name, timeoutSeconds }) => `gate: ${name} listens within ${duration(timeoutSeconds * 1000)}`,
  drain: ({ name, seconds }) => `drain ${name} for at most ${duration(seconds * 1000)}`,
  'stop-container': ({ name, target }) => `stop ${name} ${targetText(target)}`,
  'remove-container': ({ name, target }) => `remove ${name} ${targetText(target)}`,
  'rename-container': ({ from, to }) => `rename ${from} to ${to}`,
  'record-generation': ({ name, record, outcome }) => `record ${name} as ${record} (${outcome})`,
  'remove-image': ({ ref }) => `remove image ${ref}`,
  'remove-volume': ({ name }) => `remove volume ${name}`,
};

/** What a step does, in a few words (`Step.text`). */
export const stepText = (operation: Operation): string =>
  (texts[operation.op] as (step: Operation) => string)(operation);
