import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { type Duplex, Readable } from 'node:stream';
import { isRecord } from '../../model/values/is-record.ts';
import { type BodyHooks, limitedBody } from './body-limit.ts';
import { type Fetch, isHangUp } from './link.ts';

/**
 * How long after a request a connection may be used for the next one, ms. A server closes one that is idle, Node's and
 * uvicorn's after 5 s; a request that meets that is lost. Counted from when the last request was sent, as its answer may
 * have been on the way for long. Shorter for what may be sent only once.
 */
const idleMs = 3_000;
const idleBeforeCallMs = 1_000;
/** How often a request that may be sent again is, when its connection ended before an answer began. */
const mostRepeats = 2;

/** Statuses whose response has no body by definition; `Response` refuses one. */
const bodiless = new Set([101, 204, 205, 304]);

/** `dropIdle` ends the unused connections whose last request is longer ago than `ms`. */
type StreamAgent = Agent & { readonly dropIdle: (ms: number) => Promise<void> };

/** An HTTP agent over connections that `connect` makes, kept open between requests; `destroy` ends all of them. */
export function createStreamAgent(connect: () => Promise<Duplex>): StreamAgent {
  const idle = new WeakMap<Duplex, NodeJS.Timeout>();
  const lastUse = new WeakMap<Duplex, number>();
  const sinceUse = (stream: Duplex): number => performance.now() - (lastUse.get(stream) ?? 0);

  class KeptAgent extends Agent {
    override createConnection(
      _options: ClientRequestArgs,
      callback?: (error: Error | null, stream: Duplex) => void,
    ): null {
      connect().then(
        (stream) => {
          lastUse.set(stream, performance.now());
          callback?.(null, Object.assign(stream, { ref() {} })); // The agent calls it before a reuse.
        },
        // The agent keeps asking the callback's stream; on failure it looks at the error alone.
        (error: unknown) => failed(callback, error),
      );
      return null;
    }

    // Node's own version calls methods of sockets.
    override keepSocketAlive(stream: Duplex): boolean {
      const left = idleMs - sinceUse(stream);
      if (left <= 0) return false;
      idle.set(
        stream,
        setTimeout(() => stream.destroy(), left),
      );
      return true;
    }

    override reuseSocket(stream: Duplex, request: ClientRequest): void {
      clearTimeout(idle.get(stream));
      lastUse.set(stream, performance.now());
      super.reuseSocket(stream, request);
    }

    /** The timers do not do, as a busy program's are late. */
    async dropIdle(ms: number): Promise<void> {
      const old = Object.values(this.freeSockets)
        .flatMap((streams) => streams ?? [])
        .filter((stream) => sinceUse(stream) > ms);
      if (old.length === 0) return;
      for (const stream of old) stream.destroy();
      // The agent forgets them when they say that they are closed.
      await new Promise((resolve) => setImmediate(resolve));
    }

    override destroy(): void {
      for (const streams of [...Object.values(this.freeSockets), ...Object.values(this.sockets)]) {
        for (const stream of streams ?? []) clearTimeout(idle.get(stream));
      }
      super.destroy();
    }
  }
  return new KeptAgent({ keepAlive: true, maxFreeSockets: 2 });
}

function failed(callback: ((error: Error, stream: Duplex) => void) | undefined, error: unknown): void {
  const reason = error instanceof Error ? error : new Error(String(error));
  (callback as ((error: Error) => void) | undefined)?.(reason);
}

/**
 * `fetch` over an agent of ours, as far as HTTP transports of MCP use it: string bodies, streamed responses, abort.
 * Redirects are handed back. What makes a server do nothing is sent again on a new connection when the one that it was
 * sent on ended before an answer began; anything else is sent once. `onBroken` hears of each response that ended before
 * its end, other than by an abort, or that holds a message beyond the limit: the SDK of MCP leaves a
 * request without an answer when its stream breaks.
 */
export function createFetch(
  agent: StreamAgent,
  { onBroken, ...hooks }: BodyHooks & { readonly onBroken: (method: string, error: Error) => void },
): Fetch {
  const send = (url: URL, init: RequestInit): Promise<Response> =>
    new Promise((resolve, reject) => {
      const method = init.method ?? 'GET';
      const signal = init.signal ?? undefined;
      const outgoing = request({
        agent,
        host: url.hostname,
        port: url.port,
        path: `${url.pathname}${url.search}`,
        method,
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(signal === undefined ? {} : { signal }),
      });
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        const body = limitedBody(incoming, hooks);
        body.on('error', (error) => {
          if (signal?.aborted !== true) onBroken(method, error);
        });
        resolve(asResponse(incoming, body));
      });
      if (typeof init.body === 'string') outgoing.end(init.body);
      else if (init.body === undefined || init.body === null) outgoing.end();
      else outgoing.destroy(new TypeError('only text bodies can be sent'));
    });

  return async (input, init = {}) => {
    const isRepeatable = mayRepeat(init.body);
    for (let repeats = 0; ; repeats += 1) {
      await agent.dropIdle(isRepeatable ? idleMs : idleBeforeCallMs);
      try {
        return await send(new URL(input), init);
      } catch (error) {
        if (!isRepeatable || repeats === mostRepeats || init.signal?.aborted || !isHangUp(error)) throw error;
      }
    }
  };
}

/** Whether nothing happens twice when a message is sent twice: handshakes, lists, notifications, a request without a body. */
function mayRepeat(body: unknown): boolean {
  if (typeof body !== 'string') return true;
  const message: unknown = JSON.parse(body);
  if (!isRecord(message) || typeof message.method !== 'string') return false;
  return /^(initialize|ping|server\/discover|notifications\/.*|.*\/list)$/.test(message.method);
}

function asResponse(incoming: IncomingMessage, body: Readable): Response {
  const status = incoming.statusCode ?? 500;
  const headers = new Headers();
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index] ?? '', incoming.rawHeaders[index + 1] ?? '');
  }
  const hasBody = !bodiless.has(status);
  if (!hasBody) body.resume();
  return new Response(hasBody ? (Readable.toWeb(body) as ReadableStream<Uint8Array>) : null, {
    status,
    statusText: incoming.statusMessage ?? '',
    headers,
  });
}
