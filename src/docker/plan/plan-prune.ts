import { LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { ProjectLock, PruneIntent } from '../../orchestrator/port.ts';
import { projectLock } from '../project-lock.ts';
import { prunePlan } from '../reconcile/prune.ts';
import { type DockerPrepared, lookAt, type Planning, preparedOf } from './prepare.ts';

/** Plans what `prune` removes. */
export async function planPrune(ports: Planning, intent: PruneIntent): Promise<DockerPrepared> {
  const [observed, built] = await Promise.all([lookAt(ports, intent.project), ports.engine.builtImages()]);
  const locked = await heldLocks(projectLock(ports), built.locked);
  return preparedOf(intent, observed, prunePlan({ observed, built: { ...built, locked }, scope: intent }));
}

/** Of projects that seem locked, those that a run holds: a lock that ran out, or that looms did not make, keeps nobody. */
async function heldLocks(lock: ProjectLock, projects: readonly ProjectName[]): Promise<readonly ProjectName[]> {
  const looks = await Promise.all(
    projects.map(async (project) => {
      try {
        return (await lock.look(project))?.state === 'held' ? [project] : [];
      } catch (error) {
        if (error instanceof LoomsError && error.code === 'engine-conflict') return [];
        throw error;
      }
    }),
  );
  return looks.flat();
}
