import { createCallClocks } from '../../mcp/client/call-clock.ts';
import { isHttp } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { JoinedNames } from '../../model/serve-settings.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import { answerFailure, askGuarded, callTool, failureText, statusOfFailure, tookTooLong } from '../call.ts';
import { oneServer } from '../face.ts';
import { type Asked, createLeg, type Leg } from '../leg/leg.ts';
import type { Answered } from '../leg/line.ts';
import { createDeclaredHeaders } from '../messages/declared-headers.ts';
import { mirrored } from '../messages/envelope.ts';
import { errorText, metaOf, paramsOf, statusOf, withId, withParams, withSubscription } from '../messages/message.ts';
import { paramContradiction, paramHeaders } from '../messages/param-headers.ts';
import {
  type ClientRequest,
  changeOf,
  code,
  envelopeKeys,
  type Fields,
  type HeaderFields,
  type Message,
  modernRevision,
  subscriptionKey,
} from '../messages/protocol.ts';
import type { Reply } from '../messages/reply.ts';
import type { SessionPlace } from '../sessions/sessions.ts';
import type { Serves, Upstream, Upstreams } from '../upstreams.ts';
import type { AllListeners, AskOne } from './all-listeners.ts';
import { createAllStateless } from './all-stateless.ts';
import type { Bridge } from './bridge.ts';

/** A request of the stateless revisions. */
export type StatelessRequest = SessionPlace & {
  /** Absent: all servers as one. */
  readonly server: ServerName | undefined;
  readonly message: ClientRequest;
  /** What a client over HTTP sent as `mcp-…`; all but `mcp-param-…` fits the body. Absent: it has none. */
  readonly headers?: HeaderFields;
  readonly revision: string;
};

type OneRequest = StatelessRequest & { readonly server: ServerName };

export type Stateless = {
  /** Answers a request; nothing of it throws. */
  readonly request: (request: StatelessRequest, reply: Reply) => Promise<void>;
  readonly legs: () => readonly Leg[];
  /** Of these, those of which nothing is asked just now. */
  readonly unused: () => readonly Leg[];
  /** Who listens to all servers as one. */
  readonly listeners: Pick<AllListeners, 'serverChanged' | 'count'>;
  /** Ends the processes that nobody has asked anything for long. */
  readonly sweep: () => void;
  readonly close: () => Promise<void>;
};

/** What of a request is under way, by what a server's messages name it. */
type UnderWay = {
  readonly reply: Reply;
  readonly clientId: string | number;
  readonly token: unknown;
  readonly guard: Guard;
  /** Whether it wants to hear what is logged meanwhile. */
  readonly wantsLog: boolean;
  asked?: Asked;
  /** Its client does not wait for the answer any more. */
  hasLeft?: boolean;
} & (
  | { readonly kind: 'request' }
  /** What it is told of changes: nothing before the server has said so. */
  | { readonly kind: 'subscription'; honoured: Fields }
);

type Shared = {
  readonly leg: Leg;
  readonly underWay: Map<number, UnderWay>;
  /** Whose calls were given up without an answer, two at most: its process may go on with them, and tell of them. */
  readonly givenUp: Set<string>;
  /** Requests that are about to be asked of it, or are under way. */
  users: number;
  used: number;
};

const progress = 'notifications/progress';

type StatelessOptions = {
  readonly idleMs: number;
  readonly bridge: Bridge;
  readonly version: string;
  readonly log: (text: string) => void;
  /** How tools are called where all servers are one. */
  readonly names: JoinedNames;
  /** Hears of each client that begins to listen to all servers as one. */
  readonly onListener?: () => void;
};

/** Whether a container knows the stateless revisions: not known of one that was silent when it was asked. */
type Era = 'modern' | 'legacy' | 'unknown';
type Found = Pick<Upstream, 'container' | 'generation'> & { readonly era: Promise<Era>; until: number };

/** How long a container without the stateless revisions is taken for the one that serves, before that is looked up, ms. */
const trustedMs = 10_000;
/** How long one that was silent is not asked again, ms: it may only have been slow. */
const silentMs = 60_000;

/**
 * Requests without sessions: one process a server, shared by all, as nothing of one request stays in it. A client that goes
 * away cancels. What a server sends beside its answers goes to the request that it names. A log names none: it goes to the
 * only one that is under way, where that asked for it and nobody else's call may go on in the process. A server that knows sessions only is reached by `bridge`.
 */
export function createStateless(upstreams: Upstreams, { idleMs, bridge, ...told }: StatelessOptions): Stateless {
  const shared = new Map<ServerName, Shared>();
  const eras = new Map<ServerName, Found>();
  const declared = createDeclaredHeaders();
  const clocks = createCallClocks(tookTooLong);
  let lastToken = 0;
  let lastId = 0;
  const nextId = (): number => {
    lastId += 1;
    return lastId;
  };

  const heard = ({ underWay, givenUp }: Shared, text: string, message: Message): void => {
    const all = [...underWay.values()];
    if (message.method === progress) {
      const { progressToken } = paramsOf(message);
      const one = typeof progressToken === 'number' ? underWay.get(progressToken) : undefined;
      one?.reply.tell(withParams(text, (params) => ({ ...params, progressToken: one.token })));
      return;
    }
    const subscription = metaOf(message)[subscriptionKey];
    if (subscription === undefined) {
      const change = changeOf(message);
      if (change !== undefined) {
        // Said by the gateway, of another container: each that wants to hear of such a change is told.
        for (const one of all) {
          if (one.kind !== 'subscription' || one.honoured[change] !== true) continue;
          one.reply.tell(withSubscription(text, message, one.clientId));
        }
        return;
      }
      const [only, ...more] = all;
      const isAlone = more.length === 0 && [...givenUp].every((principal) => principal === only?.guard.key);
      if (isAlone && (only?.wantsLog || message.method !== 'notifications/message')) only?.reply.tell(text);
      return;
    }
    const one = all.find(({ asked }) => String(asked?.id) === String(subscription));
    if (one === undefined) return;
    if (one.kind === 'subscription' && message.method === 'notifications/subscriptions/acknowledged') {
      const { notifications } = paramsOf(message);
      one.honoured = isRecord(notifications) ? notifications : {};
    }
    one.reply.tell(withSubscription(text, message, one.clientId));
  };
  const sharedOf = (server: ServerName): Shared => {
    const known = shared.get(server);
    if (known !== undefined) return known;
    const leg: Leg = createLeg(server, upstreams, {
      nextId,
      onNotification: (text, message) => heard(made, text, message),
      // These revisions have no requests of servers.
      onRequest: (_, { id }) => {
        leg.answer({
          jsonrpc: '2.0',
          ...(id === undefined ? {} : { id }),
          error: { code: code.unknownMethod, message: 'a server asks in its results in this revision' },
        });
      },
    });
    const made: Shared = { leg, underWay: new Map(), givenUp: new Set(), users: 0, used: performance.now() };
    shared.set(server, made);
    return made;
  };

  /** Whether what serves now knows the stateless revisions: its spec says, or it is asked once. */
  const eraOf = async (server: ServerName): Promise<Era> => {
    const known = eras.get(server);
    const era = await known?.era;
    if (known !== undefined && era !== 'modern' && (await isStillSo(server, known, era))) return 'legacy';
    const { leg } = sharedOf(server);
    const { container, generation, spec } = await leg.ready();
    const now = eras.get(server);
    if (now?.container === container && now !== known) return now.era;
    if (known?.container === container && era === 'modern') return 'modern';
    const { protocol, timeoutSeconds } = spec.mcp;
    const asked = protocol === 'auto' ? probe(leg, (timeoutSeconds * 1000) / 3) : saidBy(protocol);
    const found: Found = { container, generation, era: asked, until: performance.now() + trustedMs };
    eras.set(server, found);
    if ((await asked) === 'unknown') found.until = performance.now() + silentMs;
    return asked;
  };
  const isStillSo = async (server: ServerName, found: Found, era: Era | undefined): Promise<boolean> => {
    if (performance.now() < found.until) return true;
    if (era !== 'legacy') return false;
    const serves = await upstreams.serving(server);
    // What sleeps wakes as what it was; the containers of a generation speak the same.
    const isSame = (one: Serves): boolean => one.container === found.container || one.generation === found.generation;
    if (serves !== 'asleep' && (typeof serves === 'string' || !isSame(serves))) return false;
    found.until = performance.now() + trustedMs;
    return true;
  };

  /**
   * The headers for an HTTP server: the client's, or what those of one without headers would be; or why they are wrong. A
   * server over stdio sees none, so that those of a call are held against it here.
   */
  const headersFor = async (
    leg: Leg,
    { message, headers, revision }: StatelessRequest,
  ): Promise<{ readonly headers: HeaderFields } | { readonly wrong: string }> => {
    const overHttp = isHttp((await leg.ready()).spec);
    const isCall = message.method === 'tools/call';
    if (headers === undefined ? !overHttp : overHttp || !isCall) return { headers: headers ?? {} };
    const { name, arguments: args } = paramsOf(message);
    const wanted = isCall ? await declared.of(leg, String(name)) : [];
    if (headers === undefined) return { headers: { ...mirrored(message, revision), ...paramHeaders(wanted, args) } };
    const wrong = paramContradiction(wanted, args, headers);
    return wrong === undefined ? { headers } : { wrong };
  };

  const answerTo = async (
    { leg, underWay }: Shared,
    { message, revision, guard }: StatelessRequest,
    headers: HeaderFields,
    one: UnderWay,
    token: number,
  ): Promise<string> => {
    const meta = metaOf(message);
    const sent: ClientRequest = {
      ...message,
      params: {
        ...paramsOf(message),
        _meta: meta.progressToken === undefined ? meta : { ...meta, progressToken: token },
      },
    };
    const onAsked = (asked: Asked): void => {
      one.asked = asked;
      one.reply.onleft = () => {
        one.hasLeft = true;
        asked.cancel(new LoomsError('interrupted', 'the client went away'));
      };
      if (!one.reply.isOpen()) one.reply.onleft();
    };
    underWay.set(token, one);
    const request = { upstreams, leg, message: sent, headers, clocks, guard, protocolVersion: revision, onAsked };
    if (message.method === 'tools/call') return callTool(request);
    if (message.method === 'tools/list') {
      const { container } = await leg.ready();
      const onAnswered = ({ message: { result } }: Answered): void =>
        declared.saw(leg.server, container, isRecord(result) ? result.tools : []);
      return askGuarded({ ...request, onAnswered });
    }
    if (message.method !== 'subscriptions/listen') return askGuarded(request);
    // A subscription has no end of its own.
    const admitted = await guard.admit(leg, sent);
    one.reply.begin();
    const asked = leg.ask(admitted, headers);
    onAsked(asked);
    return (await asked.answer).text;
  };

  /** A server among all is asked as at its own address, so that both have one session with it. */
  const placeOf = (server: ServerName): Pick<SessionPlace, 'path' | 'faceOf'> => ({
    path: `/mcp/${server}`,
    faceOf: (heard) => oneServer(server, upstreams, heard),
  });
  const all = createAllStateless({ servers: upstreams.servers, ...told });
  const answer = async (one: Shared, given: OneRequest, reply: Reply): Promise<void> => {
    const { message } = given;
    lastToken += 1;
    const token = lastToken;
    const { progressToken, [envelopeKeys.logLevel]: level } = metaOf(message);
    const wantsLog = typeof level === 'string';
    const about = { reply, clientId: message.id, token: progressToken, guard: given.guard, wantsLog };
    const isSubscription = message.method === 'subscriptions/listen';
    const way: UnderWay = isSubscription
      ? { kind: 'subscription', honoured: {}, ...about }
      : { kind: 'request', ...about };
    try {
      const checked = await headersFor(one.leg, given);
      if ('wrong' in checked) {
        return reply.answer(errorText(message.id, code.headerMismatch, checked.wrong), 400);
      }
      const text = withId(await answerTo(one, given, checked.headers, way, token), message.id);
      reply.answer(text, statusOf(text));
    } catch (error) {
      const why = error instanceof LoomsError ? error.code : undefined;
      const isGivenUp = why === 'interrupted' || why === 'call-timeout';
      if (isGivenUp && way.kind === 'request' && one.givenUp.size < 2) {
        one.givenUp.add(given.guard.key);
      }
      if (way.hasLeft === true) reply.end();
      else answerFailure(reply, message.id, error, statusOfFailure(error));
    } finally {
      one.underWay.delete(token);
    }
  };
  const request = async (given: OneRequest, reply: Reply): Promise<void> => {
    const { server, message } = given;
    const one = sharedOf(server);
    // Whoever else finds it of no use must not close what this request is about to ask.
    one.users += 1;
    const leave = (): void => {
      one.users -= 1;
      one.used = performance.now();
    };
    const leaveAndClose = (): void => {
      leave();
      if (one.users === 0 && shared.get(server) === one) close(server);
    };
    let era: Era;
    try {
      era = await eraOf(server);
    } catch (error) {
      leaveAndClose();
      return reply.answer(failureText(message.id, error), statusOfFailure(error));
    }
    if (era === 'modern') return answer(one, given, reply).finally(leave);
    // What was opened to find that out.
    leaveAndClose();
    return bridge.request(given, reply);
  };

  return {
    request(given, reply) {
      const { server, headers, ...rest } = given;
      if (server !== undefined) return request({ ...given, server }, reply);
      const askOne: AskOne = (one, asked, itsReply) =>
        request({ ...rest, ...placeOf(one), ...asked, server: one }, itsReply);
      const asked = { message: given.message, ...(headers === undefined ? {} : { headers }) };
      return all.request(asked, { askOne, guard: given.guard }, reply);
    },
    legs: () => [...shared.values()].map(({ leg }) => leg),
    unused: () => [...shared.values()].flatMap(({ leg, users }) => (users === 0 ? [leg] : [])),
    listeners: all.listeners,
    sweep() {
      all.listeners.sweep();
      for (const [server, { leg, underWay, users, used }] of shared) {
        for (const { guard, asked } of underWay.values()) {
          if (!guard.isValid())
            asked?.cancel(new LoomsError('interrupted', 'the token of the client is no longer valid'));
        }
        if (users === 0 && !leg.isBusy() && performance.now() - used > idleMs) close(server);
      }
    },
    async close() {
      all.listeners.close();
      await Promise.all([...shared.keys()].map(close));
    },
  };

  async function close(server: ServerName): Promise<void> {
    const leg = shared.get(server)?.leg;
    shared.delete(server);
    await leg?.close();
  }
}

const saidBy = async (protocol: 'legacy' | '2026-07-28'): Promise<Era> => (protocol === 'legacy' ? 'legacy' : 'modern');

/** Asks a server for what only the stateless revisions have: of no client, as all that come later go by what it says. */
async function probe(leg: Leg, limitMs: number): Promise<Era> {
  const meta = { [envelopeKeys.revision]: modernRevision, [envelopeKeys.capabilities]: {} };
  const asked = leg.ask(
    { jsonrpc: '2.0', method: 'server/discover', params: { _meta: meta } },
    { 'mcp-protocol-version': modernRevision, 'mcp-method': 'server/discover' },
  );
  const timer = setTimeout(() => asked.cancel(new LoomsError('handshake-timeout', 'no answer')), limitMs);
  try {
    return isRecord((await asked.answer).message.result) ? 'modern' : 'legacy';
  } catch {
    // Silence, or its end, is how some older servers take what they do not know.
    return 'unknown';
  } finally {
    clearTimeout(timer);
  }
}
