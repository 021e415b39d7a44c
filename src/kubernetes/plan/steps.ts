import type { Plan, StepHeader } from '../../model/plan.ts';
import { type Bounds, boundsText } from '../../model/replicas.ts';
import { duration } from '../../model/times.ts';
import type { Kind } from '../model/kinds.ts';
import type { KubeObject } from '../model/objects.ts';
import type { Over, OverDeployment } from './over.ts';

/** One request, or one wait or gate. */
export type Operation =
  /** Makes an object, or puts one in the place of what is there. */
  | { readonly op: 'put-object'; readonly object: KubeObject; readonly over?: Over }
  /** Sets labels of the namespace, or takes them away (null); all others stay. */
  | {
      readonly op: 'label-namespace';
      readonly name: string;
      readonly uid: string;
      readonly labels: Readonly<Record<string, string | null>>;
    }
  | { readonly op: 'delete-object'; readonly kind: Kind; readonly name: string; readonly uid: string }
  /** Makes an image that looms builds be at the registry from which pods pull it, once for all servers that have it. */
  | {
      readonly op: 'publish-image';
      /** Its name where it is built. */
      readonly ref: string;
      readonly there: string;
      /** By which pods had it before; absent: none had it, or by its name alone. */
      readonly digest?: string;
      /** Whether what it is built from is known; else it is there, or nowhere. */
      readonly canBuild: boolean;
      readonly mayPull: boolean;
      /** Whether pods of the project were made of it before, so that it was there once. */
      readonly wasPulled: boolean;
    }
  /**
   * Writes a server's Deployment, and before it the Secret that its pods need. `newPods`: under another generation, so that
   * pods are replaced; else as the one that is there, `counts`: with what its spec says by now of how many there are.
   */
  | {
      readonly op: 'put-server';
      readonly name: string;
      readonly generation: number;
      readonly newPods: boolean;
      readonly counts?: true;
      /** As many as there are by then, within these. */
      readonly replicas: Bounds;
      /** The digest by which new pods pull an image that looms does not publish; absent: by its name. */
      readonly digest?: string;
      /** Absent: none is there. */
      readonly over?: OverDeployment;
    }
  /** Waits until all pods of the generation are ready, and opens a session to one. */
  | { readonly op: 'gate'; readonly name: string; readonly generation: number; readonly timeoutSeconds: number }
  /** Makes the Deployment mean the pods again that served before; `sleeps`: it has none, as a session wakes it. */
  | {
      readonly op: 'restore-server';
      readonly name: string;
      readonly replicaSet: string;
      readonly generation: number;
      readonly sleeps?: true;
    }
  /** Removes the Deployment that a step of this plan made; `keeps`: leaves it without pods, to be looked at. */
  | { readonly op: 'undo-create'; readonly name: string; readonly keeps: boolean }
  /** Waits until the pods of a server are gone. */
  | { readonly op: 'await-gone'; readonly name: string; readonly seconds: number };

export type StepDraft = StepHeader & Operation;

/** A step of the Kubernetes orchestrator. */
export type KubeStep = StepDraft & { readonly text: string };

export type KubePlan = Plan<KubeStep>;

const texts: { readonly [Op in Operation['op']]: (step: Extract<Operation, { op: Op }>) => string } = {
  'put-object': ({ object, over }) =>
    `${over === undefined ? 'create' : 'update'} ${object.kind ?? ''} ${object.metadata.name}`,
  'label-namespace': ({ name }) => `label Namespace ${name}`,
  'delete-object': ({ kind, name }) => `delete ${kind} ${name}`,
  'publish-image': ({ there, canBuild }) => `${canBuild ? 'publish image' : 'look for image'} ${there}`,
  'put-server': ({ name, over, newPods, generation, replicas, counts }) => {
    if (replicas.most === 0 || counts) return `scale Deployment ${name} to ${boundsText(replicas)}`;
    const which = newPods ? ` (generation ${generation})` : '';
    return `${over === undefined ? 'create' : 'update'} Deployment ${name}${which}`;
  },
  gate: ({ name, timeoutSeconds }) =>
    `gate: a pod of ${name} answers MCP, each time within ${duration(timeoutSeconds * 1000)}`,
  'restore-server': ({ name, generation, sleeps }) =>
    `take Deployment ${name} back to generation ${generation}${sleeps ? ', asleep' : ''}`,
  'undo-create': ({ name, keeps }) => (keeps ? `scale Deployment ${name} to 0` : `delete Deployment ${name}`),
  'await-gone': ({ name, seconds }) => `wait until the pods of ${name} are gone, at most ${duration(seconds * 1000)}`,
};

/** What a step does, in a few words (`Step.text`). */
export const stepText = (operation: Operation): string =>
  (texts[operation.op] as (step: Operation) => string)(operation);
