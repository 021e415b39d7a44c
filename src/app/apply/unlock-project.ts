import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import type { ProjectName } from '../../model/ids.ts';
import { describeHolder, shortLockId } from '../../model/lock.ts';
import type { ApplyReport, FoundLock } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

/** Throws `refused`, saying who holds the lock, when it is another one than was named. `id` may be shortened to 12. */
export function requireLockId({ holder }: FoundLock, id: string, project: ProjectName): void {
  if (id.length >= 12 && holder.id.startsWith(id)) return;
  throw new LoomsError('refused', `the lock of project ${project} is not ${id}: ${describeHolder(holder)} holds it`, {
    hint: `its id is ${shortLockId(holder)}; it was taken after you looked, or the id is mistyped`,
  });
}

/** Takes a dead holder's lock away, as a run with nothing to do takes none over. Returns why not; never throws. */
export async function clearDeadLock(ports: Ports, project: ProjectName): Promise<string | undefined> {
  try {
    const { lock } = await ports.orchestrator();
    const found = await lock.look(project);
    if (found !== null && found.state !== 'held') await lock.take(found.holder);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether somebody took the lock away while the work was going on, whatever else became of it. */
export const lostItsLock = ({ results }: ApplyReport): boolean =>
  Object.values(results).some((result) => 'failure' in result && result.failure.code === 'lock-lost');
