import { assertNever } from '../../model/errors.ts';
import { describeHolder, type LockHolder, shortLockId } from '../../model/lock.ts';
import { isoTime, shownTime } from '../../model/times.ts';
import type { FoundLock } from '../../orchestrator/port.ts';
import type { Palette } from '../terminal/palette.ts';
import { displayed, visible } from './text.ts';

/** The value of `unlock --json`. */
export type LockView = {
  readonly project: string;
  /** null: nobody holds it. */
  readonly lock:
    | (Pick<LockHolder, 'who' | 'host' | 'pid' | 'command'> & {
        readonly id: string;
        readonly since: string;
        readonly until: string;
        readonly state: FoundLock['state'];
      })
    | null;
  readonly removed: boolean;
};

/** What is known about a project's lock, and whether it was taken away. */
export function lockView(project: string, found: FoundLock | null, removed: boolean): LockView {
  if (found === null) return { project, lock: null, removed };
  const { id, who, host, pid, command, acquiredAt, expiresAt } = found.holder;
  const [since, until] = [isoTime(acquiredAt), isoTime(expiresAt)];
  return { project, lock: { id, who, host, pid, command, since, until, state: found.state }, removed };
}

function describeState(lock: NonNullable<LockView['lock']>): string {
  switch (lock.state) {
    case 'expired':
      return `it ran out at ${shownTime(lock.until)}; the next apply takes it over`;
    case 'abandoned':
      return 'its process on this machine is gone; the next apply takes it over';
    case 'held':
      return `it ends at ${shownTime(lock.until)} unless its run gives a sign of life`;
    default:
      return assertNever(lock.state);
  }
}

/** Who holds a lock, in what state it is, and what takes it away. */
export function renderLock(view: LockView, found: FoundLock | null, palette: Palette): string {
  const { project, removed, lock } = displayed(view);
  if (found === null || lock === null) return `Nobody holds the lock of project ${project}.`;
  const id = visible(shortLockId(found.holder));
  const holder = visible(describeHolder(found.holder));
  if (removed) return `${palette.good('Unlocked')}: ${holder} does not hold project ${project} any more.`;
  return [
    `Project ${project} is locked by ${palette.strong(holder)}`,
    `  lock ${id}: ${describeState(lock)}`,
    `${palette.note('hint')}: if that run will never end: \`looms unlock ${id} --project ${project}\``,
  ].join('\n');
}
