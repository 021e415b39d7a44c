import { randomUUID } from 'node:crypto';
import { isRecord } from '../../model/values/is-record.ts';
import { errorText, metaOf, paramsOf, resultText, statusOf, withId, withParams } from '../messages/message.ts';
import {
  type ClientRequest,
  code,
  envelopeKeys,
  type Fields,
  type HeaderFields,
  type Id,
  type Message,
  questions,
} from '../messages/protocol.ts';
import { type Reply, replyTo } from '../messages/reply.ts';
import type { Seal } from '../sessions/seal.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionPlace } from '../sessions/sessions.ts';
import { askedFor, legacyParams, levels, mayAsk, modernResult, withoutId } from './bridge-terms.ts';

/** A request without a session, and what a session for it is opened with. */
export type BridgedRequest = SessionPlace & {
  readonly message: ClientRequest;
  /** What a client over HTTP sent as `mcp-…`. Absent: it has none. */
  readonly headers?: HeaderFields;
};

/** How long the answer to a call is kept for a client that was asked something and is not back yet, ms. */
const keptMs = 10 * 60_000;

/** A conversation, as far as calls are made in it. */
export type CalledIn = {
  readonly session: Session;
  readonly capabilities: Fields;
  readonly calls: Map<string, BridgedCall>;
};

/** What is answered, as `Reply.answer` takes it. */
type Outcome = { readonly text: string; readonly status: number; readonly scope?: readonly string[] | undefined };

/** A call that is under way, or whose answer nobody has taken yet. */
export type BridgedCall = {
  readonly id: string;
  readonly asked: string;
  readonly method: string;
  readonly conversation: CalledIn;
  readonly token: unknown;
  readonly level: number;
  /** Whoever waits for it now; nobody while its client was asked something. */
  client?: { readonly reply: Reply; readonly id: Id; readonly left: () => void };
  /** What the server asked meanwhile, by the key that the client answers it under. */
  readonly open: Map<string, { readonly id: Id; readonly question: Fields }>;
  outcome?: Outcome;
  ended?: number;
};

/** Calls of clients without sessions in the sessions of servers that know nothing else. */
export type BridgedCalls = {
  /** Makes one, and resolves when its client has what it gets of it. */
  readonly call: (one: CalledIn, request: BridgedRequest, reply: Reply) => Promise<void>;
  /** Takes one up again: its client is back with answers. */
  readonly resume: (request: BridgedRequest, reply: Reply) => Promise<void>;
  /** Puts what a server asks to the client of a call. */
  readonly ask: (one: CalledIn, question: Message) => void;
  /** A server wants no answer to this any more. */
  readonly askedNoMore: (one: CalledIn, id: unknown) => void;
  /** Forgets answers that nobody came back for, and calls of sessions that are over. */
  readonly sweep: (isOver: (session: Session) => boolean) => void;
};

/** Which level of a log a request wants to hear; beyond all where it wants none. */
export function wantedLevel(message: Message): number {
  const level = levels.indexOf(String(metaOf(message)[envelopeKeys.logLevel]));
  return level < 0 ? levels.length : level;
}

/**
 * What a server asks parks the call: the client hears `input_required`, and takes the call up again when it comes back with
 * the answer.
 */
export function createBridgedCalls(seal: Seal): BridgedCalls {
  const calls = new Map<string, BridgedCall>();

  /** Puts what the server asks to a client: on a call that waits, else on one whose client was asked already. */
  const ask = ({ session, calls: its, capabilities }: CalledIn, { id, method, params }: Message): void => {
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

  const call = async (one: CalledIn, { message }: BridgedRequest, reply: Reply): Promise<void> => {
    const { method = '' } = message;
    const meta = metaOf(message);
    const level = wantedLevel(message);
    const made: BridgedCall = {
      id: randomUUID(),
      asked: askedFor(message),
      method,
      conversation: one,
      token: meta.progressToken,
      level,
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

  return {
    call,
    resume,
    ask,
    askedNoMore(one, id) {
      for (const { open } of one.calls.values()) open.delete(keyOf(id));
    },
    sweep(isOver) {
      for (const call of calls.values()) {
        const isOld = call.ended !== undefined && performance.now() - call.ended > keptMs;
        if (isOld || isOver(call.conversation.session)) forget(call);
      }
    },
  };
}

const keyOf = (id: unknown): string => `q${String(id)}`;
