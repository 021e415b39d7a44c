import { setTimeout as delay } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { LoomsError } from '../../model/errors.ts';
import { parseExactly } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { HttpLink, Message, StdioLink } from './link.ts';
import { noRoom } from './no-room.ts';
import { settledWithin } from './settled-within.ts';

/** A conversation with a server as messages both ways, whatever carries them; each with the text that it is on the wire. */
export type Channel = {
  /**
   * Resolves when it is on its way. Throws `server-exited` for what the server surely did not get. `headers` reach an HTTP
   * server alone.
   */
  readonly send: (text: string, message: Message, headers?: Readonly<Record<string, string>>) => Promise<void>;
  /** Gives up the request of this id where dropping its connection says so; else the caller tells the server. */
  readonly drop: (id: unknown) => boolean;
  /** Ends it, and the process behind it. Never throws. */
  readonly close: () => Promise<void>;
  ontext?: ((text: string, message: Message) => void) | undefined;
  /** Called once when the other side is gone, with why where it never began; not after `close`. */
  onend?: ((why?: LoomsError) => void) | undefined;
};

/** Hands on what is a message; not what is nested beyond the stack of whoever takes it apart, which must not end the program. */
export function handOn(channel: Channel, text: string, message: Message): void {
  try {
    const known = serverMessage(text, message);
    if (known !== undefined) channel.ontext?.(known.text, known.message);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

/** How long the engine may take to say how a process ended, ms. */
const endingMs = 2_000;

/** A channel over the standard streams of a process. */
export async function overFrames(link: StdioLink, server: string): Promise<Channel> {
  const { frames } = link;
  let closed = false;
  let heard = false;
  /** Why it ended, once the other side is gone. */
  let why: Promise<LoomsError | undefined> | undefined;
  const channel: Channel = {
    async send(text, message) {
      const known = await why;
      if (known !== undefined) throw known;
      await frames.sendText(text, message);
    },
    drop: () => false,
    async close() {
      closed = true;
      await link.close();
    },
  };
  frames.ontext = (text, message) => {
    heard = true;
    handOn(channel, text, message);
  };
  const endedWhy = async (): Promise<LoomsError | undefined> => {
    // What has answered had its room; how it ended is for nobody to wait for.
    const ending = heard ? undefined : await link.ending(endingMs);
    return ending?.kind === 'no-room' ? noRoom(ending.lack, server) : undefined;
  };
  frames.onclose = async () => {
    if (closed) return;
    why = endedWhy();
    const known = await why;
    if (!closed) channel.onend?.(known);
  };
  await frames.start();
  return channel;
}

/** How long after its end a server's stream of its own is asked for again, ms; twice as long after each try in vain. */
const streamPauseMs = 1_000;
const longestStreamPauseMs = 60_000;
/** How long a stream may go on after the answer that it was for, ms: nothing that follows is for anybody. */
const lingerMs = 1_000;
/** How long a server may take to say why it refused a request, and after that whether it knows the session, ms. */
const refusalMs = 5_000;
/** How much of a reason is handed on, characters. */
const longestReason = 500;
/** How long the end of a session may take to be told, ms. */
const goodbyeMs = 1_000;

/** Messages that came together, as the text of each. */
export function messagesIn(text: string): readonly (readonly [string, Message])[] {
  try {
    const value: unknown = JSON.parse(text);
    const all = Array.isArray(value) ? value : [value];
    return all.filter(isMessage).map((one) => [one === value ? text : JSON.stringify(one), one]);
  } catch {
    return [];
  }
}

/** What came of a response: whether it was an answer, else why there is none, as a part of a sentence. */
type Heard = { readonly answered: boolean; readonly reason: string };
const nothingHeard: Heard = { answered: false, reason: '' };

const isMessage = (value: unknown): value is Message => isRecord(value) && value.jsonrpc === '2.0';

/** A channel over streamable HTTP. */
export function overHttp(link: HttpLink, server: string): Channel {
  const ending = new AbortController();
  const open = new Map<unknown, AbortController>();
  let session: string | undefined;
  let version: string | undefined;

  const headersOf = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
    ...(version === undefined ? {} : { 'mcp-protocol-version': version }),
    ...more,
  });
  const end = (): void => {
    if (ending.signal.aborted) return;
    ending.abort();
    channel.onend?.();
  };
  const heard = (text: string): readonly Message[] =>
    messagesIn(text).map(([one, message]) => {
      handOn(channel, one, message);
      return message;
    });
  const fail = (id: unknown, why: string): void => {
    const message = { jsonrpc: '2.0', id, error: { code: -32603, message: `${server}: ${why}` } } as const;
    channel.ontext?.(JSON.stringify(message), message);
  };
  const forgotten = (): LoomsError => {
    end();
    return new LoomsError('server-exited', `${server} has forgotten its session`);
  };
  /**
   * Whether a server that refused a request (400) refuses its session: servers that are written like the examples of the
   * SDK say so of a session that they have forgotten, where 404 is meant for it. They refuse a ping as well.
   */
  const knowsSession = async (): Promise<boolean> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 'looms-ping', method: 'ping' });
    try {
      const response = await link.fetch(link.url, {
        method: 'POST',
        headers: headersOf(),
        body,
        signal: AbortSignal.any([ending.signal, AbortSignal.timeout(refusalMs)]),
      });
      await response.body?.cancel();
      return response.status !== 400 && response.status !== 404;
    } catch {
      return true; // Its connection tells of its own end.
    }
  };

  /** Hands on all messages of a response; says whether one of them answers `id`, else what an error for no id says. */
  const read = async (response: Response, id: unknown, onAnswer: () => void): Promise<Heard> => {
    let answered = false;
    let reason = '';
    const take = (text: string): void => {
      for (const message of heard(text)) {
        if ((message.id ?? null) === null && isRecord(message.error)) reason = `: ${message.error.message}`;
        if (message.method !== undefined || message.id !== id || id === undefined) continue;
        answered = true;
        onAnswer();
        if (isRecord(message.result) && typeof message.result.protocolVersion === 'string') {
          version ??= message.result.protocolVersion;
        }
      }
    };
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      take(await response.text());
      return { answered, reason: reason.slice(0, longestReason) };
    }
    const parser = createParser({ onEvent: ({ data }) => take(data) });
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
    return { answered, reason: reason.slice(0, longestReason) };
  };

  /**
   * What the server says outside of answers, as long as it has a stream for that: what carried one may break while the
   * session goes on, as each request makes its own connection.
   */
  const listen = async (): Promise<void> => {
    let pauseMs = streamPauseMs;
    for (;;) {
      const asked = link.fetch(link.url, { headers: headersOf(), signal: ending.signal });
      const response = await asked.catch(() => undefined);
      if (response?.status === 200) {
        pauseMs = streamPauseMs;
        await read(response, undefined, () => {}).catch(() => nothingHeard);
      } else {
        await response?.body?.cancel();
        // Servers of the SDK answer 409 for as long as they hold a stream that broke for open.
        if (response !== undefined && response.status !== 409) return;
        pauseMs = Math.min(2 * pauseMs, longestStreamPauseMs);
      }
      await delay(pauseMs, undefined, { signal: ending.signal });
    }
  };

  const channel: Channel = {
    async send(text, message, more) {
      if (ending.signal.aborted) throw new LoomsError('server-exited', `the session with ${server} is over`);
      const isRequest = message.method !== undefined && message.id !== undefined;
      const dropped = new AbortController();
      if (isRequest) open.set(message.id, dropped);
      const forget = () => isRequest && open.delete(message.id);
      const signal = AbortSignal.any([ending.signal, dropped.signal]);
      let response: Response;
      try {
        response = await link.fetch(link.url, { method: 'POST', headers: headersOf(more), body: text, signal });
      } catch (error) {
        forget();
        if (isRequest && !signal.aborted) fail(message.id, 'the connection ended before its answer; it may have run');
        else if (!signal.aborted) throw error;
        return;
      }
      if (response.status === 404 && session !== undefined) {
        forget();
        await response.body?.cancel();
        throw forgotten();
      }
      if (response.status === 400 && session !== undefined && isRequest) {
        AbortSignal.timeout(refusalMs).addEventListener('abort', () => dropped.abort(), { once: true });
        const { answered, reason } = await read(response, message.id, () => {}).catch(() => nothingHeard);
        forget();
        if (answered) return;
        if (!(await knowsSession())) throw forgotten();
        return fail(message.id, `HTTP 400 without an answer${reason}`);
      }
      session ??= response.headers.get('mcp-session-id') ?? undefined;
      if (!isRequest) {
        await response.body?.cancel();
        if (message.method === 'notifications/initialized') listen().catch(() => {}); // The session is over.
        return;
      }
      let linger: NodeJS.Timeout | undefined;
      read(response, message.id, () => {
        linger ??= setTimeout(() => dropped.abort(), lingerMs);
      })
        .then(
          ({ answered, reason }) => answered || fail(message.id, `HTTP ${response.status} without an answer${reason}`),
          () => dropped.signal.aborted || fail(message.id, 'the connection broke before its answer; it may have run'),
        )
        .finally(() => {
          clearTimeout(linger);
          forget();
        });
    },
    drop(id) {
      // In the older revisions the end of a connection means nothing.
      if (session !== undefined || version !== undefined) return false;
      open.get(id)?.abort();
      return open.delete(id);
    },
    async close() {
      if (session !== undefined && !ending.signal.aborted) {
        const goodbye = link.fetch(link.url, { method: 'DELETE', headers: headersOf(), signal: ending.signal });
        await settledWithin(
          goodbye.then((response) => response.body?.cancel()),
          goodbyeMs,
        );
      }
      ending.abort();
      await link.close();
    },
  };
  link.onbroken = () => {}; // Each request tells of its own end.
  return channel;
}

const members: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

const isId = (id: unknown): boolean => typeof id === 'string' || typeof id === 'number';

/**
 * What a server sent as JSON-RPC knows it, with its text; undefined for what is none. What is half a request and half an
 * answer could be taken for the answer to something else by whoever reads it next, and so could a member that JSON-RPC does
 * not know, as an `ID` is to some: the text is written anew without those. Throws `RangeError` for what is nested too deeply.
 */
function serverMessage(
  text: string,
  message: Message,
): { readonly text: string; readonly message: Message } | undefined {
  const { id, method, result, error } = message as Readonly<Record<string, unknown>>;
  const answers = (result === undefined ? 0 : 1) + (error === undefined ? 0 : 1);
  if (method === undefined ? answers !== 1 || !isId(id) : answers > 0 || typeof method !== 'string') return undefined;
  if (id !== undefined && !isId(id)) return undefined;
  if (Object.keys(message).every((key) => members.has(key))) return { text, message };
  const exact = parseExactly(text);
  const known = Object.entries(isRecord(exact) ? exact : {}).filter(([key]) => members.has(key));
  return { text: JSON.stringify(Object.fromEntries(known)), message };
}
