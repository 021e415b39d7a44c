import { randomUUID } from 'node:crypto';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/is-record.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import type { Guard } from '../access/guard.ts';
import { failureText, statusOfFailure } from '../call.ts';
import { createDeclaredHeaders } from '../messages/declared-headers.ts';
import {
  acknowledgement,
  errorText,
  isRequest,
  metaOf,
  paramsOf,
  resultText,
  statusOf,
  subscriptionEnd,
  withId,
  withParams,
  withSubscription,
} from '../messages/message.ts';
import { paramContradiction } from '../messages/param-headers.ts';
import {
  type ClientRequest,
  changeOf,
  code,
  envelopeKeys,
  type Fields,
  type HeaderFields,
  type Id,
  type Message,
  questions,
  sessionRevisions,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';
import type { Seal } from '../sessions/seal.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionPlace, Sessions } from '../sessions/sessions.ts';
import {
  askedFor,
  discovered,
  honoured,
  legacyParams,
  levels,
  mayAsk,
  modernResult,
  older,
  withoutId,
} from './bridge-terms.ts';

/** A request without a session, and what a session for it is opened with. */
export type BridgedRequest = SessionPlace & {
  readonly message: ClientRequest;
  /** What a client over HTTP sent as `mcp-…`. Absent: it has none. */
  readonly headers?: HeaderFields;
};

export type Bridge = {
  /** Answers a request; nothing of it throws. */
  readonly request: (request: BridgedRequest, reply: Reply) => Promise<void>;
  /** Forgets answers that nobody came back for. */
  readonly sweep: () => void;
};

/** How long the answer to a call is kept for a client that was asked something and is not back yet, ms. */
const keptMs = 10 * 60_000;
/** What is answered, as `Reply.answer` takes it. */
type Outcome = { readonly text: string; readonly status: number; readonly scope?: readonly string[] | undefined };

/** A call that is under way, or whose answer nobody has taken yet. */
type BridgedCall = {
  readonly id: string;
  readonly asked: string;
  readonly method: string;
  readonly conversation: Conversation;
  readonly token: unknown;
  readonly level: number;
  /** Whoever waits for it now; nobody while its client was asked something. */
  client?: { readonly reply: Reply; readonly id: Id; readonly left: () => void };
  /** What the server asked meanwhile, by the key that the client answers it under. */
  readonly open: Map<string, { readonly id: Id; readonly question: Fields }>;
  outcome?: Outcome;
  ended?: number;
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
type Conversation = {
  readonly session: Session;
  readonly begun: Promise<Fields>;
  readonly capabilities: Fields;
  readonly listeners: Set<Listener>;
  readonly calls: Map<string, BridgedCall>;
  /** The most that the server was asked to log. */
  level: number;
};

/**
 * Requests of 2026-07-28 to servers that know sessions only: each principal has one that stays open, begun with what its
 * first client can do, and another one for clients that can do something else. What a server asks parks the call: the
 * client hears `input_required`, and takes the call up again when it comes back with the answer.
 */
export function createBridge(sessions: Sessions, seal: Seal): Bridge {
  const conversations = new Map<string, Conversation>();
  const calls = new Map<string, BridgedCall>();
  const declared = createDeclaredHeaders();

  const heard = (one: Conversation, text: string, message: Message): void => {
    const { method = '' } = message;
    if (isRequest(message)) {
      ask(one, message);
      return;
    }
    if (method === 'notifications/message') {
      const level = levels.indexOf(String(paramsOf(message).level));
      for (const call of one.calls.values()) if (level >= call.level) call.client?.reply.tell(text);
      return;
    }
    if (method === 'notifications/cancelled') {
      const { requestId } = paramsOf(message);
      for (const { open } of one.calls.values()) open.delete(keyOf(requestId));
      return;
    }
    for (const listener of one.listeners) {
      if (!wants(listener, message)) continue;
      listener.reply.tell(withSubscription(text, message, listener.id));
    }
  };
  /** Puts what the server asks to a client: on a call that waits, else on one whose client was asked already. */
  const ask = ({ session, calls: its, capabilities }: Conversation, { id, method, params }: Message): void => {
    const refuse = (why: string, number: number): void =>
      void session.take({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), error: { code: number, message: why } });
    if (id === undefined || method === undefined) return;
    if (method === 'ping') return void session.take({ jsonrpc: '2.0', id, result: {} });
    const needed = questions[method];
    if (needed === undefined || capabilities[needed] === undefined) {
      refuse(`the client does not answer ${method}`, code.unknownMethod);
      return;
    }
    const able = [...its.values()].filter((call) => mayAsk.has(call.method) && call.outcome === undefined);
    const call = able.findLast(({ client }) => client !== undefined) ?? able.at(-1);
    if (call === undefined) {
      refuse('no call is under way that a client could be asked for', code.internal);
      return;
    }
    const asked = isRecord(params) && params.mode === 'url' ? withoutId(params) : params;
    call.open.set(keyOf(id), { id, question: { method, ...(asked === undefined ? {} : { params: asked }) } });
    park(call);
  };
  /** Tells the client that waits what is asked, if anything is. */
  const park = (call: BridgedCall): void => {
    const { client, open } = call;
    if (client === undefined || open.size === 0) return;
    const inputRequests = Object.fromEntries([...open].map(([key, { question }]) => [key, question]));
    const requestState = seal.close('call', { call: call.id });
    const text = resultText(client.id, { resultType: 'input_required', inputRequests, requestState });
    settle(call, { text, status: 200 });
  };
  const settle = (call: BridgedCall, { text, status, scope }: Outcome): void => {
    const { client } = call;
    if (client === undefined) return;
    delete call.client;
    client.reply.onleft = undefined;
    client.reply.answer(text, status, scope);
    client.left();
  };
  const forget = (call: BridgedCall): void => {
    calls.delete(call.id);
    call.conversation.calls.delete(call.id);
  };
  /** Gives a call to a client that waits for it. Resolves when that client has what it gets of it. */
  const attach = (call: BridgedCall, id: Id, reply: Reply): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    call.client = { reply, id, left: resolve };
    const { outcome } = call;
    if (outcome !== undefined) {
      forget(call);
      settle(call, { ...outcome, text: withId(outcome.text, id) });
      return promise;
    }
    reply.onleft = () => {
      delete call.client;
      resolve();
      cancel(call, 'the client went away');
    };
    if (!reply.isOpen()) reply.onleft();
    park(call);
    return promise;
  };
  const cancel = (call: BridgedCall, reason: string): void => {
    const params = { requestId: call.id, reason };
    call.conversation.session.take({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
  };
  const finish = (call: BridgedCall, outcome: Outcome): void => {
    const { client } = call;
    if (client === undefined) {
      call.outcome = outcome;
      call.ended = performance.now();
      call.open.clear();
      return;
    }
    forget(call);
    settle(call, { ...outcome, text: withId(outcome.text, client.id) });
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

  const call = async (one: Conversation, { message }: BridgedRequest, reply: Reply): Promise<void> => {
    const { method = '' } = message;
    const meta = metaOf(message);
    const level = levels.indexOf(String(meta[envelopeKeys.logLevel]));
    if (level >= 0) await wantLevel(one, level);
    const made: BridgedCall = {
      id: randomUUID(),
      asked: askedFor(message),
      method,
      conversation: one,
      token: meta.progressToken,
      level: level < 0 ? levels.length : level,
      open: new Map(),
    };
    calls.set(made.id, made);
    one.calls.set(made.id, made);
    const done = attach(made, message.id, reply);
    if (!reply.isOpen()) return forget(made);
    const sent: ClientRequest = {
      jsonrpc: '2.0',
      id: made.id,
      method,
      ...(message.params === undefined ? {} : { params: legacyParams(message, made.id) }),
    };
    const tell = (text: string): boolean =>
      made.client?.reply.tell(withParams(text, (params) => ({ ...params, progressToken: made.token }))) === true;
    const answer: Reply['answer'] = (given, status = 200, scope) => {
      const text = modernResult(method, given);
      finish(made, { text, status: status === 200 ? statusOf(text) : status, scope });
    };
    const end = (): void => {
      forget(made);
      made.client?.reply.end();
      made.client?.left();
    };
    await one.session.request(sent, replyTo({ tell, answer, end }));
    await done;
  };
  /** A client is back with answers. */
  const resume = async ({ message, principal, guard, path }: BridgedRequest, reply: Reply): Promise<void> => {
    const { requestState, inputResponses } = paramsOf(message);
    const state = typeof requestState === 'string' ? seal.open('call', requestState) : undefined;
    const parked = typeof state?.call === 'string' ? calls.get(state.call) : undefined;
    const refuse = (why: string): void => reply.answer(errorText(message.id, code.invalidParams, why), 200);
    if (state === undefined) return refuse('the requestState is none that was given here');
    if (parked === undefined) return refuse('the call of this requestState is over; it may have run');
    const { session } = parked.conversation;
    if (session.principal !== principal || session.path !== path || parked.asked !== askedFor(message)) {
      return refuse('the requestState belongs to another request');
    }
    if (parked.client !== undefined) return refuse('the call of this requestState is taken up already');
    session.renew(guard);
    for (const [key, result] of Object.entries(isRecord(inputResponses) ? inputResponses : {})) {
      const asked = parked.open.get(key);
      parked.open.delete(key);
      if (asked !== undefined) await session.take({ jsonrpc: '2.0', id: asked.id, result });
    }
    return attach(parked, message.id, reply);
  };
  const listen = async (one: Conversation, { message, guard }: BridgedRequest, reply: Reply): Promise<void> => {
    const { capabilities } = await one.begun;
    const { notifications } = paramsOf(message);
    if (!isRecord(notifications)) {
      return reply.answer(errorText(message.id, code.invalidParams, 'subscriptions/listen without notifications'));
    }
    const wanted = honoured(notifications, isRecord(capabilities) ? capabilities : {});
    const { promise: over, resolve: left } = Promise.withResolvers<void>();
    const end = (): void => {
      reply.answer(subscriptionEnd(message.id));
      left();
    };
    reply.onleft = left;
    reply.begin();
    const uris: string[] = [];
    for (const uri of wanted.uris) {
      const { error } = await request(one, 'resources/subscribe', { uri });
      if (error === undefined) uris.push(uri);
    }
    const filter = { ...wanted.lists, ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }) };
    const listener = { id: message.id, reply, filter, uris, guard, end };
    reply.tell(acknowledgement(message.id, filter));
    if (Object.keys(filter).length === 0) return end();
    one.listeners.add(listener);
    if (reply.isOpen()) await over;
    one.listeners.delete(listener);
    if (!sessions.has(one.session)) return;
    const others = new Set([...one.listeners].flatMap((other) => other.uris));
    for (const uri of uris) if (!others.has(uri)) await request(one, 'resources/unsubscribe', { uri });
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
        if (paramsOf(message).requestState !== undefined) return await resume(given, reply);
        const one = conversationFor(given);
        const begun = await one.begun;
        if (method === 'server/discover') return reply.answer(discovered(id, begun));
        const wrong = await wrongHeaders(one, given);
        if (wrong !== undefined) return reply.answer(errorText(id, code.headerMismatch, wrong), 400);
        return await (method === 'subscriptions/listen' ? listen(one, given, reply) : call(one, given, reply));
      } catch (error) {
        reply.answer(failureText(id, error), statusOfFailure(error));
      }
    },
    sweep() {
      for (const [key, one] of conversations) {
        if (!sessions.has(one.session)) conversations.delete(key);
        for (const listener of one.listeners) if (!listener.guard.isValid()) listener.end();
      }
      for (const call of calls.values()) {
        const isOld = call.ended !== undefined && performance.now() - call.ended > keptMs;
        if (isOld || !sessions.has(call.conversation.session)) forget(call);
      }
    },
  };
}

const keyOf = (id: unknown): string => `q${String(id)}`;

function wants({ filter, uris }: Listener, message: Message): boolean {
  if (message.method === 'notifications/resources/updated') return uris.includes(String(paramsOf(message).uri));
  const part = changeOf(message);
  return part !== undefined && filter[part] === true;
}
