import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { connectionRefused } from '../../model/connection-refused.ts';
import { engineAnswerMs } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Fetch, HttpLink, LinkEnding, LinkOptions, LinkTarget } from './link.ts';
import { createFetch, createStreamAgent } from './stream-fetch.ts';

/** How long a connection may take to make once the handshake is done, ms: the server listens, so it is short. */
const laterConnectMs = 10_000;
/** How often the engine is asked whether a server exited, ms. */
const exitPollMs = 50;
/** Answers to a server's requests sent at once, each on its own connection; nothing is read while more wait. */
const answersAtOnce = 4;

/** A link to an HTTP server. Nothing is sent yet: the first request waits, until `deadline`. */
export function linkHttp(
  target: LinkTarget,
  http: { readonly kind: 'streamable-http' | 'sse'; readonly port: number; readonly path: string },
  options: LinkOptions,
): HttpLink {
  const { sessions, container, reach, spec } = target;
  if (reach === undefined) throw new LoomsError('internal', `nothing says how ${spec.name} is dialled`);
  const url = new URL(`http://${reach.host}:${http.port}${http.path.startsWith('/') ? '' : '/'}${http.path}`);
  const closing = new AbortController();
  /** Aborted last: what carries the connections goes when they are gone. */
  const holding = new AbortController();
  /** The stream that carries answers broke. */
  let broken: LoomsError | undefined;
  /** The last connection could not be made; a later one that can makes it past. */
  let unreachable: LoomsError | undefined;
  let connectedOnce = false;
  /** A connection ended that should not have: the server may be on its way out. */
  let isLost = false;

  const agent = createStreamAgent(async () => {
    const first = !connectedOnce;
    try {
      const stream = await sessions.dial(container, http.port, {
        server: spec.name,
        reach,
        deadline: first ? options.deadline : performance.now() + laterConnectMs,
        signal: first ? AbortSignal.any([options.signal, closing.signal]) : closing.signal,
        answersOnStream: http.kind === 'sse',
        held: holding.signal,
      });
      if (first) options.onConnected();
      connectedOnce = true;
      unreachable = undefined;
      return stream;
    } catch (error) {
      if (error instanceof LoomsError && error.code !== 'interrupted') unreachable = error;
      throw error;
    }
  });

  const onBroken = (method: string, error: Error) => {
    isLost = true;
    // The stream that carries answers: without it those who wait would wait until their timeout.
    if (method === (http.kind === 'sse' ? 'GET' : 'POST') && !closing.signal.aborted) {
      broken ??=
        error instanceof LoomsError
          ? error
          : new LoomsError('session-failed', `the connection to ${spec.name} broke`, { cause: error });
      link.onbroken?.();
    }
  };
  const answers = createTurnstile(answersAtOnce);
  const overStreams = createFetch(agent, { onBroken, onText: options.onText, ready: answers.idle });

  const underWay = new Set<Promise<unknown>>();
  const fetch: Fetch = (url, init) => {
    const kind = kindOf(init?.body);
    const send = () => overStreams(url, init);
    const response = (kind === 'answer' ? answers.pass(send) : send()).catch((error: unknown) => {
      isLost ||= init?.signal?.aborted !== true;
      throw error;
    });
    if (kind === 'notification') {
      const settled = response.then(nothing, nothing).finally(() => underWay.delete(settled));
      underWay.add(settled);
    }
    return response;
  };

  const ending = async (waitMs: number): Promise<LinkEnding | undefined> => {
    const until = performance.now() + waitMs;
    for (;;) {
      const state = await sessions.containerRunning(container, { signal: AbortSignal.timeout(engineAnswerMs) });
      if (state === null) return { kind: 'exited', code: null };
      if (!state.running) return { kind: 'exited', code: state.exitCode };
      // The engine notices an exit a moment after its connections broke.
      if (!isLost || performance.now() >= until) break;
      await delay(exitPollMs);
    }
    const failure = broken ?? unreachable;
    if (failure !== undefined) return { kind: 'failed', error: failure };
    return connectedOnce ? undefined : { kind: 'failed', error: connectionRefused(spec.name, http.port) };
  };

  const link: HttpLink = {
    kind: http.kind,
    url,
    fetch,
    isWhole: () => connectedOnce && broken === undefined && unreachable === undefined,
    notified: async () => void (await Promise.all(underWay)),
    ending,
    stray: () => [],
    stderr: () => [],
    async close() {
      await link.leave();
      return { byItself: true };
    },
    async leave() {
      closing.abort();
      agent.destroy();
      holding.abort();
    },
  };
  return link;
}

const nothing = () => {};

/** What a request's body holds: a message that nobody answers, the answer to one of the server's, or another one. */
function kindOf(body: unknown): 'notification' | 'answer' | 'other' {
  const message: unknown = typeof body === 'string' ? JSON.parse(body) : undefined;
  if (!isRecord(message)) return 'other';
  if (!('method' in message)) return 'answer';
  return 'id' in message ? 'other' : 'notification';
}

/** Lets a few pieces of work run at once, and says when it is worth bringing more. */
type Turnstile = {
  readonly pass: <T>(work: () => Promise<T>) => Promise<T>;
  /** Resolves when nobody waits. */
  readonly idle: () => Promise<void>;
};

function createTurnstile(width: number): Turnstile {
  const waiting: (() => void)[] = [];
  let idlers: (() => void)[] = [];
  let running = 0;

  const next = () => {
    const first = waiting.shift();
    // Whoever waited takes the place over.
    if (first === undefined) running -= 1;
    else first();
    if (waiting.length > 0) return;
    for (const go of idlers) go();
    idlers = [];
  };

  return {
    async pass(work) {
      if (running < width) running += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        next();
      }
    },
    idle: () => (waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  };
}
