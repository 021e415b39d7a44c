import type { ServerName } from '../../model/ids.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import { acknowledgement, paramsOf, subscriptionEnd } from '../messages/message.ts';
import {
  type ClientRequest,
  changeOf,
  type Fields,
  type HeaderFields,
  type Message,
  serverChanges,
  subscriptionKey,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';

/** A request to one of the servers, or to all; what a client over HTTP sent as `mcp-…`. */
export type Request = { readonly message: ClientRequest; readonly headers?: HeaderFields };
/** Asks one server in the name of a client, as it is asked at its own address. Nothing of it throws. */
export type AskOne = (server: ServerName, request: Request, reply: Reply) => Promise<void>;

/** How long a subscription waits for servers to say what they tell, ms; what they tell later comes all the same. */
const listenMs = 5_000;
/** How long after its end a server is listened to again that told of changes, ms; twice as long after each try in vain. */
const againMs = 1_000;
const longestAgainMs = 60_000;

/** Who listens, to which servers, and whether it still may. */
type Listening = {
  readonly askOne: AskOne;
  readonly guard: Pick<Guard, 'reaches' | 'isValid'>;
  /** The server of each resource that it wants to hear of. */
  readonly homes: ReadonlyMap<string, ServerName>;
};

type Listener = Pick<Guard, 'isValid'> & {
  readonly tell: (changed: Message) => void;
  readonly serverChanged: (server: ServerName) => void;
  readonly end: () => void;
};

/** The subscriptions of clients to all servers as one. */
export type AllListeners = {
  /** Tells what all servers tell that are asked for it, on one stream, until its client leaves. Throws what `servers` throws. */
  readonly listen: (message: ClientRequest, listening: Listening, reply: Reply) => Promise<void>;
  /** Tells all of them that a list has changed. */
  readonly tell: (changed: Message) => void;
  /** Tells those that reach this server that it has come or gone. */
  readonly serverChanged: (server: ServerName) => void;
  readonly count: () => number;
  /** Ends those that were made with a token that is over. */
  readonly sweep: () => void;
  readonly close: () => void;
};

/** `onListener` hears of each that begins to listen, before it is told of anything. */
export function createAllListeners(
  servers: () => Promise<readonly ServerName[]>,
  onListener: () => void = () => {},
): AllListeners {
  const listeners = new Set<Listener>();

  const listen: AllListeners['listen'] = async (message, { askOne, guard, homes }, reply) => {
    const { reaches, isValid } = guard;
    const { id } = message;
    const { notifications } = paramsOf(message);
    const { resourceSubscriptions: _, ...changes } = isRecord(notifications) ? notifications : {};
    // Servers come and go, whatever each of them says of its own lists.
    const honoured = Object.fromEntries(
      changeKinds.filter((kind) => changes[kind] === true).map((kind) => [kind, true]),
    );
    const uris = new Set<string>();
    /** When those that told of changes are listened to again once they end. */
    const pauses = new Map<ServerName, number>();
    const streams = new Map<ServerName, Reply>();
    const timers = new Set<NodeJS.Timeout>();
    const { promise: over, resolve: isEnded } = Promise.withResolvers<void>();
    let isAcknowledged = false;
    let isOver = false;
    const end = (): void => {
      isOver = true;
      isEnded();
    };

    const hearAgain = (server: ServerName): void => {
      const pauseMs = pauses.get(server);
      if (isOver || pauseMs === undefined) return;
      pauses.set(server, Math.min(pauseMs * 2, longestAgainMs));
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (!streams.has(server)) hear(server);
      }, pauseMs);
      timers.add(timer);
    };
    /** Listens to one of them; resolves when it says what it tells, or does not. */
    const hear = async (server: ServerName): Promise<void> => {
      if (isOver) return;
      const own = [...homes].filter(([, home]) => home === server).map(([uri]) => uri);
      const wanted = { ...changes, ...(own.length === 0 ? {} : { resourceSubscriptions: own }) };
      const { promise: told, resolve } = Promise.withResolvers<void>();
      const tell = (text: string): boolean => {
        if (isOver) return false;
        const { method, params } = JSON.parse(text);
        if (method !== 'notifications/subscriptions/acknowledged') return isAcknowledged && reply.tell(text);
        const taken: Fields = isRecord(params?.notifications) ? params.notifications : {};
        const { resourceSubscriptions: heard } = taken;
        if (Array.isArray(heard)) for (const uri of own) if (heard.includes(uri)) uris.add(uri);
        if (Object.keys(taken).length > 0) pauses.set(server, againMs);
        else pauses.delete(server);
        resolve();
        return true;
      };
      const one = replyTo({ tell, answer: () => resolve(), end: resolve, isOpen: () => !isOver && reply.isOpen() });
      streams.set(server, one);
      const request = { ...message, params: { ...paramsOf(message), notifications: wanted } };
      const ended = (): void => {
        resolve();
        streams.delete(server);
        hearAgain(server);
      };
      askOne(server, { message: request }, one).then(ended, ended);
      return told;
    };
    const tell = (changed: Message): void => {
      const params = { _meta: { [subscriptionKey]: id } };
      if (isAcknowledged && honoured[changeOf(changed) ?? ''] === true)
        reply.tell(JSON.stringify({ ...changed, params }));
    };
    const listener: Listener = {
      isValid,
      tell,
      end,
      serverChanged(server) {
        if (!reaches(server)) return;
        for (const changed of serverChanges) tell(changed);
        if (isAcknowledged && !streams.has(server)) hear(server);
      },
    };
    const { promise: tooLate, resolve: stopWaiting } = Promise.withResolvers<void>();
    const timer = setTimeout(stopWaiting, listenMs);
    reply.onleft = end;
    reply.begin();
    if (!reply.isOpen()) end();
    listeners.add(listener);
    onListener();
    try {
      const asked = (await servers()).filter(reaches).map(hear);
      await Promise.race([Promise.all(asked), tooLate, over]);
      if (!isOver) {
        const heard = uris.size === 0 ? {} : { resourceSubscriptions: [...uris] };
        reply.tell(acknowledgement(id, { ...honoured, ...heard }));
        isAcknowledged = true;
        await over;
      }
    } finally {
      end();
      listeners.delete(listener);
      for (const one of [timer, ...timers]) clearTimeout(one);
      for (const one of streams.values()) one.onleft?.();
    }
    reply.answer(subscriptionEnd(id));
  };

  return {
    listen,
    tell(changed) {
      for (const listener of listeners) listener.tell(changed);
    },
    serverChanged(server) {
      for (const listener of listeners) listener.serverChanged(server);
    },
    count: () => listeners.size,
    sweep() {
      for (const listener of listeners) if (!listener.isValid()) listener.end();
    },
    close() {
      for (const listener of listeners) listener.end();
    },
  };
}

const changeKinds: readonly string[] = serverChanges.flatMap((changed) => changeOf(changed) ?? []);
