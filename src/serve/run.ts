import { mkdirSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { type AddressInfo, createConnection, isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { misdirected } from './access/access.ts';
import type { Bearers } from './access/bearers.ts';
import { createGateway, type GatewayOptions } from './gateway.ts';
import type { Followed } from './leg/follow.ts';
import type { Spare } from './sessions/room.ts';
import { createStatusServer, type LoopStatus } from './status.ts';
import type { Upstreams } from './upstreams.ts';

/** Longest path of a socket, bytes: what Linux and macOS both take. */
const maxSocketPath = 103;

export type TcpWay = {
  readonly host: string;
  readonly port: number;
  readonly bearers: Bearers;
};

/** What else comes in by the socket: programs of its owner that have the gateway do what they would do themselves. */
export type Near = {
  readonly take: (connection: Duplex, head: Buffer) => void;
  /** What it keeps open with servers, and nobody uses just now. */
  readonly kept: () => readonly (Followed & Spare)[];
  /** Ends it, and each connection that it took. */
  readonly close: () => Promise<void>;
};

/** A gateway that listens. */
export type RunningGateway = {
  readonly socket: string;
  /** Where it listens on TCP, when it does. */
  readonly url?: string;
  /** Ends all sessions, and listens no more. */
  readonly close: () => Promise<void>;
};

/**
 * Makes the gateway of a project listen: on the socket, which is its owner's alone, and on TCP where that is asked for.
 * Throws `refused` where another one listens already, `usage` for an address or path that cannot be listened on.
 */
export async function runGateway(
  upstreams: Upstreams,
  {
    socket,
    tcp,
    near,
    ...options
  }: Omit<GatewayOptions, 'kept' | 'url'> & {
    readonly socket: string;
    readonly tcp?: TcpWay | undefined;
    readonly near: Near;
  },
): Promise<RunningGateway> {
  await freeSocket(socket);
  const { publicUrl } = options.settings ?? {};
  let address: string | undefined;
  const gateway = createGateway(upstreams, {
    ...options,
    kept: near.kept,
    url: () => publicUrl ?? (address === undefined ? undefined : reachable(address)),
  });
  const close = async (): Promise<void> => {
    await Promise.all([gateway.close(), near.close()]);
  };
  try {
    const local = gateway.serverFor({ kind: 'socket' });
    local.on('upgrade', ({ url, headers }, connection, head) => {
      const isNear = url === '/looms' && headers.upgrade === 'looms';
      if (isNear && misdirected({ kind: 'socket' }, headers) === undefined) near.take(connection, head);
      else connection.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', () => connection.destroy());
    });
    // The mode is there before anybody can connect.
    const before = process.umask(0o177);
    const listening = listen(local, { path: socket }, socket);
    process.umask(before);
    await listening;
    if (tcp === undefined) return { socket, close };
    const { host, port, bearers } = tcp;
    const known = publicUrl === undefined ? {} : { publicHost: new URL(publicUrl).hostname };
    const open = gateway.serverFor({ kind: 'tcp', host, bearers, ...known });
    await listen(open, { host, port }, `${host}:${port}`);
    address = urlOf(open, host);
    return { socket, url: address, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where a loop tells of itself, without a gateway. */
export type RunningStatus = { readonly url: string; readonly close: () => Promise<void> };

/** Makes a loop tell of itself on TCP. Throws `usage` for an address that cannot be listened on. */
export async function runStatus(
  loop: LoopStatus,
  { port, ...options }: Parameters<typeof createStatusServer>[1] & { readonly port: number },
): Promise<RunningStatus> {
  const server = createStatusServer(loop, options);
  await listen(server, { host: options.host, port }, `${options.host}:${port}`);
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
  };
  return { url: urlOf(server, options.host), close };
}

const urlOf = (server: Server, host: string): string =>
  `http://${isIPv6(host) ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;

/** An address that a browser of this machine gets to: of one that stands for all of the machine's, its own. */
const reachable = (url: string): string => url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');

const listen = (
  server: Server,
  where: { path: string } | { host: string; port: number },
  name: string,
): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new LoomsError('usage', `cannot listen on ${name}: ${messageOf(error)}`, { cause: error }));
    });
    server.listen(where, () => resolve());
  });

/** Makes the folder of a socket, and takes away one that nobody listens on: a gateway that was killed left it. */
async function freeSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPath) {
    throw new LoomsError('usage', `the path of the socket is too long: ${path}`, {
      hint: `set XDG_STATE_HOME to a shorter folder: a socket's path has at most ${maxSocketPath} bytes`,
    });
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new LoomsError('usage', `${path} is no socket`, { hint: 'move it away' });
  const answers = await new Promise<boolean>((resolve) => {
    const connection = createConnection(path, () => resolve(true)).on('error', () => resolve(false));
    connection.once('connect', () => connection.destroy());
  });
  if (answers) {
    throw new LoomsError('refused', 'this project is served already', { hint: `by whoever listens on ${path}` });
  }
  rmSync(path, { force: true });
}
