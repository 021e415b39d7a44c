import { randomUUID } from 'node:crypto';
import { LoomsError } from '../../model/errors.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import { failureText, statusOfFailure } from '../call.ts';
import { mostSubscriptions } from '../leg/stateless-talk.ts';
import { createDeclaredHeaders } from '../messages/declared-headers.ts';
import {
  acknowledgement,
  errorText,
  isRequest,
  metaOf,
  paramsOf,
  subscriptionEnd,
  withSubscription,
} from '../messages/message.ts';
import { paramContradiction } from '../messages/param-headers.ts';
import {
  changeOf,
  code,
  envelopeKeys,
  type Fields,
  type Id,
  type Message,
  sessionRevisions,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';
import type { Seal } from '../sessions/seal.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { discovered, honoured, levels, older } from './bridge-terms.ts';
import { type BridgedRequest, type CalledIn, createBridgedCalls, wantedLevel } from './bridged-calls.ts';

export type Bridge = {
  /** Answers a request; nothing of it throws. */
  readonly request: (request: BridgedRequest, reply: Reply) => Promise<void>;
  /** Forgets answers that nobody came back for. */
  readonly sweep: () => void;
};

/** A client that wants to hear of changes. */
type Listener = {
  readonly id: Id;
  readonly reply: Reply;
  readonly filter: Fields;
  readonly uris: readonly string[];
  /** Of the token that it was made with: others keep the session open. */
  readonly guard: Guard;
  readonly end: () => void;
};

/** One conversation with a server, for all clients of a principal that can do the same. */
type Conversation = CalledIn & {
  readonly begun: Promise<Fields>;
  readonly listeners: Set<Listener>;
  /** How many hear of a resource, or will once it is subscribed to; by URI, none with 0. */
  readonly hearers: Map<string, number>;
  /** The most that the server was asked to log. */
  level: number;
};

/**
 * Requests of 2026-07-28 to servers that know sessions only: each principal has one that stays open, begun with what its
 * first client can do, and another one for clients that can do something else. Their calls are those of `bridged-calls.ts`.
 */
export function createBridge(sessions: Sessions, seal: Seal): Bridge {
  const conversations = new Map<string, Conversation>();
  const calls = createBridgedCalls(seal);
  const declared = createDeclaredHeaders();

  const heard = (one: Conversation, text: string, message: Message): void => {
    const { method = '' } = message;
    if (isRequest(message)) {
      calls.ask(one, message);
      return;
    }
    if (method === 'notifications/message') {
      const level = levels.indexOf(String(paramsOf(message).level));
      for (const call of one.calls.values()) if (level >= call.level) call.client?.reply.tell(text);
      return;
    }
    if (method === 'notifications/cancelled') {
      calls.askedNoMore(one, paramsOf(message).requestId);
      return;
    }
    for (const listener of one.listeners) {
      if (!wants(listener, message)) continue;
      listener.reply.tell(withSubscription(text, message, listener.id));
    }
  };
  const begin = (given: BridgedRequest, key: string, capabilities: Fields): Conversation => {
    const audience = {
      hear: (text: string, message: Message) => heard(made, text, message),
      isListening: () => made.listeners.size > 0,
      ended: () => {
        for (const { end } of made.listeners) end();
      },
    };
    const session = sessions.open(given, audience);
    if (session === undefined)
      throw new LoomsError('sessions-busy', 'too many sessions are busy', { hint: 'try again' });
    const start = async (): Promise<Fields> => {
      const params = {
        protocolVersion: sessionRevisions[0],
        capabilities,
        clientInfo: metaOf(given.message)[envelopeKeys.clientInfo] ?? { name: 'unknown', version: '' },
      };
      const text = await session.initialize({ jsonrpc: '2.0', id: 'initialize', method: 'initialize', params });
      const { result, error } = JSON.parse(text);
      if (!isRecord(result)) {
        const why = isRecord(error) ? String(error.message) : text;
        throw new LoomsError('session-failed', `the server takes no session: ${why}`);
      }
      await session.take({ jsonrpc: '2.0', method: 'notifications/initialized' });
      return result;
    };
    const made: Conversation = {
      session,
      capabilities,
      begun: start(),
      listeners: new Set(),
      hearers: new Map(),
      calls: new Map(),
      level: levels.length,
    };
    conversations.set(key, made);
    made.begun.catch(() => {
      if (conversations.get(key) === made) conversations.delete(key);
      sessions.end(session);
    });
    return made;
  };
  const conversationFor = (given: BridgedRequest): Conversation => {
    const declared = metaOf(given.message)[envelopeKeys.capabilities];
    const capabilities = isRecord(declared) ? declared : {};
    const key = canonicalJson([given.principal, given.path, capabilities]);
    const known = conversations.get(key);
    if (known === undefined || !sessions.has(known.session)) return begin(given, key, capabilities);
    known.session.renew(given.guard);
    return known;
  };

  /** A request of our own on the session; its answer. */
  const request = (one: Conversation, method: string, params: Fields): Promise<Message> =>
    new Promise((resolve) => {
      const answer = (text: string): void => resolve(JSON.parse(text));
      one.session.request({ jsonrpc: '2.0', id: randomUUID(), method, params }, replyTo({ answer }));
    });
  /** Has the server log as much as the most that a client wants; each is told only what it wants itself. */
  const wantLevel = async (one: Conversation, level: number): Promise<void> => {
    if (level >= one.level || !isRecord((await one.begun).capabilities)) return;
    const { capabilities } = await one.begun;
    if (!isRecord(capabilities) || capabilities.logging === undefined) return;
    one.level = level;
    await request(one, 'logging/setLevel', { level: levels[level] });
  };

  const listen = async (one: Conversation, { message, guard }: BridgedRequest, reply: Reply): Promise<void> => {
    const { capabilities } = await one.begun;
    const { notifications } = paramsOf(message);
    if (!isRecord(notifications)) {
      return reply.answer(errorText(message.id, code.invalidParams, 'subscriptions/listen without notifications'));
    }
    const wanted = honoured(notifications, isRecord(capabilities) ? capabilities : {});
    if (wanted.uris.size > mostSubscriptions) {
      const why = `more than ${mostSubscriptions} subscriptions`;
      return reply.answer(errorText(message.id, code.invalidParams, why));
    }
    const { promise: over, resolve: left } = Promise.withResolvers<void>();
    const end = (): void => {
      reply.answer(subscriptionEnd(message.id));
      left();
    };
    reply.onleft = left;
    reply.begin();
    const uris: string[] = [];
    for (const uri of wanted.uris) {
      if (!reply.isOpen()) break;
      // Before it is asked for: who leaves meanwhile must not end it.
      count(one, uri, 1);
      const { error } = await request(one, 'resources/subscribe', { uri });
      if (error === undefined) uris.push(uri);
      else count(one, uri, -1);
    }
    const filter = { ...wanted.lists, ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }) };
    const listener = { id: message.id, reply, filter, uris, guard, end };
    reply.tell(acknowledgement(message.id, filter));
    if (Object.keys(filter).length === 0) return end();
    one.listeners.add(listener);
    if (reply.isOpen()) await over;
    one.listeners.delete(listener);
    for (const uri of uris) count(one, uri, -1);
    for (const uri of uris) {
      // Another one may have come for it while those before were given up.
      if (sessions.has(one.session) && !one.hearers.has(uri)) await request(one, 'resources/unsubscribe', { uri });
    }
  };

  /** Why the headers of a call do not fit its arguments: a server that knows sessions only does not look at them. */
  const wrongHeaders = async (
    { session }: Conversation,
    { message, headers }: BridgedRequest,
  ): Promise<string | undefined> => {
    const [leg] = session.legs();
    if (leg === undefined || headers === undefined || message.method !== 'tools/call') return undefined;
    const { name, arguments: args } = paramsOf(message);
    return paramContradiction(await declared.of(leg, String(name), 'session'), args, headers);
  };

  return {
    async request(given, reply) {
      const { message } = given;
      const { method = '', id } = message;
      if (older.has(method)) {
        return reply.answer(errorText(id, code.unknownMethod, `Method not found: ${method}`), 404);
      }
      try {
        if (paramsOf(message).requestState !== undefined) return await calls.resume(given, reply);
        const one = conversationFor(given);
        const begun = await one.begun;
        if (method === 'server/discover') return reply.answer(discovered(id, begun));
        const wrong = await wrongHeaders(one, given);
        if (wrong !== undefined) return reply.answer(errorText(id, code.headerMismatch, wrong), 400);
        if (method === 'subscriptions/listen') return await listen(one, given, reply);
        await wantLevel(one, wantedLevel(message));
        return await calls.call(one, given, reply);
      } catch (error) {
        reply.answer(failureText(id, error), statusOfFailure(error));
      }
    },
    sweep() {
      for (const [key, one] of conversations) {
        if (!sessions.has(one.session)) conversations.delete(key);
        for (const listener of one.listeners) if (!listener.guard.isValid()) listener.end();
      }
      calls.sweep((session) => !sessions.has(session));
    },
  };
}

/** Counts one more, or one less, that hears of a resource. */
function count({ hearers }: Conversation, uri: string, by: 1 | -1): void {
  const now = (hearers.get(uri) ?? 0) + by;
  if (now === 0) hearers.delete(uri);
  else hearers.set(uri, now);
}

function wants({ filter, uris }: Listener, message: Message): boolean {
  if (message.method === 'notifications/resources/updated') return uris.includes(String(paramsOf(message).uri));
  const part = changeOf(message);
  return part !== undefined && filter[part] === true;
}
