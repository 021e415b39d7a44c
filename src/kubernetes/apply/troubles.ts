import {
  type Condition,
  type ContainerStatus,
  type Deployment,
  isLive,
  type Pod,
  reachContainer,
  refusalOf,
  serverContainer,
} from '../model/objects.ts';
import { type Generation, podsOf, type Workload } from '../model/observed.ts';
import { graceMs } from '../model/refusals.ts';

/** What ends a wait for an image: no other try can have it. */
const imageReasons = new Set(['ErrImageNeverPull', 'InvalidImageName']);

/** Why a node does not begin a container that it has an image for; it tries again. */
const startReasons = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

/** How a container has ended that was made and could not be begun, in containerd's word. */
const neverBegun = 'StartError';

/** What keeps a rollout from ever ending well. */
export type Trouble = {
  readonly code: 'image-pull-failed' | 'container-start-failed' | 'server-unhealthy';
  readonly why: string;
  /** The pod that it is about; undefined where none is made. */
  readonly pod?: Pod;
};

/** What a wait knows of containers, by `keyOf`. */
type Known = {
  /** How often each had been begun again when the wait began. */
  readonly restartsBefore: ReadonlyMap<string, number>;
  /** Those whose image could not be pulled once, which may have been by chance. */
  readonly backedOff: Set<string>;
  /** Those of which that was so when the wait began. */
  readonly backedOffBefore: ReadonlySet<string>;
  /** Whether what is said of a container, or of another object by its uid, was said for so long that it is no word in passing. */
  readonly stays: (key: string) => boolean;
};

/** A container by its pod's uid and its own name. */
const keyOf = ({ metadata }: Pod, { name }: ContainerStatus): string => `${metadata.uid ?? ''} ${name}`;

/** The containers of a pod that looms made it with: the server, then what asks one over HTTP for the gate. */
const ownStatuses = ({ status }: Pod): readonly ContainerStatus[] =>
  [serverContainer, reachContainer].flatMap((own) => status?.containerStatuses?.find(({ name }) => name === own) ?? []);

/** What is known of a server's containers at the first look. */
function firstKnown(workload: Workload): Omit<Known, 'stays'> {
  const all = podsOf(workload).flatMap((pod) =>
    ownStatuses(pod).map((status) => [keyOf(pod, status), status] as const),
  );
  return {
    restartsBefore: new Map(all.map(([key, { restartCount = 0 }]) => [key, restartCount])),
    backedOff: new Set(),
    backedOffBefore: new Set(all.flatMap(([key, { state }]) => (isBackedOff(state) ? [key] : []))),
  };
}

/**
 * Looks, one after the other from the `first` on, for what keeps a rollout from ever ending well. What the cluster tries again
 * counts once it was said at each look for `graceMs`. Where one pod is `enough`, what keeps the others from serving is no trouble
 * as long as one may come to it. `generation`: the one that the Deployment means, once it is there. `now` is of a monotonic clock.
 */
export function troubleFinder(first: Workload, enough: 'one' | 'all') {
  const before = firstKnown(first);
  let since: ReadonlyMap<string, number> = new Map();
  return ({ deployment }: Workload, generation: Generation | undefined, now: number): Trouble | undefined => {
    const said = new Map<string, number>();
    const stays = (key: string): boolean => {
      const began = since.get(key) ?? now;
      said.set(key, began);
      return now - began >= graceMs;
    };
    const known = { ...before, stays };
    const found = generation === undefined ? unmade(deployment, known) : troubleOf(generation, known, enough);
    since = said;
    return found;
  };
}

/** What the cluster says of an object that it makes nothing for. */
const refusedFor = ({ message, reason = '' }: Condition): Trouble => ({
  code: 'container-start-failed',
  why: message ?? reason,
});

/**
 * Why there is no ReplicaSet of what a Deployment asks for (`FailedRSCreateReason` of its controller, which does not say then
 * that it has seen what was asked for).
 */
function unmade({ metadata, status }: Deployment, known: Known): Trouble | undefined {
  const refused = status?.conditions?.find(
    ({ type, status: is, reason }) => type === 'Progressing' && is === 'False' && reason === 'ReplicaSetCreateError',
  );
  return refused !== undefined && known.stays(metadata.uid ?? '') ? refusedFor(refused) : undefined;
}

function troubleOf({ replicaSet, pods }: Generation, known: Known, enough: 'one' | 'all'): Trouble | undefined {
  // The same condition of the Deployment is that of any of its ReplicaSets, past ones included.
  const refused = refusalOf(replicaSet);
  const isRefused = refused !== undefined && known.stays(replicaSet.metadata.uid ?? '');
  const live = pods.filter(isLive);
  const troubles = live.flatMap((pod) => {
    const trouble = troubleOfPod(pod, known);
    return trouble === undefined ? [] : [{ ...trouble, pod }];
  });
  if (enough === 'one' && troubles.length < live.length) return undefined;
  return isRefused ? refusedFor(refused) : troubles[0];
}

const isBackedOff = (state: ContainerStatus['state']): boolean => state?.waiting?.reason === 'ImagePullBackOff';

/**
 * Whether the image of a container is not to be had: a pull failed once more, or had failed before the wait began. A node tells
 * `ErrImagePull` after each, then `ImagePullBackOff` until the next, which is 10 s later at first and five minutes at last.
 */
function isPullFailed(key: string, state: ContainerStatus['state'], { backedOff, backedOffBefore }: Known): boolean {
  if (!isBackedOff(state)) return state?.waiting?.reason === 'ErrImagePull' && backedOff.has(key);
  backedOff.add(key);
  return backedOffBefore.has(key);
}

/** Why a container was not begun, in its node's words; undefined where it was, or is still to be. */
function startFailure({ state, lastState }: ContainerStatus): string | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {};
  if (startReasons.has(reason)) return `${reason}: ${message}`;
  // Between two tries its node says that it waits (`CrashLoopBackOff`), and how the last one ended.
  const ended = state?.running === undefined ? (state?.terminated ?? lastState?.terminated) : undefined;
  return ended?.reason === neverBegun ? `${ended.reason}: ${ended.message ?? ''}` : undefined;
}

function troubleOfPod(pod: Pod, known: Known): Trouble | undefined {
  for (const status of pod.status?.containerStatuses ?? []) {
    const { reason = '', message = '' } = status.state?.waiting ?? {};
    const isImage = imageReasons.has(reason) || isPullFailed(keyOf(pod, status), status.state, known);
    if (isImage) return { code: 'image-pull-failed', why: `${reason}: ${message}` };
    const why = startFailure(status);
    if (why !== undefined && known.stays(keyOf(pod, status))) return { code: 'container-start-failed', why };
  }
  const again = ownStatuses(pod).find(
    (status) =>
      status.ready !== true &&
      status.lastState?.terminated?.reason !== neverBegun &&
      (status.restartCount ?? 0) > (known.restartsBefore.get(keyOf(pod, status)) ?? 0),
  );
  if (again === undefined) return undefined;
  // What asks for the gate is begun again as it was not passed: how it ended says nothing.
  if (again.name === reachContainer) return { code: 'server-unhealthy', why: 'it did not pass the gate in its pod' };
  const last = again.lastState?.terminated;
  return {
    code: 'server-unhealthy',
    why: `its pod was begun again${last === undefined ? '' : ` (${last.reason ?? 'ended'}, exit code ${last.exitCode})`}`,
  };
}
