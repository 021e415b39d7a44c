import { createCallClocks } from '../../mcp/client/call-clock.ts';
import { LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import { answerFailure, askGuarded, callTool, tookTooLong } from '../call.ts';
import type { Face } from '../face.ts';
import type { Asked, LegHooks } from '../leg/leg.ts';
import { errorText, isAnswer, isRequest, metaOf, paramsOf, withId } from '../messages/message.ts';
import { type ClientRequest, changeOf, code, type Id, type Message, questions } from '../messages/protocol.ts';
import type { Reply } from '../messages/reply.ts';
import type { Upstreams } from '../upstreams.ts';

/** Requests of one session that may be under way; what comes beyond is told to come again. */
const mostAtOnce = 32;
/** The same for one that many clients of a principal share, as they know none. */
const mostAtOnceOfMany = 512;
/** Messages that are kept for a client that has no stream open, and characters of them; the oldest go first. */
const mostHeld = 100;
const mostHeldText = 1024 * 1024;
/** How long a client may take to answer what a server asks, ms: calls stand still meanwhile. As for `looms mcp call`. */
const questionMs = 10 * 60_000;

/** A session of the older revisions, with all that was promised to its client. */
export type Session = {
  readonly id: string;
  readonly principal: string;
  /** Takes note of a token of its principal that was accepted: it lives by the one that ends last, and of such by the newest. */
  readonly renew: (guard: Guard) => void;
  /** Whether one of those still holds. */
  readonly isValid: () => boolean;
  /** Which address it was begun at: an id is of no use at another. */
  readonly path: string;
  /** Answers `initialize`. Throws what opening a server throws. */
  readonly initialize: (message: ClientRequest) => Promise<string>;
  /** Begins it as it was begun before, in a gateway that is gone, and on its terms. Throws what opening a server throws. */
  readonly beginAgain: (message: ClientRequest, terms: Terms) => Promise<void>;
  /** A request of the client; its answer goes to the reply. Nothing of it throws. */
  readonly request: (message: ClientRequest, reply: Reply) => Promise<void>;
  /**
   * Gives the stream of a client that comes back what is left of one that broke: the rest of a request that is under way, or
   * that the request may have run, as nobody has its answer.
   */
  readonly resume: (request: Id, reply: Reply) => void;
  /** Whether its client takes an event without a message (2025-11-25). */
  readonly takesEmptyEvents: () => boolean;
  /** An answer or a notification of the client. */
  readonly take: (message: Message) => Promise<void>;
  /** Gives it the stream for what belongs to no request; one that was open ends. */
  readonly listen: (reply: Reply) => void;
  readonly legs: Face['legs'];
  /** Hears that a server has come or gone; absent where its client sees one server only. */
  readonly serverChanged?: Face['serverChanged'];
  /** Whether something is under way, and whether its client listens. */
  readonly isBusy: () => boolean;
  readonly isListening: () => boolean;
  /** When it was last used, ms of a clock that never goes back. */
  readonly lastUse: () => number;
  readonly close: () => Promise<void>;
};

/** What a client asked for that holds until its session ends: how much is logged for it, and of which resources it hears. */
export type Terms = { readonly level?: string; readonly uris: readonly string[] };

/** Who hears what a server says beside its answers, where that is not one client with a stream. */
export type Audience = {
  /** Hears all but progress, which goes to the request that it names. */
  readonly hear: (text: string, message: Message) => void;
  readonly isListening: () => boolean;
  /** Hears that the session is over. */
  readonly ended: () => void;
};

/** Who hears a session that no client holds; or who is told of the terms of one, each time they change. */
type Around = { readonly audience?: Audience; readonly note?: (terms: Terms) => void };

type UnderWay = { reply: Reply; asked?: Asked; cancelled?: LoomsError; readonly token: unknown };

const lostAnswer =
  'its answer is not known here: the connection broke, or the gateway was started again; what was asked may have been done';

/** The terms once this request is granted; undefined for one that is about none. */
function termsAfter({ uris, ...rest }: Terms, { method, params }: ClientRequest): Terms | undefined {
  const { level, uri } = isRecord(params) ? params : {};
  if (method === 'logging/setLevel' && typeof level === 'string') return { uris, level };
  if (typeof uri !== 'string') return undefined;
  if (method === 'resources/subscribe') return { ...rest, uris: [...new Set([...uris, uri])] };
  return method === 'resources/unsubscribe' ? { ...rest, uris: uris.filter((one) => one !== uri) } : undefined;
}

export function createSession(
  { id, guard, path }: Pick<Session, 'id' | 'path'> & { readonly guard: Guard },
  upstreams: Upstreams,
  faceOf: (heard: LegHooks) => Face,
  { audience, note = () => {} }: Around = {},
): Session {
  const underWay = new Map<string | number, UnderWay>();
  const held: { readonly text: string; readonly message: Message }[] = [];
  const questionsOpen = new Map<unknown, () => void>();
  const clocks = createCallClocks(tookTooLong);
  let stream: Reply | undefined;
  let used = performance.now();
  let protocolVersion = '';
  let lastId = 0;
  let isBeginning = false;
  let hasBegun = false;
  let isOver = false;
  let latest = guard;
  let terms: Terms = { uris: [] };

  /** Where a message goes that is nobody's by what it says: to the only request, else to the client's own stream. */
  const place = (): Reply | undefined => {
    const open = [...underWay.values()].map(({ reply }) => reply).filter((reply) => reply.isOpen());
    if (open.length === 1) return open[0];
    return stream?.isOpen() === true ? stream : open.at(-1);
  };
  const deliver = (text: string, message: Message, to = place()): void => {
    audience?.hear(text, message);
    if (audience !== undefined || to?.tell(text) === true) return;
    // Which lists have changed is news once: a server that begins again and again must not push its questions out.
    const isHeld = changeOf(message) !== undefined && held.some((one) => one.message.method === message.method);
    if (isHeld) return;
    held.push({ text, message });
    while (held.length > mostHeld || held.reduce((sum, one) => sum + one.text.length, 0) > mostHeldText) {
      const dropped = held.shift();
      if (dropped !== undefined && isRequest(dropped.message)) refuse(dropped.message.id);
    }
  };
  const flush = (to: Reply): void => {
    for (const { text, message } of held.splice(0)) deliver(text, message, to);
  };
  const answerServer = (message: Message): void => {
    questionsOpen.get(message.id)?.();
    face.legs().some((leg) => leg.answer(message));
  };
  const refuse = (questionId: string | number): void =>
    answerServer({
      jsonrpc: '2.0',
      id: questionId,
      error: { code: code.internal, message: 'the client of the gateway does not answer' },
    });

  const face = faceOf({
    nextId: () => {
      lastId += 1;
      return lastId;
    },
    onNotification(text, message) {
      if (message.method === 'notifications/cancelled') questionsOpen.get(paramsOf(message).requestId)?.();
      if (message.method !== 'notifications/progress') return deliver(text, message);
      const { progressToken } = paramsOf(message);
      for (const { token, reply } of underWay.values()) if (token === progressToken) reply.tell(text);
    },
    onRequest(text, message) {
      const { id: questionId, method } = message;
      if (questionId !== undefined && method !== undefined && Object.hasOwn(questions, method)) {
        // A person or a model is asked: the time of calls stands still.
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(() => refuse(questionId), questionMs);
        questionsOpen.set(questionId, () => {
          clearTimeout(timer);
          questionsOpen.delete(questionId);
          resolve();
        });
        clocks.whileHeld(() => promise);
      }
      deliver(text, message);
    },
  });

  const answerTo = async (message: ClientRequest, one: Pick<UnderWay, 'asked' | 'cancelled'>): Promise<string> => {
    const route = await face.route(message);
    // Where to is asked of the engine, which may take its time; nobody waits for the answer any more.
    if (isOver) throw new LoomsError('interrupted', 'the session is over');
    if (route.kind === 'here') return route.text;
    const request = {
      upstreams,
      leg: route.leg,
      message: route.message,
      clocks,
      guard,
      protocolVersion,
      onAsked: (asked: Asked) => {
        one.asked = asked;
        if (one.cancelled !== undefined) asked.cancel(one.cancelled);
      },
    };
    return message.method === 'tools/call' ? callTool(request) : askGuarded(request);
  };

  /** Takes note of what was granted; of anything else there is nothing to repeat. */
  const noteTerms = (message: ClientRequest, answered: string): void => {
    const next = termsAfter(terms, message);
    if (next === undefined || JSON.parse(answered).error !== undefined) return;
    terms = next;
    note(terms);
  };
  /** What cannot be had any more is not: the client hears so when it asks for it. */
  const repeat = async (known: Terms): Promise<void> => {
    const level = known.level === undefined ? [] : [['logging/setLevel', { level: known.level }] as const];
    const uris = known.uris.map((uri) => ['resources/subscribe', { uri }] as const);
    const requests = [...level, ...uris].map(
      ([method, params], index): ClientRequest => ({ jsonrpc: '2.0', id: `again-${index}`, method, params }),
    );
    await Promise.allSettled(requests.map(async (one) => noteTerms(one, await answerTo(one, {}))));
  };

  const initialize: Session['initialize'] = async (message) => {
    // A second one would begin a second process.
    if (hasBegun) throw new LoomsError('refused', 'this session is initialized already');
    hasBegun = true;
    isBeginning = true;
    const answered = await face.initialize(message).finally(() => {
      isBeginning = false;
      used = performance.now();
    });
    const text = withId(answered, message.id);
    const { result } = JSON.parse(text);
    if (isRecord(result) && typeof result.protocolVersion === 'string') protocolVersion = result.protocolVersion;
    return text;
  };

  return {
    id,
    principal: guard.key,
    renew(next) {
      if (!latest.isValid() || next.endsAt >= latest.endsAt) latest = next;
    },
    isValid: () => latest.isValid(),
    path,
    initialize,
    async beginAgain(message, known) {
      const { error } = JSON.parse(await initialize(message));
      if (error !== undefined) throw new LoomsError('session-failed', `no session any more: ${JSON.stringify(error)}`);
      await face.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
      await repeat(known);
      // What the client has seen of the tools went with the gateway.
      const changed: Message = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
      deliver(JSON.stringify(changed), changed);
    },
    async request(message, reply) {
      used = performance.now();
      if (message.method === 'initialize') {
        return reply.answer(errorText(message.id, code.invalidRequest, 'this session is initialized already'), 400);
      }
      if (underWay.has(message.id)) {
        return reply.answer(errorText(message.id, code.invalidRequest, 'a request of this id is under way'), 400);
      }
      const most = audience === undefined ? mostAtOnce : mostAtOnceOfMany;
      if (underWay.size >= most) {
        const text = `${most} requests of this session are under way`;
        return reply.answer(errorText(message.id, code.internal, text), 429);
      }
      const one: UnderWay = { reply, token: metaOf(message).progressToken };
      underWay.set(message.id, one);
      if (stream?.isOpen() !== true) flush(reply);
      try {
        const answered = await answerTo(message, one);
        noteTerms(message, answered);
        one.reply.answer(withId(answered, message.id));
      } catch (error) {
        // Who cancelled a request is sent no answer to it.
        if (one.cancelled !== undefined) one.reply.end();
        else answerFailure(one.reply, message.id, error);
      } finally {
        underWay.delete(message.id);
        used = performance.now();
      }
    },
    resume(request, reply) {
      used = performance.now();
      reply.begin();
      const one = underWay.get(request);
      if (one === undefined) return reply.answer(errorText(request, code.internal, lostAnswer));
      one.reply.end();
      one.reply = reply;
    },
    takesEmptyEvents: () => protocolVersion >= '2025-11-25',
    async take(message) {
      used = performance.now();
      if (isAnswer(message)) return answerServer(message);
      if (message.method !== 'notifications/cancelled') return face.notify(message);
      const { requestId, reason } = paramsOf(message);
      const one = typeof requestId === 'string' || typeof requestId === 'number' ? underWay.get(requestId) : undefined;
      if (one === undefined) return;
      one.cancelled = new LoomsError('interrupted', typeof reason === 'string' ? reason : 'cancelled by the client');
      one.asked?.cancel(one.cancelled);
    },
    listen(reply) {
      used = performance.now();
      stream?.end();
      stream = reply;
      reply.begin();
      flush(reply);
    },
    legs: face.legs,
    ...defined({ serverChanged: face.serverChanged }),
    isBusy: () => isBeginning || underWay.size > 0 || face.legs().some((leg) => leg.isBusy()),
    isListening: () => audience?.isListening() ?? stream?.isOpen() === true,
    lastUse: () => used,
    async close() {
      isOver = true;
      for (const end of [...questionsOpen.values()]) end();
      await face.close();
      stream?.end();
      audience?.ended();
    },
  };
}
