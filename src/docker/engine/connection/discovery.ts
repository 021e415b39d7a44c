import { createConnection } from 'node:net';
import { join } from 'node:path';
import { LoomsError } from '../../../model/errors.ts';
import type { EngineAttempt } from '../../port.ts';
import { contextEndpoint, currentContext } from './contexts.ts';
import { describeEndpoint, type Endpoint, endpointUrl, parseHost, readTls, type TlsSettings } from './endpoint.ts';
import { startHint } from './errors.ts';

export type DiscoveryInput = {
  /** `--host` and `--context`. */
  readonly host?: string;
  readonly context?: string;
  /** The engine of a project file, and where that names it; flags and environment win over it. */
  readonly file?: { readonly at: string; readonly host?: string; readonly context?: string };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly platform: NodeJS.Platform;
  /** Numeric user id, for the rootless socket where XDG_RUNTIME_DIR is not set; absent on Windows. */
  readonly uid?: number;
  /** Sockets to try instead of the usual ones. */
  readonly sockets?: readonly Candidate[];
};

export type Candidate = { readonly path: string; readonly origin: string };

export type Discovery = { readonly endpoint: Endpoint; readonly tried: readonly EngineAttempt[] };

type DiscoveryFailure = { readonly endpoint: null; readonly tried: readonly EngineAttempt[] };

/** A local socket answers at once or never; on a machine that is busy for seconds, this program hears of it late, ms. */
const socketProbeMs = 5_000;

async function environmentTls(input: DiscoveryInput): Promise<TlsSettings | undefined> {
  const { DOCKER_TLS_VERIFY: verify, DOCKER_TLS: plain, DOCKER_CERT_PATH: path } = input.environment;
  if (!verify && !plain) return undefined;
  return readTls(path || configDirectory(input), Boolean(verify));
}

/** Where Docker keeps a user's configuration and contexts. */
export const configDirectory = ({
  environment,
  homeDirectory,
}: Pick<DiscoveryInput, 'environment' | 'homeDirectory'>): string =>
  environment.DOCKER_CONFIG || join(homeDirectory, '.docker');

/** Sockets of the usual engines of a platform, in the order they are tried. */
export function usualSockets(input: DiscoveryInput): readonly Candidate[] {
  if (input.platform === 'win32') return [{ path: '//./pipe/docker_engine', origin: 'Docker Desktop pipe' }];
  const home = (path: string, origin: string): Candidate => ({ path: join(input.homeDirectory, path), origin });
  const runtime = input.environment.XDG_RUNTIME_DIR || (input.uid === undefined ? '' : `/run/user/${input.uid}`);
  const rootless = (path: string, origin: string): readonly Candidate[] =>
    runtime === '' ? [] : [{ path: join(runtime, path), origin }];
  return [
    { path: '/var/run/docker.sock', origin: 'default socket' },
    ...rootless('docker.sock', 'rootless Docker socket'),
    home('.docker/run/docker.sock', 'Docker Desktop socket'),
    home('.docker/desktop/docker.sock', 'Docker Desktop socket'),
    home('.orbstack/run/docker.sock', 'OrbStack socket'),
    home('.colima/default/docker.sock', 'Colima socket'),
    home('.config/colima/default/docker.sock', 'Colima socket'),
    home('.rd/docker.sock', 'Rancher Desktop socket'),
    ...rootless('podman/podman.sock', 'rootless Podman socket'),
    { path: '/run/podman/podman.sock', origin: 'Podman socket' },
    home('.local/share/containers/podman/machine/podman.sock', 'Podman machine socket'),
  ];
}

/** Whether something accepts connections on a socket: undefined when it does, else the error's code. */
const probeSocket = (path: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createConnection({ path });
    const end = (code: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    // A program that was held up finds the time over before it looks whether the connection is there.
    const timer = setTimeout(() => setImmediate(end, 'ETIMEDOUT'), socketProbeMs);
    socket.once('connect', () => end(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });

const probeWords: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'no permission to open it',
  ECONNREFUSED: 'nothing listens on it',
  ETIMEDOUT: 'it did not answer within 5 seconds',
};

async function trySockets(candidates: readonly Candidate[], tried: EngineAttempt[]): Promise<Endpoint | null> {
  let chosen: Endpoint | null = null;
  for (const { path, origin } of candidates) {
    const endpoint: Endpoint = { kind: 'socket', path, origin };
    const url = endpointUrl(endpoint);
    if (chosen !== null) {
      tried.push({ origin, url, outcome: 'not-needed', detail: 'an earlier one answered' });
      continue;
    }
    const failure = await probeSocket(path);
    if (failure === undefined) {
      tried.push({ origin, url, outcome: 'chosen', detail: 'it accepts connections' });
      chosen = endpoint;
    } else {
      const outcome = failure === 'ENOENT' ? 'absent' : 'refused';
      tried.push({ origin, url, outcome, detail: probeWords[failure] ?? failure });
    }
  }
  return chosen;
}

type Source = { readonly origin: string; readonly find: () => Promise<Endpoint | undefined> };

function explicitSources(input: DiscoveryInput): readonly Source[] {
  const { DOCKER_HOST: host, DOCKER_CONTEXT: context } = input.environment;
  const directory = configDirectory(input);
  const byContext = async (name: string | undefined, origin: string): Promise<Endpoint | undefined> =>
    name && name !== 'default' ? contextEndpoint(directory, name, `${origin} ${name}`) : undefined;
  const byHost = async (text: string | undefined, origin: string): Promise<Endpoint | undefined> =>
    text ? parseHost(text, origin, await environmentTls(input)) : undefined;
  return [
    { origin: '--host', find: () => byHost(input.host, '--host') },
    { origin: '--context', find: () => byContext(input.context, '--context') },
    // `--context default` asks for what there would be without any context.
    { origin: 'DOCKER_HOST', find: () => byHost(host, 'DOCKER_HOST') },
    { origin: 'DOCKER_CONTEXT', find: () => byContext(context, 'DOCKER_CONTEXT') },
    {
      origin: input.file?.at ?? 'looms.yaml',
      find: async () => {
        if (input.file === undefined || input.context !== undefined || context) return undefined;
        const { at, ...file } = input.file;
        return (await byHost(file.host, at)) ?? byContext(file.context, `${at}: context`);
      },
    },
    {
      origin: 'current Docker context',
      find: async () =>
        [input.context, context, input.file?.context].includes('default')
          ? undefined
          : byContext(await currentContext(directory), 'current Docker context'),
    },
  ];
}

/**
 * Looks for an engine in the order of docs/commands.md, "Which engine", and tells all places it looked at. What the
 * user named is taken as it is; only the usual sockets are tried for an answer. `endpoint` null: nothing was found.
 * Throws `usage`, `context-not-found` or `file-not-found` when what the user named cannot be read.
 */
export async function discover(input: DiscoveryInput): Promise<Discovery | DiscoveryFailure> {
  if (input.host !== undefined && input.context !== undefined) {
    throw new LoomsError('usage', '--host and --context both name an engine', { hint: 'give one of the two' });
  }
  const tried: EngineAttempt[] = [];
  for (const { origin, find } of explicitSources(input)) {
    const endpoint = await find();
    if (endpoint !== undefined) {
      tried.push({ origin, url: endpointUrl(endpoint), outcome: 'chosen', detail: describeEndpoint(endpoint) });
      return { endpoint, tried };
    }
    tried.push({ origin, outcome: 'not-set', detail: 'not set' });
  }
  const endpoint = await trySockets(input.sockets ?? usualSockets(input), tried);
  return endpoint === null ? { endpoint, tried } : { endpoint, tried };
}

/** The endpoint that a look found. Throws `engine-unreachable` with what was tried and how to start an engine. */
export function requireEndpoint(
  { endpoint, tried }: Discovery | DiscoveryFailure,
  platform: NodeJS.Platform,
): Endpoint {
  if (endpoint !== null) return endpoint;
  const looked = tried.filter((attempt) => attempt.url !== undefined);
  throw new LoomsError('engine-unreachable', 'no Docker Engine was found on this machine', {
    hint: startHint(platform, looked.some((attempt) => attempt.outcome === 'refused') ? 'refused' : 'absent'),
    detail: looked.map((attempt) => `${attempt.url} (${attempt.origin}): ${attempt.detail}`),
  });
}

/** Looks for an engine and requires one: for who looks once. Throws what `discover` and `requireEndpoint` throw. */
export const discoverEndpoint = async (input: DiscoveryInput): Promise<{ readonly endpoint: Endpoint }> => ({
  endpoint: requireEndpoint(await discover(input), input.platform),
});
