import { createServer, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { emptyFolder } from './looms.ts';

export type EngineCall = { readonly method: string; readonly path: string };

export type CallCounter = {
  /** For `DOCKER_HOST`. */
  readonly host: string;
  /** All requests since the last `reset`, in the order in which they came. */
  readonly calls: () => readonly EngineCall[];
  /** Those that can change something: whatever is neither GET nor HEAD. */
  readonly writes: () => readonly EngineCall[];
  readonly reset: () => void;
  readonly close: () => Promise<void>;
};

const socketPath = (host: string | undefined): string => {
  if (host === undefined || host === '') return '/var/run/docker.sock';
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new Error(`calls are counted on unix sockets only, not on ${host}`);
};

const rawHead = ({ method, url, rawHeaders }: IncomingMessage): string => {
  const headers = Array.from(
    { length: rawHeaders.length / 2 },
    (_, i) => `${rawHeaders[2 * i]}: ${rawHeaders[2 * i + 1]}`,
  );
  return [`${method} ${url} HTTP/1.1`, ...headers, '', ''].join('\r\n');
};

/**
 * A proxy before the engine that knows every request: those on connections that are kept alive are told apart by a real
 * HTTP parser, and a hijacked connection (exec, attach) is passed through from its upgrade on. Where `losesAnswer` says
 * so the engine does what it was asked, and the connection breaks instead of its answer.
 */
export async function countCalls(
  engine = process.env.DOCKER_HOST,
  losesAnswer: (call: EngineCall) => boolean = () => false,
): Promise<CallCounter> {
  const upstream = socketPath(engine);
  let calls: EngineCall[] = [];
  const sockets = new Set<Socket>();
  const note = ({ method = '', url = '' }: IncomingMessage): void => {
    calls.push({ method, path: url });
  };

  const server = createServer((incoming, outgoing) => {
    note(incoming);
    const { method, url, headers } = incoming;
    const forwarded = request({ socketPath: upstream, method, path: url, headers }, (answer) => {
      if (losesAnswer({ method: method ?? '', path: url ?? '' })) {
        answer.resume().once('end', () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  server.on('upgrade', (incoming, socket, head) => {
    note(incoming);
    const there = connect(upstream);
    there.write(rawHead(incoming));
    if (head.length > 0) there.write(head);
    for (const one of [there, socket]) one.on('error', () => [there, socket].map((each) => each.destroy()));
    socket.pipe(there).pipe(socket);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  const path = join(emptyFolder(), 'engine.sock');
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  return {
    host: `unix://${path}`,
    calls: () => calls,
    writes: () => calls.filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    reset: () => {
      calls = [];
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
