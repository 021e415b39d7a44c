import type { ProjectName } from '../../model/ids.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { label } from './names.ts';
import { isLive, type Pod, type ReplicaSet } from './objects.ts';
import { controllerOf, isOurs, type Observed } from './observed.ts';

/**
 * The pods of a namespace (`pods`) with a label of the project or of a server that no Deployment keeps: a ReplicaSet lets go of
 * one whose labels are others than it asks for, and then nothing ends that one, or replaces it. What a ReplicaSet keeps that is
 * not among `replicaSets` counts as kept, as that may be newer than the list of them.
 */
export function straysOf(
  project: ProjectName,
  pods: readonly Pod[],
  replicaSets: readonly ReplicaSet[],
): readonly Pod[] {
  const isKept = (pod: Pod): boolean => {
    const controller = controllerOf(pod);
    const set = replicaSets.find(({ metadata }) => metadata.uid === controller?.uid);
    return controller?.kind === 'ReplicaSet' && (set === undefined || controllerOf(set) !== undefined);
  };
  const claims = (pod: Pod): boolean => isOurs(pod, project) || pod.metadata.labels?.[label.server] !== undefined;
  return pods.filter((pod) => claims(pod) && isLive(pod) && !isKept(pod));
}

/** Which pods no Deployment keeps: said once of all of them, or not at all. */
export function strayNotices({
  project,
  namespace,
  strays,
}: Pick<Observed, 'project' | 'namespace' | 'strays'>): readonly PlanWarning[] {
  if (strays.length === 0) return [];
  const names = strays.map(({ metadata }) => metadata.name);
  const [have, it] = names.length === 1 ? ['has', 'it'] : ['have', 'them'];
  const how = `\`kubectl -n ${namespace} delete pod ${names.join(' ')}\` ends ${it}`;
  const message = `${names.join(', ')} ${have} labels of project ${project}, and no Deployment keeps ${it}: looms leaves ${it} alone, and clients may still be led to ${it}; ${how}`;
  return [{ code: 'not-ours', message }];
}
