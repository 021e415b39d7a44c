import type { DesiredServer, Scale } from '../../model/desired.ts';
import type { EngineTime } from '../../model/engine.ts';
import { isFailure, LoomsError, withHint } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { boundsOf, type OwnSessions, type Scaling, within } from '../../model/replicas.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { mapBounded, mostAtOnce } from '../../model/values/map-bounded.ts';
import { projectLock } from '../../orchestrator/common/project-lock.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { leases } from '../lock/leases.ts';
import { fewerPods } from '../model/fewer.ts';
import { annotation, namespaceOf } from '../model/names.ts';
import { type Deployment, isLive, isOver, isReady, isSeen, type Pod, readyOf, timeOf } from '../model/objects.ts';
import { askedOf, idOfPod, isAsleep, meantOf, podsOf, type Workload } from '../model/observed.ts';
import { isRefused } from '../model/waking.ts';
import { clusterNow, identifyCluster } from '../observe/describe.ts';
import { lookAtServer } from '../observe/observe.ts';
import { withReplicas } from '../plan/drift.ts';
import type { KubernetesPorts } from '../ports.ts';
import { stoppedServer } from '../views/serving.ts';
import { keepLogsOf } from './keep-logs.ts';
import { writeTries } from './put-server.ts';
import { annotate, replaceObject } from './requests.ts';
import { awaitRollout, gateMs, patienceMs } from './rollout.ts';

type Place = { readonly project: ProjectName; readonly namespace: string };

const placeOf = (project: ProjectName): Place => ({ project, namespace: namespaceOf(project) });

/**
 * How far whoever waits for a server is ahead of whoever puts it to sleep, ms: what becomes of its pods is seen a second or two
 * later (`awaitRollout`), and then a session begins in one, or it is told why there is none.
 */
const headStartMs = 10_000;

/** Whether somebody may be waiting for a pod, or be about to begin the first session in it. */
function isAwaited(pod: Pod, timeoutSeconds: number, now: EngineTime): boolean {
  const ready = readyOf(pod);
  if (ready === undefined) return now - timeOf(pod.metadata.creationTimestamp) < patienceMs(timeoutSeconds);
  // On the clock of its node: one that is ahead keeps no server awake.
  return Math.abs(now - timeOf(ready.lastTransitionTime)) < headStartMs;
}

/**
 * Whether a server's Deployment is at rest: it has all pods that it asks for, or the cluster makes no more of them, which
 * whoever waits for them is told first; none of another generation stays, and none is awaited.
 */
function isSettled(workload: Workload, { mcp: { timeoutSeconds } }: DesiredServer, now: EngineTime): boolean {
  const meant = meantOf(workload);
  if (meant === undefined || !isSeen(workload.deployment)) return false;
  const isComplete = meant.pods.filter(isLive).length >= askedOf(workload) || isRefused(meant, now - headStartMs);
  const live = podsOf(workload).filter(isLive);
  return isComplete && live.every((pod) => meant.pods.includes(pod) && !isAwaited(pod, timeoutSeconds, now));
}

/** Whether a run changes the project: what it waits for is not taken away. */
async function isBeingChanged(ports: KubernetesPorts, project: ProjectName): Promise<boolean> {
  const found = await projectLock({ ...ports, engine: leases(ports.cluster) }).look(project);
  return found?.state === 'held';
}

/** How long a pod that ends, and has the volume of its server, is waited for beyond its drain, ms; and the time between two looks. */
const [endingMs, endingLookMs] = [60_000, 1_000];

/** Whether a pod that ends has the volume that the next one shall have: both would write to it. */
const isHeld = (workload: Workload, spec: DesiredServer): boolean =>
  askedOf(workload) === 0 &&
  spec.mounts.some(({ type }) => type === 'volume') &&
  podsOf(workload).some((pod) => !isOver(pod));

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
  const began = ports.monotonicMs();
  for (let tries = 1; ; ) {
    if (options.signal?.aborted) throw new LoomsError('interrupted', `stopped scaling ${server}`);
    const workload = await lookAtServer(ports, place, server, options);
    if (workload === null) throw serverNotFound(project, server, []);
    const asked = askedOf(workload);
    const spec = workload.claim.recorded?.spec;
    const isStopped = asked === 0 && !isAsleep(workload);
    if (spec?.scale === undefined || isStopped) return asked;
    const wanted =
      to.kind === 'up'
        ? Math.max(asked, within(boundsOf(spec), to.to))
        : await fewerOf(ports, { project, workload, spec, scale: spec.scale }, to, options);
    if (wanted === asked) return asked;
    if (isHeld(workload, spec)) {
      if (ports.monotonicMs() - began > endingMs + spec.lifecycle.drainSeconds * 1000) throw volumeIsHeld(workload);
      await ports.pause(endingLookMs, options.signal);
      continue;
    }
    try {
      await putCount(ports, workload, wanted, options);
      return wanted;
    } catch (error) {
      if (!isFailure(error, 'engine-conflict') || tries >= writeTries) throw error;
      tries += 1;
    }
  }
}

function volumeIsHeld(workload: Workload): LoomsError {
  const { server } = workload;
  const names = podsOf(workload).map(({ metadata }) => metadata.name);
  return new LoomsError(
    'server-not-running',
    `${server} cannot begin: ${names.join(', ')} has its volume and does not end`,
    { hint: `\`looms describe ${server}\` shows its pods` },
  );
}

type Scaled = {
  readonly project: ProjectName;
  readonly workload: Workload;
  readonly spec: DesiredServer;
  readonly scale: Scale;
};

const noneOwn: OwnSessions = { countIn: () => ({ all: 0, idle: 0 }), endIdle: async () => {} };

/**
 * How many pods a server is left with, as many as it asks for where none may go. Those that may are looked for first, and only
 * then do idle sessions in them end; they are counted again last, so that what was opened while their logs were kept keeps its
 * pod.
 */
async function fewerOf(
  ports: KubernetesPorts,
  { project, workload, spec, scale: { sessionsPerReplica } }: Scaled,
  { to, own = noneOwn }: Extract<Scaling, { readonly kind: 'down' }>,
  options: CallOptions,
): Promise<number> {
  const asked = askedOf(workload);
  const bounds = boundsOf(spec);
  if (to >= asked || asked <= bounds.least || (await isBeingChanged(ports, project))) return asked;
  if (!isSettled(workload, spec, await clusterNow(ports.cluster, options))) return asked;
  const pods = (meantOf(workload)?.pods ?? []).filter(isLive);
  const counted = (await countIn(ports, pods, options)).map(({ pod, count }) => {
    const { all, idle } = own.countIn(idOfPod(pod));
    return { pod, count, used: Math.max(count, all) - idle };
  });
  const wanted = fewerPods({ asked, to, bounds, sessionsPerReplica, sessions: counted.map(({ used }) => used) });
  if (wanted >= asked) return asked;
  const leaving = counted
    .filter(({ used }) => used === 0)
    .toSorted((a, b) => Number(isReady(a.pod)) - Number(isReady(b.pod)) || a.count - b.count)
    .slice(0, asked - wanted)
    .map(({ pod }) => pod);
  // The cluster takes those that are not ready first, whatever they cost.
  if (pods.some((pod) => !isReady(pod) && !leaving.includes(pod))) return asked;
  await own.endIdle(leaving.map(idOfPod));
  const engine = await identifyCluster(ports.cluster, options);
  await keepLogsOf({ ports, observed: { project, engine } }, workload, (pod) => leaving.includes(pod), options);
  const costs = counted.map(({ pod, used }) => ({ pod, cost: leaving.includes(pod) ? 0 : Math.max(1, used) }));
  if (wanted > 0) await rank(ports, costs, options);
  const last = await countIn(ports, leaving, options);
  if (wanted > 0 && !(await isRanked(ports, { project, workload }, costs, options))) return asked;
  const isFree = last.every(({ pod, count }) => count === 0 && own.countIn(idOfPod(pod)).all === 0);
  return isFree ? wanted : asked;
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

type Cost = { readonly pod: Pod; readonly cost: number };

/** Says which pods go first: those with the lowest cost. */
async function rank({ cluster }: KubernetesPorts, costs: readonly Cost[], options: CallOptions): Promise<void> {
  await Promise.all(
    costs.map(async ({ pod: { metadata }, cost }) => {
      const at = { kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name } as const;
      if (metadata.annotations?.[annotation.deletionCost] === String(cost)) return;
      await annotate(cluster, at, { [annotation.deletionCost]: String(cost) }, options).catch((error: unknown) => {
        // A pod that is gone by now needs no cost.
        if (!isFailure(error, 'engine-not-found')) throw error;
      });
    }),
  );
}

/**
 * Whether those go first that shall, by the pods as they are now: another gateway may have written its costs over those of this
 * one, and one that is not ready goes first in any case.
 */
async function isRanked(
  ports: KubernetesPorts,
  { project, workload: { server } }: Pick<Scaled, 'project' | 'workload'>,
  costs: readonly Cost[],
  options: CallOptions,
): Promise<boolean> {
  const now = await lookAtServer(ports, placeOf(project), server, options);
  const costOf = new Map(costs.map(({ pod, cost }) => [idOfPod(pod), cost]));
  return ((now && meantOf(now)?.pods) ?? []).filter(isLive).every((pod) => {
    const cost = costOf.get(idOfPod(pod));
    const said = pod.metadata.annotations?.[annotation.deletionCost];
    return cost !== undefined && said === String(cost) && (cost === 0 || isReady(pod));
  });
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

/**
 * `Orchestrator.wake`. What a server wrote before it failed is left out of the error: its secrets are looked up, and so masked,
 * once it serves.
 */
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
  try {
    await awaitRollout(ports, place, server, { ...options, timeoutMs, enough: 'one' });
  } catch (error) {
    if (!(error instanceof LoomsError) || error.detail.length === 0) throw error;
    throw withHint(error, `\`looms logs ${server}\` and \`looms describe ${server}\` show what it came to`, []);
  }
}
