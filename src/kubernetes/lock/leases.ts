import { LoomsError } from '../../model/errors.ts';
import { asContainerId, type ProjectName } from '../../model/ids.ts';
import { isRecord } from '../../model/is-record.ts';
import type { LockHolder } from '../../model/lock.ts';
import { isoTime } from '../../model/times.ts';
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

type Holder = Pick<LockHolder, 'who' | 'host' | 'pid' | 'processes' | 'command'>;

type Lease = KubeObject & {
  readonly spec?: { readonly leaseDurationSeconds?: number; readonly renewTime?: string };
};

const isHolder = (value: unknown): value is Holder => {
  if (!isRecord(value)) return false;
  const { who, host, command, pid, processes } = value;
  return (
    [who, host, command].every((text) => typeof text === 'string') &&
    (processes === undefined || typeof processes === 'string') &&
    // 0 and less would name groups of processes, not one.
    Number.isSafeInteger(pid) &&
    Number(pid) > 0
  );
};

/** The holder that a Lease names. Throws `engine-conflict` for one that looms did not write. */
function holderOf({ metadata, spec }: Lease, project: ProjectName): LockHolder {
  const said = parsedJson(metadata.annotations?.[holderKey]);
  if (!isHolder(said)) {
    throw new LoomsError('engine-conflict', `Lease ${leaseName} in ${namespaceOf(project)} is no lock of looms`, {
      hint: `its name is what the lock of project ${project} needs: rename or remove it`,
    });
  }
  const acquiredAt = timeOf(metadata.creationTimestamp);
  const { who, host, pid, processes, command } = said;
  const from = Math.max(acquiredAt, timeOf(spec?.renewTime));
  return {
    id: asContainerId(metadata.uid ?? ''),
    ...{ who, host, pid, command, acquiredAt },
    ...(processes === undefined ? {} : { processes }),
    expiresAt: from + (spec?.leaseDurationSeconds ?? 0) * 1000,
  };
}

const isConflict = (error: unknown): boolean => error instanceof LoomsError && error.code === 'engine-conflict';
const isMissing = (error: unknown): boolean => error instanceof LoomsError && error.code === 'engine-not-found';

const lost = (project: string): LoomsError =>
  new LoomsError('lock-lost', `the lock of ${project} was taken by another run`, {
    hint: 'what this run did stands; run it again to complete it',
  });

/** The locks of projects as Leases, on the API server's clock: each is made once, and told from the next by its uid. */
export function leases(cluster: Cluster): LockKeeper {
  const names = new Map<string, ProjectName>();

  const find = async (project: ProjectName, options?: CallOptions): Promise<Lease | null> =>
    (await findObject(cluster, 'Lease', namespaceOf(project), leaseName, options)) as Lease | null;

  const projectOf = (id: string): ProjectName => {
    const project = names.get(id);
    if (project === undefined) throw new LoomsError('internal', `lock ${id} is of no project that was asked for`);
    return project;
  };

  const findLock: LockKeeper['findLock'] = async (project, options) => {
    const lease = await find(project, options);
    if (lease === null) return null;
    const holder = holderOf(lease, project);
    names.set(holder.id, project);
    return { holder, expired: holder.expiresAt <= (await clusterNow(cluster, options)) };
  };

  const acquireLock = async (
    project: ProjectName,
    { lifetimeMs, ...holder }: LockRequest,
    options?: CallOptions,
  ): Promise<LockAttempt> => {
    const namespace = namespaceOf(project);
    const body = {
      apiVersion: apiVersionOf('Lease'),
      kind: 'Lease',
      metadata: {
        name: leaseName,
        namespace,
        labels: { [label.managedBy]: 'looms', [label.project]: project },
        annotations: { [holderKey]: JSON.stringify(holder) },
      },
      spec: {
        holderIdentity: `${holder.who}@${holder.host}`.slice(0, 200),
        leaseDurationSeconds: Math.ceil(lifetimeMs / 1000),
      },
    };
    try {
      const made = (await cluster.request(
        { method: 'POST', path: listPath('Lease', namespace), body },
        options,
      )) as Lease;
      const lock = holderOf(made, project);
      names.set(lock.id, project);
      return { result: 'acquired', lock };
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const found = await findLock(project, options);
    // Given back in between: the next try may have it.
    if (found === null) return acquireLock(project, { lifetimeMs, ...holder }, options);
    return { result: 'held', ...found };
  };

  const own = async ({ id }: LockHolder, options?: CallOptions): Promise<Lease> => {
    const project = projectOf(id);
    const lease = await find(project, options);
    if (lease === null || lease.metadata.uid !== id) throw lost(project);
    return lease;
  };

  return {
    findLock,
    acquireLock,
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
      await cluster.request({ method: 'PUT', path, body: renewed }, options);
      return { ...lock, expiresAt: now + lifetimeMs };
    },
    checkLock: async (lock, options) => void (await own(lock, options)),
    releaseLock: async (id, options) => {
      const path = objectPath('Lease', namespaceOf(projectOf(id)), leaseName);
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: id } };
      try {
        await cluster.request({ method: 'DELETE', path, body }, options);
      } catch (error) {
        // Gone, or another one by now.
        if (!isMissing(error) && !isConflict(error)) throw error;
      }
    },
  };
}
