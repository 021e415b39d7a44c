import type { EngineEvent } from '../../model/engine-events.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import { isoTime } from '../../model/times.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import type { EventQuery, ServerWatch } from '../../orchestrator/port.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { readClaim } from '../model/claims.ts';
import { listPath } from '../model/kinds.ts';
import { annotation, label, namespaceOf } from '../model/names.ts';
import { isReady, type Pod, runOf, serverStatus, timeOf } from '../model/objects.ts';
import { idOfPod } from '../model/observed.ts';
import { isExpired } from '../model/refusals.ts';
import type { KubernetesPorts } from '../ports.ts';

type Change = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly pod: Pod };

/**
 * One line of a watch; undefined for what is no change of a pod. `expired`: the version that it began at is too old by now, and
 * whoever watches begins anew. Throws `engine-unreachable` where the server gave it up for another reason.
 */
function changeOf(line: string): Change | 'expired' | undefined {
  const said = parsedJson(line);
  if (!isRecord(said) || !isRecord(said.object)) return undefined;
  const { type, object } = said;
  if (type === 'ERROR' && object.code === 410) return 'expired';
  if (type === 'ERROR') throw new LoomsError('engine-unreachable', 'the API server ended a watch');
  const isChange = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED';
  return isChange ? { type, pod: object as Pod } : undefined;
}

type Listed = { readonly pods: readonly Pod[]; readonly version: string };

async function listPods({ cluster }: KubernetesPorts, project: ProjectName, options?: CallOptions): Promise<Listed> {
  const list = (await cluster.request(
    { method: 'GET', path: listPath('Pod', namespaceOf(project)), query: { labelSelector: label.server } },
    options,
  )) as { readonly items?: readonly Pod[]; readonly metadata?: { readonly resourceVersion?: string } };
  return { pods: list.items ?? [], version: list.metadata?.resourceVersion ?? '' };
}

const noRecords: Parameters<typeof readClaim>[2] = {
  read: () => undefined,
  makerOf: () => ({ kind: 'unsigned' }),
  hash: () => '',
};

/** What a pod says of itself; its record is not read, which is on its ReplicaSet. */
function aboutOf(pod: Pod, project: ProjectName) {
  const claim = readClaim(pod, project, noRecords);
  return (
    claim && {
      server: claim.server,
      generation: Number(pod.metadata.annotations?.[annotation.generation] ?? claim.generation) || 1,
      container: idOfPod(pod),
      containerName: pod.metadata.name,
    }
  );
}

/** What happened to a pod between two looks at it, in the order in which it did. */
export function eventsBetween(
  before: Pod | undefined,
  { type, pod }: Change,
  project: ProjectName,
): readonly EngineEvent[] {
  const about = aboutOf(pod, project);
  if (about === undefined) return [];
  const event = (word: string, time: number, more: object): EngineEvent =>
    ({
      key: `${time} ${word} ${pod.metadata.uid ?? ''} ${runOf(serverStatus(pod))}`,
      time,
      ...about,
      ...more,
    }) as EngineEvent;
  const [was, is] = [before && serverStatus(before), serverStatus(pod)];
  const created = timeOf(pod.metadata.creationTimestamp);
  const startedAt = timeOf(is?.state?.running?.startedAt);
  const ended =
    is?.state?.terminated ??
    ((is?.restartCount ?? 0) > (was?.restartCount ?? 0) ? is?.lastState?.terminated : undefined);
  const wasEnded = was?.state?.terminated !== undefined && was.restartCount === is?.restartCount;
  const endedAt = timeOf((ended as { finishedAt?: string } | undefined)?.finishedAt);
  return [
    ...(before === undefined && type === 'ADDED' ? [event('created', created, { type: 'created' })] : []),
    ...(ended === undefined || wasEnded
      ? []
      : [
          ...(ended.reason === 'OOMKilled' ? [event('oom', endedAt, { type: 'oom' })] : []),
          event('ended', endedAt, { type: 'ended', exitCode: ended.exitCode }),
        ]),
    ...(startedAt > 0 && runOf(was) !== runOf(is) ? [event('started', startedAt, { type: 'started' })] : []),
    ...(type === 'DELETED' ? [event('removed', timeOf(pod.metadata.deletionTimestamp), { type: 'removed' })] : []),
  ];
}

/** Whether another pod may serve after a change. */
const isTelling = (before: Pod | undefined, { type, pod }: Change): boolean =>
  type !== 'MODIFIED' ||
  before === undefined ||
  isReady(before) !== isReady(pod) ||
  runOf(serverStatus(before)) !== runOf(serverStatus(pod));

/** Pods by their UID, as they were seen last. */
type Known = Map<string | undefined, Pod>;
const knownOf = ({ pods }: Listed): Known => new Map(pods.map((pod) => [pod.metadata.uid, pod]));

type Hear = (before: Pod | undefined, change: Change) => void;

/**
 * Follows the pods of a project from a list of them on, until the API server ends the watch, which it does every few minutes.
 * `known` is kept as they are.
 */
async function followPods(
  ports: KubernetesPorts,
  project: ProjectName,
  { version, known }: { readonly version: string; readonly known: Known },
  hear: Hear,
  options?: CallOptions,
): Promise<void> {
  const query = { labelSelector: label.server, watch: '1', resourceVersion: version };
  try {
    for await (const line of ports.cluster.lines({ path: listPath('Pod', namespaceOf(project)), query }, options)) {
      const change = changeOf(line);
      if (change === 'expired') return;
      if (change === undefined) continue;
      const { uid } = change.pod.metadata;
      hear(known.get(uid), change);
      if (change.type === 'DELETED') known.delete(uid);
      else known.set(uid, change.pod);
    }
  } catch (error) {
    if (!isExpired(error)) throw error;
  }
}

/** What changed between two lists while nobody watched; who is gone went by now at the latest. */
function changesBetween(
  known: Known,
  { pods }: Listed,
  now: number,
): readonly (Change & { before: Pod | undefined })[] {
  const there = new Set(pods.map(({ metadata }) => metadata.uid));
  const gone = [...known.values()].filter(({ metadata }) => !there.has(metadata.uid));
  return [
    ...gone.map((before) => {
      const { deletionTimestamp = isoTime(now) } = before.metadata;
      const pod = { ...before, metadata: { ...before.metadata, deletionTimestamp } };
      return { type: 'DELETED' as const, before, pod };
    }),
    ...pods.map((pod) => {
      const before = known.get(pod.metadata.uid);
      return { type: before === undefined ? ('ADDED' as const) : ('MODIFIED' as const), before, pod };
    }),
  ];
}

/** `Orchestrator.watchServers`. */
export async function watchServers(
  ports: KubernetesPorts,
  project: ProjectName,
  { onReady, onChange, onEvent }: ServerWatch,
  options?: CallOptions,
): Promise<void> {
  const listed = await listPods(ports, project, options);
  onReady();
  await followPods(
    ports,
    project,
    { ...listed, known: knownOf(listed) },
    (before, change) => {
      const about = aboutOf(change.pod, project);
      for (const event of eventsBetween(before, change, project)) onEvent?.(event);
      if (about !== undefined && isTelling(before, change)) onChange(about.server);
    },
    options,
  );
}

/** Between two watches of which the first ended at once, ms. */
const againMs = 1000;

/**
 * `Orchestrator.events`: of what is past, what the pods that are there tell of themselves. Where the API server ends a watch,
 * it is begun anew from another list, and what changed in between is told.
 */
export async function events(
  ports: KubernetesPorts,
  project: ProjectName,
  { since, follow }: EventQuery,
  hear: (event: EngineEvent) => void,
  now: () => Promise<number>,
  options?: CallOptions,
): Promise<void> {
  const listed = await listPods(ports, project, options);
  const from = 'at' in since ? since.at : (await now()) - since.agoMs;
  const past = listed.pods.flatMap((pod) => eventsBetween(undefined, { type: 'ADDED', pod }, project));
  for (const event of past.toSorted((a, b) => a.time - b.time)) if (event.time >= from) hear(event);
  if (!follow) return;
  const tell: Hear = (before, change) => eventsBetween(before, change, project).forEach(hear);
  for (let last = { ...listed, known: knownOf(listed) }; ; ) {
    const began = ports.monotonicMs();
    await followPods(ports, project, last, tell, options);
    // What ends each watch at once is not asked without a pause.
    if (ports.monotonicMs() - began < againMs) await ports.pause(againMs, options?.signal);
    if (options?.signal?.aborted) throw new LoomsError('interrupted', 'stopped following events');
    const next = await listPods(ports, project, options);
    const at = await now();
    for (const { before, ...change } of changesBetween(last.known, next, at)) tell(before, change);
    last = { ...next, known: knownOf(next) };
  }
}
