import { argvTemplateOf } from '../../model/container/argv.ts';
import { type DesiredServer, isHttp } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { Serving } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import type { ServingOptions } from '../../orchestrator/port.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { Claim } from '../model/claims.ts';
import { annotation, label, namespaceOf } from '../model/names.ts';
import { isReady, type Pod, runOf, serverStatus } from '../model/objects.ts';
import { askedOf, idOfPod, isAsleep, type Workload } from '../model/observed.ts';
import { isWaking } from '../model/waking.ts';
import { clusterNow } from '../observe/describe.ts';
import { listOf, lookAtServer } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';

/** A pod as sessions reach it. */
export function servingPod(project: ProjectName, spec: DesiredServer, claim: Claim, pod: Pod): Serving {
  const { entrypoint = [], command = [] } = argvTemplateOf(spec);
  const { recorded, foreignRecord, secretPrints, generation } = claim;
  return {
    container: idOfPod(pod),
    containerName: pod.metadata.name,
    project,
    generation,
    spec,
    imageRef: recorded?.image ?? '',
    ...defined({ foreignRecord, secretPrints }),
    argv: isHttp(spec) ? [] : [...entrypoint, ...command],
    // A stdio server's image needs one (`unlike.ts`); beside an HTTP server there is a container that has one.
    hasShell: true,
    image: serverStatus(pod)?.imageID ?? recorded?.image ?? '',
    // The relay is in the pod itself.
    ...(isHttp(spec) ? { reach: { way: idOfPod(pod), host: '127.0.0.1' } } : {}),
  };
}

/**
 * The pods that new sessions go to: the ready ones of what the Deployment means, else of the newest that has any. While fewer
 * of these are ready than are asked for, the other ready ones serve as well whoever is there, until they leave one by one: not
 * all sessions go to the first one that takes the place of several.
 */
function readyIn(workload: Workload, ended: ContainerId | undefined) {
  const found = workload.generations.flatMap(({ claim, isMeant, pods: all }) => {
    const pods = all.filter((pod) => isReady(pod) && idOfPod(pod) !== ended);
    return pods.length === 0 ? [] : [{ claim, isMeant, pods }];
  });
  const alike = found.find(({ isMeant }) => isMeant) ?? found.at(-1);
  const isWhole = alike?.isMeant === true && alike.pods.length >= askedOf(workload);
  return { alike, all: isWhole ? [alike] : found };
}

/** One of the pods with the fewest sessions, of which any may be had: who asks knows of no others' sessions. */
function leastLoaded(pods: readonly Pod[], sessions: ReadonlyMap<ContainerId, number>): Pod | undefined {
  const loadOf = (pod: Pod): number => sessions.get(idOfPod(pod)) ?? 0;
  const least = Math.min(...pods.map(loadOf));
  const free = pods.filter((pod) => loadOf(pod) === least);
  return free[Math.floor(Math.random() * free.length)];
}

/** The one whose turn it is; the newest where none was before it. */
const nextAfter = (pods: readonly Pod[], after: ContainerId | undefined): Pod | undefined =>
  after === undefined ? pods.at(-1) : pods[(pods.findIndex((pod) => idOfPod(pod) === after) + 1) % pods.length];

/** That somebody stopped a server. */
export const stoppedServer = (server: ServerName): LoomsError =>
  new LoomsError('server-not-running', `server ${server} is stopped`, {
    hint: `\`looms mcp start ${server}\` starts it; so does \`looms apply\`, unless its spec says mcp_server.enabled: false`,
  });

/** Why nothing of a server serves. */
async function servesNothing(
  { cluster }: Pick<KubernetesPorts, 'cluster'>,
  workload: Workload,
  options: CallOptions,
): Promise<LoomsError> {
  const { server } = workload;
  if (isAsleep(workload)) return new LoomsError('server-asleep', `server ${server} is asleep`);
  if (askedOf(workload) === 0) return stoppedServer(server);
  if (isWaking(workload, await clusterNow(cluster, options)))
    return new LoomsError('server-asleep', `server ${server} is about to wake`);
  return new LoomsError('server-not-running', `server ${server} is not ready`, {
    hint: `\`looms describe ${server}\` shows its pods`,
  });
}

/** `Orchestrator.serving`: a ready pod of what the Deployment means, else of what served before. */
export async function servingServer(
  ports: Pick<KubernetesPorts, 'cluster' | 'settings'>,
  project: ProjectName,
  server: ServerName,
  { ended, after, sessions, ...options }: ServingOptions = {},
): Promise<Serving> {
  const namespace = namespaceOf(project);
  const workload = await lookAtServer(ports, { project, namespace }, server, options);
  if (workload === null) {
    const all = await listOf(ports.cluster, 'Deployment', namespace, { labelSelector: label.server }, options);
    throw serverNotFound(
      project,
      server,
      all.flatMap(({ metadata }) => metadata.labels?.[label.server] ?? []),
    );
  }
  const { alike, all } = readyIn(workload, ended);
  const pod = alike && (sessions === undefined ? nextAfter(alike.pods, after) : leastLoaded(alike.pods, sessions));
  if (alike === undefined || pod === undefined) throw await servesNothing(ports, workload, options);
  const { recorded } = alike.claim;
  if (recorded === undefined) {
    const what = `Deployment ${workload.deployment.metadata.name}`;
    throw new LoomsError(
      'server-not-running',
      `${what} does not say which server it is: its ${annotation.record} annotation cannot be read`,
      { hint: 'looms apply replaces it' },
    );
  }
  const beside = all.flatMap(({ claim: { generation }, pods }) =>
    pods
      .filter((one) => one !== pod)
      .map((one) => ({ container: idOfPod(one), run: runOf(serverStatus(one)), generation })),
  );
  return { ...servingPod(project, recorded.spec, alike.claim, pod), ...(beside.length === 0 ? {} : { beside }) };
}
