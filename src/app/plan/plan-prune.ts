import { type PruneScope, prunePlan } from '../../docker/reconcile/prune.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import { lookAtLock } from '../apply/unlock-project.ts';
import type { Ports } from '../ports.ts';
import type { Prepared } from './plan-project.ts';

export type PruneRequest = PruneScope & {
  readonly project: ProjectName;
  /** Whether somebody named the project, instead of meaning the implicit default. */
  readonly projectNamed: boolean;
};

/**
 * Plans what `prune` removes. Throws `refused` for what belongs to a project when nobody named one.
 */
export async function planPrune(ports: Ports, request: PruneRequest): Promise<Prepared> {
  const { project, projectNamed, volumes, history } = request;
  if ((volumes || history) && !projectNamed) {
    throw new LoomsError('refused', 'refusing to prune the implicit project "default"', {
      hint: 'name the project with --project, LOOMS_PROJECT or looms.yaml',
    });
  }
  const engine = await ports.engine();
  const [observed, built] = await Promise.all([
    engine.observe({ project, images: [], checkRegistry: [] }),
    engine.builtImages(),
  ]);
  const locked = await heldLocks(ports, built.locked);
  return {
    request: { project, servers: [], recipes: new Map(), undesired: 'ignore' },
    plan: prunePlan({ observed, built: { ...built, locked }, scope: { volumes, history } }),
    observed,
    replan: (again) => planPrune(again, request),
  };
}

/** Of projects that seem locked, those that a run holds: a lock that ran out, or that looms did not make, keeps nobody. */
async function heldLocks(ports: Ports, projects: readonly ProjectName[]): Promise<readonly ProjectName[]> {
  const looks = await Promise.all(
    projects.map(async (project) => {
      try {
        return (await lookAtLock(ports, project))?.state === 'held' ? [project] : [];
      } catch (error) {
        if (error instanceof LoomsError && error.code === 'engine-conflict') return [];
        throw error;
      }
    }),
  );
  return looks.flat();
}
