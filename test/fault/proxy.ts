import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ProxyFault } from './faults.ts';

/** A fault at the writing call `at`, from 1, and what it needs of the world. */
export type Armed = {
  readonly at: number;
  readonly fault: ProxyFault;
  /** Kills looms; resolves when it is gone. */
  readonly kill: () => Promise<void>;
  /** Makes looms stop waiting; resolves when it has ended, or after a while when it waits all the same. */
  readonly gaveUp: () => Promise<void>;
  readonly act: () => Promise<void>;
};

export type EngineProxy = {
  /** For DOCKER_HOST. */
  readonly host: string;
  /** Begins to count anew; nothing goes wrong until a fault is armed. */
  readonly reset: (armed?: Armed) => void;
  /** Writing calls since the last reset, as `POST /containers/create?name=…`. */
  readonly calls: () => readonly string[];
  /** Keeps the first answer to each list from now on; `serve`: answers with what was kept. */
  readonly lists: (mode: 'pass' | 'keep' | 'serve') => void;
  readonly close: () => Promise<void>;
};

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };

const isList = (path: string): boolean => /\/(containers\/json|networks|volumes)(\?|$)/.test(path);
const isWriting = (method: string | undefined): boolean => method !== 'GET' && method !== 'HEAD';
const withoutVersion = (path: string): string => path.replace(/^\/v[\d.]+/, '');

/** Hop-by-hop headers say how this connection carries the body, which the proxy holds whole. */
function endToEnd({ connection: _, 'transfer-encoding': __, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers;
}

function answer(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, { ...endToEnd(headers), 'content-length': String(body.length) });
  return new Promise((resolve) => {
    response.once('close', resolve);
    response.end(body, () => resolve());
  });
}

const refusal = (status: number): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify({ message: `the fault harness answers ${status}` })),
});

const head = (status: number, words: string, headers: IncomingHttpHeaders): string =>
  [`HTTP/1.1 ${status} ${words}`, ...Object.entries(headers).map(([key, value]) => `${key}: ${value}`), '', ''].join(
    '\r\n',
  );

/** Two sockets as one; either end's half-close is passed on. */
function join(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

/**
 * A proxy on a Unix socket before an engine. It numbers the calls that write, execs and their hijacked streams among
 * them, and does to one of them what `armed` says.
 */
export async function startProxy(socketPath: string, engineSocket: string): Promise<EngineProxy> {
  let armed: Armed | undefined;
  let calls: string[] = [];
  let mode: 'pass' | 'keep' | 'serve' = 'pass';
  let kept = new Map<string, Answer>();
  const sockets = new Set<Socket>();

  const toEngine = ({ method, url: path, headers }: IncomingMessage) =>
    request({ socketPath: engineSocket, ...(method && { method }), ...(path && { path }), headers });

  /** The whole answer of the engine. A call whose asker is given is taken back when that one is gone. */
  function forward(incoming: IncomingMessage, body: Buffer, asker?: ServerResponse): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = toEngine(incoming);
      asker?.once('close', () => outgoing.destroy());
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        const { statusCode: status = 500, headers } = response;
        buffer(response).then((bytes) => resolve({ status, headers, body: bytes }), reject);
      });
      outgoing.end(body);
    });
  }

  function numbered({ method, url = '' }: IncomingMessage): Armed | undefined {
    if (!isWriting(method)) return undefined;
    calls.push(`${method} ${withoutVersion(decodeURIComponent(url))}`);
    return armed?.at === calls.length ? armed : undefined;
  }

  /** What happens before the engine hears of a call; false: it never does. */
  async function before({ fault, kill, gaveUp, act }: Armed, socket: Duplex): Promise<boolean> {
    if (fault.kind === 'kill' && fault.moment === 'before') {
      await kill();
      return false;
    }
    if (fault.kind === 'reset' && fault.moment === 'before') {
      socket.destroy();
      return false;
    }
    if (fault.kind === 'late' && fault.moment === 'stalled') await gaveUp();
    if (fault.kind === 'actor') await act();
    return true;
  }

  /** What happens when the engine has answered; false: looms does not get the answer. */
  async function after({ fault, kill, gaveUp }: Armed, socket: Duplex): Promise<boolean> {
    if (fault.kind === 'kill' && fault.moment === 'unanswered') {
      await kill();
      return false;
    }
    if (fault.kind === 'reset') {
      socket.destroy();
      return false;
    }
    if (fault.kind === 'late') await gaveUp();
    return true;
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? '';
    const fault = numbered(incoming);
    const body = await buffer(incoming);
    if (!fault) {
      const old = mode === 'serve' ? kept.get(path) : undefined;
      const fresh = old ?? (await forward(incoming, body, response));
      if (mode === 'keep' && isList(path) && !kept.has(path)) kept.set(path, fresh);
      await answer(response, fresh);
      return;
    }
    if (fault.fault.kind === 'refuse') return answer(response, refusal(fault.fault.status));
    const socket = response.socket ?? incoming.socket;
    if (!(await before(fault, socket))) return;
    const whole = await forward(incoming, body);
    if (!(await after(fault, socket))) return;
    if (fault.fault.kind === 'half') {
      response.writeHead(whole.status, { ...endToEnd(whole.headers), 'content-length': String(whole.body.length + 2) });
      response.flushHeaders();
      response.write(whole.body.subarray(0, whole.body.length / 2), () => socket.destroy());
      return;
    }
    await answer(response, whole);
    if (fault.fault.kind === 'kill') await fault.kill();
  }

  /** The head of a hijacked stream, and then the stream itself. */
  async function handleUpgrade(incoming: IncomingMessage, client: Duplex, early: Buffer): Promise<void> {
    const fault = numbered(incoming);
    // The request of an exec has a small body, which comes with its head or right after.
    const length = Number(incoming.headers['content-length'] ?? 0);
    const { body, rest } = await readBody(client, early, length);
    if (fault?.fault.kind === 'refuse') {
      const { status, headers, body: text } = refusal(fault.fault.status);
      client.end(
        head(status, 'Refused', { ...headers, 'content-length': String(text.length), connection: 'close' }) + text,
      );
      return;
    }
    if (fault && !(await before(fault, client))) return;
    const outgoing = toEngine(incoming);
    outgoing.once('error', () => client.destroy());
    outgoing.once('response', async (response) => {
      const text = await buffer(response).catch(() => Buffer.alloc(0));
      const headers = { ...endToEnd(response.headers), 'content-length': String(text.length), connection: 'close' };
      client.write(head(response.statusCode ?? 500, 'Refused', headers));
      client.end(text);
    });
    outgoing.once('upgrade', async (upgraded, engine, first) => {
      if (fault && !(await after(fault, client))) return void engine.destroy();
      client.write(head(101, 'UPGRADED', upgraded.headers));
      if (fault?.fault.kind === 'half') {
        // Half of what the process says first, and nothing more.
        engine.once('data', (chunk: Buffer) =>
          client.write(chunk.subarray(0, chunk.length / 2), () => client.destroy()),
        );
        client.on('close', () => engine.destroy());
        client.pipe(engine);
        return;
      }
      if (first.length > 0) client.write(first);
      if (rest.length > 0) engine.write(rest);
      join(client, engine);
      if (fault?.fault.kind === 'kill') await fault.kill();
    });
    outgoing.end(body);
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  server.on('upgrade', (incoming, client, early) => {
    client.on('error', () => client.destroy());
    handleUpgrade(incoming, client, early).catch(() => client.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketPath, resolve));
  return {
    host: `unix://${socketPath}`,
    reset: (next) => {
      armed = next;
      calls = [];
    },
    calls: () => calls,
    lists: (next) => {
      mode = next;
      if (next !== 'serve') kept = new Map();
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The body of a request that asks for an upgrade, which Node leaves on the socket; `rest` came after it. */
async function readBody(client: Duplex, early: Buffer, length: number): Promise<{ body: Buffer; rest: Buffer }> {
  let bytes = early;
  while (bytes.length < length) {
    const chunk = await new Promise<Buffer | null>((resolve) => {
      client.once('data', resolve);
      client.once('close', () => resolve(null));
    });
    client.pause();
    if (chunk === null) throw new Error('the client left before its request was whole');
    bytes = Buffer.concat([bytes, chunk]);
  }
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}
