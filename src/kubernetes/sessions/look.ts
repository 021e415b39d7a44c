import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ContainerId } from '../../model/ids.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { Pod } from '../model/objects.ts';
import { type Cluster, type PodName, podOfId } from '../port.ts';

const gone = (id: ContainerId): LoomsError =>
  new LoomsError('engine-not-found', `pod ${podOfId(id)?.name ?? id} is not in the cluster any more`);

/** The pod of an id. Throws `engine-not-found` for an id of another engine. */
export function podNamed(id: ContainerId): PodName {
  const pod = podOfId(id);
  if (pod === undefined) throw gone(id);
  return pod;
}

/** The address of a pod. */
export const pathOf = ({ namespace, name }: Pick<PodName, 'namespace' | 'name'>): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;

/** The pod as the cluster has it now; null when it is gone, also where another one has its name. */
export async function findPod(cluster: Cluster, id: ContainerId, options: CallOptions = {}): Promise<Pod | null> {
  const named = podNamed(id);
  try {
    const pod = (await cluster.request({ method: 'GET', path: pathOf(named) }, options)) as Pod | null;
    return pod?.metadata?.uid === named.uid ? pod : null;
  } catch (error) {
    if (isFailure(error, 'engine-not-found')) return null;
    throw error;
  }
}

/** As `findPod`. Throws `engine-not-found` when it is gone. */
export async function readPod(cluster: Cluster, id: ContainerId, options: CallOptions = {}): Promise<Pod> {
  const pod = await findPod(cluster, id, options);
  if (pod === null) throw gone(id);
  return pod;
}
