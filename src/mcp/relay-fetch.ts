import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage, request } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import type { FetchLike } from '@modelcontextprotocol/client';
import { limitedBody } from './body-limit.ts';

/** How long an unused connection is kept for the next request, ms: below the 5 s after which Node's servers close it. */
const idleMs = 3_000;

/** Statuses whose response has no body by definition; `Response` refuses one. */
const bodiless = new Set([101, 204, 205, 304]);

/**
 * An HTTP agent whose connections are made by `connect`, kept open between requests and dropped when idle. `destroy`
 * ends all of them.
 */
export function createStreamAgent(connect: () => Promise<Duplex>): Agent {
  const idle = new WeakMap<Duplex, NodeJS.Timeout>();

  class StreamAgent extends Agent {
    override createConnection(
      _options: ClientRequestArgs,
      callback?: (error: Error | null, stream: Duplex) => void,
    ): null {
      // The agent keeps asking the callback's stream; on failure it looks at the error alone.
      connect().then(
        (stream) => callback?.(null, Object.assign(stream, { ref() {} })), // The agent calls it before a reuse.
        (error: unknown) => failed(callback, error),
      );
      return null;
    }

    // Node's own version calls methods of sockets.
    override keepSocketAlive(stream: Duplex): boolean {
      idle.set(
        stream,
        setTimeout(() => stream.destroy(), idleMs),
      );
      return true;
    }

    override reuseSocket(stream: Duplex, request: ClientRequest): void {
      clearTimeout(idle.get(stream));
      super.reuseSocket(stream, request);
    }

    override destroy(): void {
      for (const streams of [...Object.values(this.freeSockets), ...Object.values(this.sockets)]) {
        for (const stream of streams ?? []) clearTimeout(idle.get(stream));
      }
      super.destroy();
    }
  }
  return new StreamAgent({ keepAlive: true, maxFreeSockets: 2 });
}

function failed(callback: ((error: Error, stream: Duplex) => void) | undefined, error: unknown): void {
  const reason = error instanceof Error ? error : new Error(String(error));
  (callback as ((error: Error) => void) | undefined)?.(reason);
}

/**
 * `fetch` over an agent of ours, as far as the SDK's HTTP transports use it: string bodies, streamed responses, abort.
 * Redirects are handed back. `onBroken` hears of each response that ended before its end, other than by an abort, or
 * that holds a message beyond the limit: the SDK leaves a request without an answer when its stream breaks. `onText`
 * hears the text of each message that came.
 */
export function createFetch(
  agent: Agent,
  { onBroken, onText }: { onBroken: (method: string, error: Error) => void; onText: (text: string) => void },
): FetchLike {
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(input);
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
        const body = limitedBody(incoming, onText);
        body.on('error', (error) => {
          if (signal?.aborted !== true) onBroken(method, error);
        });
        resolve(asResponse(incoming, body));
      });
      if (typeof init.body === 'string') outgoing.end(init.body);
      else if (init.body === undefined || init.body === null) outgoing.end();
      else outgoing.destroy(new TypeError('only text bodies can be sent'));
    });
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
