import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { asServerName, type ServerName } from '../model/ids.ts';
import { isRecord } from '../model/is-record.ts';
import { answerText, type Face, type Route } from './face.ts';
import { createLeg, type Leg, type LegHooks } from './leg.ts';
import { code, errorText, type Message, paramsOf, resultText, sessionRevisions } from './message.ts';
import { joinedName, serverOf } from './names.ts';
import type { Upstreams } from './upstreams.ts';

type ClientRequest = Message & { readonly id: string | number };

/** How long a list waits for one server, ms: a bad one must not hold up the others; it is told of when it comes. */
const listMs = 5_000;
/** Pages of one list that are followed. */
const mostPages = 100;

/** Lists by method: where their items stand, what names an item, and what tells that the list has changed. */
const lists = {
  'tools/list': { key: 'tools', capability: 'tools', changed: 'notifications/tools/list_changed' },
  'prompts/list': { key: 'prompts', capability: 'prompts', changed: 'notifications/prompts/list_changed' },
  'resources/list': { key: 'resources', capability: 'resources', changed: 'notifications/resources/list_changed' },
  'resources/templates/list': {
    key: 'resourceTemplates',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
  },
} as const;

type ListMethod = keyof typeof lists;
const isList = (method: string | undefined): method is ListMethod => method !== undefined && method in lists;

/** What all servers of a project can do together; a server without one of these has empty lists of it. */
const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

/** A server among all, with what it says it can do. */
type Member = { readonly leg: Leg; readonly can: Readonly<Record<string, unknown>> };
type Item = Readonly<Record<string, unknown>>;

/**
 * All servers of a project as one. Tools and prompts are called `server__name`; URIs of resources stay as they are, since
 * they stand inside of results too, and belong to the server that listed them. A server that is down costs its own tools only.
 */
export function allServers(
  upstreams: Upstreams,
  heard: LegHooks,
  { version, log }: { readonly version: string; readonly log: (text: string) => void },
): Face {
  const members = new Map<ServerName, Promise<Member>>();
  const open = new Map<ServerName, Leg>();
  /** What each server listed last: its own names by those that they have here, and URIs by themselves. */
  const listed = new Map<ListMethod, Map<ServerName, ReadonlyMap<string, string>>>();
  let handshake: Message | undefined;
  let initialized: Message | undefined;
  let level: Message | undefined;

  const join = async (server: ServerName): Promise<Member> => {
    if (handshake === undefined) throw new LoomsError('session-failed', 'the session is not initialized');
    const leg = createLeg(server, upstreams, heard);
    open.set(server, leg);
    const { message } = await leg.initialize(handshake);
    if (!isRecord(message.result)) throw new LoomsError('session-failed', `${server} takes no session`);
    if (initialized !== undefined) await leg.notify(initialized);
    const { capabilities: can } = message.result;
    const member = { leg, can: isRecord(can) ? can : {} };
    if (level !== undefined && member.can.logging !== undefined) await leg.ask(level).answer;
    return member;
  };
  const member = (server: ServerName): Promise<Member> => {
    const known = members.get(server);
    if (known !== undefined) return known;
    const joining = join(server).catch(async (error: unknown) => {
      members.delete(server);
      await open.get(server)?.close();
      open.delete(server);
      throw error;
    });
    members.set(server, joining);
    return joining;
  };

  /** All items of one server's list, under the names that they have here. */
  const listOf = async (server: ServerName, method: ListMethod): Promise<readonly Item[]> => {
    const { key, capability } = lists[method];
    const { leg, can } = await member(server);
    if (can[capability] === undefined) return [];
    const items: Item[] = [];
    let cursor: unknown;
    for (let page = 0; page < mostPages; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const answered = await leg.ask({ jsonrpc: '2.0', method, params }).answer;
      const { message } = answered;
      // An older server may not know of templates.
      if (!isRecord(message.result)) return items;
      const { result } = JSON.parse(answerText({ jsonrpc: '2.0', method }, answered));
      if (Array.isArray(result[key])) items.push(...result[key].filter(isRecord));
      const next: unknown = message.result.nextCursor;
      if (typeof next !== 'string' || next === cursor) break;
      cursor = next;
    }
    const own = new Map<string, string>();
    const all = items.map((item) => named(server, method, item, own));
    const known = listed.get(method) ?? new Map<ServerName, ReadonlyMap<string, string>>();
    listed.set(method, known.set(server, own));
    return all;
  };
  const named = (server: ServerName, method: ListMethod, item: Item, own: Map<string, string>): Item => {
    if (typeof item.uri === 'string') own.set(item.uri, item.uri);
    if ((method !== 'tools/list' && method !== 'prompts/list') || typeof item.name !== 'string') return item;
    const name = joinedName(server, item.name);
    own.set(name, item.name);
    return { ...item, name };
  };
  /** Who listed this; of several the first by name, whichever answers first. */
  const find = (method: ListMethod, key: string): { server: ServerName; name: string } | undefined => {
    const found = [...(listed.get(method) ?? [])]
      .filter(([, own]) => own.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const [first] = found;
    return first === undefined ? undefined : { server: first[0], name: first[1].get(key) ?? key };
  };
  /** What all servers list that answer in time; of one that comes later, or fails, only the list says so. */
  const listAll = async (method: ListMethod): Promise<readonly Item[]> => {
    const { changed } = lists[method];
    const found = (await upstreams.servers()).map((server) => {
      let isLate = false;
      const { promise: late, resolve } = Promise.withResolvers<readonly Item[]>();
      const timer = setTimeout(() => {
        isLate = true;
        resolve([]);
      }, listMs);
      const asked = listOf(server, method).then(
        (items) => {
          const message: Message = { jsonrpc: '2.0', method: changed };
          if (isLate) heard.onNotification(JSON.stringify(message), message);
          return items;
        },
        (error: unknown) => {
          log(`${server} is left out of ${method}: ${messageOf(error)}`);
          return [];
        },
      );
      return Promise.race([asked, late]).finally(() => clearTimeout(timer));
    });
    return (await Promise.all(found)).flat();
  };

  /** The tool or prompt behind a name; a name that is not known yet may be one of a server that was not listed. */
  const behind = async (
    joined: string,
    method: ListMethod,
  ): Promise<{ server: ServerName; name: string } | undefined> => {
    const known = find(method, joined);
    if (known !== undefined) return known;
    const server = serverOf(joined);
    if (server === undefined || !(await upstreams.servers()).includes(asServerName(server))) return undefined;
    await listOf(asServerName(server), method);
    // A filtered one is none of the list, and still the server's own to refuse.
    const rest = joined.slice(server.length + 2);
    return find(method, joined) ?? { server: asServerName(server), name: rest };
  };
  const unknown = ({ id }: ClientRequest, what: string): Route => ({
    kind: 'here',
    text: errorText(id, code.invalidParams, what),
  });
  const routeNamed = async (message: ClientRequest, method: ListMethod, what: string): Promise<Route> => {
    const { name } = paramsOf(message);
    const found = typeof name === 'string' ? await behind(name, method) : undefined;
    if (found === undefined) return unknown(message, `Unknown ${what}: ${String(name)}`);
    const { leg } = await member(found.server);
    return {
      kind: 'ask',
      leg,
      message: { ...message, params: { ...paramsOf(message), name: found.name } },
    };
  };
  const routeUri = async (message: ClientRequest, uri: unknown): Promise<Route> => {
    const homeOf = (): ServerName | undefined =>
      typeof uri === 'string' ? find('resources/list', uri)?.server : undefined;
    if (homeOf() === undefined) await listAll('resources/list');
    const home = homeOf();
    const [only, ...more] = home === undefined ? await withResources() : [home];
    // What nobody lists may be of a template: whoever is the only one with resources is asked.
    if (only === undefined || more.length > 0) return unknown(message, `Resource not found: ${String(uri)}`);
    return { kind: 'ask', leg: (await member(only)).leg, message };
  };
  const withResources = async (): Promise<readonly ServerName[]> => {
    const joined = await Promise.allSettled([...members].map(async ([server, one]) => ({ server, ...(await one) })));
    return joined.flatMap((one) =>
      one.status === 'fulfilled' && one.value.can.resources !== undefined ? [one.value.server] : [],
    );
  };
  const routeCompletion = async (message: ClientRequest): Promise<Route> => {
    const { ref } = paramsOf(message);
    if (!isRecord(ref)) return unknown(message, 'completion/complete without a ref');
    if (typeof ref.uri === 'string') return routeUri(message, ref.uri);
    const found = typeof ref.name === 'string' ? await behind(ref.name, 'prompts/list') : undefined;
    if (found === undefined) return unknown(message, `Unknown prompt: ${String(ref.name)}`);
    const params = { ...paramsOf(message), ref: { ...ref, name: found.name } };
    return { kind: 'ask', leg: (await member(found.server)).leg, message: { ...message, params } };
  };
  const setLevel = async (message: ClientRequest): Promise<Route> => {
    level = message;
    const joined = await Promise.allSettled(members.values());
    const asked = joined.flatMap((one) =>
      one.status === 'fulfilled' && one.value.can.logging !== undefined ? [one.value.leg.ask(message).answer] : [],
    );
    await Promise.allSettled(asked);
    return { kind: 'here', text: resultText(message.id, {}) };
  };

  return {
    async initialize(message) {
      handshake = message;
      const wanted = sessionRevisions.find((one) => one === paramsOf(message).protocolVersion);
      return resultText(message.id, {
        protocolVersion: wanted ?? sessionRevisions[0],
        capabilities,
        serverInfo: { name: 'looms', version },
        instructions: 'All MCP servers of a looms project. The name of each tool begins with its server: server__tool.',
      });
    },
    async route(message) {
      const { method } = message;
      if (isList(method)) {
        return { kind: 'here', text: resultText(message.id, { [lists[method].key]: await listAll(method) }) };
      }
      switch (method) {
        case 'ping':
          return { kind: 'here', text: resultText(message.id, {}) };
        case 'tools/call':
          return routeNamed(message, 'tools/list', 'tool');
        case 'prompts/get':
          return routeNamed(message, 'prompts/list', 'prompt');
        case 'resources/read':
        case 'resources/subscribe':
        case 'resources/unsubscribe':
          return routeUri(message, paramsOf(message).uri);
        case 'completion/complete':
          return routeCompletion(message);
        case 'logging/setLevel':
          return setLevel(message);
        default:
          return { kind: 'here', text: errorText(message.id, code.unknownMethod, `Method not found: ${method}`) };
      }
    },
    async notify(message) {
      if (message.method === 'notifications/initialized') initialized = message;
      await Promise.all([...open.values()].map((leg) => leg.notify(message)));
    },
    legs: () => [...open.values()],
  };
}
