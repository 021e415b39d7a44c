import { signedText } from '../../model/claims.ts';
import { label, type Role } from '../../model/labels.ts';
import { mapBounded } from '../../model/map-bounded.ts';
import type { RegistryVerdict } from '../../model/observed.ts';
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
import { removeVolume } from './containers/volumes.ts';
import { openExec } from './exec/exec.ts';
import { listBuiltImages, removeBuiltImage } from './images/built-images.ts';
import { findImage, type ImageAccess, imageAccess } from './images/find.ts';
import { pullImage } from './images/pull.ts';
import { registryDigest } from './images/registry.ts';
import { describeEngine, requireLimits } from './listing/describe.ts';
import { recordGeneration } from './listing/history.ts';
import { createNetwork, removeNetwork } from './listing/networks.ts';
import { observe } from './listing/observe.ts';
import { locatedContainer, type RecordReader } from './listing/observed-container.ts';
import { acquireLock, checkLock, findLock, releaseLock, renewLock } from './lock/lock.ts';
import { readLog, tailLog } from './logs/logs.ts';

/** What all registries together may take for their digests, ms (docs/spec.md, pull_policy). */
const registryPatienceMs = 15_000;

/** What an engine of ours needs beside its endpoint. */
export type ConnectOptions = CallOptions & {
  readonly records: RecordReader;
  /** Where registry credentials are found: DOCKER_CONFIG, HOME, PATH. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

async function checkRegistry(
  access: ImageAccess,
  refs: readonly string[],
  options: CallOptions,
): Promise<Readonly<Record<string, RegistryVerdict>>> {
  const unique = [...new Set(refs)].sort();
  const verdicts = await mapBounded(unique, unique.length, async (ref) => {
    return [ref, await registryDigest(access, ref, { ...options, timeoutMs: registryPatienceMs })] as const;
  });
  return Object.fromEntries(verdicts);
}

/**
 * Connects to an engine, as `openConnection` does, and puts the adapter's parts together behind the engine port.
 * Everything kept between calls is kept here, and in the connection.
 */
export async function connectDocker(
  endpoint: Endpoint,
  { records, environment, ...bound }: ConnectOptions,
): Promise<Engine> {
  const connection = await openConnection(endpoint, bound);
  const access = imageAccess(connection, environment);
  const observing = {
    access,
    records,
    checkRegistry: (refs: readonly string[], options: CallOptions) => checkRegistry(access, refs, options),
  };
  const create = async (request: CreateContainer, options: CallOptions) => {
    const { LoggingDriver: logDriver, ...limits } = await connection.info.known(options);
    requireLimits(request.shape, limits);
    const hasShell = await access.shells.get(request.shape.imageId);
    const labels = hasShell === undefined ? {} : { [label.hasShell]: String(hasShell) };
    const isServer = request.ownLabels[label.role] === ('server' satisfies Role);
    const signature = isServer ? records.sign(signedText(request.ownLabels, request.shape.imageId)) : undefined;
    const signed = signature === undefined ? {} : { [label.signature]: signature };
    const ownLabels = { ...request.ownLabels, ...labels, ...signed };
    return createContainer(connection, { ...request, ownLabels, logDriver }, options);
  };

  return {
    describe: async (options = {}) => describeEngine(connection, await connection.info.known(options)),
    observe: (query, options = {}) => observe(observing, query, options),
    projects: (options = {}) => listProjects(connection, options),
    locate: async (project, options = {}) =>
      (await listProject(connection, project, options)).ours
        .map((listed) => locatedContainer(listed, records))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),

    findImage: (ref, options = {}) => findImage(access, ref, options),
    pullImage: (ref, wanted, onProgress, options = {}) => pullImage(access, ref, wanted, onProgress, options),
    buildImage: async (recipe, settings, onProgress, options = {}) => {
      const { buildImage } = await import('./images/build.ts');
      return buildImage(access, recipe, settings, onProgress, options);
    },

    removeBuiltImage: (id, ref, options = {}) => removeBuiltImage(connection, id, ref, options),

    builtImages: (options = {}) => listBuiltImages(connection, options),
    removeVolume: (project, name, options = {}) => removeVolume(connection, project, name, options),

    createNetwork: (network, labels, options = {}) => createNetwork(connection, network, labels, options),
    removeNetwork: (id, options = {}) => removeNetwork(connection, id, options),

    createContainer: (request, options = {}) => create(request, options),
    copyPath: (from, to, path, options = {}) => copyPath(connection, from, to, path, options),
    startContainer: (id, options = {}) => startContainer(connection, id, options),
    unpauseContainer: (id, options = {}) => unpauseContainer(connection, id, options),
    stopContainer: (id, graceSeconds, options = {}) => stopContainer(connection, id, graceSeconds, options),
    removeContainer: (id, options = {}) => removeContainer(connection, id, options),
    renameContainer: (id, name, options = {}) => renameContainer(connection, id, name, options),
    recordGeneration: (id, record, options = {}) => recordGeneration(connection, id, record, options),
    containerRunning: (id, options = {}) => containerRunning(connection, id, options),
    countSessions: (id, options = {}) => countSessions(connection, id, options),
    tailLog: (id, lines, options = {}) => tailLog(connection, id, lines, options),
    readLog: (id, query, options = {}) => readLog(connection, id, query, options),

    exec: (id, request, options = {}) => openExec(connection, id, request, options),

    acquireLock: (project, holder, options = {}) => acquireLock(connection, project, holder, options),
    findLock: (project, options = {}) => findLock(connection, project, options),
    renewLock: (lock, lifetimeMs, options = {}) => renewLock(connection, lock, lifetimeMs, options),
    checkLock: (lock, options = {}) => checkLock(connection, lock, options),
    releaseLock: (id, options = {}) => releaseLock(connection, id, options),

    close: async () => connection.target.agent.destroy(),
  };
}
