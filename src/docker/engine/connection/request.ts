import type { ClientRequest, IncomingMessage } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import { parsedJson } from '../../../model/values/parsed-json.ts';
import type { RequestTarget } from './connection.ts';
import type { StatusError } from './errors.ts';

type QueryValue = string | number | boolean | object;

export type RawRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** With the API version, without a query. */
  readonly path: string;
  /** Objects go as JSON, as the engine's filters do. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, as a tar archive; one that comes in pieces as fast as the engine takes them. */
  readonly archive?: Buffer | AsyncIterable<Buffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** An answer of more bytes is given up, and the request rejects with `EMSGSIZE`. */
  readonly mostBytes?: number;
  readonly signal: AbortSignal;
  /** What is sent in place of a request that only read, and found that the engine had closed its kept connection; else the same. */
  readonly again?: () => Promise<RawRequest>;
};

/** By its events: an observation reads a hundred answers, and an async iteration of each costs it some milliseconds. */
const readAll = (stream: IncomingMessage, mostBytes = Number.POSITIVE_INFINITY): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length <= mostBytes) return;
      stream.destroy();
      reject(Object.assign(new Error(`the answer has more than ${mostBytes} bytes`), { code: 'EMSGSIZE' }));
    });
    stream.once('end', () => resolve(Buffer.concat(chunks))).once('error', reject);
  });

/** What no engine answers, but something before or instead of it may. */
export const noSuchAnswer = (what: string): Error => Object.assign(new Error(what), { code: 'EPROTO' });

/** An answer as JSON. Not every one is: some calls answer nothing, and proxies answer in plain text. */
export const parseJson = (bytes: Buffer): unknown => parsedJson(bytes.toString('utf8'));

async function statusError(response: IncomingMessage): Promise<StatusError> {
  const bytes = await readAll(response);
  // An answer to HEAD has no body.
  const error = new Error(bytes.toString('utf8').trim() || `it answered HTTP ${response.statusCode}`);
  return Object.assign(error, { statusCode: response.statusCode ?? 0, json: parseJson(bytes) });
}

const isSuccess = (response: IncomingMessage): boolean => {
  const status = response.statusCode ?? 0;
  return status >= 200 && status < 300;
};

function pathOf({ path, query = {} }: RawRequest): string {
  const words = Object.entries(query).map(([key, value]): [string, string] => [
    key,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  return words.length === 0 ? path : `${path}?${new URLSearchParams(words)}`;
}

type Payload = {
  readonly content?: Buffer | AsyncIterable<Buffer>;
  readonly headers: Readonly<Record<string, string>>;
};

/** A request's body, and what its headers say of it: HTTP sends one in chunks whose length is not known. */
function payload({ method, archive, body }: RawRequest): Payload {
  const content = archive ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
  if (content === undefined)
    return { headers: method === 'POST' || method === 'DELETE' ? { 'Content-Length': '0' } : {} };
  const type = archive === undefined ? 'application/json' : 'application/x-tar';
  const length = Buffer.isBuffer(content) ? { 'Content-Length': String(content.length) } : {};
  return { content, headers: { 'Content-Type': type, ...length } };
}

/** Pieces of a body; a failure of theirs is told before the request fails for want of them, which says less. */
async function* telling(pieces: AsyncIterable<Buffer>, onFailure: (error: unknown) => void): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}

function send(
  target: RequestTarget,
  raw: RawRequest,
  headers: Readonly<Record<string, string>>,
  onBodyFailure: (error: unknown) => void,
): ClientRequest {
  const { content, headers: describing } = payload(raw);
  const outgoing = target.request({
    ...target.options,
    agent: target.agent,
    method: raw.method,
    path: pathOf(raw),
    signal: raw.signal,
    headers: {
      Host: typeof target.options.host === 'string' ? target.options.host : 'docker',
      ...describing,
      ...raw.headers,
      ...headers,
    },
  });
  if (content === undefined || Buffer.isBuffer(content)) outgoing.end(content);
  // A failure of either end destroys the other with it, and each tells of its own.
  else pipeline(telling(content, onBodyFailure), outgoing, () => undefined);
  return outgoing;
}

/** A kept connection that the engine closed while it lay idle says nothing about the engine; reading again is safe. */
const isStale = (error: NodeJS.ErrnoException, outgoing: ClientRequest, raw: RawRequest): boolean =>
  (raw.method === 'GET' || raw.method === 'HEAD') &&
  outgoing.reusedSocket &&
  (error.code === 'ECONNRESET' || error.code === 'EPIPE');

/** A request whose answer is read as it comes, no faster than it is taken. Rejects with a `StatusError`. */
export const requestStream = (target: RequestTarget, raw: RawRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const outgoing = send(target, raw, {}, reject);
    let answered = false;
    outgoing.on('error', (error) => {
      // What was answered in part was taken: asked once more, the second answer would be nobody's.
      if (!answered && isStale(error, outgoing, raw)) {
        Promise.resolve(raw.again?.() ?? raw)
          .then((next) => requestStream(target, next))
          .then(resolve, reject);
      } else reject(error);
    });
    outgoing.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(noSuchAnswer('the connection was upgraded, which nobody asked for'));
    });
    outgoing.once('response', (response) => {
      answered = true;
      if (isSuccess(response)) resolve(response);
      else statusError(response).then(reject, reject);
    });
  });

/** As `requestStream`, with the whole answer. */
export const requestBytes = async (target: RequestTarget, raw: RawRequest): Promise<Buffer> =>
  readAll(await requestStream(target, raw), raw.mostBytes);

/** A connection taken over from HTTP: raw bytes both ways. `head` came with the answer and must be read first. */
export type Hijacked = { readonly socket: Duplex; readonly head: Buffer };

/**
 * A request after whose answer the connection is ours (`Upgrade: tcp`, exec and attach). Rejects with a `StatusError`
 * when the engine refuses, and when a proxy before it swallowed the upgrade.
 */
export const hijack = (target: RequestTarget, raw: RawRequest): Promise<Hijacked> =>
  new Promise((resolve, reject) => {
    send(target, raw, { Connection: 'Upgrade', Upgrade: 'tcp' }, reject)
      .once('error', reject)
      .once('upgrade', (_response, socket, head) => resolve({ socket, head }))
      .once('response', (response) => {
        if (isSuccess(response)) {
          response.destroy();
          reject(noSuchAnswer('the connection was not upgraded by the engine or a proxy before it'));
        } else statusError(response).then(reject, reject);
      });
  });
