import type { ServerName } from '../../model/ids.ts';
import type { JoinedNames } from '../../model/serve-settings.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import { failureText, statusOfFailure } from '../call.ts';
import { capabilities, createCatalogue, type Item, instructions, itemsIn } from '../catalogue.ts';
import { mostSubscriptions } from '../leg/stateless-talk.ts';
import { headerText } from '../messages/envelope.ts';
import { errorText, metaOf, paramsOf, resultText } from '../messages/message.ts';
import { pagesOf } from '../messages/pages.ts';
import {
  type ClientRequest,
  code,
  envelopeKeys,
  type Fields,
  isList,
  type ListMethod,
  lists,
  type Message,
  modernRevision,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';
import { type AllListeners, type AskOne, createAllListeners, type Request } from './all-listeners.ts';

/** In whose name servers are asked, and whom that is. */
type Asker = { readonly askOne: AskOne; readonly guard: Pick<Guard, 'key' | 'reaches' | 'isValid'> };
/** Who lists are asked for, and what its requests say of it. */
type Context = Asker & { readonly meta: Fields };

export type AllStateless = {
  readonly request: (request: Request, asker: Asker, reply: Reply) => Promise<void>;
  /** Who listens to all of them. */
  readonly listeners: AllListeners;
};

type Options = {
  readonly servers: () => Promise<readonly ServerName[]>;
  readonly version: string;
  readonly log: (text: string) => void;
  readonly names: JoinedNames;
  /** Hears of each client that begins to listen. */
  readonly onListener?: () => void;
};

/** How long a server may take for all pages of one list, ms. */
const listMs = 60_000;

/**
 * All servers of a project as one, for requests without sessions: each goes to the server that it names, as if it had been
 * asked at its own address, whichever revisions it speaks.
 */
export function createAllStateless({ servers, version, log, names, onListener }: Options): AllStateless {
  const listeners = createAllListeners(servers, onListener);

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

  const listen = async (message: ClientRequest, context: Context, reply: Reply): Promise<void> => {
    const { notifications } = paramsOf(message);
    if (!isRecord(notifications)) {
      return reply.answer(errorText(message.id, code.invalidParams, 'subscriptions/listen without notifications'));
    }
    const { resourceSubscriptions } = notifications;
    const named = Array.isArray(resourceSubscriptions) ? resourceSubscriptions : [];
    const uris = [...new Set(named.filter((uri) => typeof uri === 'string'))];
    if (uris.length > mostSubscriptions) {
      const why = `more than ${mostSubscriptions} subscriptions`;
      return reply.answer(errorText(message.id, code.invalidParams, why));
    }
    const homes = await catalogue.homesOf(uris, context);
    await listeners.listen(message, { ...context, homes }, reply);
  };

  const answer = async ({ message, headers }: Request, asker: Asker, reply: Reply): Promise<void> => {
    const { method, id } = message;
    const { progressToken: _, ...meta } = metaOf(message);
    const context = { ...asker, meta };
    if (method === 'server/discover') return reply.answer(discovered(id, version, names));
    if (method === 'subscriptions/listen') return listen(message, context, reply);
    if (isList(method)) {
      const items = await catalogue.listAll(method, context, listeners.tell);
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
    listeners,
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
