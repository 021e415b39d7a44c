import { assertNever, insteadOf } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import { projectLock } from '../../orchestrator/common/project-lock.ts';
import type { Intent, ProjectLock, PruneIntent } from '../../orchestrator/port.ts';
import type { DockerPorts } from '../ports.ts';
import { prunePlan } from '../reconcile/prune.ts';
import { planDeclared } from './plan-files.ts';
import { planRecorded } from './plan-recorded.ts';
import { planRemoval } from './plan-removal.ts';
import { planRollback } from './plan-rollback.ts';
import type { DockerPrepared } from './prepare.ts';
import { lookAt, preparedOf } from './prepare.ts';

/** `Orchestrator.plan`. */
export function planIntent(ports: DockerPorts, intent: Intent): Promise<DockerPrepared> {
  switch (intent.kind) {
    case 'files':
      return planDeclared(ports, intent);
    case 'recorded':
      return planRecorded(ports, intent);
    case 'removal':
      return planRemoval(ports, intent);
    case 'rollback':
      return planRollback(ports, intent);
    case 'prune':
      return planPrune(ports, intent);
    default:
      return assertNever(intent);
  }
}

/** Plans what `prune` removes. */
async function planPrune(ports: DockerPorts, intent: PruneIntent): Promise<DockerPrepared> {
  const [observed, built] = await Promise.all([lookAt(ports, intent.project), ports.engine.builtImages()]);
  const locked = await heldLocks(projectLock(ports), built.locked);
  return preparedOf(intent, observed, prunePlan({ observed, built: { ...built, locked }, scope: intent }));
}

/** Of projects that seem locked, those that a run holds: a lock that ran out, or that looms did not make, keeps nobody. */
async function heldLocks(lock: ProjectLock, projects: readonly ProjectName[]): Promise<readonly ProjectName[]> {
  const looks = await Promise.all(
    projects.map((project) => lock.look(project).catch(insteadOf('engine-conflict', () => null))),
  );
  return projects.filter((_, index) => looks[index]?.state === 'held');
}
