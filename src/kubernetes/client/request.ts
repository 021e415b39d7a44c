import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { ApiRequest } from '../port.ts';
import type { ClusterAccess } from './access.ts';
import { type Agents, type Caller, callersOf } from './agents.ts';
import { type Bound, bounded } from './bound.ts';
import { clusterError, refusedError } from './errors.ts';
import { rightOf, wordsOf } from './rights.ts';

/** Most that is read of an answer, bytes: a list of some ten thousand pods with all their fields. */
const mostBytes = 256 * 1024 * 1024;
/** Most that is read of a refusal, bytes. */
const mostRefusalBytes = 64 * 1024;

/** How often a request is sent again that the API server had no room for, and how long it may ask to be left alone, s. */
const mostRetries = 3;
const longestRetrySeconds = 10;

/** How long a connection is silent before the kernel asks whether somebody is still there, ms: it knows 10 s later. */
const keepAliveMs = 20_000;

/** The way to an API server. */
export type Line = {
  readonly access: ClusterAccess;
  readonly caller: (refused?: Caller) => Promise<Caller>;
  readonly close: () => void;
};

/** Opens no connection yet. */
export const lineTo = (access: ClusterAccess): Line => ({ access, ...callersOf(access) });

const contentTypes = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
} as const;

type Kind = keyof Agents;

function sendOnce(
  line: Line,
  request: ApiRequest,
  caller: Caller,
  kind: Kind,
  signal: AbortSignal,
): Promise<http.IncomingMessage> {
  const url = new URL(`${line.access.endpoint}${request.path}`);
  for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.append(name, value);
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  const type = request.method === 'PATCH' ? contentTypes[request.patch ?? 'apply'] : 'application/json';
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, {
      agent: caller.agents[kind],
      method: request.method,
      signal,
      headers: {
        Accept: request.accept ?? 'application/json, */*',
        'User-Agent': 'looms',
        ...(body === undefined ? {} : { 'Content-Type': type, 'Content-Length': String(body.length) }),
        ...(caller.identity.headers as http.OutgoingHttpHeaders),
      },
    });
    outgoing.setSocketKeepAlive(true, keepAliveMs);
    outgoing.once('response', resolve);
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that was closed while it lay idle says nothing about the server; reading again is safe.
      const isStale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      if (isStale && request.method === 'GET') resolve(sendOnce(line, request, caller, kind, signal));
      else reject(error);
    });
    outgoing.end(body);
  });
}

/** What is left of an answer as text, at most so much. Throws `engine-rejected` for more. */
export async function readText(response: http.IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > most) throw new LoomsError('engine-rejected', `the API server answered more than ${most} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error that an answer which is no success stands for. */
export async function refusal(
  { access: { context } }: Line,
  request: ApiRequest,
  response: http.IncomingMessage,
): Promise<LoomsError> {
  const body = await readText(response, mostRefusalBytes).catch(() => '');
  const told = { what: wordsOf(request), right: rightOf(request), context };
  return refusedError({ status: response.statusCode ?? 0, body }, told);
}

/** How long the API server asks to be left alone, ms; undefined where it does not ask, or for too long. */
function pauseOf({ statusCode, headers }: http.IncomingMessage): number | undefined {
  if (statusCode !== 429) return undefined;
  const seconds = Number(headers['retry-after'] ?? 1);
  return seconds >= 0 && seconds <= longestRetrySeconds ? seconds * 1_000 : undefined;
}

/** Sends a request until it is answered otherwise than with "not now", or with "who are you" once. */
async function send(line: Line, request: ApiRequest, kind: Kind, bound: Bound): Promise<http.IncomingMessage> {
  let refused: Caller | undefined;
  for (let retries = 0; ; ) {
    const caller = await bound.identify(line.caller(refused));
    const response = await bound.wait(sendOnce(line, request, caller, kind, bound.signal));
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const pause = pauseOf(response);
    const asksAgain = status === 401 ? refused === undefined : pause !== undefined && retries < mostRetries;
    if (!asksAgain) throw await bound.wait(refusal(line, request, response));
    response.resume();
    if (status === 401) refused = caller;
    else {
      retries += 1;
      await bound.wait(delay(pause));
    }
  }
}

/** `Cluster.request`. */
export async function requestJson(line: Line, request: ApiRequest, options: CallOptions = {}): Promise<unknown> {
  const what = wordsOf(request);
  const bound = bounded(what, options);
  try {
    const response = await send(line, request, 'calls', bound);
    const text = await bound.wait(readText(response, mostBytes));
    if (text.trim() === '') return null;
    const answer = parsedJson(text);
    if (answer !== undefined) return answer;
    throw new LoomsError('engine-rejected', `cannot ${what}: what answered is not the API of Kubernetes`, {
      hint: `look at what stands before it (a proxy, a page to log in) at ${line.access.endpoint}`,
    });
  } catch (error) {
    throw clusterError(bound.signal.aborted ? bound.signal.reason : error, what, line.access.endpoint);
  } finally {
    bound.end();
  }
}

/** `Cluster.lines`. */
export async function* requestLines(
  line: Line,
  { path, query }: Pick<ApiRequest, 'path' | 'query'>,
  options: CallOptions = {},
): AsyncGenerator<string> {
  const request: ApiRequest = { method: 'GET', path, ...defined({ query }) };
  const what = wordsOf(request);
  const bound = bounded(what, options);
  let response: http.IncomingMessage | undefined;
  try {
    response = await send(line, request, 'streams', bound);
    bound.inTime();
    yield* linesOf(response);
  } catch (error) {
    throw clusterError(bound.signal.aborted ? bound.signal.reason : error, what, line.access.endpoint);
  } finally {
    response?.destroy();
    bound.end();
  }
}

/** Longest line that is kept until its end comes, bytes; the rest of a longer one counts as another. An object of the API has 3 MiB at most. */
const longestLine = 16 * 1024 * 1024;
const newline = 0x0a;

/** The lines of bytes that come in pieces, without their ends. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  const taken = (): string => {
    const text = Buffer.concat(parts).toString('utf8');
    parts = [];
    length = 0;
    return text;
  };
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const found = piece.indexOf(newline, at);
      const end = found < 0 ? piece.length : found;
      parts.push(piece.subarray(at, end));
      length += end - at;
      at = end + 1;
      if (found >= 0 || length >= longestLine) yield taken();
    }
  }
  if (length > 0) yield taken();
}
