import { parsedExactly, parseExactly } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import {
  type ClientRequest,
  code,
  envelopeKeys,
  type Fields,
  type Id,
  type Message,
  subscriptionKey,
} from './protocol.ts';

/** The parameters of a message; empty where it has none, or what is no object. */
export const paramsOf = ({ params }: Fields): Fields => (isRecord(params) ? params : {});

/** `_meta` in the parameters of a message; empty where it has none. */
export const metaOf = (message: Fields): Fields => {
  const { _meta: meta } = paramsOf(message);
  return isRecord(meta) ? meta : {};
};

/** The revision that a request names in itself: only the stateless ones do. */
export const revisionOf = (message: Message): string | undefined => {
  const revision = metaOf(message)[envelopeKeys.revision];
  return typeof revision === 'string' ? revision : undefined;
};

/** Whether a message of a client wants an answer. */
export const isRequest = (message: Message): message is ClientRequest =>
  message.method !== undefined && message.id !== undefined;
/** Whether a message answers a request, with a result or an error. */
export const isAnswer = (message: Message): boolean => message.method === undefined && message.id !== undefined;

/**
 * What a client sent, with its numbers as they were written. It is rebuilt of what JSON-RPC knows: a second `method`, or a
 * `Method` that a server might take for it, would go past what was looked at. Undefined for what is no single message.
 */
export function readClientMessage(text: string): Message | undefined {
  const value = parsedExactly(text);
  if (!isRecord(value) || value.jsonrpc !== '2.0') return undefined;
  const { id, method, params, result, error } = value;
  if (method !== undefined && typeof method !== 'string') return undefined;
  // Nothing but a notification goes without an id: a request that a server might carry out all the same is held against nothing.
  if (id === undefined && typeof method === 'string' && !method.startsWith('notifications/')) return undefined;
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number') return undefined;
  if (method === undefined && (id === undefined || (result === undefined) === (error === undefined))) return undefined;
  return {
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    ...(method === undefined ? {} : { method }),
    ...(params === undefined ? {} : { params }),
    ...(method !== undefined || result === undefined ? {} : { result }),
    ...(method !== undefined || error === undefined ? {} : { error }),
  };
}

const jsonId = String.raw`(?:"[^"\\]*"|-?\d+)`;
const idInFront = new RegExp(String.raw`^\{("jsonrpc":"2\.0",)?"id":${jsonId},`);
const idAtEnd = new RegExp(String.raw`(,"id":)${jsonId}\}$`);

/**
 * The text of a message with another id. Where the id stands first or last, as it does with all libraries, nothing else of
 * the text is touched or read; else it is written anew, numbers as they were. It always comes to stand last: of a member
 * that is there twice readers take the last one, and a server must not choose whose answer this is.
 */
export function withId(text: string, id: Id): string {
  const own = `"id":${JSON.stringify(id)}}`;
  const front = idInFront.exec(text);
  if (front !== null && text.endsWith('}')) return `{${front[1] ?? ''}${text.slice(front[0].length, -1)},${own}`;
  // Long texts are searched from their end only.
  const tail = text.slice(-200);
  if (idAtEnd.test(tail)) return text.slice(0, -200) + tail.replace(idAtEnd, () => `,${own}`);
  const message = parseExactly(text);
  const { id: _, ...rest } = isRecord(message) ? message : {};
  return JSON.stringify({ ...rest, id });
}

/** The text of a message with other parameters. */
export const withParams = (text: string, change: (params: Fields) => object): string => {
  const message = parseExactly(text);
  return isRecord(message) ? JSON.stringify({ ...message, params: change(paramsOf(message)) }) : text;
};

/** The text of an answer with another result. */
export const withResult = (text: string, change: (result: Fields) => object): string => {
  const message = parseExactly(text);
  return isRecord(message) && isRecord(message.result)
    ? JSON.stringify({ ...message, result: change(message.result) })
    : text;
};

/** The text of an answer that is an error; `id` is null where the request could not be read. */
export const errorText = (id: Id | null, code: number, message: string, data?: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } });

/** The text of an answer that is a result. */
export const resultText = (id: Id, result: object): string => JSON.stringify({ jsonrpc: '2.0', id, result });

/** A message that is told on a subscription of a client. */
export const withSubscription = (text: string, message: Message, id: Id): string =>
  withParams(text, (params) => ({ ...params, _meta: { ...metaOf(message), [subscriptionKey]: id } }));

/** What a client first hears on a subscription: what of its wishes it is told. */
export const acknowledgement = (id: Id, notifications: Fields): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/subscriptions/acknowledged',
    params: { notifications, _meta: { [subscriptionKey]: id } },
  });

/** The answer that ends a subscription. */
export const subscriptionEnd = (id: Id): string =>
  resultText(id, { resultType: 'complete', _meta: { [subscriptionKey]: id } });

/** The HTTP status that 2026-07-28 gives an answer (basic/transports, "Streamable HTTP"). */
export function statusOf(text: string): number {
  if (!text.includes('"error"')) return 200;
  const { error } = JSON.parse(text);
  if (!isRecord(error)) return 200;
  if (error.code === code.unknownMethod) return 404;
  return typeof error.code === 'number' && error.code <= -32020 && error.code >= -32099 ? 400 : 200;
}
