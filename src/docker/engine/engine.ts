import { signedText } from '../model/claims.ts';
import { label, type Role } from '../model/labels.ts';
import type { CallOptions, CreateContainer, Engine } from '../port.ts';
import { openConnection } from './connection/connect.ts';
import type { Endpoint } from './connection/endpoint.ts';
import {
  containerRunning,
  countSessions,
  createContainer,
  removeContainer,
  renameContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from './containers/containers.ts';
import { copyPath } from './containers/copy-path.ts';
import { listProject, listProjects } from './containers/ownership.ts';
import { hasOwnCgroups } from './containers/shape-to-docker.ts';
import { removeVolume } from './containers/volumes.ts';
import { openExec } from './exec/exec.ts';
import { listeningOn } from './exec/listening.ts';
import { listBuiltImages, removeBuiltImage } from './images/built-images.ts';
import { findImage, type ImageClient, imageMemory } from './images/find.ts';
import { pullImage } from './images/pull.ts';
import { describeEngine, requireLimits } from './listing/describe.ts';
import { followEvents, watchServers } from './listing/events.ts';
import { recordGeneration } from './listing/history.ts';
import { createNetwork, removeNetwork } from './listing/networks.ts';
import { observe } from './listing/observe.ts';
import { locatedContainer, type RecordReader } from './listing/observed-container.ts';
import { readUsage } from './listing/usage.ts';
import { acquireLock, checkLock, findLock, releaseLock, renewLock } from './lock/lock.ts';
import { readLog, tailLog } from './logs/logs.ts';

/** What an engine of ours needs beside its endpoint. */
type ConnectOptions = CallOptions & {
  readonly records: RecordReader;
  /** Where registry credentials are found: DOCKER_CONFIG, HOME, PATH. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Puts the engine port together on a connection (`openConnection`). What is kept between calls is in the connection and the memory of images. */
export async function connectDocker(
  endpoint: Endpoint,
  { records, environment, ...bound }: ConnectOptions,
): Promise<Engine> {
  const connection = await openConnection(endpoint, bound);
  const memory = imageMemory(environment);
  const at = (options: CallOptions = {}): ImageClient => ({ ...connection, ...memory, ...options });
  const create = async (request: CreateContainer, client: ImageClient) => {
    const { LoggingDriver: logDriver, ...limits } = await client.info.known(client);
    requireLimits(request.shape, limits);
    const ownCgroups = hasOwnCgroups(client.engine.kind, limits);
    const hasShell = await memory.shells.get(request.shape.imageId);
    const labels = hasShell === undefined ? {} : { [label.hasShell]: String(hasShell) };
    const isServer = request.ownLabels[label.role] === ('server' satisfies Role);
    const signature = isServer ? records.sign(signedText(request.ownLabels, request.shape.imageId)) : undefined;
    const signed = signature === undefined ? {} : { [label.signature]: signature };
    const ownLabels = { ...request.ownLabels, ...labels, ...signed };
    return createContainer(client, { ...request, ownLabels, logDriver, ownCgroups });
  };

  const locate: Engine['locate'] = async (project, { of, ...options } = {}) =>
    (await listProject(at(options), project, of)).ours
      .map((listed) => locatedContainer(listed, records))
      .sort((a, b) => a.generation - b.generation || (a.name < b.name ? -1 : 1));

  const exec: Engine['exec'] = (id, request, options) => openExec(at(options), id, request);
  const running: Engine['containerRunning'] = (id, options) => containerRunning(at(options), id);
  let dial: Promise<Engine['dial']> | undefined;

  return {
    describe: async (options) => describeEngine(connection, await connection.info.known(options ?? {})),
    observe: (query, options) => observe(at(options), records, query),
    projects: (options) => listProjects(at(options)),
    events: (project, query, hear, options) => followEvents(at(options), project, query, hear),
    watchServers: (project, hear, options) => watchServers(at(options), project, hear),
    locate,
    usage: async (project, options) => readUsage(at(options), await locate(project, options), options?.atOnce),

    findImage: (ref, { mayLook, ...options } = {}) => findImage(at(options), ref, mayLook),
    pullImage: (ref, wanted, onProgress, options) => pullImage(at(options), ref, wanted, onProgress),
    registryHolds: async (ref, options) => {
      const { registryHolds } = await import('./images/registry.ts');
      return registryHolds(at(options), ref);
    },
    pushImage: async (id, ref, onProgress, options) => {
      const { pushImage } = await import('./images/push.ts');
      return pushImage(at(options), id, ref, onProgress);
    },
    buildImage: async (recipe, settings, onProgress, options) => {
      const { buildImage } = await import('./images/build.ts');
      return buildImage(at(options), recipe, settings, onProgress);
    },

    removeBuiltImage: (id, ref, options) => removeBuiltImage(at(options), id, ref),

    builtImages: (options) => listBuiltImages(at(options)),
    removeVolume: (project, name, options) => removeVolume(at(options), project, name),

    createNetwork: (network, labels, options) => createNetwork(at(options), network, labels),
    removeNetwork: (id, options) => removeNetwork(at(options), id),

    createContainer: (request, options) => create(request, at(options)),
    copyPath: (from, to, path, options) => copyPath(at(options), from, to, path),
    startContainer: (id, options) => startContainer(at(options), id),
    unpauseContainer: (id, options) => unpauseContainer(at(options), id),
    stopContainer: (id, graceSeconds, options) => stopContainer(at(options), id, graceSeconds),
    removeContainer: (id, options) => removeContainer(at(options), id),
    renameContainer: (id, name, options) => renameContainer(at(options), id, name),
    listeningOn: (id, options) => listeningOn(at(options), id),
    recordGeneration: (id, record, options) => recordGeneration(at(options), id, record),
    containerRunning: running,
    countSessions: (id, options) => countSessions(at(options), id),
    tailLog: (id, lines, options) => tailLog(at(options), id, lines),
    readLog: (id, query, options) => readLog(at(options), id, query),

    exec,
    dial: async (id, port, request) => {
      dial ??= import('./exec/network-dial.ts').then(({ networkDial }) =>
        networkDial({ exec, containerRunning: running }),
      );
      return (await dial)(id, port, request);
    },

    acquireLock: (project, holder, options) => acquireLock(at(options), project, holder),
    findLock: (project, options) => findLock(at(options), project),
    renewLock: (lock, lifetimeMs, options) => renewLock(at(options), lock, lifetimeMs),
    checkLock: (lock, options) => checkLock(at(options), lock),
    releaseLock: (id, options) => releaseLock(at(options), id),

    close: async () => connection.target.agent.destroy(),
  };
}
