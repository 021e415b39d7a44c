import type { PlanWarning } from '../../model/plan.ts';
import { label } from '../model/names.ts';
import { isOurs, type Observed } from '../model/observed.ts';

/** That a namespace stays which has no server any more, and how it goes; nothing of one whose labels do not say that it is looms' own. */
export function namespaceLeft({ space, project, namespace }: Observed): readonly PlanWarning[] {
  if (space == null || !isOurs(space, project) || space.metadata.labels?.[label.managedBy] !== 'looms') return [];
  const message = `namespace ${namespace} stays, with its network policies and scripts: \`kubectl delete namespace ${namespace}\` removes it and all that is in it, volumes too`;
  return [{ code: 'namespace-stays', message }];
}
