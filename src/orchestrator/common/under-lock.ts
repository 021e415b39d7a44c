import type { ProjectName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { ApplyOptions, ApplyReport } from '../port.ts';
import { type HeldLock, type LockPorts, takeLock } from './project-lock.ts';

/**
 * Carries something out under a project's lock, within the run's own time once it has the lock. Throws `lock-held`, and what
 * the work throws; a lock that could not be given back is a notice.
 */
export async function underLock(
  ports: LockPorts,
  project: ProjectName,
  options: ApplyOptions,
  work: (lock: HeldLock, options: ApplyOptions) => Promise<ApplyReport>,
): Promise<ApplyReport> {
  const lock = await takeLock(ports, project, {
    timeoutMs: options.lockTimeoutMs,
    signal: options.stopSignal,
    onWait: options.onLockWait,
  });
  let report: ApplyReport;
  try {
    report = await withinTime(options, (bounded, begin) => {
      begin();
      return work(lock, bounded);
    });
  } catch (error) {
    // What went wrong matters more than a lock that stays: that ends by itself.
    await lock.release();
    throw error;
  }
  const problem = await lock.release();
  return problem === undefined ? report : { ...report, notices: [...report.notices, lockStays(problem)] };
}

/** Bounds a run by its own time from `begin` on: what is under way then is given up, and that is its outcome. */
export async function withinTime(
  options: ApplyOptions,
  work: (bounded: ApplyOptions, begin: () => void) => Promise<ApplyReport>,
): Promise<ApplyReport> {
  const { timeoutMs, ...others } = options;
  const timeUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    if (timeoutMs !== undefined) timer = setTimeout(() => timeUp.abort(), timeoutMs);
  };
  const bounded = {
    ...others,
    stopSignal: AbortSignal.any([timeUp.signal, options.stopSignal]),
    abortSignal: AbortSignal.any([timeUp.signal, options.abortSignal]),
  };
  try {
    const report = await work(bounded, begin);
    return timeUp.signal.aborted && report.outcome === 'interrupted' ? { ...report, outcome: 'timed-out' } : report;
  } finally {
    clearTimeout(timer);
  }
}

const lockStays = (problem: string): Notice => ({
  code: 'lock-not-released',
  message: `the lock could not be released (${problem}); it ends by itself within a minute`,
});
