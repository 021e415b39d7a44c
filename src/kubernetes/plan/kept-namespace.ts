import type { CallOptions } from '../../orchestrator/session-host.ts';
import { fieldManager } from '../compare/compare-objects.ts';
import { objectPath } from '../model/kinds.ts';
import type { KubeObject } from '../model/objects.ts';
import { isOurs, type Observed } from '../model/observed.ts';
import { isBarred } from '../model/refusals.ts';
import type { Cluster } from '../port.ts';
import { labelsToSet } from './support.ts';

/**
 * The namespace of a project, as `Observed.space`; undefined too where its labels are others than `support` has and may not be
 * set, or a webhook does not say, which is asked as a dry run: many may do everything in a namespace and nothing with it.
 */
export async function keptNamespace(
  cluster: Cluster,
  { space, project }: Pick<Observed, 'space' | 'project'>,
  support: readonly KubeObject[],
  options?: CallOptions,
): Promise<Observed['space']> {
  const wanted = support.find(({ kind }) => kind === 'Namespace');
  if (wanted === undefined || space == null || !isOurs(space, project)) return space;
  const labels = labelsToSet(wanted, space);
  if (Object.keys(labels).length === 0) return space;
  try {
    await cluster.request(
      {
        method: 'PATCH',
        path: objectPath('Namespace', undefined, space.metadata.name),
        query: { fieldManager, dryRun: 'All' },
        patch: 'merge',
        body: { metadata: { labels } },
      },
      options,
    );
    return space;
  } catch (error) {
    if (isBarred(error)) return undefined;
    throw error;
  }
}
