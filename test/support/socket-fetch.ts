import { request } from 'node:http';
import { Readable } from 'node:stream';

/** `fetch` to whoever listens on a Unix socket, as far as HTTP transports of MCP use it. */
export const socketFetch =
  (socketPath: string) =>
  (input: string | URL, init: RequestInit = {}): Promise<Response> =>
    new Promise((resolve, reject) => {
      const { pathname, search } = new URL(input);
      const signal = init.signal ?? undefined;
      const outgoing = request({
        socketPath,
        agent: false,
        path: `${pathname}${search}`,
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(signal === undefined ? {} : { signal }),
      });
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        const status = incoming.statusCode ?? 500;
        const headers = new Headers(
          Object.entries(incoming.headers).flatMap(([name, value]) =>
            typeof value === 'string' ? [[name, value] as [string, string]] : [],
          ),
        );
        incoming.on('error', () => {}); // The body's reader hears of it.
        const body = [202, 204, 405].includes(status) ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
        if (body === null) incoming.resume();
        resolve(new Response(status === 204 || body === null ? null : body, { status, headers }));
      });
      outgoing.end(typeof init.body === 'string' ? init.body : undefined);
    });
