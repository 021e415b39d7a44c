import { createCallClocks } from '../../mcp/client/call-clock.ts';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/is-record.ts';
import { defined } from '../../model/values/defined.ts';
import type { Guard } from '../access/guard.ts';
import { answerFailure, askGuarded, callTool, tookTooLong } from '../call.ts';
import type { Face } from '../face.ts';
import type { Asked, LegHooks } from '../leg/leg.ts';
import { errorText, isAnswer, isRequest, metaOf, paramsOf, withId } from '../messages/message.ts';
import { type ClientRequest, code, type Message, questions } from '../messages/protocol.ts';
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
  /** Begins it as it was begun before, in a gateway that is gone. Throws what opening a server throws. */
  readonly beginAgain: (message: ClientRequest) => Promise<void>;
  /** A request of the client; its answer goes to the reply. Nothing of it throws. */
  readonly request: (message: ClientRequest, reply: Reply) => Promise<void>;
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

/** Who hears what a server says beside its answers, where that is not one client with a stream. */
export type Audience = {
  /** Hears all but progress, which goes to the request that it names. */
  readonly hear: (text: string, message: Message) => void;
  readonly isListening: () => boolean;
  /** Hears that the session is over. */
  readonly ended: () => void;
};

type UnderWay = { readonly reply: Reply; asked?: Asked; cancelled?: LoomsError; readonly token: unknown };

export function createSession(
  { id, guard, path }: Pick<Session, 'id' | 'path'> & { readonly guard: Guard },
  upstreams: Upstreams,
  faceOf: (heard: LegHooks) => Face,
  audience?: Audience,
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
  let latest = guard;

  /** Where a message goes that is nobody's by what it says: to the only request, else to the client's own stream. */
  const place = (): Reply | undefined => {
    const open = [...underWay.values()].map(({ reply }) => reply).filter((reply) => reply.isOpen());
    if (open.length === 1) return open[0];
    return stream?.isOpen() === true ? stream : open.at(-1);
  };
  const deliver = (text: string, message: Message, to = place()): void => {
    audience?.hear(text, message);
    if (audience !== undefined || to?.tell(text) === true) return;
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

  const answerTo = async (message: ClientRequest, one: UnderWay): Promise<string> => {
    const route = await face.route(message);
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
    async beginAgain(message) {
      const { error } = JSON.parse(await initialize(message));
      if (error !== undefined) throw new LoomsError('session-failed', `no session any more: ${JSON.stringify(error)}`);
      await face.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
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
        reply.answer(withId(await answerTo(message, one), message.id));
      } catch (error) {
        // Who cancelled a request is sent no answer to it.
        if (one.cancelled !== undefined) reply.end();
        else answerFailure(reply, message.id, error);
      } finally {
        underWay.delete(message.id);
        used = performance.now();
      }
    },
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
      for (const end of [...questionsOpen.values()]) end();
      await Promise.all(face.legs().map((leg) => leg.close()));
      stream?.end();
      audience?.ended();
    },
  };
}
