import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import {
  type Client,
  type RequestTarget,
  rememberedLookup,
} from '../../../../src/docker/engine/connection/connection.ts';
import { requestBytes } from '../../../../src/docker/engine/connection/request.ts';
import { inspectContainer, listContainers } from '../../../../src/docker/engine/containers/inspected.ts';

type Asking = (host: string, options: { all?: boolean; family?: number }) => Promise<unknown>;

function resolver() {
  const asked: string[] = [];
  let now = 0;
  const lookup = rememberedLookup(
    () => now,
    async (host) => {
      asked.push(host);
      if (host === 'nowhere') throw Object.assign(new Error('no such host'), { code: 'ENOTFOUND' });
      return [
        { address: '192.0.2.7', family: 4 },
        { address: '2001:db8::7', family: 6 },
      ];
    },
  );
  return { asked, ask: promisify(lookup) as unknown as Asking, pass: (ms: number) => (now += ms) };
}

it('asks the system once for the connections of a minute, also for those made at once', async () => {
  const { asked, ask, pass } = resolver();
  await Promise.all([ask('engine', { all: true }), ask('engine', { all: true })]);
  pass(59_000);
  expect(await ask('engine', { all: true })).toEqual([
    { address: '192.0.2.7', family: 4 },
    { address: '2001:db8::7', family: 6 },
  ]);
  expect(await ask('engine', {})).toBe('192.0.2.7');
  expect(asked).toEqual(['engine']);
  pass(2_000);
  await ask('engine', { all: true });
  expect(asked).toEqual(['engine', 'engine']);
});

it('tells a failure, and asks again after it', async () => {
  const { asked, ask } = resolver();
  for (const _ of [1, 2]) await expect(ask('nowhere', {})).rejects.toMatchObject({ code: 'ENOTFOUND' });
  expect(asked).toEqual(['nowhere', 'nowhere']);
});

/** What `ask` is given where every request is answered by `answer`. */
async function answering(answer: (socket: Socket) => void): Promise<{ client: Client; close: () => void }> {
  const server = createTcpServer((socket) => void socket.once('data', () => answer(socket)).on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  const target: RequestTarget = { request, agent, options: { host: '127.0.0.1', port } };
  const client = {
    target,
    engine: { apiVersion: '1.41' },
    agree: async () => {},
    limitMs: 20_000,
  } as unknown as Client;
  const close = (): void => {
    agent.destroy();
    server.close();
  };
  return { client, close };
}

const http = (status: string, body: string) => (socket: Socket) =>
  void socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

it.each([
  ['a page', http('200 OK', '<html>Log in</html>')],
  ['nothing', http('204 No Content', '')],
  ['null', http('200 OK', 'null')],
  ['an object for a list', http('200 OK', '{}')],
  ['a list of nothing', http('200 OK', '[null]')],
])('says that no engine answered where the answer is %s', async (_what, answer) => {
  const { client, close } = await answering(answer);
  try {
    await expect(listContainers(client, {})).rejects.toMatchObject({
      code: 'engine-rejected',
      message: 'cannot list containers: what answered is not the Engine API',
    });
  } finally {
    close();
  }
});

it('takes no container for gone because something else answered', async () => {
  const { client, close } = await answering(http('200 OK', '{}'));
  try {
    await expect(inspectContainer(client, 'abc')).rejects.toMatchObject({ code: 'engine-rejected' });
  } finally {
    close();
  }
});

it('gives up at once where the connection is upgraded and nobody asked for that', async () => {
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n';
  const { client, close } = await answering((socket) => void socket.write(upgrade));
  try {
    await expect(listContainers(client, {})).rejects.toMatchObject({ code: 'engine-unreachable' });
  } finally {
    close();
  }
});

it('does not ask once more for an answer that broke off in its middle on a kept connection', async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked === 1) return void response.end('whole');
    response.writeHead(200);
    response.write('half');
    setImmediate(() => response.socket?.resetAndDestroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  const target: RequestTarget = { request, agent, options: { host: '127.0.0.1', port } };
  try {
    const { signal } = new AbortController();
    await requestBytes(target, { method: 'GET', path: '/a', signal });
    const second = requestBytes(target, { method: 'GET', path: '/b', signal });
    await expect(second).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(asked).toBe(2);
  } finally {
    agent.destroy();
    server.close();
  }
});
