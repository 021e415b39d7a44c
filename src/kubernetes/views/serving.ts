import { argvTemplateOf } from '../../model/container/argv.ts';
import { type DesiredServer, isHttp } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { Serving } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { Claim } from '../model/claims.ts';
import { annotation, label, namespaceOf } from '../model/names.ts';
import { isReady, type Pod, serverStatus } from '../model/objects.ts';
import { idOfPod, type Workload } from '../model/observed.ts';
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
    // A stdio server's image needs one (fits.ts); beside an HTTP server there is a container that has one.
    hasShell: true,
    image: serverStatus(pod)?.imageID ?? recorded?.image ?? '',
    // The relay is in the pod itself.
    ...(isHttp(spec) ? { reach: { way: idOfPod(pod), host: '127.0.0.1' } } : {}),
  };
}

const ready = ({ generations }: Workload, ended: ContainerId | undefined) =>
  generations.flatMap((generation) =>
    generation.pods
      .filter((pod) => isReady(pod) && idOfPod(pod) !== ended)
      .map((pod) => ({ pod, claim: generation.claim, isMeant: generation.isMeant })),
  );

/** `Orchestrator.serving`: a ready pod of what the Deployment means, else of what served before. */
export async function servingServer(
  ports: Pick<KubernetesPorts, 'cluster' | 'settings'>,
  project: ProjectName,
  server: ServerName,
  { ended, ...options }: CallOptions & { readonly ended?: ContainerId } = {},
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
  const pods = ready(workload, ended);
  const chosen = pods.findLast(({ isMeant }) => isMeant) ?? pods.at(-1);
  if (chosen === undefined) {
    const isStopped = workload.deployment.spec.replicas === 0;
    throw new LoomsError('server-not-running', `server ${server} is ${isStopped ? 'stopped' : 'not ready'}`, {
      hint: isStopped
        ? `\`looms mcp start ${server}\` starts it; so does \`looms apply\`, unless its spec says mcp_server.enabled: false`
        : `\`looms describe ${server}\` shows its pods`,
    });
  }
  const { recorded } = chosen.claim;
  if (recorded === undefined) {
    const what = `Deployment ${workload.deployment.metadata.name}`;
    throw new LoomsError(
      'server-not-running',
      `${what} does not say which server it is: its ${annotation.record} annotation cannot be read`,
      { hint: 'looms apply replaces it' },
    );
  }
  return servingPod(project, recorded.spec, chosen.claim, chosen.pod);
}
