import type { EngineTime } from '../../model/engine.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { boundsOf, type Scaling, within } from '../../model/replicas.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { mapBounded, mostAtOnce } from '../../model/values/map-bounded.ts';
import { projectLock } from '../../orchestrator/common/project-lock.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { leases } from '../lock/leases.ts';
import { fewerPods } from '../model/fewer.ts';
import { annotation, namespaceOf } from '../model/names.ts';
import { type Deployment, isReady, type Pod, timeOf } from '../model/objects.ts';
import { askedOf, idOfPod, isAsleep, meantOf, type Workload } from '../model/observed.ts';
import { clusterNow, identifyCluster } from '../observe/describe.ts';
import { lookAtServer } from '../observe/observe.ts';
import { withReplicas } from '../plan/drift.ts';
import type { KubernetesPorts } from '../ports.ts';
import { stoppedServer } from '../views/serving.ts';
import { keepLogsOf } from './keep-logs.ts';
import { writeTries } from './put-server.ts';
import { annotate, replaceObject } from './requests.ts';
import { awaitRollout, gateMs } from './rollout.ts';

type Place = { readonly project: ProjectName; readonly namespace: string };

const placeOf = (project: ProjectName): Place => ({ project, namespace: namespaceOf(project) });

const isLive = ({ metadata }: Pod): boolean => metadata.deletionTimestamp === undefined;

/** How long a pod that is not ready is taken for one that somebody waits for, ms. */
const comingMs = 300_000;

/** Whether its Deployment is at rest: all pods that are not about to end are those that are meant, and none is just coming. */
function isSettled({ deployment, generations }: Workload, now: EngineTime): boolean {
  const isSeen = (deployment.status?.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0);
  const isComing = (pod: Pod): boolean => !isReady(pod) && now - timeOf(pod.metadata.creationTimestamp) < comingMs;
  return (
    isSeen && generations.every(({ isMeant, pods }) => pods.filter(isLive).every((pod) => isMeant && !isComing(pod)))
  );
}

/** Whether a run changes the project: what it waits for is not taken away. */
async function isBeingChanged(ports: KubernetesPorts, project: ProjectName): Promise<boolean> {
  const found = await projectLock({ ...ports, engine: leases(ports.cluster) }).look(project);
  return found?.state === 'held';
}

/**
 * `Orchestrator.scale`. A write that came between two others is made again on a fresh look, so that nobody's count is written
 * over unseen: of two gateways, the second one decides on what the first one left.
 */
export async function scaleServer(
  ports: KubernetesPorts,
  project: ProjectName,
  server: ServerName,
  to: Scaling,
  options: CallOptions = {},
): Promise<number> {
  const place = placeOf(project);
  for (let tries = 1; ; tries += 1) {
    const workload = await lookAtServer(ports, place, server, options);
    if (workload === null) throw serverNotFound(project, server, []);
    const asked = askedOf(workload);
    if (to.kind === 'down' && (await isBeingChanged(ports, project))) return asked;
    const { wanted, mayGo } = await wantedOf(ports, workload, to, options);
    if (wanted === asked) return asked;
    if (mayGo.length > 0) {
      const engine = await identifyCluster(ports.cluster, options);
      await keepLogsOf({ ports, observed: { project, engine } }, workload, (pod) => mayGo.includes(pod), options);
    }
    try {
      await putCount(ports, workload, wanted, options);
      return wanted;
    } catch (error) {
      if (!isFailure(error, 'engine-conflict') || tries >= writeTries) throw error;
    }
  }
}

/** How many pods a server is to have, as many as it asks for where it is left as it is; and which may be gone then. */
async function wantedOf(
  ports: KubernetesPorts,
  workload: Workload,
  to: Scaling,
  options: CallOptions,
): Promise<{ readonly wanted: number; readonly mayGo: readonly Pod[] }> {
  const asked = askedOf(workload);
  const asIs = { wanted: asked, mayGo: [] };
  const spec = workload.claim.recorded?.spec;
  const isStopped = asked === 0 && !isAsleep(workload);
  if (spec?.scale === undefined || isStopped) return asIs;
  const bounds = boundsOf(spec);
  if (to.kind === 'up') return { wanted: Math.max(asked, within(bounds, to.to)), mayGo: [] };
  if (to.to >= asked || asked <= bounds.least) return asIs;
  if (!isSettled(workload, await clusterNow(ports.cluster, options))) return asIs;
  const pods = (meantOf(workload)?.pods ?? []).filter(isLive);
  const counted = await countIn(ports, pods, options);
  const { sessionsPerReplica } = spec.scale;
  const sessions = counted.map(({ count }) => count);
  const wanted = fewerPods({ asked, to: to.to, bounds, sessionsPerReplica, sessions });
  if (wanted >= asked) return asIs;
  if (wanted > 0) await rank(ports, counted, options);
  return { wanted, mayGo: counted.flatMap(({ pod, count }) => (count === 0 ? [pod] : [])) };
}

type Counted = { readonly pod: Pod; readonly count: number };

/** Sessions in each pod; one that cannot say it is taken for one that has some. */
const countIn = (
  { sessions }: KubernetesPorts,
  pods: readonly Pod[],
  options: CallOptions,
): Promise<readonly Counted[]> =>
  mapBounded(pods, mostAtOnce, async (pod) => ({
    pod,
    count: await sessions.countSessions(idOfPod(pod), options).catch((error: unknown) => {
      if (options.signal?.aborted) throw error;
      return 1;
    }),
  }));

/** Says which pods go first: those with the fewest sessions. */
async function rank({ cluster }: KubernetesPorts, counted: readonly Counted[], options: CallOptions): Promise<void> {
  await Promise.all(
    counted.map(async ({ pod: { metadata }, count }) => {
      const at = { kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name } as const;
      if (metadata.annotations?.[annotation.deletionCost] === String(count)) return;
      await annotate(cluster, at, { [annotation.deletionCost]: String(count) }, options).catch((error: unknown) => {
        // One that is gone by now goes nowhere.
        if (!isFailure(error, 'engine-not-found')) throw error;
      });
    }),
  );
}

async function putCount(
  { cluster }: KubernetesPorts,
  { deployment }: Workload,
  count: number,
  options: CallOptions,
): Promise<void> {
  const { uid = '', resourceVersion = '' } = deployment.metadata;
  const asIs: Deployment = { ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' };
  await replaceObject(cluster, withReplicas(asIs, count), { uid, resourceVersion }, options);
}

/** `Orchestrator.wake`. */
export async function wakeServer(
  ports: KubernetesPorts,
  project: ProjectName,
  server: ServerName,
  options: CallOptions = {},
): Promise<void> {
  if ((await scaleServer(ports, project, server, { kind: 'up', to: 1 }, options)) === 0) throw stoppedServer(server);
  const place = placeOf(project);
  const spec = (await lookAtServer(ports, place, server, options))?.claim.recorded?.spec;
  if (spec === undefined) throw new LoomsError('server-not-found', `server ${server} is gone`);
  const timeoutMs = gateMs(spec.mcp.timeoutSeconds);
  await awaitRollout(ports, place, server, { ...options, timeoutMs, enough: 'one' });
}
