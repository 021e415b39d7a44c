import type { IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { LoomsError } from '../../../model/errors.ts';
import { type Bound, call } from './call.ts';
import type { Connection } from './connection.ts';
import { type Hijacked, hijack, parseJson, type RawRequest, requestBytes, requestStream } from './request.ts';

/** A request of the Engine API, its path without the version. */
export type ApiRequest = Omit<RawRequest, 'signal'>;

type Query = NonNullable<ApiRequest['query']>;

export const get = (path: string, query: Query = {}): ApiRequest => ({ method: 'GET', path, query });
export const head = (path: string, query: Query = {}): ApiRequest => ({ method: 'HEAD', path, query });
export const post = (path: string, query: Query = {}, body?: object): ApiRequest => ({
  method: 'POST',
  path,
  query,
  body,
});
export const put = (path: string, query: Query, archive: NonNullable<ApiRequest['archive']>): ApiRequest => ({
  method: 'PUT',
  path,
  query,
  archive,
});
export const remove = (path: string, query: Query = {}): ApiRequest => ({ method: 'DELETE', path, query });

/** What a call needs of a connection. */
type Line = Pick<Connection, 'target' | 'engine'>;

/** One bounded call in the API version that was agreed on, sent by `how`. */
const send = <T>(
  { target, engine }: Line,
  what: string,
  request: ApiRequest,
  bound: Bound,
  how: (target: Line['target'], raw: RawRequest) => Promise<T>,
): Promise<T> =>
  call(what, bound, (signal) => how(target, { ...request, path: `/v${engine.apiVersion}${request.path}`, signal }));

/** One bounded call to the engine, answered in bytes. `what` names it for people. Throws as `call` does. */
export const askBytes = (connection: Line, what: string, request: ApiRequest, bound: Bound): Promise<Buffer> =>
  send(connection, what, request, bound, requestBytes);

/**
 * As `askBytes`, answered in JSON (undefined when it answers nothing). `Answer` is what the API documents, which is not
 * checked.
 */
export const ask = async <Answer = unknown>(
  connection: Line,
  what: string,
  request: ApiRequest,
  bound: Bound,
): Promise<Answer> => parseJson(await askBytes(connection, what, request, bound)) as Answer;

/**
 * As `askBytes`, answered piece by piece: the bounds are those of the answer's beginning, and the caller's signal ends it
 * at any time. Whoever reads no further destroys the stream.
 */
export async function askStream(
  connection: Line,
  what: string,
  request: ApiRequest,
  bound: Bound,
): Promise<IncomingMessage> {
  const stream = await send(connection, what, request, bound, requestStream);
  return bound.signal === undefined ? stream : addAbortSignal(bound.signal, stream);
}

/** As `askBytes`, after whose answer the connection is ours. */
export const askHijacked = (connection: Line, what: string, request: ApiRequest, bound: Bound): Promise<Hijacked> =>
  send(connection, what, request, bound, hijack);

/** Whether a call was given up because its answer had more than `mostBytes`. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof LoomsError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'EMSGSIZE';
