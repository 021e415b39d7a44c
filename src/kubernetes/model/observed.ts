import type { EngineDescription, EngineTime } from '../../model/engine.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { podId } from '../port.ts';
import type { Claim } from './claims.ts';
import { annotation, label } from './names.ts';
import {
  type Deployment,
  isLive,
  isReady,
  type KubeObject,
  type Pod,
  type ReplicaSet,
  revisionKey,
  templateHash,
  timeOf,
} from './objects.ts';

/** A generation of a server: the ReplicaSet whose pods are it, and what it was made from. */
export type Generation = {
  readonly claim: Claim;
  readonly replicaSet: ReplicaSet;
  readonly pods: readonly Pod[];
  /** Whether the Deployment means this one now. */
  readonly isMeant: boolean;
};

/** A server on the cluster. */
export type Workload = {
  readonly server: ServerName;
  readonly deployment: Deployment;
  readonly claim: Claim;
  /** By generation, the newest last. */
  readonly generations: readonly Generation[];
};

/** All of a project that was looked at. */
export type Observed = {
  readonly project: ProjectName;
  readonly namespace: string;
  readonly engine: EngineDescription;
  /** On the API server's clock. */
  readonly now: EngineTime;
  /** Null: it is not there yet. Undefined: who asks may not look at it, and it is left to whoever may. */
  readonly space: KubeObject | null | undefined;
  /** Sorted by server. */
  readonly servers: readonly Workload[];
  /** Deployments that are nobody's of the project. */
  readonly foreign: readonly Deployment[];
  /** Pods that say they are the project's, and that none of its Deployments keeps (`straysOf`). */
  readonly strays: readonly Pod[];
  /** What stands behind servers, whoever made it, by `supportKey`; where servers are only shown, policies. */
  readonly support: ReadonlyMap<string, KubeObject>;
  /** Secrets with the project's labels, without their values; none where servers are only shown. */
  readonly secrets: readonly KubeObject[];
};

/** What an object is called in messages, and found by among what stands behind servers. */
export const supportKey = ({ kind = '', metadata }: KubeObject): string => `${kind} ${metadata.name}`;

/** What a claim is found by among that. */
export const claimKey = (name: string): string => supportKey({ kind: 'PersistentVolumeClaim', metadata: { name } });

/** Whether an object says that it is the project's; of a Namespace too. */
export const isOurs = ({ metadata }: KubeObject, project: ProjectName): boolean =>
  metadata.labels?.[label.project] === project;

/** What keeps an object, and ends it with itself. */
export const controllerOf = ({ metadata }: KubeObject) =>
  (metadata.ownerReferences ?? []).find(({ controller }) => controller === true);

const isControlledBy = (one: KubeObject, ownerKind: 'Deployment' | 'ReplicaSet', owner: KubeObject): boolean => {
  const controller = controllerOf(one);
  return controller?.kind === ownerKind && controller.uid === owner.metadata.uid;
};

/**
 * Whether a ReplicaSet counts a pod as its own: it is asked for by its labels as well. Which those are its selector says, which
 * nobody can change, and its own labels only where it tells none.
 */
const isPodOf = (pod: Pod, replicaSet: ReplicaSet): boolean => {
  const { metadata, spec } = replicaSet;
  const hash = (spec.selector?.matchLabels ?? metadata.labels)?.[templateHash];
  return (
    hash !== undefined && pod.metadata.labels?.[templateHash] === hash && isControlledBy(pod, 'ReplicaSet', replicaSet)
  );
};

/**
 * Puts the generations of a Deployment together; `readClaim` says what each was made from. Of which server of which project that
 * is the Deployment says that controls it: its own labels anybody can take away, and its pods go on.
 */
export function generationsOf(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  pods: readonly Pod[],
  readClaim: (object: KubeObject) => Claim | undefined,
): readonly Generation[] {
  const { labels = {}, annotations } = deployment.metadata;
  const revision = annotations?.[revisionKey];
  return replicaSets
    .filter((one) => isControlledBy(one, 'Deployment', deployment))
    .flatMap((replicaSet): readonly Generation[] => {
      const claim = readClaim({ ...replicaSet, metadata: { ...replicaSet.metadata, labels } });
      if (claim === undefined) return [];
      return [
        {
          claim,
          replicaSet,
          pods: pods
            .filter((pod) => isPodOf(pod, replicaSet))
            .toSorted((a, b) => timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp)),
          isMeant: revision !== undefined && replicaSet.metadata.annotations?.[revisionKey] === revision,
        },
      ];
    })
    .toSorted((a, b) => a.claim.generation - b.claim.generation || revisionOf(a) - revisionOf(b));
}

const revisionOf = ({ replicaSet }: Generation): number =>
  Number(replicaSet.metadata.annotations?.[revisionKey] ?? 0) || 0;

/** The generation that the Deployment means; undefined while its controller has not made it. */
export const meantOf = ({ generations }: Workload): Generation | undefined =>
  generations.find(({ isMeant }) => isMeant);

/** The one that sessions go to: of those with a ready pod the one that is meant, else the newest. */
export const servingOf = ({ generations }: Workload): Generation | undefined => {
  const serving = generations.filter(({ pods }) => pods.some(isReady));
  return serving.find(({ isMeant }) => isMeant) ?? serving.at(-1);
};

/**
 * The digest by which the pods of a server shall pull its image: where this machine signed it with the record, or with an earlier
 * one of the same image, which another machine has written anew since.
 */
export function pinnedDigest({ claim, deployment, generations }: Workload): string | undefined {
  const said = deployment.metadata.annotations?.[annotation.image];
  const isKnown = [claim, ...generations.map((one) => one.claim)].some(
    ({ image, recorded }) => image?.digest === said && recorded?.image === claim.recorded?.image,
  );
  return isKnown ? said : undefined;
}

/** A server that is on the cluster. Throws `server-not-found`. */
export function workloadOf({ project, servers }: Pick<Observed, 'project' | 'servers'>, name: ServerName): Workload {
  const found = servers.find(({ server }) => server === name);
  if (found !== undefined) return found;
  const known = servers.map(({ server }) => server);
  throw serverNotFound(project, name, known);
}

/** How many pods a Deployment asks for. */
export const askedOf = ({ deployment }: Pick<Workload, 'deployment'>): number => deployment.spec.replicas ?? 1;

/** Whether a server has no pods since it has no sessions (`mcp_server.scale`), and not since somebody stopped it. */
export const isAsleep = (workload: Pick<Workload, 'deployment' | 'claim'>): boolean =>
  askedOf(workload) === 0 &&
  workload.claim.recorded?.spec.enabled === true &&
  workload.claim.recorded.spec.scale?.min === 0 &&
  workload.deployment.metadata.annotations?.[annotation.stopped] === undefined;

/** The pod that stands for a generation: a ready one, else one that is there to stay, else the newest. */
export const mainPod = ({ pods }: Pick<Generation, 'pods'>): Pod | undefined =>
  pods.findLast(isReady) ?? pods.findLast(isLive) ?? pods.at(-1);

/** The generation that a server is shown by. */
export const shownOf = (workload: Workload): Generation | undefined =>
  servingOf(workload) ?? meantOf(workload) ?? workload.generations.at(-1);

export const idOfPod = ({ metadata }: KubeObject): ContainerId =>
  podId({ uid: metadata.uid ?? '', namespace: metadata.namespace ?? '', name: metadata.name });

/** By what a server is called where it has no pod: its ReplicaSet, or its Deployment. */
export const idOfGeneration = (generation: Generation | undefined, deployment: Deployment): ContainerId =>
  idOfPod((generation && (mainPod(generation) ?? generation.replicaSet)) ?? deployment);

/** All pods of a server, by the generations that they are of. */
export const podsOf = ({ generations }: Workload): readonly Pod[] => generations.flatMap(({ pods }) => pods);
