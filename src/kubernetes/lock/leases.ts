import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isFailure, LoomsError } from '../../model/errors.ts';
import { asContainerId, type ProjectName } from '../../model/ids.ts';
import type { LockHolder } from '../../model/lock.ts';
import { isoTime } from '../../model/times.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import type { LockAttempt, LockKeeper, LockRequest } from '../../orchestrator/common/project-lock.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { apiVersionOf, listPath, objectPath } from '../model/kinds.ts';
import { label, namespaceOf } from '../model/names.ts';
import { type KubeObject, timeOf } from '../model/objects.ts';
import { clusterNow } from '../observe/describe.ts';
import { findObject } from '../observe/observe.ts';
import type { Cluster } from '../port.ts';

/** The Lease that is the lock of a project, in its namespace. It is made by whoever takes the lock, and goes with it. */
const leaseName = 'looms';

/** Who holds it, as JSON. Annotations are claims: what is in them is checked as a person's words would be. */
const holderKey = 'looms.dev/lock';

/** `nonce` tells two tries of one process apart; locks of older versions have none. */
type Holder = Pick<LockHolder, 'who' | 'host' | 'pid' | 'processes' | 'command'> & { readonly nonce?: string };

/**
 * How often, and with what pauses (ms, growing to the longest), a try is begun again when the lock was taken and then nobody
 * held it. About 2 s in all.
 */
const attempts = 30;
const [shortestPauseMs, longestPauseMs] = [5, 100];

type Lease = KubeObject & {
  readonly spec?: { readonly leaseDurationSeconds?: number; readonly renewTime?: string };
};

const isHolder = (value: unknown): value is Holder => {
  if (!isRecord(value)) return false;
  const { who, host, command, pid, processes, nonce } = value;
  return (
    [who, host, command].every((text) => typeof text === 'string') &&
    [processes, nonce].every((text) => text === undefined || typeof text === 'string') &&
    // 0 and less would name groups of processes, not one.
    Number.isSafeInteger(pid) &&
    Number(pid) > 0
  );
};

/** A lock as it was found, with what tells this state of it from the next. */
type Found = { readonly holder: LockHolder; readonly nonce: string | undefined; readonly version: string | undefined };

/** The lock that a Lease is. Throws `engine-conflict` for one that looms did not write. */
function lockOf({ metadata, spec }: Lease, project: ProjectName): Found {
  const said = parsedJson(metadata.annotations?.[holderKey]);
  if (!isHolder(said)) {
    throw new LoomsError('engine-conflict', `Lease ${leaseName} in ${namespaceOf(project)} is no lock of looms`, {
      hint: `its name is what the lock of project ${project} needs: rename or remove it`,
    });
  }
  const acquiredAt = timeOf(metadata.creationTimestamp);
  const { who, host, pid, processes, command, nonce } = said;
  const from = Math.max(acquiredAt, timeOf(spec?.renewTime));
  const holder = {
    id: asContainerId(metadata.uid ?? ''),
    ...{ who, host, pid, command, acquiredAt },
    ...(processes === undefined ? {} : { processes }),
    expiresAt: from + (spec?.leaseDurationSeconds ?? 0) * 1000,
  };
  return { holder, nonce, version: metadata.resourceVersion };
}

/** What a Lease says of who takes it. */
function leaseOf(project: ProjectName, { lifetimeMs, ...holder }: LockRequest, nonce: string): object {
  return {
    apiVersion: apiVersionOf('Lease'),
    kind: 'Lease',
    metadata: {
      name: leaseName,
      namespace: namespaceOf(project),
      labels: { [label.managedBy]: 'looms', [label.project]: project },
      annotations: { [holderKey]: JSON.stringify({ ...holder, nonce }) },
    },
    spec: {
      holderIdentity: `${holder.who}@${holder.host}`.slice(0, 200),
      leaseDurationSeconds: Math.ceil(lifetimeMs / 1000),
    },
  };
}

const isConflict = (error: unknown): boolean => isFailure(error, 'engine-conflict');
const isMissing = (error: unknown): boolean => isFailure(error, 'engine-not-found');

/** Whether the Lease may have been made all the same. */
const isLostAnswer = (error: unknown): boolean =>
  isFailure(error, 'engine-unreachable', 'engine-timeout', 'engine-unavailable');

const lost = (project: string): LoomsError =>
  new LoomsError('lock-lost', `the lock of ${project} was taken by another run`, {
    hint: 'what this run did stands; run it again to complete it',
  });

/** The locks of projects as Leases, on the API server's clock: each is made once, and told from the next by its uid. */
export function leases(cluster: Cluster): LockKeeper {
  const names = new Map<string, ProjectName>();
  /** Locks of others as a try to take one found them: one that was renewed since then is not to be taken over. */
  const versions = new Map<string, string>();

  const find = async (project: ProjectName, options?: CallOptions): Promise<Lease | null> =>
    (await findObject(cluster, 'Lease', namespaceOf(project), leaseName, options)) as Lease | null;

  const projectOf = (id: string): ProjectName => {
    const project = names.get(id);
    if (project === undefined) throw new LoomsError('internal', `lock ${id} is of no project that was asked for`);
    return project;
  };

  const known = (lease: Lease, project: ProjectName): Found => {
    const found = lockOf(lease, project);
    names.set(found.holder.id, project);
    versions.delete(found.holder.id);
    return found;
  };

  const hasExpired = async ({ expiresAt }: LockHolder, options?: CallOptions): Promise<boolean> =>
    expiresAt <= (await clusterNow(cluster, options));

  const remove = async (id: string, resourceVersion?: string, options?: CallOptions): Promise<void> => {
    const path = objectPath('Lease', namespaceOf(projectOf(id)), leaseName);
    const preconditions = { uid: id, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    try {
      await cluster.request({ method: 'DELETE', path, body }, options);
    } catch (error) {
      // Gone, or another one by now.
      if (!isMissing(error) && !isConflict(error)) throw error;
    }
  };

  /** Makes the Lease. `taken`: there is one. `lost`: it may be there all the same. */
  const tryCreate = async (project: ProjectName, request: LockRequest, nonce: string, options?: CallOptions) => {
    const path = listPath('Lease', namespaceOf(project));
    const body = leaseOf(project, request, nonce);
    try {
      const made = (await cluster.request({ method: 'POST', path, body }, options)) as Lease;
      return { answer: 'made', lock: known(made, project).holder } as const;
    } catch (error) {
      if (isConflict(error)) return { answer: 'taken' } as const;
      if (isLostAnswer(error)) return { answer: 'lost', error } as const;
      throw error;
    }
  };

  const tryToAcquire = async (
    project: ProjectName,
    request: LockRequest,
    nonce: string,
    options?: CallOptions,
  ): Promise<LockAttempt> => {
    for (let attempt = 0, lostAnswers = 0; attempt < attempts; attempt += 1) {
      const created = await tryCreate(project, request, nonce, options);
      if (created.answer === 'made') return { result: 'acquired', lock: created.lock };
      if (created.answer === 'lost' && ++lostAnswers > 1) throw created.error;
      const lease = await find(project, options);
      if (lease !== null) {
        const { holder, version, nonce: theirs } = known(lease, project);
        if (theirs === nonce) return { result: 'acquired', lock: holder };
        if (version !== undefined) versions.set(holder.id, version);
        return { result: 'held', holder, expired: await hasExpired(holder, options) };
      }
      // Given back in between: the next try may have it.
      await pause(Math.min(shortestPauseMs * (attempt + 1), longestPauseMs));
    }
    throw new LoomsError('engine-conflict', `the lock of project ${project} changes hands too fast`, {
      hint: 'many runs of looms want it at once: try again',
    });
  };

  /** What an interrupted try may have left; best effort: it runs out. */
  const releaseOwn = async (project: ProjectName, nonce: string): Promise<void> => {
    try {
      const lease = await find(project);
      if (lease === null) return;
      const { holder, nonce: theirs } = known(lease, project);
      if (theirs === nonce) await remove(holder.id);
    } catch {
      // The interruption is what is told.
    }
  };

  const own = async ({ id }: LockHolder, options?: CallOptions): Promise<Lease> => {
    const project = projectOf(id);
    const lease = await find(project, options);
    if (lease === null || lease.metadata.uid !== id) throw lost(project);
    return lease;
  };

  return {
    findLock: async (project, options) => {
      const lease = await find(project, options);
      if (lease === null) return null;
      const { holder } = known(lease, project);
      return { holder, expired: await hasExpired(holder, options) };
    },
    acquireLock: async (project, request, options) => {
      const nonce = randomUUID();
      try {
        return await tryToAcquire(project, request, nonce, options);
      } catch (error) {
        if (isFailure(error, 'interrupted')) await releaseOwn(project, nonce);
        throw error;
      }
    },
    renewLock: async (lock, lifetimeMs, options) => {
      const lease = await own(lock, options);
      const now = await clusterNow(cluster, options);
      const renewed = {
        ...lease,
        spec: {
          ...lease.spec,
          leaseDurationSeconds: Math.ceil(lifetimeMs / 1000),
          renewTime: isoTime(now).replace(/Z$/, '000Z'),
        },
      };
      const path = objectPath('Lease', lease.metadata.namespace, leaseName);
      try {
        await cluster.request({ method: 'PUT', path, body: renewed }, options);
      } catch (error) {
        throw isMissing(error) ? lost(projectOf(lock.id)) : error;
      }
      return { ...lock, expiresAt: now + lifetimeMs };
    },
    checkLock: async (lock, options) => void (await own(lock, options)),
    releaseLock: (id, options) => remove(id, versions.get(id), options),
  };
}
