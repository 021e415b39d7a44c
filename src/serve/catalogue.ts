import { isFailure } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { asServerName, type ServerName } from '../model/ids.ts';
import type { JoinedNames } from '../model/serve-settings.ts';
import { parseExactly } from '../model/values/exact-number.ts';
import { isRecord } from '../model/values/is-record.ts';
import { joinedName, serverOf } from '../model/values/joined-names.ts';
import { consistsOf } from '../model/values/scopes.ts';
import { paramsOf } from './messages/message.ts';
import { type ClientRequest, type Fields, type ListMethod, lists, type Message } from './messages/protocol.ts';

/** How long a list waits for one server, ms: a bad one must not hold up the others; it is told of when it comes. */
const listMs = 5_000;

/** Who of those that share a catalogue it remembers what was shown to; of more, the least recently used are asked for anew. */
const mostRemembered = 64;

/** What all servers of a project can do together; a server without one of these has empty lists of it. */
export const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};
export const instructions = ({ separator }: JoinedNames): string =>
  `All MCP servers of a looms project. The name of each tool begins with its server: server${separator}tool.`;

/** The items of a list in the text of an answer that are what its kind has to be, with numbers as they are written. */
export function itemsIn(text: string, method: ListMethod): readonly Item[] {
  const message = parseExactly(text);
  const found = isRecord(message) && isRecord(message.result) ? message.result[lists[method].key] : undefined;
  return Array.isArray(found) ? found.filter((item: unknown) => isWhole(method, item)) : [];
}

export type Item = Fields;
/** What each server listed last: its own names by those that they have here, and URIs by themselves. */
type Listed = Map<ServerName, ReadonlyMap<string, string>>;
/** Something of one server, by the name that it has there. */
type Own = { readonly server: ServerName; readonly name: string };

export type Routed = { readonly server: ServerName; readonly message: ClientRequest } | { readonly unknown: string };

/** What all servers list, under the names that it has among all. */
export type Catalogue<C> = {
  /** What all servers list that answer in time; `onLate` is told of each that comes later. One that fails has nothing. */
  readonly listAll: (method: ListMethod, context: C, onLate: (changed: Message) => void) => Promise<readonly Item[]>;
  /** The server that a request goes to, and the request as that one knows it; undefined for what goes to none of them. */
  readonly route: (message: ClientRequest, context: C) => Promise<Routed | undefined>;
  /** The server of each of these URIs that is somebody's: however many are unknown, the lists are asked for once. */
  readonly homesOf: (uris: readonly string[], context: C) => Promise<ReadonlyMap<string, ServerName>>;
};

/** What a catalogue is made of. */
export type Sources<C> = {
  readonly servers: () => Promise<readonly ServerName[]>;
  /** Who this is of: what somebody is shown of lists says nothing of whose a name is for anybody else. */
  readonly whose: (context: C) => string;
  /** Whether one may be asked by this; of another one nothing is said or decided by. */
  readonly reaches: (server: ServerName, context: C) => boolean;
  /** All items of one server's list, as asked for by this; undefined where it has no such list. */
  readonly list: (server: ServerName, method: ListMethod, context: C) => Promise<readonly Item[] | undefined>;
  readonly log: (text: string) => void;
  readonly names: JoinedNames;
};

/** A catalogue for requests that each have a context of their own, which only what lists looks at. */
export function createCatalogue<C>({ servers, whose, reaches, list, log, names }: Sources<C>): Catalogue<C> {
  /** What servers showed whom, in the order of their last use. */
  const shown = new Map<string, Map<ListMethod, Listed>>();
  const listedFor = (method: ListMethod, context: C): Listed => {
    const key = whose(context);
    const own = shown.get(key) ?? new Map<ListMethod, Listed>();
    shown.delete(key);
    shown.set(key, own);
    const [oldest] = shown.keys();
    if (shown.size > mostRemembered && oldest !== undefined) shown.delete(oldest);
    const listed: Listed = own.get(method) ?? new Map();
    own.set(method, listed);
    return listed;
  };

  const reached = async (context: C): Promise<readonly ServerName[]> =>
    (await servers()).filter((server) => reaches(server, context));
  const find = (method: ListMethod, key: string, context: C): Own | undefined => {
    const having = [...listedFor(method, context)]
      .filter(([server, own]) => own.has(key) && reaches(server, context))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const [first] = having;
    return first === undefined ? undefined : { server: first[0], name: first[1].get(key) ?? key };
  };
  const listOf = async (server: ServerName, method: ListMethod, context: C): Promise<readonly Item[]> => {
    const items = await list(server, method, context);
    const known = listedFor(method, context);
    known.delete(server);
    if (items === undefined) return [];
    const own = new Map<string, string>();
    known.set(server, own);
    return items.map((item) => {
      const { uri, uriTemplate } = item;
      for (const key of [uri, uriTemplate]) if (typeof key === 'string') own.set(key, key);
      if ((method !== 'tools/list' && method !== 'prompts/list') || typeof item.name !== 'string') return item;
      const name = joinedName(server, item.name, names);
      own.set(name, item.name);
      return { ...item, name };
    });
  };
  const listAll: Catalogue<C>['listAll'] = async (method, context, onLate) => {
    const all = await servers();
    const known = listedFor(method, context);
    for (const server of known.keys()) if (!all.includes(server)) known.delete(server);
    const asked = all.filter((server) => reaches(server, context));
    const found = asked.map((server) => {
      let isLate = false;
      const { promise: late, resolve } = Promise.withResolvers<readonly Item[]>();
      const timer = setTimeout(() => {
        isLate = true;
        log(`${server} is left out of ${method}: it did not answer within ${listMs / 1_000} s`);
        resolve([]);
      }, listMs);
      const listed = listOf(server, method, context).then(
        (items) => {
          if (isLate) onLate({ jsonrpc: '2.0', method: lists[method].changed });
          return items;
        },
        (error: unknown) => {
          // The session of whoever asked is over: nobody waits for the list, and the server is not to blame.
          if (!isFailure(error, 'interrupted')) log(`${server} is left out of ${method}: ${messageOf(error)}`);
          return [];
        },
      );
      return Promise.race([listed, late]).finally(() => clearTimeout(timer));
    });
    return (await Promise.all(found)).flat();
  };

  /** The tool or prompt behind a name; one that is not known yet may be of a server that was not listed. */
  const behind = async (joined: unknown, method: ListMethod, context: C): Promise<Own | undefined> => {
    if (typeof joined !== 'string') return undefined;
    const known = find(method, joined, context);
    if (known !== undefined) return known;
    const server = serverOf(joined, names);
    if (server === undefined || !(await reached(context)).includes(asServerName(server))) return undefined;
    await listOf(asServerName(server), method, context);
    // A filtered one is none of the list, and still the server's own to refuse.
    return (
      find(method, joined, context) ?? {
        server: asServerName(server),
        name: joined.slice(server.length + names.separator.length),
      }
    );
  };
  const named = async (message: ClientRequest, method: ListMethod, context: C): Promise<Routed> => {
    const params = paramsOf(message);
    const found = await behind(params.name, method, context);
    if (found === undefined) return { unknown: `Unknown ${lists[method].key.slice(0, -1)}: ${String(params.name)}` };
    return { server: found.server, message: { ...message, params: { ...params, name: found.name } } };
  };
  /** The server with the template that says most of a URI from its beginning on, and how many characters that are. */
  const byTemplate = (uri: string, context: C): { readonly server: ServerName; readonly prefix: number } | undefined =>
    [...listedFor('resources/templates/list', context)]
      .filter(([server]) => reaches(server, context))
      .flatMap(([server, own]) =>
        [...own.keys()].map((template) => ({ server, template, parts: template.split(/\{[^{}]*\}/) })),
      )
      // A completion names the template itself.
      .filter(({ template, parts }) => template === uri || consistsOf(parts, uri))
      .map(({ server, template, parts }) => ({
        server,
        prefix: template === uri ? uri.length : (parts[0]?.length ?? 0),
      }))
      .sort((a, b) => b.prefix - a.prefix || (a.server < b.server ? -1 : 1))[0];
  /** Whose a URI is by what is known: who listed it, or who has a template that it fits. */
  const knownHome = (uri: string, context: C): { readonly server: ServerName; readonly prefix?: number } | undefined =>
    find('resources/list', uri, context) ?? byTemplate(uri, context);
  const homesOf: Catalogue<C>['homesOf'] = async (uris, context) => {
    const homes = new Map<string, ServerName>();
    const unknown = uris.filter((uri) => {
      const known = knownHome(uri, context);
      // A template that begins with a variable fits whatever another server has by now.
      if (known === undefined || known.prefix === 0) return true;
      homes.set(uri, known.server);
      return false;
    });
    if (unknown.length === 0) return homes;
    const methods = ['resources/list', 'resources/templates/list'] as const;
    await Promise.all(methods.map((method) => listAll(method, context, () => {})));
    const having = [...listedFor('resources/list', context).keys()].filter((server) => reaches(server, context));
    // The only server with resources may have some that it lists nowhere.
    const only = having.length === 1 ? having[0] : undefined;
    for (const uri of unknown) {
      const home = knownHome(uri, context)?.server ?? only;
      if (home !== undefined) homes.set(uri, home);
    }
    return homes;
  };
  const byUri = async (message: ClientRequest, uri: unknown, context: C): Promise<Routed> => {
    const key = String(uri);
    const home = (await homesOf([key], context)).get(key);
    return home === undefined ? { unknown: `Resource not found: ${key}` } : { server: home, message };
  };
  const completion = async (message: ClientRequest, context: C): Promise<Routed> => {
    const params = paramsOf(message);
    const { ref } = params;
    if (!isRecord(ref)) return { unknown: 'completion/complete without a ref' };
    if (typeof ref.uri === 'string') return byUri(message, ref.uri, context);
    const found = await behind(ref.name, 'prompts/list', context);
    if (found === undefined) return { unknown: `Unknown prompt: ${String(ref.name)}` };
    return { server: found.server, message: { ...message, params: { ...params, ref: { ...ref, name: found.name } } } };
  };

  return {
    listAll,
    homesOf,
    async route(message, context) {
      switch (message.method) {
        case 'tools/call':
          return named(message, 'tools/list', context);
        case 'prompts/get':
          return named(message, 'prompts/list', context);
        case 'resources/read':
        case 'resources/subscribe':
        case 'resources/unsubscribe':
          return byUri(message, paramsOf(message).uri, context);
        case 'completion/complete':
          return completion(message, context);
        default:
          return undefined;
      }
    },
  };
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isMaybe = (value: unknown, is: (value: unknown) => boolean): boolean => value === undefined || is(value);

/** Whether an item of a list is what its kind has to be: clients refuse the whole list for one that is not. */
function isWhole(method: ListMethod, item: unknown): item is Item {
  if (!isRecord(item) || !isText(item.name)) return false;
  const { title, description, annotations, icons, _meta: meta } = item;
  if (![title, description].every((text) => isMaybe(text, isText))) return false;
  if (![annotations, meta].every((one) => isMaybe(one, isRecord)) || !isMaybe(icons, Array.isArray)) return false;
  switch (method) {
    case 'tools/list': {
      const { inputSchema, outputSchema } = item;
      return isRecord(inputSchema) && inputSchema.type === 'object' && isMaybe(outputSchema, isRecord);
    }
    case 'prompts/list':
      return isMaybe(
        item.arguments,
        (all) => Array.isArray(all) && all.every((one) => isRecord(one) && isText(one.name)),
      );
    case 'resources/list':
      return isText(item.uri) && isMaybe(item.mimeType, isText);
    case 'resources/templates/list':
      return isText(item.uriTemplate) && isMaybe(item.mimeType, isText);
  }
}
