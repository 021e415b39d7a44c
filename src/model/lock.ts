import type { EngineTime } from './engine.ts';
import type { ContainerId } from './ids.ts';
import { isoTime, shownTime } from './times.ts';

/** Who holds the project's lock. Times are on the engine's clock, in ms. */
export type LockHolder = {
  /** Of this holding of the lock alone, and told from others by its first 12 characters. */
  readonly id: ContainerId;
  readonly who: string;
  readonly host: string;
  readonly pid: number;
  /** Names the processes that `pid` is one of; absent where the system does not tell them apart. */
  readonly processes?: string;
  readonly command: string;
  readonly acquiredAt: EngineTime;
  /** When the lock counts as broken unless its holder renews it. */
  readonly expiresAt: EngineTime;
};

/** A lock's id as it is shown and typed. */
export const shortLockId = (holder: LockHolder): string => holder.id.slice(0, 12);

/** Who holds a lock, and since when, for people. */
export function describeHolder(holder: LockHolder): string {
  return `${holder.who}@${holder.host} (pid ${holder.pid}, \`${holder.command}\`) since ${shownTime(isoTime(holder.acquiredAt))}`;
}
