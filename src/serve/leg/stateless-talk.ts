import { randomUUID } from 'node:crypto';
import type { Channel } from '../../mcp/link/channel.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { mirrored } from '../messages/envelope.ts';
import { isAnswer, isRequest, metaOf, paramsOf, withId, withParams } from '../messages/message.ts';
import { type Declared, paramHeaders, rememberHeaders } from '../messages/param-headers.ts';
import {
  type ClientRequest,
  code,
  envelopeKeys,
  type Fields,
  type Id,
  type Message,
  modernRevision,
  sessionRevisions,
  subscriptionKey,
} from '../messages/protocol.ts';

/** How often one request may come back for input. Servers of the SDK go as far for clients of older revisions. */
const mostRounds = 10;
/** How long is waited before a request is sent again that came back without a question, ms: as the SDK's clients do. */
const pauseMs = 250;
/** How long after a server ended its telling of changes it is asked for them again, ms; twice as long after each try in vain. */
const listenAgainMs = 1_000;
const longestListenAgainMs = 60_000;

/** Resources of one server that a client may hear of: what it subscribed to is told again to each new process. */
export const mostSubscriptions = 1_000;

/** What of a client of the older revisions those without sessions know as well. */
const sharedCapabilities = ['experimental', 'sampling', 'elicitation', 'roots', 'extensions'];

/** Says a message of the server, as its client knows them. */
type Say = (text: string, message: Message) => void;

export const sayError = (say: Say, id: Id, why: string): void => {
  const message: Message = { jsonrpc: '2.0', id, error: { code: code.internal, message: why } };
  say(JSON.stringify(message), message);
};

/** A conversation with a server that knows no sessions, in the terms of those that do. */
export type StatelessTalk = {
  readonly discover: (id: Id) => Promise<void>;
  readonly send: (message: Message) => Promise<void>;
  readonly hear: (text: string, message: Message) => void;
  /** Gives up what the client asked under this id. */
  readonly drop: (id: unknown) => boolean;
  readonly close: () => void;
};

/** A request of the client, which may take many rounds. */
type ManyRounds = {
  readonly message: ClientRequest;
  round: number;
  /** What the server knows this round by; undefined while the client is asked. */
  inner: Id | undefined;
  state?: string;
  /** What the client is asked, by the id that it is asked under: what the server calls it. */
  readonly questions: Map<string, string>;
  answers: Record<string, unknown>;
};

/** A request of our own. */
type Own = (text: string, message: Message) => void;

export function statelessTalk(channel: Channel, server: string, handshake: ClientRequest, say: Say): StatelessTalk {
  const { capabilities: declared, clientInfo, protocolVersion: wanted } = paramsOf(handshake);
  const known = isRecord(declared) ? declared : {};
  const capabilities = Object.fromEntries(
    sharedCapabilities.flatMap((key) => (known[key] === undefined ? [] : [[key, known[key]]])),
  );
  const calls = new Map<Id, ManyRounds | Own>();
  const questions = new Map<string, ManyRounds>();
  const uris = new Set<string>();
  const timers = new Set<NodeJS.Timeout>();
  /** Who waits for a server to say that it tells of changes. */
  const acknowledged = new Map<string, (error?: unknown) => void>();
  const headersOfTools: Declared = new Map();
  let can: Fields = {};
  let level: unknown;
  /** What is listened with, and what is about to take its place. */
  let listening: string | undefined;
  let latest: string | undefined;
  let lastId = 0;
  let isClosed = false;

  const newId = (what: string): string => {
    lastId += 1;
    return `${what}-${lastId}`;
  };
  const tell = (message: Message): void => say(JSON.stringify(message), message);
  const reply = (id: Id, result: object): void => tell({ jsonrpc: '2.0', id, result: { ...result } });
  const later = (ms: number, work: () => void): void => {
    if (isClosed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };

  /** Sends a request as the revision wants it: who asks, and what it can do, stands in each. */
  const ask = async (id: Id, method: string, params: Fields): Promise<void> => {
    const { _meta: meta } = params;
    const own = {
      jsonrpc: '2.0',
      id,
      method,
      params: {
        ...params,
        _meta: {
          ...(isRecord(meta) ? meta : {}),
          [envelopeKeys.revision]: modernRevision,
          [envelopeKeys.clientInfo]: clientInfo,
          [envelopeKeys.capabilities]: capabilities,
          ...(level === undefined ? {} : { [envelopeKeys.logLevel]: level }),
        },
      },
    } as const;
    const declared = method === 'tools/call' ? headersOfTools.get(String(params.name)) : undefined;
    const headers = { ...mirrored(own, modernRevision), ...paramHeaders(declared ?? [], params.arguments) };
    await channel.send(JSON.stringify(own), own, headers);
  };
  const askOwn = async (id: Id, method: string, params: Fields, heard: Own): Promise<void> => {
    calls.set(id, heard);
    try {
      await ask(id, method, params);
    } catch (error) {
      calls.delete(id);
      throw error;
    }
  };
  const sendRound = async (call: ManyRounds): Promise<void> => {
    const { message, round, state, answers } = call;
    call.inner = round === 0 ? message.id : newId('again');
    calls.set(call.inner, call);
    await ask(call.inner, message.method, {
      ...paramsOf(message),
      ...(Object.keys(answers).length === 0 ? {} : { inputResponses: answers }),
      ...(state === undefined ? {} : { requestState: state }),
    });
  };
  const sendAgain = (call: ManyRounds): void => {
    sendRound(call).catch((error: unknown) => give(call, String(error)));
  };
  /** Ends a call with an error of ours. */
  const give = (call: ManyRounds, why: string): void => {
    forget(call);
    sayError(say, call.message.id, why);
  };
  const forget = (call: ManyRounds): void => {
    if (call.inner !== undefined) calls.delete(call.inner);
    for (const id of call.questions.keys()) {
      questions.delete(id);
      tell({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
    }
    call.questions.clear();
  };

  const askClient = (call: ManyRounds, { inputRequests, requestState }: Fields): void => {
    call.round += 1;
    call.inner = undefined;
    call.answers = {};
    if (typeof requestState === 'string') call.state = requestState;
    else delete call.state;
    if (call.round > mostRounds) {
      give(call, `${server} still wanted input after ${mostRounds} rounds of ${call.message.method}`);
      return;
    }
    const wanted = Object.entries(isRecord(inputRequests) ? inputRequests : {});
    if (wanted.length === 0) later(pauseMs, () => sendAgain(call));
    const asked = wanted.map(([key, one]) => {
      const id = newId('ask');
      call.questions.set(id, key);
      questions.set(id, call);
      return { id, one };
    });
    for (const { id, one } of asked) {
      const { method, params } = isRecord(one) ? one : {};
      const needsId = isRecord(params) && params.mode === 'url' && params.elicitationId === undefined;
      const given = needsId ? { ...params, elicitationId: randomUUID() } : params;
      const text = JSON.stringify({ jsonrpc: '2.0', id, method, ...(given === undefined ? {} : { params: given }) });
      say(text, { jsonrpc: '2.0', id, method: String(method), params: given });
    }
  };
  const takeAnswer = (message: Message): void => {
    const id = String(message.id);
    const call = questions.get(id);
    const key = call?.questions.get(id);
    if (call === undefined || key === undefined) return;
    questions.delete(id);
    call.questions.delete(id);
    if (message.error !== undefined) {
      const why = isRecord(message.error) ? message.error.message : '';
      give(call, `what ${server} wanted to know was not answered: ${String(why)}`);
      return;
    }
    call.answers[key] = message.result;
    if (call.questions.size === 0) sendAgain(call);
  };

  /** Has the server tell of changes, and of what of its resources the client wants to hear. */
  const listen = async (done: (error?: unknown) => void): Promise<void> => {
    const offers = (key: string, what: string): boolean => isRecord(can[key]) && can[key][what] === true;
    const notifications = {
      ...(offers('tools', 'listChanged') ? { toolsListChanged: true } : {}),
      ...(offers('prompts', 'listChanged') ? { promptsListChanged: true } : {}),
      ...(offers('resources', 'listChanged') ? { resourcesListChanged: true } : {}),
      ...(uris.size === 0 ? {} : { resourceSubscriptions: [...uris] }),
    };
    if (Object.keys(notifications).length === 0) {
      const over = listening;
      // A request that is not acknowledged yet is given up once it is.
      listening = undefined;
      latest = undefined;
      if (over !== undefined) giveUp(over);
      return done();
    }
    const id = newId('listen');
    latest = id;
    acknowledged.set(id, done);
    await askOwn(id, 'subscriptions/listen', { notifications }, (_, { error }) => {
      const waits = acknowledged.delete(id);
      if (waits) return done(error ?? undefined);
      if (listening !== id) return;
      listening = undefined;
      listenAgain(listenAgainMs);
    });
  };
  /** Asks for changes that the server has told before, until it says that it tells them. */
  const listenAgain = (ms: number): void =>
    later(ms, () => {
      // What was subscribed to meanwhile was asked for together with the rest.
      if (listening !== undefined) return;
      const done = (error?: unknown): void => {
        if (error !== undefined) listenAgain(Math.min(2 * ms, longestListenAgainMs));
      };
      listen(done).catch(() => {}); // Its end is the end of the channel.
    });
  /** Tells the server that nobody waits for an answer any more. */
  const giveUp = (id: Id): void => {
    calls.delete(id);
    if (channel.drop(id)) return;
    const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } } as const;
    channel.send(JSON.stringify(message), message).catch(() => {}); // Nobody is left to tell.
  };
  const takeAcknowledgement = (id: string): void => {
    const done = acknowledged.get(id);
    if (done === undefined) return;
    acknowledged.delete(id);
    // What was asked for since has all of this one, and comes or came by itself.
    const over = id === latest ? listening : id;
    if (id === latest) listening = id;
    if (over !== undefined) giveUp(over);
    done();
  };
  const subscribe = (message: ClientRequest): Promise<void> => {
    const uri = String(paramsOf(message).uri);
    if (message.method === 'resources/unsubscribe') uris.delete(uri);
    else if (uris.size < mostSubscriptions) uris.add(uri);
    else return Promise.resolve(sayError(say, message.id, `more than ${mostSubscriptions} subscriptions`));
    return listen((error) => {
      if (error === undefined) return reply(message.id, {});
      tell({ jsonrpc: '2.0', id: message.id, error });
    });
  };

  const drop = (id: unknown): boolean => {
    const call = [...calls.values(), ...questions.values()].find(
      (one): one is ManyRounds => typeof one !== 'function' && one.message.id === id,
    );
    if (call === undefined) return false;
    const { inner } = call;
    forget(call);
    if (inner !== undefined) giveUp(inner);
    return true;
  };
  const heardNotification = (text: string, message: Message): void => {
    const meta = metaOf(message);
    const subscription = meta[subscriptionKey];
    const { [subscriptionKey]: _, ...rest } = meta;
    const plain = (params: Fields): object => ({ ...params, _meta: rest });
    if (subscription === undefined) say(text, message);
    else if (message.method === 'notifications/subscriptions/acknowledged') takeAcknowledgement(String(subscription));
    else if (subscription === listening) {
      say(withParams(text, plain), { ...message, params: plain(paramsOf(message)) });
    }
  };

  return {
    discover: (id) =>
      askOwn(newId('discover'), 'server/discover', {}, (_, { result, error }) => {
        if (!isRecord(result))
          return tell({ jsonrpc: '2.0', id, error: error ?? { code: code.internal, message: '' } });
        const { _meta: meta, instructions, capabilities: offered } = result;
        can = isRecord(offered) ? offered : {};
        const info = isRecord(meta) ? meta[envelopeKeys.serverInfo] : undefined;
        reply(id, {
          protocolVersion: sessionRevisions.find((one) => one === wanted) ?? sessionRevisions[0],
          capabilities: can,
          serverInfo: info ?? { name: server, version: '' },
          ...(instructions === undefined ? {} : { instructions }),
        });
      }),
    async send(message) {
      if (isAnswer(message)) return takeAnswer(message);
      if (!isRequest(message)) {
        if (message.method === 'notifications/initialized') return listen(() => {});
        if (message.method === 'notifications/cancelled') drop(paramsOf(message).requestId);
        return; // There are no others in this revision.
      }
      switch (message.method) {
        case 'ping':
          return reply(message.id, {});
        case 'logging/setLevel':
          level = paramsOf(message).level;
          return reply(message.id, {});
        case 'resources/subscribe':
        case 'resources/unsubscribe':
          return subscribe(message);
        default:
          return sendRound({ message, round: 0, inner: undefined, questions: new Map(), answers: {} });
      }
    },
    hear(text, message) {
      if (!isAnswer(message)) return heardNotification(text, message);
      const call = calls.get(message.id ?? '');
      if (call === undefined) return;
      calls.delete(message.id ?? '');
      if (typeof call === 'function') return call(text, message);
      const { result } = message;
      if (isRecord(result) && result.resultType === 'input_required') return askClient(call, result);
      if (call.message.method === 'tools/list' && isRecord(result)) rememberHeaders(result.tools, headersOfTools);
      const { id } = call.message;
      say(id === message.id ? text : withId(text, id), { ...message, id });
    },
    drop,
    close() {
      isClosed = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
