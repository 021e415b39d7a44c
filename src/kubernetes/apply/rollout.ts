import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { defined } from '../../model/values/defined.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import { objectPath } from '../model/kinds.ts';
import { isReady, isSeen, type Pod, reachContainer, serverContainer } from '../model/objects.ts';
import {
  askedOf,
  type Generation,
  idOfPod,
  isAsleep,
  mainPod,
  meantOf,
  type Observed,
  type Workload,
} from '../model/observed.ts';
import { lookAtServer } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { stoppedServer } from '../views/serving.ts';
import { patiently } from './patience.ts';
import { eventsOf } from './requests.ts';
import { type Trouble, troubleFinder } from './troubles.ts';

/** Between two looks at a rollout, ms: the first pause, and the longest that it grows to. */
const [shortestPauseMs, longestPauseMs] = [500, 1500];

/** Times that a probe fails before its container is begun again (`startupProbe`), and slack between two of them, s. */
const probes = { times: 3, slackSeconds: 10 } as const;

/** How long a pod may take from its start until it has passed its gate, or has failed it for good, ms. */
export const gateMs = (timeoutSeconds: number): number =>
  probes.times * (2 * timeoutSeconds + probes.slackSeconds) * 1000;

/** How long a pod may take until its node has it and its image, ms, beyond what its server takes. */
const placingMs = 300_000;

/** How long a pod is waited for until it is ready, ms. */
export const patienceMs = (timeoutSeconds: number): number => gateMs(timeoutSeconds) + placingMs;

export type RolledOut = { readonly workload: Workload; readonly generation: Generation; readonly pod: Pod };

/**
 * Waits until the pods that the Deployment means are ready, or one of them: `timeoutMs` for each, as they may come one by one,
 * beyond what nodes take to have them. A look that fails for a reason that may pass is made again (`patiently`).
 * Throws `server-unhealthy` when its server did not answer, `image-pull-failed`, `container-start-failed`, `server-not-found`
 * when it is gone, `server-asleep` and `server-not-running` where one is waited for and none is asked for by now,
 * `engine-timeout`, `interrupted`.
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
  let findTrouble: ReturnType<typeof troubleFinder> | undefined;
  for (let wait = shortestPauseMs; ; wait = Math.min(wait * 1.5, longestPauseMs)) {
    if (signal?.aborted) throw new LoomsError('interrupted', `stopped waiting for ${server}`);
    const look = () => lookAtServer(ports, observed, server, { signal });
    const workload = await patiently(ports, look, { forMs: deadline - ports.monotonicMs(), pauseMs: wait, signal });
    if (workload === null) throw new LoomsError('server-not-found', `the Deployment of ${server} is gone`);
    // Pods that come later have been begun again by what is waited for.
    findTrouble ??= troubleFinder(workload, enough);
    if (enough === 'one' && askedOf(workload) === 0) {
      if (!isAsleep(workload)) throw stoppedServer(server);
      throw new LoomsError('server-asleep', `${server} was put to sleep again before a pod of it was ready`);
    }
    const wanted = enough === 'one' ? 1 : Math.max(1, askedOf(workload));
    deadline = began + timeoutMs * wanted + placingMs;
    const generation = isSeen(workload.deployment) ? meantOf(workload) : undefined;
    const ready = generation?.pods.filter(isReady) ?? [];
    const pod = ready.at(-1);
    if (generation !== undefined && pod !== undefined && ready.length >= wanted) return { workload, generation, pod };
    const trouble = findTrouble(workload, generation, ports.monotonicMs());
    if (trouble !== undefined) throw await failureOf(ports, server, trouble);
    if (ports.monotonicMs() >= deadline) {
      const main = generation && (generation.pods.findLast((one) => !isReady(one)) ?? mainPod(generation));
      const unplaced = main?.status?.conditions?.find(
        ({ type, status }) => type === 'PodScheduled' && status === 'False',
      );
      throw await failureOf(ports, server, {
        ...defined({ pod: main }),
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
async function failureOf(ports: KubernetesPorts, server: ServerName, { code, why, pod }: Trouble): Promise<LoomsError> {
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
