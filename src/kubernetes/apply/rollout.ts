import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import { objectPath } from '../model/kinds.ts';
import {
  type ContainerStatus,
  isLive,
  isReady,
  isSeen,
  type Pod,
  reachContainer,
  refusalOf,
  serverContainer,
} from '../model/objects.ts';
import {
  askedOf,
  type Generation,
  idOfPod,
  mainPod,
  meantOf,
  type Observed,
  podsOf,
  type Workload,
} from '../model/observed.ts';
import { isPassing } from '../model/refusals.ts';
import { lookAtServer } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { eventsOf } from './requests.ts';

/** Between two looks at a rollout, ms: the first pause, and the longest that it grows to. */
const [shortestPauseMs, longestPauseMs] = [500, 1500];

/** Times that a probe fails before its container is begun again (`startupProbe`), and slack between two of them, s. */
const probes = { times: 3, slackSeconds: 10 } as const;

/** How long a pod may take from its start until it has passed its gate, or has failed it for good, ms. */
export const gateMs = (timeoutSeconds: number): number =>
  probes.times * (2 * timeoutSeconds + probes.slackSeconds) * 1000;

/** How long a pod may take until its node has it and its image, ms, beyond what its server takes. */
const placingMs = 300_000;

/** What ends a wait for an image: it cannot be had. */
const imageReasons = new Set(['ErrImageNeverPull', 'InvalidImageName']);
const startReasons = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', 'StartError']);

/** What keeps a rollout from ever ending well; undefined: it goes on. */
type Trouble = {
  readonly code: 'image-pull-failed' | 'container-start-failed' | 'server-unhealthy';
  readonly why: string;
};

/** What a wait knows of containers, by `keyOf`. */
type Known = {
  /** How often each had been begun again when the wait began. */
  readonly restartsBefore: ReadonlyMap<string, number>;
  /** Those whose image could not be pulled once, which may have been by chance. */
  readonly backedOff: Set<string>;
  /** Those of which that was so when the wait began. */
  readonly backedOffBefore: ReadonlySet<string>;
};

/** A container by its pod's uid and its own name. */
const keyOf = ({ metadata }: Pod, { name }: ContainerStatus): string => `${metadata.uid ?? ''} ${name}`;

/** The containers of a pod that looms made it with: the server, then what asks one over HTTP for the gate. */
const ownStatuses = ({ status }: Pod): readonly ContainerStatus[] =>
  [serverContainer, reachContainer].flatMap((own) => status?.containerStatuses?.find(({ name }) => name === own) ?? []);

/** What is known of a server's containers at the first look. */
function firstKnown(workload: Workload): Known {
  const all = podsOf(workload).flatMap((pod) =>
    ownStatuses(pod).map((status) => [keyOf(pod, status), status] as const),
  );
  return {
    restartsBefore: new Map(all.map(([key, { restartCount = 0 }]) => [key, restartCount])),
    backedOff: new Set(),
    backedOffBefore: new Set(all.flatMap(([key, { state }]) => (isBackedOff(state) ? [key] : []))),
  };
}

/** Where one pod is enough, what keeps the others from serving is no trouble as long as one may come to it. */
function troubleOf(
  { replicaSet, pods }: Generation,
  known: Known,
  enough: 'one' | 'all',
): (Trouble & { readonly pod?: Pod }) | undefined {
  const live = pods.filter(isLive);
  const troubles = live.flatMap((pod) => {
    const trouble = troubleOfPod(pod, known);
    return trouble === undefined ? [] : [{ ...trouble, pod }];
  });
  if (enough === 'one' && troubles.length < live.length) return undefined;
  // The same condition of the Deployment is that of any of its ReplicaSets, past ones included.
  const refused = refusalOf(replicaSet);
  if (refused !== undefined) {
    return { code: 'container-start-failed', why: refused.message ?? refused.reason ?? 'the cluster makes no pod' };
  }
  return troubles[0];
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

function troubleOfPod(pod: Pod, known: Known): Trouble | undefined {
  for (const status of pod.status?.containerStatuses ?? []) {
    const { reason = '', message = '' } = status.state?.waiting ?? {};
    const isImage = imageReasons.has(reason) || isPullFailed(keyOf(pod, status), status.state, known);
    if (isImage) return { code: 'image-pull-failed', why: `${reason}: ${message}` };
    if (startReasons.has(reason)) return { code: 'container-start-failed', why: `${reason}: ${message}` };
  }
  const again = ownStatuses(pod).find(
    (status) =>
      status.ready !== true && (status.restartCount ?? 0) > (known.restartsBefore.get(keyOf(pod, status)) ?? 0),
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

export type RolledOut = { readonly workload: Workload; readonly generation: Generation; readonly pod: Pod };

/**
 * Waits until the pods that the Deployment means are ready, or one of them: `timeoutMs` for each, as they may come one by one,
 * beyond what nodes take to have them. A look that fails for a reason that may pass is made again, as long as there is time.
 * Throws `server-unhealthy` when its server did not answer, `image-pull-failed`, `container-start-failed`, `server-not-found`
 * when it is gone, `engine-timeout`, `interrupted`.
 */
export async function awaitRollout(
  ports: KubernetesPorts,
  observed: Pick<Observed, 'project' | 'namespace'>,
  server: ServerName,
  {
    timeoutMs,
    enough,
    signal,
  }: { readonly timeoutMs: number; readonly enough: 'one' | 'all'; readonly signal?: AbortSignal | undefined },
): Promise<RolledOut> {
  const began = ports.monotonicMs();
  let deadline = began + timeoutMs + placingMs;
  let known: Known | undefined;
  for (let wait = shortestPauseMs; ; wait = Math.min(wait * 1.5, longestPauseMs)) {
    if (signal?.aborted) throw new LoomsError('interrupted', `stopped waiting for ${server}`);
    let workload: Workload | null;
    try {
      workload = await lookAtServer(ports, observed, server, { signal });
    } catch (error) {
      if (!isPassing(error) || ports.monotonicMs() >= deadline) throw error;
      await ports.pause(wait, signal);
      continue;
    }
    if (workload === null) throw new LoomsError('server-not-found', `the Deployment of ${server} is gone`);
    // Pods that come later have been begun again by what is waited for.
    known ??= firstKnown(workload);
    const wanted = enough === 'one' ? 1 : Math.max(1, askedOf(workload));
    deadline = began + timeoutMs * wanted + placingMs;
    const generation = isSeen(workload.deployment) ? meantOf(workload) : undefined;
    const ready = generation?.pods.filter(isReady) ?? [];
    const pod = ready.at(-1);
    if (generation !== undefined && pod !== undefined && ready.length >= wanted) return { workload, generation, pod };
    const trouble = generation && troubleOf(generation, known, enough);
    if (trouble !== undefined) throw await failureOf(ports, server, trouble.pod, trouble);
    if (ports.monotonicMs() >= deadline) {
      const main = generation && (generation.pods.findLast((one) => !isReady(one)) ?? mainPod(generation));
      const unplaced = main?.status?.conditions?.find(
        ({ type, status }) => type === 'PodScheduled' && status === 'False',
      );
      throw await failureOf(ports, server, main, {
        code: 'server-unhealthy',
        why:
          unplaced?.message === undefined
            ? notReady(ready.length, wanted)
            : `no node takes its pod: ${unplaced.message}`,
      });
    }
    await ports.pause(wait, signal);
  }
}

const notReady = (ready: number, wanted: number): string =>
  wanted === 1 ? 'it is not ready' : `${ready} of its ${wanted} pods are ready`;

/** Longest detail of a failure, lines. */
const detailLines = 12;

/** Lines that are read of each log. */
const logLines = 20;

/** The end of the log of a container before it was begun again, or since; none where it was not, or is not there. */
async function endOfLog(
  { cluster }: KubernetesPorts,
  { metadata }: Pod,
  { container, previous }: { readonly container: string; readonly previous: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  const path = `${objectPath('Pod', metadata.namespace, metadata.name)}/log`;
  const query = { container, previous: String(previous), tailLines: String(logLines) };
  const lines: string[] = [];
  try {
    for await (const line of cluster.lines({ path, query }, { signal })) lines.push(line);
  } catch {
    // What else is known of the failure is told without it.
  }
  return lines;
}

/** A rollout that came to nothing, with what the cluster and the server say of it. */
async function failureOf(
  ports: KubernetesPorts,
  server: ServerName,
  pod: Pod | undefined,
  { code, why }: Trouble,
): Promise<LoomsError> {
  const bound = AbortSignal.timeout(5000);
  const asks = pod?.spec.containers.some(({ name }) => name === reachContainer) ? [true, false] : [];
  const [events, answers, before, log] = await Promise.all([
    pod === undefined ? [] : eventsOf(ports.cluster, pod, { signal: bound }).catch(() => []),
    Promise.all(
      asks.map((previous) => (pod ? endOfLog(ports, pod, { container: reachContainer, previous }, bound) : [])),
    ),
    pod === undefined ? [] : endOfLog(ports, pod, { container: serverContainer, previous: true }, bound),
    pod === undefined ? [] : ports.sessions.tailLog(idOfPod(pod), logLines, { signal: bound }).catch(() => []),
  ]);
  const told = events.filter((text) => /^(?:Unhealthy|Failed|BackOff)/.test(text)).slice(-3);
  const lines = [...told, ...answers.flat(), ...before, ...log.map(({ text }) => text)];
  return new LoomsError(code, `${server} did not become ready: ${why}`, {
    detail: tellingLines(lines, detailLines),
  });
}
