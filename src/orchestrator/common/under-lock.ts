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
  const timeUp = new AbortController();
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => timeUp.abort(), options.timeoutMs);
  let report: ApplyReport;
  try {
    report = await work(lock, {
      ...options,
      stopSignal: AbortSignal.any([timeUp.signal, options.stopSignal]),
      abortSignal: AbortSignal.any([timeUp.signal, options.abortSignal]),
    });
  } catch (error) {
    // What went wrong matters more than a lock that stays: that ends by itself.
    await lock.release();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const problem = await lock.release();
  return {
    ...report,
    ...(timeUp.signal.aborted && report.outcome === 'interrupted' ? { outcome: 'timed-out' } : {}),
    notices: problem === undefined ? report.notices : [...report.notices, lockStays(problem)],
  };
}

const lockStays = (problem: string): Notice => ({
  code: 'lock-not-released',
  message: `the lock could not be released (${problem}); it ends by itself within a minute`,
});
