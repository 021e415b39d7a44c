import type { IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { LoomsError } from '../../../model/errors.ts';
import { type Bound, call } from './call.ts';
import type { Client } from './connection.ts';
import { type Hijacked, hijack, parseJson, type RawRequest, requestBytes, requestStream } from './request.ts';

/** A request of the Engine API, its path without the version. */
export type ApiRequest = Omit<RawRequest, 'signal' | 'again'>;

type Query = NonNullable<ApiRequest['query']>;

const bare =
  (method: ApiRequest['method']) =>
  (path: string, query: Query = {}): ApiRequest => ({ method, path, query });
export const [get, head, remove] = [bare('GET'), bare('HEAD'), bare('DELETE')];
export const post = (path: string, query?: Query, body?: object): ApiRequest => ({
  ...bare('POST')(path, query),
  body,
});
export const put = (path: string, query: Query, archive: NonNullable<ApiRequest['archive']>): ApiRequest => ({
  ...bare('PUT')(path, query),
  archive,
});

/** What a call needs of a client. */
type Line = Pick<Client, 'target' | 'engine' | 'agree'> & Bound;

/** One bounded call in the API version that was agreed on, sent by `how`. */
const send = <T>(
  { target, engine, agree, ...bound }: Line,
  what: string,
  request: ApiRequest,
  how: (target: Line['target'], raw: RawRequest) => Promise<T>,
): Promise<T> =>
  call(what, bound, async (signal) => {
    const agreed = async (isAnew: boolean): Promise<RawRequest> => {
      await agree(isAnew);
      const path = `/v${engine.apiVersion}${request.path}`;
      return { ...request, path, signal, again: () => agreed(true) };
    };
    return how(target, await agreed(false));
  });

/** One call to the engine within the client's bounds, answered in bytes. `what` names it for people. Throws as `call` does. */
export const askBytes = (client: Line, what: string, request: ApiRequest): Promise<Buffer> =>
  send(client, what, request, requestBytes);

/**
 * As `askBytes`, answered in JSON (undefined for nothing). What is read is at least a list or an object; beyond that `Answer`
 * is what the API documents, unchecked.
 */
export async function ask<Answer = unknown>(client: Line, what: string, request: ApiRequest): Promise<Answer> {
  const answer = parseJson(await askBytes(client, what, request));
  if (request.method === 'GET' && (typeof answer !== 'object' || answer === null)) throw notOfAnEngine(what);
  return answer as Answer;
}

/** As `ask`, for a list. */
export async function askList<Item>(client: Line, what: string, request: ApiRequest): Promise<readonly Item[]> {
  const answer = await ask<unknown>(client, what, request);
  if (!Array.isArray(answer) || !answer.every((one) => typeof one === 'object' && one !== null))
    throw notOfAnEngine(what);
  return answer;
}

/** As `ask`, for an object that has at least these keys. */
export async function askObject<Answer extends object>(
  client: Line,
  what: string,
  request: ApiRequest,
  keys: readonly (keyof Answer)[],
): Promise<Answer> {
  const answer = await ask<Answer>(client, what, request);
  if (Array.isArray(answer) || keys.some((key) => answer[key] === undefined)) throw notOfAnEngine(what);
  return answer;
}

/** A page to log in, an answer of another program: what it says is no answer to what was asked. */
const notOfAnEngine = (what: string): LoomsError =>
  new LoomsError('engine-rejected', `cannot ${what}: what answered is not the Engine API`, {
    hint: 'look at what stands before the engine (a proxy, a tunnel); `looms doctor` shows its address',
  });

/** As `askBytes`, piece by piece: bounds are those of the beginning, the signal ends it. Destroy it when done. */
export async function askStream(client: Line, what: string, request: ApiRequest): Promise<IncomingMessage> {
  const stream = await send(client, what, request, requestStream);
  return client.signal === undefined ? stream : addAbortSignal(client.signal, stream);
}

/** As `askBytes`, after whose answer the connection is ours. */
export const askHijacked = (client: Line, what: string, request: ApiRequest): Promise<Hijacked> =>
  send(client, what, request, hijack);

/** Whether a call was given up because its answer had more than `mostBytes`. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof LoomsError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'EMSGSIZE';
