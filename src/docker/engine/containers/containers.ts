import { isFailure, LoomsError } from '../../../model/errors.ts';
import { asContainerId, type ContainerId, hostNameOf, keeperName, shortId } from '../../../model/ids.ts';
import { label, type Role } from '../../model/labels.ts';
import type { ShapeMount } from '../../model/shape.ts';
import type { ContainerRun, CreateContainer } from '../../port.ts';
import { ask, askList, get, post, remove } from '../connection/ask.ts';
import { limits, orNull, poll, tooLate } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';
import { ownerOf, putSecrets } from './container-files.ts';
import { engineHealthOf, type InspectedContainer, inspectContainer, type ListedContainer, runOf } from './inspected.ts';
import { sortClaims } from './ownership.ts';
import { createCall, endpointSettings, type OfEngine, volumeLabels } from './shape-to-docker.ts';
import { giveVolume } from './volume-owner.ts';
import { createVolume, hasVolume, removeUnusedVolume } from './volumes.ts';

/** What happens between create and start: further networks, owners of volumes, the secrets file. */
async function prepare(
  client: Client,
  id: ContainerId,
  request: CreateContainer,
  missing: ReadonlySet<string>,
): Promise<void> {
  for (const network of request.shape.networks.slice(1)) {
    const body = { Container: id, EndpointConfig: endpointSettings(network) };
    const connect = post(`/networks/${encodeURIComponent(network.name)}/connect`, {}, body);
    await ask(client, `connect ${request.name} to network ${network.name}`, connect);
  }
  if (request.ownTargets.length === 0 && request.secrets === undefined) return;
  const owner = await ownerOf(client, id, request.shape.user);
  const labels = { [label.project]: request.ownLabels[label.project] ?? '' };
  const image = request.shape.imageId;
  for (const { source: name } of freshMounts(request)) {
    const wasThere = !missing.has(name);
    const volume = { name, owner, image, labels, volumeLabels: volumeLabels(name, request.ownLabels), wasThere };
    await giveVolume(client, volume);
  }
  if (request.secrets !== undefined) await putSecrets(client, id, request.secrets, owner);
}

/**
 * Creates a container with everything it needs before its first start; when that cannot be finished, it is removed
 * again. Throws `engine-conflict` when the name is taken, `image-not-found`, `engine-rejected`, `engine-unsupported`.
 */
export async function createContainer(client: Client, request: CreateContainer & OfEngine): Promise<ContainerId> {
  const what = `create container ${request.name}`;
  const missing = await missingVolumes(client, request);
  // Podman's API takes no labels for a volume that a container brings along; it gives the volume to its user itself.
  if (client.engine.kind === 'podman') {
    for (const { source: name } of freshMounts(request)) {
      await createVolume(client, name, volumeLabels(name, request.ownLabels));
    }
  }
  const { query, body } = createCall(request, client.engine.kind, request);
  const patient = { ...client, limitMs: limits.slow };
  const creating = ask<{ Id: string }>(patient, what, post('/containers/create', query, body));
  // Create answers 404 for the image only; networks are looked at when the container starts.
  const created = await creating.catch((error: unknown) => {
    throw isFailure(error, 'engine-not-found') ? imageNotFound(request, error) : error;
  });
  const id = asContainerId(created.Id);
  try {
    await prepare(client, id, request, missing);
  } catch (error) {
    // On a fresh signal: the caller's may be what ended the preparation.
    await removeContainer(unsignalled(client), id);
    // They came with the container; without it nothing would tell that they have no owner.
    for (const name of missing) await removeUnusedVolume(unsignalled(client), name);
    throw error;
  }
  return id;
}

/** An image that is gone, or that is there for another platform only: the engine's own words tell. */
function imageNotFound({ name, platform, shape: { imageId } }: CreateContainer, cause: LoomsError): LoomsError {
  const forIt = platform === undefined ? '' : ` for ${platform}`;
  return new LoomsError(
    'image-not-found',
    `cannot create container ${name}: image ${imageId} is not on the engine${forIt}`,
    {
      hint:
        platform === undefined
          ? 'it was removed after the plan was made: run the command again'
          : `\`docker pull --platform ${platform}\` gets it; servers of one image for several platforms need a name of it for each`,
      detail: [cause.message],
      cause,
    },
  );
}

/** The volumes that come to be with the container: only they are nobody's for certain. */
async function missingVolumes(client: Client, request: CreateContainer): Promise<ReadonlySet<string>> {
  const missing = new Set<string>();
  for (const { source: name } of freshMounts(request)) {
    if (!(await hasVolume(client, name))) missing.add(name);
  }
  return missing;
}

const freshMounts = (request: CreateContainer): readonly ShapeMount[] =>
  request.shape.mounts.filter(({ target }) => request.ownTargets.includes(target));

/** Starts a container that may run already. Throws `container-start-failed`, `engine-not-found`. */
export async function startContainer(client: Client, id: ContainerId): Promise<void> {
  const patient = { ...client, limitMs: limits.slow };
  try {
    await ask(patient, `start container ${shortId(id)}`, post(`/containers/${id}/start`));
  } catch (error) {
    const status = statusOf(error);
    if (status === 304) return;
    if (status === undefined || status === 404 || !(error instanceof LoomsError)) throw error;
    throw new LoomsError('container-start-failed', error.message, { cause: error });
  }
}

/** Lets a paused container go on; one that is not paused is no error. */
export async function unpauseContainer(client: Client, id: ContainerId): Promise<void> {
  try {
    await ask(client, `unpause container ${shortId(id)}`, post(`/containers/${id}/unpause`));
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    // 20.10 answers 500, later ones 409, when it is not paused; what counts is how it is now.
    const now = await inspectContainer(client, id);
    if (now === null || now.State.Paused === true) throw error;
  }
}

/** SIGTERM, then SIGKILL after `graceSeconds`; one that is stopped already is no error. */
export async function stopContainer(client: Client, id: ContainerId, graceSeconds: number): Promise<void> {
  const patient = { ...client, limitMs: graceSeconds * 1_000 + limits.removal };
  try {
    await ask(patient, `stop container ${shortId(id)}`, post(`/containers/${id}/stop`, { t: graceSeconds }));
  } catch (error) {
    if (statusOf(error) !== 304) throw error;
  }
}

/** Whether someone is removing it right now: it is still listed, and can do no more. */
export const isBeingRemoved = ({ State: state }: InspectedContainer): boolean =>
  state.Dead === true || state.Status === 'removing' || state.Status === 'dead';

/**
 * Waits for a removal that someone began, by asking: the engine's own wait for it never ends where the container has gone
 * between being looked up and being waited for (Engine 20.10). Throws `engine-timeout` after 60,000 ms.
 */
export async function waitUntilRemoved(client: Client, id: string): Promise<void> {
  const isGone = async (): Promise<true | undefined> =>
    (await inspectContainer(client, id)) === null ? true : undefined;
  if (await poll(isGone, { everyMs: 20, limitMs: limits.removal })) return;
  throw tooLate(`see container ${shortId(id)} removed`, limits.removal);
}

/** Removes a container and its anonymous volumes, also when it runs; resolves when it is gone, by whomever. */
export async function removeContainer(client: Client, id: ContainerId): Promise<void> {
  const what = `remove container ${shortId(id)}`;
  const patient = { ...client, limitMs: limits.removal };
  try {
    await orNull(ask(patient, what, remove(`/containers/${id}`, { force: 1, v: 1 })));
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    await waitUntilRemoved(client, id);
  }
}

/** Gives a container another name. Throws `engine-conflict` when the name is taken, `engine-not-found`. */
export async function renameContainer(client: Client, id: ContainerId, name: string): Promise<void> {
  const what = `rename container ${shortId(id)} to ${name}`;
  await ask(client, what, post(`/containers/${id}/rename`, { name }));
}

/** `SessionHost.containerRunning`. */
export async function containerRunning(client: Client, id: ContainerId): Promise<ContainerRun | null> {
  const container = await inspectContainer(client, id);
  if (container === null) return null;
  const { Running: running = false, Restarting: restarting = false, ExitCode: exitCode = 0 } = container.State;
  // The engine calls a container that waits for its next restart running; nothing runs in it.
  const engineHealth = engineHealthOf(container.State);
  return { running: running && !restarting, run: runOf(container.State), exitCode, engineHealth };
}

type InspectedExec = {
  readonly Running?: boolean;
  readonly ExitCode?: number | null;
  readonly ProcessConfig?: { readonly arguments?: readonly string[] | null };
};

/** An exec as the engine has it; null when it is forgotten, as with its container. */
export const inspectExec = (client: Client, exec: string): Promise<InspectedExec | null> =>
  orNull(ask(client, `inspect exec ${shortId(exec)}`, get(`/exec/${exec}/json`)));

/** The relays of a container's project, by their labels; none for a container that says no project. */
async function relaysBeside(client: Client, container: InspectedContainer) {
  const project = container.Config.Labels?.[label.project];
  if (project === undefined) return [];
  const filters = { label: [`${label.project}=${project}`, `${label.role}=${'relay' satisfies Role}`] };
  const what = `list the relays of ${project}`;
  const listed = await askList<ListedContainer>(client, what, get('/containers/json', { filters }));
  return (await sortClaims(client, listed)).ours;
}

/**
 * Execs that run in a container for somebody, without what keeps sessions there. One that was made and never started is
 * listed by the engine for ever, so each is asked.
 */
export async function runningExecs(
  client: Client,
  container: InspectedContainer | null,
): Promise<readonly InspectedExec[]> {
  const execs = await Promise.all((container?.ExecIDs ?? []).map((exec) => inspectExec(client, exec)));
  return execs
    .filter((exec) => exec !== null)
    .filter((exec) => exec.Running === true && exec.ProcessConfig?.arguments?.includes(keeperName) !== true);
}

/** Of the execs in relays those that carry a connection to a container: they name it by its id. */
export const carriedTo = (execs: readonly InspectedExec[], id: ContainerId): readonly InspectedExec[] =>
  execs.filter((exec) => exec.ProcessConfig?.arguments?.includes(hostNameOf(id)));

/**
 * How many sessions a container has now, none when it is gone: execs that run in it, and for HTTP servers those in a
 * relay that carry a connection to it.
 */
export async function countSessions(client: Client, id: ContainerId): Promise<number> {
  const container = await inspectContainer(client, id);
  if (container === null) return 0;
  const [own, relays] = await Promise.all([runningExecs(client, container), relaysBeside(client, container)]);
  const carried = await Promise.all(
    relays.map(async (relay) => runningExecs(client, await inspectContainer(client, relay.Id))),
  );
  return own.length + carriedTo(carried.flat(), id).length;
}
