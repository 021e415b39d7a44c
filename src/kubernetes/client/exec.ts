import type { IncomingMessage } from 'node:http';
import { type RawData, WebSocket } from 'ws';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { CallOptions, ExecSession } from '../../orchestrator/session-host.ts';
import type { PodContainer } from '../port.ts';
import type { Caller } from './agents.ts';
import { type Bound, bounded } from './bound.ts';
import { clusterError, statusOf } from './errors.ts';
import { keepAlive } from './exec-life.ts';
import { channel, readersOf, writerOf } from './exec-streams.ts';
import { type Line, refusal, requestJson } from './request.ts';

/** The end of a process' stdin is part of it from this version on: API server 1.30. */
const protocol = 'v5.channel.k8s.io';
const oldestMinor = 30;

/** Longest message that is taken, and longest word on how a process ended, bytes; the API server's messages have 32 KiB. */
const longestMessage = 1024 * 1024;
const longestStatus = 64 * 1024;
/** How long the connection may take to end after the process has, ms. */
const closeMs = 5_000;

/** The exit code of a program that could not be begun, as shells and Docker have it. */
const notBegun = 126;

/** How a try to connect ended. */
type Attempt =
  | { readonly kind: 'open'; readonly session: ExecSession }
  | { readonly kind: 'refused'; readonly response: IncomingMessage }
  /** What answered is no web socket, or one that does not speak our protocol. */
  | { readonly kind: 'unsupported' };

function connect({ access }: Line, path: string, { agents, identity }: Caller, { signal }: Bound): Promise<Attempt> {
  const socket = new WebSocket(`${access.endpoint.replace(/^http/, 'ws')}${path}`, [protocol], {
    agent: agents.streams,
    headers: { 'User-Agent': 'looms', ...(identity.headers as Record<string, string>) },
    perMessageDeflate: false,
    maxPayload: longestMessage,
    skipUTF8Validation: true,
  });
  let isUpgraded = false;
  const { promise, resolve, reject } = Promise.withResolvers<Attempt>();
  const giveUp = (): void => socket.terminate();
  signal.addEventListener('abort', giveUp, { once: true });
  socket
    .once('upgrade', () => {
      isUpgraded = true;
    })
    // After the opening `close` tells the same.
    .on('error', (error) => (isUpgraded ? resolve({ kind: 'unsupported' }) : reject(error)))
    .once('unexpected-response', (_request, response) => resolve({ kind: 'refused', response }))
    // At once: what the process says first comes before anybody who waits for a promise hears of it.
    .once('open', () => resolve({ kind: 'open', session: sessionOn(socket) }));
  return promise.finally(() => signal.removeEventListener('abort', giveUp));
}

const bytesOf = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;

function sessionOn(socket: WebSocket): ExecSession {
  const readers = readersOf({ pause: () => socket.pause(), resume: () => socket.resume() });
  const life = keepAlive(socket, readers.isPaused);
  const stdin = writerOf(
    {
      isOpen: () => socket.readyState === WebSocket.OPEN,
      waiting: () => socket.bufferedAmount,
      send: (message, done) => socket.send(message, { binary: true }, done),
    },
    life.wrote,
  );
  let status = '';
  let said = false;
  let destroyed = false;
  const take = (name: number, data: Buffer): void => {
    if (name === channel.status) {
      if (status === '') endSoon(socket, readers.isPaused);
      status = (status + data.toString('utf8')).slice(0, longestStatus);
    } else if ((name === channel.stdout || name === channel.stderr) && data.length > 0) {
      said = true;
      readers.received(name === channel.stdout ? 'stdout' : 'stderr', data);
    }
  };
  socket.on('message', (raw) => {
    const message = bytesOf(raw);
    if (message.length > 0) take(message.readUInt8(0), message.subarray(1));
  });
  const ended = new Promise<{ readonly exitCode: number | null }>((resolve) => {
    socket.once('close', () => {
      const told = destroyed ? undefined : statusOf(status);
      const exitCode = told?.isSuccess === true ? 0 : (told?.exitCode ?? null);
      const neverBegan = told !== undefined && exitCode === null && !said;
      if (neverBegan) readers.received('stderr', Buffer.from(`${told.message}\n`));
      readers.end();
      resolve({ exitCode: neverBegan ? notBegun : exitCode });
    });
  });
  return {
    stdin,
    stdout: readers.stdout,
    stderr: readers.stderr,
    ended,
    destroy() {
      destroyed = true;
      socket.terminate();
    },
  };
}

/** The API server closes what it has said the last word on; where it does not, that is done here once all is read. */
function endSoon(socket: WebSocket, isPaused: () => boolean): void {
  const timer = setInterval(() => {
    if (!isPaused()) socket.terminate();
  }, closeMs);
  timer.unref();
  socket.once('close', () => clearInterval(timer));
}

/** Opens an exec, once more with a credential that was had anew where the first was not let in. */
async function open(line: Line, at: PodContainer, argv: readonly string[], bound: Bound): Promise<ExecSession> {
  const query = new URLSearchParams({ container: at.container, stdin: 'true', stdout: 'true', stderr: 'true' });
  for (const word of argv) query.append('command', word);
  const [namespace, pod] = [at.namespace, at.pod].map(encodeURIComponent);
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec`;
  for (let refused: Caller | undefined; ; ) {
    const caller = await bound.identify(line.caller(refused));
    const attempt = await bound.wait(connect(line, `${path}?${query}`, caller, bound));
    if (attempt.kind === 'open') return attempt.session;
    if (attempt.kind === 'unsupported') throw unsupported(line);
    const { response } = attempt;
    if (response.statusCode === 401 && refused === undefined) {
      response.resume();
      refused = caller;
      continue;
    }
    const error = await bound.wait(refusal(line, { method: 'POST', path }, response));
    // An older server refuses the protocol without a word of its own.
    const isMute = !/json/.test(String(response.headers['content-type']));
    throw isMute && (await isTooOld(line, bound)) ? unsupported(line) : error;
  }
}

const unsupported = ({ access: { context } }: Line): LoomsError =>
  new LoomsError('engine-unsupported', `the API server of "${context}" does not speak ${protocol}`, {
    hint: `sessions need Kubernetes 1.${oldestMinor} or newer, and web sockets through what stands before it`,
  });

async function isTooOld(line: Line, { signal }: Bound): Promise<boolean> {
  const version = await requestJson(line, { method: 'GET', path: '/version' }, { signal });
  return isRecord(version) && version.major === '1' && Number.parseInt(String(version.minor), 10) < oldestMinor;
}

/**
 * `Cluster.exec`; the signal bounds the opening. A program that could not be begun ends with exit code 126, and what the
 * cluster says of it stands in its stderr. Throws `engine-unsupported` where the API server is older than 1.30.
 */
export async function openExec(
  line: Line,
  at: PodContainer,
  argv: readonly string[],
  options: CallOptions = {},
): Promise<ExecSession> {
  const what = `run ${argv[0] ?? 'nothing'} in pod ${at.pod} in ${at.namespace}`;
  const bound = bounded(what, options);
  try {
    return await open(line, at, argv, bound);
  } catch (error) {
    throw clusterError(bound.signal.aborted ? bound.signal.reason : error, what, line.access.endpoint);
  } finally {
    bound.end();
  }
}
