import type { EngineTime } from '../../model/engine.ts';
import { defined } from '../../model/values/defined.ts';

// What of Kubernetes' objects is read here. The API server checks their shape; what stands in labels and annotations is a
// claim of whoever may write to the namespace (claims.ts).

type Texts = Readonly<Record<string, string>>;

/** Who set which fields of an object, and when at the latest (`metadata.managedFields`). */
export type ManagedFields = {
  readonly manager?: string;
  readonly time?: string;
  /** `status`, `resize`, `ephemeralcontainers`; absent for what was written to the object itself. */
  readonly subresource?: string;
  readonly fieldsV1?: object;
};

export type Metadata = {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Counts changes of what is asked for; status is none. */
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Texts;
  readonly annotations?: Texts;
  readonly managedFields?: readonly ManagedFields[];
  /** Who has something to do before the object goes. */
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly {
    readonly uid: string;
    readonly kind: string;
    readonly name: string;
    readonly controller?: boolean;
  }[];
};

export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Metadata;
  readonly [field: string]: unknown;
};

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
};

export type Container = {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly resources?: { readonly limits?: Texts; readonly requests?: Texts };
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name?: string; readonly key: string } };
  }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly runAsUser?: number;
    readonly runAsGroup?: number;
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
};

export type PodSpec = {
  readonly containers: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly persistentVolumeClaim?: { readonly claimName: string };
    readonly hostPath?: { readonly path: string };
    readonly emptyDir?: { readonly medium?: string };
  }[];
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[];
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly nodeName?: string;
};

/** What pods are made from. */
export type PodTemplate = { readonly metadata?: Partial<Metadata>; readonly spec: PodSpec };

export type Deployment = KubeObject & {
  readonly spec: {
    readonly replicas?: number;
    readonly paused?: boolean;
    readonly strategy?: { readonly type?: string };
    readonly template: PodTemplate;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
};

export type ReplicaSet = KubeObject & {
  readonly spec: {
    readonly replicas?: number;
    readonly selector?: { readonly matchLabels?: Texts };
    readonly template: PodTemplate;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
};

/** How a container ended. */
type Ended = { readonly exitCode: number; readonly reason?: string; readonly message?: string };

export type ContainerStatus = {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly imageID?: string;
  readonly state?: {
    readonly running?: { readonly startedAt?: string };
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: Ended & { readonly finishedAt?: string };
  };
  readonly lastState?: { readonly terminated?: Ended };
};

export type Pod = KubeObject & {
  readonly spec: PodSpec;
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    /** Of its node. */
    readonly hostIP?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
};

/** A time as the API server writes it; 0 for what is none. */
export const timeOf = (text: string | undefined): EngineTime => Date.parse(text ?? '') || 0;

/** Whether an object is being taken away: it goes once what holds it up has ended. */
export const isEnding = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

/**
 * An object that is written over one that is there, with what others hang on that: their finalizers, and of what it is a part. No
 * spec says either; a write without them would take them away, and end an object that waits for its finalizers alone.
 */
export function asHeld(object: KubeObject, { metadata: { finalizers, ownerReferences } }: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, ...defined({ finalizers, ownerReferences }) } };
}

/** What says that a pod serves, and since when: it is ready, and is not being ended; undefined where it does not serve. */
export const readyOf = (pod: Pod): Condition | undefined =>
  isEnding(pod) ? undefined : pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'True');

/** Whether a pod serves. */
export const isReady = (pod: Pod): boolean => readyOf(pod) !== undefined;

/** Whether a pod has ended for good, as one that its node evicted: it stays as a word of that, and nothing runs in it again. */
export const isOver = ({ status }: Pod): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';

/** Whether a pod is there to stay, ready or not. */
export const isLive = (pod: Pod): boolean => !isEnding(pod) && !isOver(pod);

/** What keeps the cluster from making pods of a ReplicaSet (a quota, a webhook); undefined for nothing. */
export const refusalOf = ({ status }: ReplicaSet): Condition | undefined =>
  status?.conditions?.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True');

/** Whether the Deployment's controller has seen what it was last asked for. */
export const isSeen = ({ status, metadata }: Deployment): boolean =>
  (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);

/** The server's own container, as pods are asked to have it. */
export const serverIn = ({ containers }: PodSpec): Container | undefined =>
  containers.find(({ name }) => name === serverContainer);

/** How the server's own container is in a pod. */
export const serverStatus = ({ status }: Pod): ContainerStatus | undefined =>
  status?.containerStatuses?.find(({ name }) => name === serverContainer);

/** Names of the claims that a pod mounts. */
export const claimsIn = ({ volumes = [] }: PodSpec): readonly string[] =>
  volumes.flatMap(({ persistentVolumeClaim: claim }) => (claim === undefined ? [] : [claim.claimName]));

/** The name of the server's container in its pod; beside a server over HTTP there is `reachContainer`. */
export const serverContainer = 'server';
export const reachContainer = 'reach';

/** Which run of a container this is: when it began, and how often it was begun again. */
export const runOf = (status: ContainerStatus | undefined): string =>
  status?.state?.running === undefined ? '' : `${status.state.running.startedAt ?? ''}#${status.restartCount ?? 0}`;

/** The key of a ReplicaSet's pods, which Kubernetes gives them. */
export const templateHash = 'pod-template-hash';

/** Which of its ReplicaSets a Deployment means; Kubernetes writes it on both. */
export const revisionKey = 'deployment.kubernetes.io/revision';
