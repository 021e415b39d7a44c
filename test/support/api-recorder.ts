import { once } from 'node:events';
import { createServer, type IncomingMessage, type request as plainRequest } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request that went to the API server, what was sent with it, and how it was answered. */
export type Recorded = { readonly method: string; readonly url: URL; readonly body: string; readonly status: number };

export type ApiRecorder = {
  /** Where requests are sent instead of to the API server. */
  readonly url: string;
  readonly recorded: readonly Recorded[];
  readonly close: () => Promise<void>;
};

/** Stands in front of an API server and notes each request, web sockets too; whoever asks brings a token. */
export async function recordApi(endpoint: string, ca: string): Promise<ApiRecorder> {
  const recorded: Recorded[] = [];
  const forward = (incoming: IncomingMessage): ReturnType<typeof plainRequest> => {
    const { method = '', url = '', headers } = incoming;
    const { host: _, ...rest } = headers;
    const outgoing = request(new URL(url, endpoint), { method, headers: rest, ca });
    const sent: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => sent.push(chunk));
    const note = (answer: IncomingMessage): void => {
      const body = Buffer.concat(sent).toString('utf8');
      recorded.push({ method, url: new URL(url, endpoint), body, status: answer.statusCode ?? 0 });
    };
    outgoing.once('response', note).once('upgrade', note);
    return outgoing;
  };
  const server = createServer((incoming, response) => {
    const outgoing = forward(incoming);
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.on('upgrade', (incoming, socket) => {
    const outgoing = forward(incoming);
    const head = ({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string => {
      const lines = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []));
      return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines, '', ''].join('\r\n');
    };
    outgoing.on('upgrade', (answer, there, first) => {
      socket.write(head(answer));
      socket.write(first);
      there.pipe(socket).pipe(there);
      there.on('error', () => socket.destroy());
      there.on('close', () => socket.destroy());
      socket.on('close', () => there.destroy());
    });
    outgoing.on('response', (answer) => {
      socket.write(head(answer));
      answer.pipe(socket);
    });
    outgoing.on('error', () => socket.destroy());
    socket.on('error', () => outgoing.destroy());
    outgoing.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    recorded,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
