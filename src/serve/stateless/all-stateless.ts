import type { ServerName } from '../../model/ids.ts';
import { isRecord } from '../../model/is-record.ts';
import type { JoinedNames } from '../../model/serve-settings.ts';
import type { Guard } from '../access/guard.ts';
import { failureText, statusOfFailure } from '../call.ts';
import { capabilities, createCatalogue, type Item, instructions, itemsIn } from '../catalogue.ts';
import { headerText } from '../messages/envelope.ts';
import { acknowledgement, errorText, metaOf, paramsOf, resultText, subscriptionEnd } from '../messages/message.ts';
import { pagesOf } from '../messages/pages.ts';
import {
  type ClientRequest,
  changeOf,
  code,
  envelopeKeys,
  type Fields,
  type HeaderFields,
  isList,
  type ListMethod,
  lists,
  type Message,
  modernRevision,
  subscriptionKey,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';

/** A request to one of the servers, or to all; what a client over HTTP sent as `mcp-…`. */
type Request = { readonly message: ClientRequest; readonly headers?: HeaderFields };
/** Asks one server in the name of a client, as it is asked at its own address. Nothing of it throws. */
export type AskOne = (server: ServerName, request: Request, reply: Reply) => Promise<void>;
/** In whose name servers are asked, and which of them it reaches. */
type Asker = { readonly askOne: AskOne; readonly guard: Pick<Guard, 'key' | 'reaches'> };
/** Who lists are asked for, and what its requests say of it. */
type Context = Asker & { readonly meta: Fields };

export type AllStateless = { readonly request: (request: Request, asker: Asker, reply: Reply) => Promise<void> };

type Options = {
  readonly servers: () => Promise<readonly ServerName[]>;
  readonly version: string;
  readonly log: (text: string) => void;
  readonly names: JoinedNames;
};

/** How long a server may take for all pages of one list, ms. */
const listMs = 60_000;
/** How long a subscription waits for servers to say what they tell, ms; what they tell later comes all the same. */
const listenMs = 5_000;

/**
 * All servers of a project as one, for requests without sessions: each goes to the server that it names, as if it had been
 * asked at its own address, whichever revisions it speaks.
 */
export function createAllStateless({ servers, version, log, names }: Options): AllStateless {
  /** Subscriptions that want to hear of lists that came too late. */
  const late = new Set<(changed: Message) => void>();

  const list = async (
    server: ServerName,
    method: ListMethod,
    { askOne, meta }: Context,
  ): Promise<readonly Item[] | undefined> => {
    let items: Item[] | undefined;
    const ask = async (page: Fields) => {
      const text = await answerOf(askOne, server, { jsonrpc: '2.0', id: 0, method, params: { _meta: meta, ...page } });
      const message: Message = JSON.parse(text);
      const { result, error } = message;
      if (isRecord(result)) return { text, message };
      if (isRecord(error) && error.code === code.unknownMethod) return undefined;
      throw new Error(isRecord(error) ? String(error.message) : text);
    };
    for await (const { text } of pagesOf({ server, method, limitMs: listMs }, ask)) {
      items = [...(items ?? []), ...itemsIn(text, method)];
    }
    return items;
  };
  const catalogue = createCatalogue<Context>({
    servers,
    whose: ({ guard }) => guard.key,
    reaches: (server, { guard }) => guard.reaches(server),
    list,
    log,
    names,
  });

  /** What all servers that are asked for it tell, on one stream. */
  const listen = async (message: ClientRequest, context: Context, reply: Reply): Promise<void> => {
    const { askOne } = context;
    const { notifications } = paramsOf(message);
    if (!isRecord(notifications)) {
      return reply.answer(errorText(message.id, code.invalidParams, 'subscriptions/listen without notifications'));
    }
    const { resourceSubscriptions, ...changes } = notifications;
    const named = Array.isArray(resourceSubscriptions) ? resourceSubscriptions : [];
    const homes = await Promise.all(
      named.map(async (uri) => ({ uri, home: await homeOf(uri, message, { ...context, meta: metaOf(message) }) })),
    );
    const honoured: Record<string, unknown> = {};
    const uris: unknown[] = [];
    const leaving: Reply[] = [];
    let isAcknowledged = false;
    const asked = (await servers()).filter(context.guard.reaches).map((server) => {
      const own = homes.filter(({ home }) => home === server).map(({ uri }) => uri);
      const wanted = { ...changes, ...(own.length === 0 ? {} : { resourceSubscriptions: own }) };
      const { promise: told, resolve } = Promise.withResolvers<void>();
      const tell = (text: string): boolean => {
        const { method, params } = JSON.parse(text);
        if (method !== 'notifications/subscriptions/acknowledged') return isAcknowledged && reply.tell(text);
        const { resourceSubscriptions: taken, ...kinds } = isRecord(params?.notifications) ? params.notifications : {};
        Object.assign(honoured, kinds);
        if (Array.isArray(taken)) uris.push(...taken);
        resolve();
        return true;
      };
      const one = replyTo({ tell, answer: () => resolve(), end: resolve, isOpen: reply.isOpen });
      leaving.push(one);
      const request = { ...message, params: { ...paramsOf(message), notifications: wanted } };
      return { told, over: askOne(server, { message: request }, one) };
    });
    const { promise: tooLate, resolve: stopWaiting } = Promise.withResolvers<void>();
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const timer = setTimeout(stopWaiting, listenMs);
    const tellLate = (changed: Message): void => {
      const params = { _meta: { [subscriptionKey]: message.id } };
      if (honoured[changeOf(changed) ?? ''] === true) reply.tell(JSON.stringify({ ...changed, params }));
    };
    reply.onleft = leave;
    reply.begin();
    await Promise.race([Promise.all(asked.map(({ told }) => told)), tooLate, left]);
    clearTimeout(timer);
    const filter = { ...honoured, ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }) };
    reply.tell(acknowledgement(message.id, filter));
    isAcknowledged = true;
    late.add(tellLate);
    await Promise.race([Promise.all(asked.map(({ over }) => over)), left]);
    late.delete(tellLate);
    for (const one of leaving) one.onleft?.();
    reply.answer(subscriptionEnd(message.id));
  };
  const homeOf = async (uri: unknown, { id }: ClientRequest, context: Context): Promise<ServerName | undefined> => {
    const routed = await catalogue.route({ jsonrpc: '2.0', id, method: 'resources/read', params: { uri } }, context);
    return routed !== undefined && 'server' in routed ? routed.server : undefined;
  };

  const answer = async ({ message, headers }: Request, asker: Asker, reply: Reply): Promise<void> => {
    const { method, id } = message;
    const { progressToken: _, ...meta } = metaOf(message);
    const context = { ...asker, meta };
    if (method === 'server/discover') return reply.answer(discovered(id, version, names));
    if (method === 'subscriptions/listen') return listen(message, context, reply);
    if (isList(method)) {
      const items = await catalogue.listAll(method, context, (changed) => {
        for (const tell of late) tell(changed);
      });
      const result = { resultType: 'complete', [lists[method].key]: items, ttlMs: 0, cacheScope: 'private' };
      return reply.answer(resultText(id, result));
    }
    const routed = await catalogue.route(message, context);
    if (
      routed === undefined ||
      message.method === 'resources/subscribe' ||
      message.method === 'resources/unsubscribe'
    ) {
      return reply.answer(errorText(id, code.unknownMethod, `Method not found: ${method}`), 404);
    }
    if ('unknown' in routed) return reply.answer(errorText(id, code.invalidParams, routed.unknown));
    const { name } = paramsOf(routed.message);
    const own =
      headers === undefined || typeof name !== 'string' ? headers : { ...headers, 'mcp-name': headerText(name) };
    await asker.askOne(
      routed.server,
      { message: routed.message, ...(own === undefined ? {} : { headers: own }) },
      reply,
    );
  };

  return {
    async request(request, asker, reply) {
      try {
        await answer(request, asker, reply);
      } catch (error) {
        reply.answer(failureText(request.message.id, error), statusOfFailure(error));
      }
    },
  };
}

/** The text of a server's answer to a request of our own. */
const answerOf = (askOne: AskOne, server: ServerName, message: ClientRequest): Promise<string> =>
  new Promise((resolve) => {
    const end = (): void => resolve(errorText(message.id, code.internal, `${server} gave no answer`));
    askOne(server, { message }, replyTo({ answer: resolve, end })).then(end, end);
  });

const discovered = (id: string | number, version: string, names: JoinedNames): string =>
  resultText(id, {
    resultType: 'complete',
    supportedVersions: [modernRevision],
    capabilities,
    instructions: instructions(names),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [envelopeKeys.serverInfo]: { name: 'looms', version } },
  });
