import { isFailure, LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import type { ProjectName } from '../../model/ids.ts';
import { describeHolder, type LockHolder, shortLockId } from '../../model/lock.ts';
import type { FoundLock, HoldableLock, OrchestratorPorts } from '../port.ts';
import type { CallOptions } from '../session-host.ts';

/** How long a lock lives without a sign of life from its holder, ms; renewed three times in that span. */
const lifetimeMs = 60_000;
const firstRetryMs = 100;
const slowestRetryMs = 2000;

/** Who wants the lock, and how long it lives without a renewal, ms. */
export type LockRequest = Pick<LockHolder, 'who' | 'host' | 'pid' | 'processes' | 'command'> & {
  readonly lifetimeMs: number;
};

export type LockAttempt =
  | { readonly result: 'acquired'; readonly lock: LockHolder }
  | { readonly result: 'held'; readonly holder: LockHolder; readonly expired: boolean };

/** Where the locks of projects are kept. */
export type LockKeeper = {
  /** One atomic try to take the project's lock. */
  acquireLock(project: ProjectName, request: LockRequest, options?: CallOptions): Promise<LockAttempt>;
  /** Who holds the project's lock, and whether it ran out; null when nobody does. Read-only. */
  findLock(
    project: ProjectName,
    options?: CallOptions,
  ): Promise<{ readonly holder: LockHolder; readonly expired: boolean } | null>;
  /** Prolongs a lock; throws `lock-lost` when the one with this id is gone. */
  renewLock(lock: LockHolder, lifetimeMs: number, options?: CallOptions): Promise<LockHolder>;
  /** Throws `lock-lost` when it is not ours any more. One cheap call. */
  checkLock(lock: LockHolder, options?: CallOptions): Promise<void>;
  /** Removes the lock by id; one that is gone already is no error. */
  releaseLock(id: LockHolder['id'], options?: CallOptions): Promise<void>;
};

export type LockPorts = Pick<OrchestratorPorts, 'whoAmI' | 'processIsAlive' | 'monotonicMs' | 'pause'> & {
  readonly engine: LockKeeper;
};

/** The project's lock, held and kept alive. */
export type HeldLock = {
  /** Throws `lock-lost` when someone took it over; called before each destructive step. */
  readonly check: () => Promise<void>;
  /** Gives it back; never throws, so that nothing hides what happened before. Returns why when it could not. */
  readonly release: () => Promise<string | undefined>;
};

/** A killed holder on this machine need not expire. A clone or container of it may share its name, not processes. */
const isOrphan = ({ host, processes, pid }: LockHolder, { whoAmI, processIsAlive }: LockPorts): boolean =>
  host === whoAmI.host && processes === whoAmI.processes && !processIsAlive(pid);

function keepAlive(engine: LockKeeper, acquired: LockHolder): HeldLock {
  let lock = acquired;
  let lost: LoomsError | undefined;
  const renew = async (): Promise<void> => {
    try {
      lock = await engine.renewLock(lock, lifetimeMs);
    } catch (error) {
      // A renewal that failed for another reason is tried again a third of a lifetime later.
      if (isFailure(error, 'lock-lost')) lost = error;
    }
  };
  const timer = setInterval(() => void renew(), lifetimeMs / 3);
  timer.unref();
  return {
    check: async () => {
      if (lost !== undefined) throw lost;
      await engine.checkLock(lock);
    },
    release: async () => {
      clearInterval(timer);
      try {
        // On a fresh signal: a lock must go also when the work was cancelled (OpenTofu #3669).
        await engine.releaseLock(lock.id);
        return undefined;
      } catch (error) {
        return messageOf(error);
      }
    },
  };
}

/** Takes the lock, waiting `timeoutMs`; a dead holder's is taken over. Throws `lock-held` naming it, `interrupted`. */
export async function takeLock(
  ports: LockPorts,
  project: ProjectName,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly onWait: (holder: LockHolder) => void },
): Promise<HeldLock> {
  const { engine } = ports;
  const deadline = ports.monotonicMs() + options.timeoutMs;
  for (let wait = firstRetryMs, told = false; ; wait = Math.min(wait * 2, slowestRetryMs)) {
    const attempt = await engine.acquireLock(
      project,
      { ...ports.whoAmI, who: ports.whoAmI.user, lifetimeMs },
      { signal: options.signal },
    );
    if (attempt.result === 'acquired') return keepAlive(engine, attempt.lock);
    if (attempt.expired || isOrphan(attempt.holder, ports)) {
      // By id: whoever took it over meanwhile is not hit, and only one of several takers gets the name next.
      await engine.releaseLock(attempt.holder.id);
      if (options.signal.aborted) throw new LoomsError('interrupted', 'interrupted while waiting for the lock');
      // A lock that is abandoned again and again is given up as one that is held.
      if (ports.monotonicMs() < deadline || wait === firstRetryMs) continue;
    }
    const left = deadline - ports.monotonicMs();
    if (left <= 0) {
      throw new LoomsError('lock-held', `project ${project} is being changed by ${describeHolder(attempt.holder)}`, {
        hint:
          `wait for it with --lock-timeout 300; if that run will never end: ` +
          `\`looms unlock ${shortLockId(attempt.holder)} --project ${project}\``,
      });
    }
    if (!told) options.onWait(attempt.holder);
    told = true;
    await ports.pause(Math.min(wait, left), options.signal);
    if (options.signal.aborted) throw new LoomsError('interrupted', 'interrupted while waiting for the lock');
  }
}

/** The locks of projects, for those who do not work under them. */
export const projectLock = (ports: LockPorts): HoldableLock => ({
  look: async (project): Promise<FoundLock | null> => {
    const found = await ports.engine.findLock(project);
    if (found === null) return null;
    const { holder, expired } = found;
    return { holder, state: expired ? 'expired' : isOrphan(holder, ports) ? 'abandoned' : 'held' };
  },
  take: (lock) => ports.engine.releaseLock(lock.id),
  hold: async (project, { lockTimeoutMs: timeoutMs, stopSignal: signal, onLockWait: onWait }, work) => {
    const lock = await takeLock(ports, project, { timeoutMs, signal, onWait });
    try {
      return await work();
    } finally {
      // One that could not be given back ends by itself within a minute.
      await lock.release();
    }
  },
});
