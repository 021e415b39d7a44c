import { LoomsError } from '../../../model/errors.ts';
import { asContainerId, type ContainerId, hostNameOf, shortId } from '../../../model/ids.ts';
import { label, type Role } from '../../../model/labels.ts';
import type { ShapeMount } from '../../../model/shape.ts';
import type { CallOptions, CreateContainer } from '../../port.ts';
import { ask, get, post, remove } from '../connection/ask.ts';
import { limits, orNull } from '../connection/call.ts';
import type { Connection } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';
import { ownerOf, putSecrets } from './container-files.ts';
import { type InspectedContainer, inspectContainer, type ListedContainer, runOf } from './inspected.ts';
import { sortClaims } from './ownership.ts';
import { createCall, endpointSettings, volumeLabels } from './shape-to-docker.ts';
import { giveVolume } from './volume-owner.ts';
import { createVolume, hasVolume, removeUnusedVolume } from './volumes.ts';

/** What happens between create and start: further networks, owners of volumes, the secrets file. */
async function prepare(
  connection: Connection,
  id: ContainerId,
  request: CreateContainer,
  missing: ReadonlySet<string>,
  options: CallOptions,
): Promise<void> {
  for (const network of request.shape.networks.slice(1)) {
    const body = { Container: id, EndpointConfig: endpointSettings(network) };
    const connect = post(`/networks/${encodeURIComponent(network.name)}/connect`, {}, body);
    await ask(connection, `connect ${request.name} to network ${network.name}`, connect, options);
  }
  if (request.ownTargets.length === 0 && request.secrets === undefined) return;
  const owner = await ownerOf(connection, id, request.shape.user, options);
  const labels = { [label.project]: request.ownLabels[label.project] ?? '' };
  const image = request.shape.imageId;
  for (const { source: name } of freshMounts(request)) {
    const wasThere = !missing.has(name);
    const volume = { name, owner, image, labels, volumeLabels: volumeLabels(name, request.ownLabels), wasThere };
    await giveVolume(connection, volume, options);
  }
  if (request.secrets !== undefined) await putSecrets(connection, id, request.secrets, owner, options);
}

/**
 * Creates a container with everything it needs before its first start; when that cannot be finished, it is removed
 * again. Throws `engine-conflict` when the name is taken, `image-not-found`, `engine-rejected`, `engine-unsupported`.
 */
export async function createContainer(
  connection: Connection,
  request: CreateContainer & { readonly logDriver: string | undefined },
  options: CallOptions,
): Promise<ContainerId> {
  const what = `create container ${request.name}`;
  const missing = await missingVolumes(connection, request, options);
  // Podman's API takes no labels for a volume that a container brings along; it gives the volume to its user itself.
  if (connection.engine.kind === 'podman') {
    for (const { source: name } of freshMounts(request)) {
      await createVolume(connection, name, volumeLabels(name, request.ownLabels), options);
    }
  }
  const { query, body } = createCall(request, connection.engine.kind, request.logDriver);
  const bound = { ...options, limitMs: limits.slow };
  const creating = ask<{ Id: string }>(connection, what, post('/containers/create', query, body), bound);
  const created = await orNull(creating);
  if (created === null) {
    // Create answers 404 for the image only; networks are looked at when the container starts.
    throw new LoomsError('image-not-found', `cannot ${what}: image ${request.shape.imageId} is not on the engine`, {
      hint: 'it was removed after the plan was made: run the command again',
    });
  }
  const id = asContainerId(created.Id);
  try {
    await prepare(connection, id, request, missing, options);
  } catch (error) {
    // On a fresh signal: the caller's may be what ended the preparation.
    await removeContainer(connection, id, {});
    // They came with the container; without it nothing would tell that they have no owner.
    for (const name of missing) await removeUnusedVolume(connection, name, {});
    throw error;
  }
  return id;
}

/** The volumes that come to be with the container: only they are nobody's for certain. */
async function missingVolumes(
  connection: Connection,
  request: CreateContainer,
  options: CallOptions,
): Promise<ReadonlySet<string>> {
  const missing = new Set<string>();
  for (const { source: name } of freshMounts(request)) {
    if (!(await hasVolume(connection, name, options))) missing.add(name);
  }
  return missing;
}

const freshMounts = (request: CreateContainer): readonly ShapeMount[] =>
  request.shape.mounts.filter(({ target }) => request.ownTargets.includes(target));

/**
 * Starts a container; one that runs already is no error. Throws `container-start-failed` with the engine's words when
 * it cannot start, `engine-not-found` when it is gone.
 */
export async function startContainer(connection: Connection, id: ContainerId, options: CallOptions): Promise<void> {
  const bound = { ...options, limitMs: limits.slow };
  try {
    await ask(connection, `start container ${shortId(id)}`, post(`/containers/${id}/start`), bound);
  } catch (error) {
    const status = statusOf(error);
    if (status === 304) return;
    if (status === undefined || status === 404 || !(error instanceof LoomsError)) throw error;
    throw new LoomsError('container-start-failed', error.message, { cause: error });
  }
}

/** Lets a paused container go on; one that is not paused is no error. */
export async function unpauseContainer(connection: Connection, id: ContainerId, options: CallOptions): Promise<void> {
  try {
    await ask(connection, `unpause container ${shortId(id)}`, post(`/containers/${id}/unpause`), options);
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    // 20.10 answers 500, later ones 409, when it is not paused; what counts is how it is now.
    const now = await inspectContainer(connection, id, options);
    if (now === null || now.State.Paused === true) throw error;
  }
}

/** SIGTERM, then SIGKILL after `graceSeconds`; one that is stopped already is no error. */
export async function stopContainer(
  connection: Connection,
  id: ContainerId,
  graceSeconds: number,
  options: CallOptions,
): Promise<void> {
  const bound = { ...options, limitMs: graceSeconds * 1_000 + limits.removal };
  try {
    await ask(connection, `stop container ${shortId(id)}`, post(`/containers/${id}/stop`, { t: graceSeconds }), bound);
  } catch (error) {
    if (statusOf(error) !== 304) throw error;
  }
}

/** Whether someone is removing it right now: it is still listed, and can do no more. */
export const isBeingRemoved = ({ State: state }: InspectedContainer): boolean =>
  state.Dead === true || state.Status === 'removing' || state.Status === 'dead';

/** Waits for a removal that someone began. */
export async function waitUntilRemoved(connection: Connection, id: string, options: CallOptions): Promise<void> {
  const what = `see container ${shortId(id)} removed`;
  const bound = { ...options, limitMs: limits.removal };
  await orNull(ask(connection, what, post(`/containers/${id}/wait`, { condition: 'removed' }), bound));
}

/** Removes a container and its anonymous volumes, also when it runs; resolves when it is gone, by whomever. */
export async function removeContainer(connection: Connection, id: ContainerId, options: CallOptions): Promise<void> {
  const what = `remove container ${shortId(id)}`;
  const bound = { ...options, limitMs: limits.removal };
  try {
    await orNull(ask(connection, what, remove(`/containers/${id}`, { force: 1, v: 1 }), bound));
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    await waitUntilRemoved(connection, id, options);
  }
}

/** Gives a container another name. Throws `engine-conflict` when the name is taken, `engine-not-found`. */
export async function renameContainer(
  connection: Connection,
  id: ContainerId,
  name: string,
  options: CallOptions,
): Promise<void> {
  const what = `rename container ${shortId(id)} to ${name}`;
  await ask(connection, what, post(`/containers/${id}/rename`, { name }), options);
}

/** Whether a container runs now, and its exit code when not; null when it is gone. */
export async function containerRunning(
  connection: Connection,
  id: ContainerId,
  options: CallOptions,
): Promise<{ running: boolean; run: string; exitCode: number } | null> {
  const container = await inspectContainer(connection, id, options);
  if (container === null) return null;
  const { Running: running = false, Restarting: restarting = false, ExitCode: exitCode = 0 } = container.State;
  // The engine calls a container that waits for its next restart running; nothing runs in it.
  return { running: running && !restarting, run: runOf(container.State), exitCode };
}

export type InspectedExec = {
  readonly Running?: boolean;
  readonly ExitCode?: number | null;
  readonly ProcessConfig?: { readonly arguments?: readonly string[] | null };
};

/** An exec as the engine has it; null when it is forgotten, as with its container. */
export const inspectExec = (
  connection: Connection,
  exec: string,
  options: CallOptions,
): Promise<InspectedExec | null> =>
  orNull(ask(connection, `inspect exec ${shortId(exec)}`, get(`/exec/${exec}/json`), options));

/** The relays of a container's project, by their labels; none for a container that says no project. */
async function relaysBeside(connection: Connection, container: InspectedContainer, options: CallOptions) {
  const project = container.Config.Labels?.[label.project];
  if (project === undefined) return [];
  const filters = { label: [`${label.project}=${project}`, `${label.role}=${'relay' satisfies Role}`] };
  const what = `list the relays of ${project}`;
  const listed = await ask<readonly ListedContainer[]>(connection, what, get('/containers/json', { filters }), options);
  return (await sortClaims(connection, listed, options)).ours;
}

async function runningExecs(
  connection: Connection,
  container: InspectedContainer | null,
  options: CallOptions,
): Promise<readonly InspectedExec[]> {
  const execs = await Promise.all((container?.ExecIDs ?? []).map((exec) => inspectExec(connection, exec, options)));
  return execs.filter((exec) => exec !== null).filter((exec) => exec.Running === true);
}

/**
 * How many sessions a container has now, none when it is gone: execs that run in it, and for HTTP servers those in a
 * relay that carry a connection to it, which name it by its id. An exec that was made and never started is listed by
 * the engine for ever, so each is asked.
 */
export async function countSessions(connection: Connection, id: ContainerId, options: CallOptions): Promise<number> {
  const container = await inspectContainer(connection, id, options);
  if (container === null) return 0;
  const [own, relays] = await Promise.all([
    runningExecs(connection, container, options),
    relaysBeside(connection, container, options),
  ]);
  const carried = await Promise.all(
    relays.map(async (relay) =>
      runningExecs(connection, await inspectContainer(connection, relay.Id, options), options),
    ),
  );
  const host = hostNameOf(id);
  return own.length + carried.flat().filter((exec) => exec.ProcessConfig?.arguments?.includes(host)).length;
}
