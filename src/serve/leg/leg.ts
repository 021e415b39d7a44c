import type { DesiredServer } from '../../model/desired.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { inSpan, noTracing, type TraceContext } from '../../model/trail/tracing.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { isAnswer, isRequest, metaOf, paramsOf, withId, withParams } from '../messages/message.ts';
import {
  code,
  type Fields,
  type HeaderFields,
  type Message,
  modernRevision,
  questions,
  subscriptionKey,
} from '../messages/protocol.ts';
import { mayGoElsewhere } from '../scaling/places.ts';
import type { Successor, Upstream, Upstreams } from '../upstreams.ts';
import { isOn, knownTools } from './known-tools.ts';
import { legacyChannel } from './legacy-channel.ts';
import {
  type Answered,
  acknowledged,
  askOn,
  askOnInTime,
  giveUp,
  type Line,
  moveSubscriptions,
  tell,
  tellInTime,
} from './line.ts';
import { mostSubscriptions } from './stateless-talk.ts';

/** A request that is under way. */
export type Asked = {
  /** What the server knows it by. */
  readonly id: number;
  /** Rejects with a `LoomsError` when no answer can come any more. */
  readonly answer: Promise<Answered>;
  /** Tells the server that nobody waits, and rejects the answer with this. */
  readonly cancel: (why: LoomsError) => void;
};

export type LegHooks = {
  /** An id that no leg of the same client has used: the answer to a server's request is told by it from those to others. */
  readonly nextId: () => number;
  readonly onNotification: (text: string, message: Message) => void;
  /** A request of the server, under an id that `answer` knows. */
  readonly onRequest: (text: string, message: Message) => void;
};

/** A conversation of one client with one server, which outlives the containers that serve it. */
export type Leg = {
  readonly server: ServerName;
  /**
   * What serves it; opens it where nothing is open, or what is open is about to be stopped, as a part of this span. Throws
   * what `Upstreams.open` throws.
   */
  readonly ready: (within?: TraceContext) => Promise<Upstream>;
  /** Begins the conversation with a client's `initialize`, which later containers get again. */
  readonly initialize: (message: Message) => Promise<Answered>;
  /** What the server says it can do, in its last answer to `initialize`: another container may say something else. */
  readonly can: () => Fields;
  /** `admit` throws where a server of this spec is not to be asked; it is held against the container that is asked. */
  readonly ask: (message: Message, headers?: HeaderFields, admit?: (spec: DesiredServer) => void) => Asked;
  /**
   * Passes a notification of the client on; with nothing open there is nobody to tell. Never throws, and takes no longer than
   * a handshake may: over HTTP a server that is stuck does not say that it has heard.
   */
  readonly notify: (message: Message) => Promise<void>;
  /** Passes the answer to a request of the server on; false for an id that is none of its. */
  readonly answer: (message: Message) => boolean;
  /**
   * Goes over to this container, or this run of it, or what is beside it, where another one is talked to; what is under way ends on the old one.
   * Where nothing is open any more, it opens this one for what was subscribed to. False: to be tried again soon.
   */
  readonly follow: (serves: Successor) => Promise<boolean>;
  readonly isBusy: () => boolean;
  /**
   * Ends its process where nothing is under way, and nobody is to hear or answer something of it; the next request begins
   * another one, as after a replacement. Resolves when the process is gone; undefined: there is none to end.
   */
  readonly park: () => Promise<void> | undefined;
  /** The container whose process `park` would end now. */
  readonly parkable: () => ContainerId | undefined;
  /** Whether its process was ended so, and none was begun since. */
  readonly isParked: () => boolean;
  /** How long nothing was asked of it, ms; a ping asks nothing. */
  readonly idleMs: () => number;
  /** Keeps its process for a request that is about to be asked, until what it gives is called. */
  readonly hold: () => () => void;
  /** Ends its processes and what is asked of them; what is asked from then on fails as `interrupted`. */
  readonly close: () => Promise<void>;
};

/**
 * Which part of its drain a container that is replaced is still asked, while its successor is opened: what it is asked then
 * has the rest of it for its answer, before it is stopped.
 */
const drainParts = 2;
/** How long a container is asked on before a successor that could not be opened is tried again, ms. */
const againMs = 1_000;
/** Longest URI whose subscription is said again to the next process, characters. */
const longestUri = 4_096;
/** Requests of one server that may be open; of more nobody could answer anyway. */
const mostAsked = 100;

/** What a client told its server that a new process of it has to know. */
type Memory = {
  initialize?: Message;
  initialized?: Message;
  level?: Message;
  readonly subscriptions: Map<unknown, Message>;
};

/** A leg; no process runs for it before it is used. */
export function createLeg(server: ServerName, upstreams: Upstreams, hooks: LegHooks): Leg {
  const { nextId } = hooks;
  const memory: Memory = { subscriptions: new Map() };
  const tools = knownTools((changed) => hooks.onNotification(JSON.stringify(changed), changed));
  const asked = new Map<
    string | number,
    { readonly line: Line; readonly id: string | number; readonly isQuestion: boolean }
  >();
  const lines = new Set<Line>();
  let current: Line | undefined;
  let can: Fields = {};
  let opening: Promise<Line> | undefined;
  let moving: Promise<void> | undefined;
  let isClosed = false;
  let isParked = false;
  let used = performance.now();
  let holds = 0;

  const shut = async (line: Line): Promise<void> => {
    line.isOver = true;
    lines.delete(line);
    for (const [id, one] of asked) if (one.line === line) asked.delete(id);
    await line.channel.close();
  };
  const lost = (line: Line, why?: LoomsError): void => {
    if (current === line) current = undefined;
    const pending = [...line.pending.values()];
    line.pending.clear();
    for (const { reject } of pending) {
      reject(
        why ?? new LoomsError('server-exited', `${server} ended before it answered; what was asked may have been done`),
      );
    }
    shut(line);
  };
  /** Ends a line that another one has taken the place of, once nothing is under way on it. */
  const retire = (line: Line): void => {
    line.isOver = true;
    if (line.pending.size === 0) shut(line);
  };

  const over = (asked = ''): LoomsError => new LoomsError('interrupted', `the session with ${server} is over${asked}`);

  const heard = (line: Line, text: string, message: Message): void => {
    if (isAnswer(message)) {
      const waiting = line.pending.get(message.id ?? '');
      if (waiting === undefined) return;
      line.pending.delete(message.id ?? '');
      clearTimeout(waiting.subscription?.silence);
      waiting.resolve({ text, message, spec: line.spec });
      if (line.isOver) retire(line);
      return;
    }
    if (isRequest(message)) {
      if ([...asked.values()].filter((one) => one.line === line).length >= mostAsked) {
        const error = { code: code.internal, message: `${mostAsked} requests of this server are open already` };
        tell(line, { jsonrpc: '2.0', id: message.id, error }).catch(() => {}); // It is gone.
        return;
      }
      const id = nextId();
      const isQuestion = Object.hasOwn(questions, message.method);
      asked.set(id, { line, id: message.id, isQuestion });
      hooks.onRequest(withId(text, id), { ...message, id });
      return;
    }
    if (message.method !== 'notifications/cancelled') {
      const isKnown =
        message.method === 'notifications/subscriptions/acknowledged' &&
        !acknowledged(line, metaOf(message)[subscriptionKey]);
      if (!isKnown) hooks.onNotification(text, message);
      return;
    }
    const { requestId } = paramsOf(message);
    const known = [...asked].find(([, one]) => one.line === line && one.id === requestId);
    if (known === undefined) return;
    asked.delete(known[0]);
    const told = withParams(text, (params) => ({ ...params, requestId: known[0] }));
    hooks.onNotification(told, message);
  };

  const openLine = async (): Promise<Line> => {
    if (isClosed) throw over();
    const upstream = await upstreams.open(server);
    const isModern = upstream.spec.mcp.protocol === modernRevision;
    const channel = legacyChannel(upstream.channel, server, isModern);
    const line: Line = { ...upstream, channel, pending: new Map(), isOver: false };
    lines.add(line);
    line.channel.ontext = (text, message) => heard(line, text, message as Message);
    line.channel.onend = (why) => lost(line, why);
    if (isClosed) {
      await shut(line);
      throw over();
    }
    return line;
  };
  const askForItself = async (line: Line, message: Message, headers?: HeaderFields): Promise<Answered> => {
    try {
      return await askOnInTime(line, message, nextId(), headers);
    } catch (error) {
      // It may have been what the line still waited for.
      if (line.isOver && lines.has(line)) retire(line);
      throw error;
    }
  };

  const begin = async (line: Line, handshake: Message): Promise<Answered> => {
    const answered = await askForItself(line, handshake);
    const { result } = answered.message;
    if (isRecord(result)) can = isRecord(result.capabilities) ? result.capabilities : {};
    return answered;
  };
  /** Tells a new process what the client has told the one before it. */
  const replay = async (line: Line): Promise<void> => {
    if (memory.initialize === undefined) return;
    const { message } = await begin(line, memory.initialize);
    if (message.error !== undefined) {
      throw new LoomsError('session-failed', `${server} takes no session any more: ${JSON.stringify(message.error)}`);
    }
    if (memory.initialized !== undefined) await tellInTime(line, memory.initialized);
    const told = [...(memory.level === undefined ? [] : [memory.level]), ...memory.subscriptions.values()];
    for (const one of told) await askForItself(line, one);
  };
  /** Whether something else than a container may serve as well. */
  const isElsewhere = async ({ container }: Line): Promise<boolean> => {
    const serves = await upstreams.serving(server);
    if (typeof serves === 'string') return serves === 'asleep';
    return [serves, ...(serves.beside ?? [])].some((one) => one.container !== container);
  };
  /** Opens a process and begins with it, once more elsewhere where it ended or has no room. */
  const openBegun = async <T>(start: (line: Line) => Promise<T>): Promise<{ line: Line; begun: T }> => {
    for (let tries = 1; ; tries += 1) {
      const line = await openLine();
      try {
        return { line, begun: await start(line) };
      } catch (error) {
        await shut(line);
        if (isClosed) throw error;
        line.avoid?.();
        if (tries === 2 || !mayGoElsewhere(error) || !(await isElsewhere(line))) throw error;
      }
    }
  };
  const openReady = async (): Promise<Line> => {
    const { line } = await openBegun(async (one) => {
      await replay(one);
      if (!lines.has(one)) throw new LoomsError('server-exited', `${server} ended while its session was opened`);
    });
    return line;
  };
  /** Opens what is talked to from then on; one at a time, whoever asks for it. */
  const openNext = (within?: TraceContext): Promise<Line> => {
    const span = { name: 'looms.session.open', kind: 'internal', parent: within } as const;
    opening ??= (within === undefined ? openReady() : inSpan(upstreams.tracing ?? noTracing, span, openReady))
      .then((line) => {
        if (!line.isOver) {
          current = line;
          isParked = false;
        }
        line.compared = tools.compare(line, (message, headers) => askForItself(line, message, headers)).catch(() => {}); // Told as a change.
        return line;
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };
  /** Goes over from what another container has taken the place of; one at a time. Throws what opening that one throws. */
  const move = (before: Line, within?: TraceContext): Promise<void> => {
    moving ??= moveFrom(before, within).finally(() => {
      moving = undefined;
    });
    return moving;
  };
  const moveFrom = async (before: Line, within?: TraceContext): Promise<void> => {
    const next = await openNext(within);
    if (isClosed) return;
    await moveSubscriptions(before, next);
    if (lines.has(before)) retire(before);
    await next.compared;
  };
  const ready = async (within?: TraceContext): Promise<Line> => {
    const line = current;
    if (line === undefined) return openNext(within);
    if (line.leavesAt === undefined || performance.now() < line.leavesAt) return line;
    move(line, within).catch(() => {}); // What follows waits for the same.
    try {
      return await openNext();
    } catch (error) {
      if (!lines.has(line)) throw error;
      // What is asked meanwhile does not wait for the same once more.
      line.leavesAt = performance.now() + againMs;
      return line;
    }
  };

  const remember = (message: Message): void => {
    const { uri } = paramsOf(message);
    if (message.method === 'logging/setLevel') memory.level = message;
    else if (message.method === 'resources/unsubscribe') memory.subscriptions.delete(uri);
    else if (message.method === 'resources/subscribe' && memory.subscriptions.size < mostSubscriptions) {
      // Its URI is all that is said again: a message may be as long as a body.
      if (typeof uri === 'string' && uri.length <= longestUri)
        memory.subscriptions.set(uri, { jsonrpc: '2.0', method: message.method, params: { uri } });
    }
  };
  /** The process that could be done without just now. */
  const spareLine = (): Line | undefined => {
    const line = current;
    if (line === undefined || opening !== undefined || moving !== undefined) return undefined;
    const isAsking = [...asked.values()].some((one) => one.line === line && one.isQuestion);
    return holds + line.pending.size + memory.subscriptions.size > 0 || isAsking ? undefined : line;
  };
  return {
    server,
    ready,
    async initialize(message) {
      memory.initialize = message;
      const { line, begun } = await openBegun((one) => begin(one, message));
      used = performance.now();
      if (begun.message.error !== undefined) await shut(line);
      else if (!line.isOver) current = line;
      return begun;
    },
    can: () => can,
    ask(message, headers, admit) {
      const id = nextId();
      const cancelled = Promise.withResolvers<never>();
      cancelled.promise.catch(() => {}); // Nobody may be waiting yet.
      let isCancelled = false;
      const touch = (): void => {
        if (message.method !== 'ping') used = performance.now();
      };
      touch();
      const run = async (): Promise<Answered> => {
        for (let tries = 1; ; tries += 1) {
          let line = await ready();
          // Another container may have come to serve since.
          while (line.isOver) line = await ready();
          if (isCancelled) return cancelled.promise;
          admit?.(line.spec);
          let sent: { readonly answer: Promise<Answered> };
          try {
            sent = await askOn(line, message, id, headers);
          } catch (error) {
            if (isFailure(error, 'server-crowded')) throw error;
            // What did not get there may be asked again, of the process that comes after this one.
            lost(line);
            if (tries === 2) throw error;
            continue;
          }
          const answered = await sent.answer;
          if (answered.message.error === undefined) remember(message);
          if (message.method === 'tools/list') upstreams.listed?.(server, answered.message);
          if (message.method === 'tools/list') tools.listed(line, message, answered);
          return answered;
        }
      };
      return {
        id,
        answer: Promise.race([run().finally(touch), cancelled.promise]),
        cancel(why) {
          isCancelled = true;
          cancelled.reject(why);
          for (const line of lines) if (giveUp(line, id, why.message) && line.isOver) retire(line);
        },
      };
    },
    async notify(message) {
      if (message.method === 'notifications/initialized') memory.initialized = message;
      // Its end tells who waits for something; what does not take it in time may still answer what is asked next.
      if (current !== undefined) await tellInTime(current, message).catch(() => {});
    },
    answer(message) {
      const known = message.id === undefined ? undefined : asked.get(message.id);
      if (message.id === undefined || known === undefined) return false;
      asked.delete(message.id);
      tell(known.line, { ...message, id: known.id }).catch(() => {}); // Whoever asked is gone.
      return true;
    },
    async follow(serves) {
      const before = current;
      if (opening !== undefined || moving !== undefined) return false;
      if (before === undefined || isClosed) {
        // Its process has ended, and nobody but a new one tells of what was subscribed to. A later look tries again.
        if (!isClosed && memory.subscriptions.size > 0) await openNext().catch(() => {});
        if (!isClosed && current === undefined) tools.replaced(serves);
        return true;
      }
      const alike = [serves, ...(serves.beside ?? [])];
      if (alike.some((one) => isOn(before, one))) {
        delete before.leavesAt;
        return true;
      }
      before.leavesAt ??= performance.now() + (serves.drainSeconds * 1_000) / drainParts;
      // What serves so far goes on, and the next look tries again.
      await move(before).catch(() => {});
      const now = current;
      return isClosed || (now !== undefined && alike.some((one) => isOn(now, one)));
    },
    isBusy: () => opening !== undefined || [...lines].some((line) => line.pending.size > 0),
    park() {
      const line = spareLine();
      if (line === undefined) return undefined;
      current = undefined;
      isParked = true;
      return shut(line);
    },
    parkable: () => spareLine()?.container,
    isParked: () => isParked,
    idleMs: () => performance.now() - used,
    hold() {
      holds += 1;
      return () => {
        holds -= 1;
        used = performance.now();
      };
    },
    async close() {
      isClosed = true;
      current = undefined;
      await Promise.all(
        [...lines].map((line) => {
          for (const { reject } of line.pending.values()) reject(over('; what was asked may have been done'));
          line.pending.clear();
          return shut(line);
        }),
      );
    },
  };
}
