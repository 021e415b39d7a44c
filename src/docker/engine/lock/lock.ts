import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { EngineTime } from '../../../model/engine.ts';
import { isFailure, LoomsError } from '../../../model/errors.ts';
import { asContainerId, type ContainerId, type ProjectName } from '../../../model/ids.ts';
import { parsedJson } from '../../../model/values/parsed-json.ts';
import { label, lockName, type Role } from '../../model/labels.ts';
import type { LockAttempt, LockHolder, LockRequest } from '../../port.ts';
import { ask, askBytes, get, post } from '../connection/ask.ts';
import { orNull, unlessInUse } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';
import { putFiles, readContainerFile } from '../containers/container-files.ts';
import { isBeingRemoved, removeContainer, waitUntilRemoved } from '../containers/containers.ts';
import { inspectContainer } from '../containers/inspected.ts';
import { isOurs } from '../containers/ownership.ts';
import { packTar } from '../containers/tar.ts';

/** Who holds the lock, as JSON, set once by the create call that took it. */
const holderLabel = 'looms.lock';

/** Where renewals are written: labels cannot change. */
const heartbeat = { directory: '/', name: 'looms-lock.json' } as const;

/**
 * How often, and with what pauses (ms, growing to the longest), a try is begun again when the name was taken and nobody
 * held it: the engine keeps a name for a moment after its container is gone. About 2 s in all.
 */
const attempts = 30;
const [shortestPauseMs, longestPauseMs] = [5, 100];

/** `nonce` tells two tries of one process apart; locks of older versions have none. */
type HolderRecord = Omit<LockHolder, 'id'> & { readonly nonce?: string };

type FoundLock = { readonly holder: LockHolder; readonly nonce: string | undefined };

/** `lost`: the connection broke or time ran out, and the engine may have made the lock all the same. */
type CreateAnswer =
  | { readonly answer: 'created'; readonly id: ContainerId }
  | { readonly answer: 'name-taken' | 'no-image' }
  | { readonly answer: 'lost'; readonly error: unknown };

const isLostAnswer = (error: unknown): boolean => isFailure(error, 'engine-unreachable', 'engine-timeout');

/** An image of no bytes that the lock's container is made of: no engine has to pull or build for a lock. */
const lockImage = { repo: 'looms/lock', tag: 'v1' } as const;
/** How the lock's container names it. */
const lockImageRef = `${lockImage.repo}:${lockImage.tag}`;

/** Makes the image; several may do so at once. */
async function importLockImage(client: Client): Promise<void> {
  const query = { fromSrc: '-', ...lockImage, changes: `LABEL ${label.role}=lock` };
  const request = { ...post('/images/create', query), archive: packTar([]) };
  await askBytes(client, 'make the image of the lock', request);
  // Others may have made it at the same moment: only the last one keeps the tag, the rest would pile up.
  const filters = { dangling: ['true'], label: [`${label.role}=lock`] };
  const piled = await ask<readonly unknown[]>(client, 'list the images of the lock', get('/images/json', { filters }));
  // Not without need: with the containerd store (28) builds of others that end in that moment can fail.
  if (piled.length === 0) return;
  // The engine prunes for one at a time and answers 409 to the others, whose work is then being done.
  await unlessInUse(ask(client, 'tidy the images of the lock', post('/images/prune', { filters })));
}

/**
 * Whether several runs that make the image at once may have got into each other's way, which each engine has words of its own
 * for: Podman (5.8) imports it, names it, and looks it up in between, when another run has tidied it away; Docker (28, the
 * containerd store) takes the name away from the one before, and finds that another run has given it meanwhile, or taken it.
 */
const mayBeInterference = (error: unknown): boolean => statusOf(error) !== undefined;

async function tryCreate(client: Client, project: ProjectName, record: HolderRecord): Promise<CreateAnswer> {
  const body = {
    Image: lockImageRef,
    // It is never started; the engine only wants something to be named.
    Cmd: ['/lock'],
    Labels: {
      [label.project]: project,
      [label.role]: 'lock' satisfies Role,
      [holderLabel]: JSON.stringify(record),
    },
    HostConfig: { NetworkMode: 'none' },
  };
  const request = post('/containers/create', { name: lockName(project) }, body);
  const what = `take the lock of project ${project}`;
  try {
    const created = await orNull(ask<{ Id: string }>(client, what, request));
    return created === null ? { answer: 'no-image' } : { answer: 'created', id: asContainerId(created.Id) };
  } catch (error) {
    if (statusOf(error) === 409) return { answer: 'name-taken' };
    if (isLostAnswer(error)) return { answer: 'lost', error };
    throw error;
  }
}

/** A moment that a date can tell (ECMAScript: 8.64e15 ms around the epoch). */
const isTime = (value: unknown): value is EngineTime =>
  typeof value === 'number' && !Number.isNaN(new Date(value).getTime());

/** Whether it says all that a lock of ours says. A label is a claim: whatever else is in it is not read further. */
const isRecord = (value: unknown): value is HolderRecord => {
  if (typeof value !== 'object' || value === null) return false;
  const { who, host, command, pid, processes, nonce, acquiredAt, expiresAt } = value as Partial<HolderRecord>;
  return (
    [who, host, command].every((text) => typeof text === 'string') &&
    [processes, nonce].every((text) => text === undefined || typeof text === 'string') &&
    // 0 and less would name groups of processes, not one.
    Number.isSafeInteger(pid) &&
    Number(pid) > 0 &&
    isTime(acquiredAt) &&
    isTime(expiresAt)
  );
};

/** When a renewal said the lock ends; undefined when it was never renewed. */
async function renewedUntil(client: Client, id: string): Promise<EngineTime | undefined> {
  const path = `${heartbeat.directory}${heartbeat.name}`;
  const bytes = await readContainerFile(client, id, path);
  const record = parsedJson(bytes?.toString('utf8')) as { expiresAt?: unknown } | undefined;
  return isTime(record?.expiresAt) ? record.expiresAt : undefined;
}

/** Who holds the lock under its name, or null. One that is being given up is waited for until it is gone. */
async function readHolder(client: Client, project: ProjectName): Promise<FoundLock | null> {
  const container = await inspectContainer(client, lockName(project));
  if (container === null) return null;
  const labels = container.Config.Labels ?? {};
  const record = parsedJson(labels[holderLabel]); // One that is not readable holds the name all the same.
  if (!isRecord(record) || labels[label.role] !== 'lock' || !(await isOurs(client, container))) {
    throw new LoomsError('engine-conflict', `container ${lockName(project)} is no lock of looms`, {
      hint: `its name is what the lock of project ${project} needs: rename or remove it`,
    });
  }
  try {
    const renewed = await renewedUntil(client, container.Id);
    const { nonce, ...holder } = record;
    return { nonce, holder: { ...holder, id: asContainerId(container.Id), expiresAt: renewed ?? record.expiresAt } };
  } catch (error) {
    if (!(await isGone(client, container.Id, error))) throw error;
    await waitUntilRemoved(client, container.Id);
    return null;
  }
}

/** Whether a call failed because the lock is gone or going: the engine answers 500 for one that it is taking apart. */
async function isGone(client: Client, id: string, error: unknown): Promise<boolean> {
  if (statusOf(error) === undefined) return false;
  const container = await inspectContainer(client, id);
  return container === null || isBeingRemoved(container);
}

/** What an interrupted try may have left; best effort: it runs out, and a dead process's lock is taken over before. */
async function releaseOwn(client: Client, project: ProjectName, nonce: string): Promise<void> {
  try {
    const found = await readHolder(unsignalled(client), project);
    if (found?.nonce === nonce) await removeContainer(unsignalled(client), found.holder.id);
  } catch {
    // The interruption is what is told.
  }
}

/**
 * One atomic try to take the project's lock; all times are the engine's. `held` with `expired` says that its holder
 * has not renewed it in time: taking it over is `releaseLock` of exactly that id followed by another try, of which any
 * number can run at once and one succeeds. A lock whose answer was lost on the way back is known by its nonce.
 */
export async function acquireLock(client: Client, project: ProjectName, request: LockRequest): Promise<LockAttempt> {
  const nonce = randomUUID();
  try {
    return await tryToAcquire(client, project, request, nonce);
  } catch (error) {
    if (isFailure(error, 'interrupted')) {
      await releaseOwn(client, project, nonce);
    }
    throw error;
  }
}

async function tryToAcquire(
  client: Client,
  project: ProjectName,
  request: LockRequest,
  nonce: string,
): Promise<LockAttempt> {
  const { lifetimeMs, ...who } = request;
  let noImage: unknown;
  for (let attempt = 0, lostAnswers = 0; attempt < attempts; attempt += 1) {
    const acquiredAt = await client.info.now(client);
    const holder = { ...who, acquiredAt, expiresAt: acquiredAt + lifetimeMs };
    const created = await tryCreate(client, project, { ...holder, nonce });
    if (created.answer === 'no-image') {
      try {
        await importLockImage(client);
      } catch (error) {
        if (!mayBeInterference(error)) throw error;
        noImage = error;
        await pause(Math.min(shortestPauseMs * (attempt + 1), longestPauseMs));
      }
      continue;
    }
    if (created.answer === 'created') return { result: 'acquired', lock: { ...holder, id: created.id } };
    if (created.answer === 'lost' && ++lostAnswers > 1) throw created.error;
    const found = await readHolder(client, project);
    if (found?.nonce === nonce) return { result: 'acquired', lock: found.holder };
    if (found !== null) {
      return {
        result: 'held',
        holder: found.holder,
        expired: (await client.info.now(client)) > found.holder.expiresAt,
      };
    }
    await pause(Math.min(shortestPauseMs * (attempt + 1), longestPauseMs));
  }
  if (noImage !== undefined) throw noImage;
  throw new LoomsError('engine-conflict', `the lock of project ${project} changes hands too fast`, {
    hint: 'many runs of looms want it at once: try again',
  });
}

/** Who holds the lock now, and whether it ran out on the engine's clock; null when nobody does. */
export async function findLock(
  client: Client,
  project: ProjectName,
): Promise<{ readonly holder: LockHolder; readonly expired: boolean } | null> {
  const found = await readHolder(client, project);
  if (found === null) return null;
  return { holder: found.holder, expired: (await client.info.now(client)) > found.holder.expiresAt };
}

const lost = (lock: LockHolder): LoomsError =>
  new LoomsError('lock-lost', `the lock of this project, taken by ${lock.who} on ${lock.host}, is no longer ours`, {
    hint: 'someone removed it, or it ran out while this run hung: run the command again',
  });

/** Prolongs a lock from now on. Throws `lock-lost` when it was removed. */
export async function renewLock(client: Client, lock: LockHolder, lifetimeMs: number): Promise<LockHolder> {
  const expiresAt = (await client.info.now(client)) + lifetimeMs;
  const content = Buffer.from(JSON.stringify({ expiresAt }));
  try {
    await putFiles(client, lock.id, heartbeat.directory, [
      { name: heartbeat.name, mode: 0o644, uid: 0, gid: 0, content },
    ]);
  } catch (error) {
    throw (await isGone(client, lock.id, error)) ? lost(lock) : error;
  }
  return { ...lock, expiresAt };
}

/** Throws `lock-lost` when the lock was removed or is being removed. One call. */
export async function checkLock(client: Client, lock: LockHolder): Promise<void> {
  const container = await inspectContainer(client, lock.id);
  if (container === null || isBeingRemoved(container)) throw lost(lock);
}

/** Gives a lock up, or takes an expired one away, by id: a successor's lock cannot be hit. */
export const releaseLock = (client: Client, id: ContainerId): Promise<void> => removeContainer(client, id);
