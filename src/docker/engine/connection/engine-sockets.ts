import { opendir, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { basename, dirname, join } from 'node:path';
import type { EnginePart } from '../../../model/engine.ts';
import { isWithin, overlaps } from '../../model/resolve-shape.ts';
import { configDirectory, type DiscoveryInput, usualSockets } from './discovery.ts';
import type { Endpoint } from './endpoint.ts';
import { stateFolders } from './engine-folders.ts';

/** A local engine answers a ping at once or never, ms. */
const pingMs = 1_000;
/** Entries of a folder that are looked at for sockets; of a folder with more, those that come first. */
const mostEntries = 2_000;

/** Sockets that hand out containers without speaking Docker's API. */
const runtimeSockets = ['/run/containerd/containerd.sock', '/run/crio/crio.sock', '/run/buildkit/buildkitd.sock'];

/** Sockets that the Docker contexts of this user name. A context that cannot be read names none. */
async function contextSockets(input: DiscoveryInput): Promise<readonly string[]> {
  const folder = join(configDirectory(input), 'contexts', 'meta');
  const names = await readdir(folder).catch(() => []);
  const hosts = names.map(async (name) => {
    try {
      return JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8')).Endpoints?.docker?.Host as unknown;
    } catch {
      return undefined;
    }
  });
  return (await Promise.all(hosts)).flatMap(socketOf);
}

const socketOf = (host: unknown): readonly string[] =>
  typeof host === 'string' && host.startsWith('unix://') ? [host.slice('unix://'.length)] : [];

/** Sockets of engines known here, links followed: the one in use, the environment's, the contexts', the usual ones. */
async function knownSockets(input: DiscoveryInput, used: Endpoint | null): Promise<readonly string[]> {
  const named = [
    ...(used?.kind === 'socket' ? [used.path] : []),
    ...socketOf(input.host),
    ...socketOf(input.file?.host),
    ...socketOf(input.environment.DOCKER_HOST),
    ...socketOf(input.environment.CONTAINER_HOST),
    ...(await contextSockets(input)),
  ];
  const usual = [...usualSockets(input).map(({ path }) => path), ...runtimeSockets];
  // A socket that somebody named counts also before its engine starts. Of the usual ones only what is there does: else
  // nobody could mount a home folder.
  const real = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
  const atItsFolder = async (path: string): Promise<string> =>
    (await real(path)) ?? join((await real(dirname(path))) ?? dirname(path), basename(path));
  const found = await Promise.all([...named.map(atItsFolder), ...usual.map(real)]);
  return [...new Set(found)].filter((path) => path !== undefined);
}

/** Whether what listens on a socket is an engine: only one answers a ping with the version of its API. */
const answersAsEngine = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request({ socketPath, path: '/_ping', timeout: pingMs, agent: false }, (answer) => {
      resolve(['api-version', 'libpod-api-version', 'docker-experimental'].some((name) => name in answer.headers));
      asked.destroy();
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.on('close', () => resolve(false));
    asked.end();
  });

const isSocket = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isSocket() === true;

/** The path itself, or what lies right in it, as far as these are sockets. */
async function socketsAt(path: string): Promise<readonly string[]> {
  if (await isSocket(path)) return [path];
  const folder = await opendir(path).catch(() => undefined);
  if (folder === undefined) return [];
  const found: string[] = [];
  let seen = 0;
  try {
    for await (const entry of folder) {
      if (entry.isSocket()) found.push(join(path, entry.name));
      seen += 1;
      if (seen === mostEntries) break;
    }
  } catch {
    // What cannot be read to its end: what was seen counts.
  }
  return found;
}

/**
 * A finder of what of an engine a server would be given. A socket: the one that a path is, or that lies at any depth below
 * it as far as there is a word about it, or right in it as far as an engine answers there. A folder of an engine's state:
 * one that the path lies in, or at any depth below it. undefined: none is known.
 * Paths are absolute with links followed, `used` is the engine that looms talks to; of one on another machine only the
 * socket that its address names is known.
 */
export function engineFinder(
  input: DiscoveryInput,
  used: Endpoint | null,
): (path: string) => Promise<EnginePart | undefined> {
  const socket = (path: string): EnginePart => ({ kind: 'socket', path });
  if (used !== null && used.kind !== 'socket') {
    const there = used.kind === 'ssh' ? used.remoteSocket : undefined;
    return async (path) => (there !== undefined && isWithin(there, path) ? socket(there) : undefined);
  }
  let known: Promise<readonly [sockets: readonly string[], folders: readonly string[]]> | undefined;
  return async (path) => {
    known ??= Promise.all([knownSockets(input, used), stateFolders(input)]);
    const [named, folders] = await known;
    const one = named.find((candidate) => isWithin(candidate, path));
    if (one !== undefined) return socket(one);
    const state = folders.find((folder) => overlaps(folder, path));
    if (state !== undefined) return { kind: 'state', path: state };
    const sockets = await socketsAt(path);
    const answers = await Promise.all(sockets.map(answersAsEngine));
    return sockets.filter((_, index) => answers[index]).map(socket)[0];
  };
}
