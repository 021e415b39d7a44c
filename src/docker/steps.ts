import type { GenerationOutcome } from '../model/engine.ts';
import { assertNever } from '../model/errors.ts';
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

/** What a step does, in a few words (`Step.text`). */
export function stepText(operation: Operation): string {
  switch (operation.op) {
    case 'create-network':
      return `create network ${operation.network.name}`;
    case 'remove-network':
      return `remove network ${operation.name}`;
    case 'pull-image':
      return `pull ${operation.ref}`;
    case 'build-image':
      return `build ${operation.ref}`;
    case 'create-container':
      return `create ${operation.container.name} from ${operation.container.imageRef}`;
    case 'carry-files':
      return `carry ${operation.paths.join(', ')} over to ${operation.name}`;
    case 'start-container':
      return `start ${operation.name}`;
    case 'unpause-container':
      return `unpause ${operation.name}`;
    case 'gate':
      return `gate: ${operation.name} answers MCP within ${duration(operation.timeoutSeconds * 1000)}`;
    case 'drain':
      return `drain ${operation.name} for at most ${duration(operation.seconds * 1000)}`;
    case 'stop-container':
      return `stop ${operation.name} ${targetText(operation.target)}`;
    case 'remove-container':
      return `remove ${operation.name} ${targetText(operation.target)}`;
    case 'rename-container':
      return `rename ${operation.from} to ${operation.to}`;
    case 'record-generation':
      return `record ${operation.name} as ${operation.record} (${operation.outcome})`;
    case 'remove-image':
      return `remove image ${operation.ref}`;
    case 'remove-volume':
      return `remove volume ${operation.name}`;
    default:
      return assertNever(operation);
  }
}
