import { LoomsError } from '../model/errors.ts';
import type { ServerName } from '../model/ids.ts';
import type { JoinedNames } from '../model/serve-settings.ts';
import { isRecord } from '../model/values/is-record.ts';
import type { Guard } from './access/guard.ts';
import { capabilities, createCatalogue, type Item, instructions, itemsIn } from './catalogue.ts';
import { answerText, type Face, type Route } from './face.ts';
import { createLeg, type Leg, type LegHooks } from './leg/leg.ts';
import { errorText, paramsOf, resultText } from './messages/message.ts';
import { askBounded, ownPages } from './messages/pages.ts';
import {
  type ClientRequest,
  code,
  isList,
  type ListMethod,
  lists,
  type Message,
  serverChanges,
  sessionRevisions,
} from './messages/protocol.ts';
import type { Upstreams } from './upstreams.ts';

export type Everything = {
  readonly version: string;
  readonly log: (text: string) => void;
  /** Of whoever looks at them. */
  readonly guard: Guard;
  /** How tools and prompts are called. */
  readonly names: JoinedNames;
};

/**
 * All servers of a project as one. Tools and prompts are called `server__name`; URIs of resources stay as they are, since
 * they stand inside of results too, and belong to the server that listed them. A server that is down costs its own tools only.
 */
export function allServers(upstreams: Upstreams, heard: LegHooks, { version, log, guard, names }: Everything): Face {
  const members = new Map<ServerName, Promise<Leg>>();
  const open = new Map<ServerName, Leg>();
  let handshake: Message | undefined;
  let initialized: Message | undefined;
  let level: Message | undefined;
  let isClosed = false;

  const join = async (server: ServerName): Promise<Leg> => {
    // A leg that was made now would be in nobody's list, and nobody would end its process.
    if (isClosed) throw new LoomsError('interrupted', 'the session is over');
    if (handshake === undefined) throw new LoomsError('session-failed', 'the session is not initialized');
    const leg = createLeg(server, upstreams, heard);
    open.set(server, leg);
    const { message } = await leg.initialize(handshake);
    if (!isRecord(message.result)) throw new LoomsError('session-failed', `${server} takes no session`);
    if (initialized !== undefined) await leg.notify(initialized);
    if (level !== undefined && leg.can().logging !== undefined) await askBounded(leg, level);
    return leg;
  };
  const member = (server: ServerName): Promise<Leg> => {
    const known = members.get(server);
    if (known !== undefined) return known;
    const joining = join(server).catch(async (error: unknown) => {
      const leg = open.get(server);
      members.delete(server);
      // Before the leg is closed: another one may be made meanwhile.
      open.delete(server);
      await leg?.close();
      throw error;
    });
    members.set(server, joining);
    return joining;
  };

  const list = async (server: ServerName, method: ListMethod): Promise<readonly Item[] | undefined> => {
    const { capability } = lists[method];
    const leg = await member(server);
    // What serves by now may have other lists than what was there before.
    await leg.ready();
    if (leg.can()[capability] === undefined) return undefined;
    const items: Item[] = [];
    const asked: Message = { jsonrpc: '2.0', method };
    for await (const answered of ownPages(leg, method)) {
      // An older server may not know of templates.
      if (!isRecord(answered.message.result)) break;
      items.push(...itemsIn(guard.shown(server, asked, answerText(asked, answered)), method));
    }
    return items;
  };
  const catalogue = createCatalogue<undefined>({
    servers: upstreams.servers,
    whose: () => guard.key,
    reaches: guard.reaches,
    list,
    log,
    names,
  });
  const tell = (message: Message): void => heard.onNotification(JSON.stringify(message), message);
  const setLevel = async (message: ClientRequest): Promise<Route> => {
    level = message;
    const joined = await Promise.allSettled(members.values());
    const asked = joined.flatMap((one) =>
      one.status === 'fulfilled' && one.value.can().logging !== undefined ? [askBounded(one.value, message)] : [],
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
        instructions: instructions(names),
      });
    },
    async route(message) {
      const { method } = message;
      if (isList(method)) {
        const items = await catalogue.listAll(method, undefined, tell);
        return { kind: 'here', text: resultText(message.id, { [lists[method].key]: items }) };
      }
      if (method === 'ping') return { kind: 'here', text: resultText(message.id, {}) };
      if (method === 'logging/setLevel') return setLevel(message);
      const routed = await catalogue.route(message, undefined);
      if (routed === undefined) {
        return { kind: 'here', text: errorText(message.id, code.unknownMethod, `Method not found: ${method}`) };
      }
      if ('unknown' in routed) {
        return { kind: 'here', text: errorText(message.id, code.invalidParams, routed.unknown) };
      }
      return { kind: 'ask', leg: await member(routed.server), message: routed.message };
    },
    async notify(message) {
      if (message.method === 'notifications/initialized') initialized = message;
      await Promise.all([...open.values()].map((leg) => leg.notify(message)));
    },
    legs: () => [...open.values()],
    serverChanged(server) {
      // A client hears nothing before its session has begun, and none at all that asks without one.
      if (initialized !== undefined && guard.reaches(server)) for (const changed of serverChanges) tell(changed);
    },
    async close() {
      isClosed = true;
      await Promise.all([...open.values()].map((leg) => leg.close()));
    },
  };
}
