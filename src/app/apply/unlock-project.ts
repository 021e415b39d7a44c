import type { LockHolder } from '../../docker/port.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Ports } from '../ports.ts';
import { describeHolder, isOrphan, shortLockId } from './project-lock.ts';

/** What is known of the run that holds a lock. */
export type LockState =
  /** It gave no sign of life for a whole lifetime of the lock. */
  | 'expired'
  /** It ran on this machine, and its process is gone. */
  | 'abandoned'
  | 'held';

export type FoundLock = { readonly holder: LockHolder; readonly state: LockState };

/** Who holds a project's lock; null when nobody does. Changes nothing. */
export async function lookAtLock(ports: Ports, project: ProjectName): Promise<FoundLock | null> {
  const found = await (await ports.engine()).findLock(project);
  if (found === null) return null;
  const { holder, expired } = found;
  return { holder, state: expired ? 'expired' : isOrphan(holder, ports) ? 'abandoned' : 'held' };
}

/** Throws `refused`, saying who holds the lock, when it is another one than was named. `id` may be shortened to 12. */
export function requireLockId({ holder }: FoundLock, id: string, project: ProjectName): void {
  if (id.length >= 12 && holder.id.startsWith(id)) return;
  throw new LoomsError('refused', `the lock of project ${project} is not ${id}: ${describeHolder(holder)} holds it`, {
    hint: `its id is ${shortLockId(holder)}; it was taken after you looked, or the id is mistyped`,
  });
}

/**
 * Takes a lock away, by its id: one that was given back and taken by another run meanwhile is not hit. The run that held
 * it notices before its next step that takes something away, and stops there.
 */
export async function breakLock(ports: Ports, { holder }: FoundLock): Promise<void> {
  await (await ports.engine()).releaseLock(holder.id);
}
