import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { createLoads } from '../../../src/serve/access/limits.ts';
import { createGateway, type Gateway } from '../../../src/serve/gateway.ts';
import { createReply } from '../../../src/serve/messages/reply.ts';
import { createOldSse } from '../../../src/serve/sessions/old-sse.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import type { Sessions } from '../../../src/serve/sessions/sessions.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, guardOf, upstreamsOf } from './fake-servers.ts';
import { key } from './local-gateway.ts';

// Clients that leave while what they asked for is begun: what comes of it is nobody's.

const handshake = {
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};
const running: { readonly gateway: Gateway; readonly http: Server }[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const { gateway } of running.splice(0)) await gateway.close();
});

/** A gateway whose only server takes until `open` to be opened; what connects to it, and how many connections it has. */
async function start(idleMs: number) {
  const { promise: isOpened, resolve: open } = Promise.withResolvers<void>();
  let opening = 0;
  const plain = upstreamsOf(fakeChannel(() => ({ result: { protocolVersion: '2025-11-25', capabilities: {} } })));
  const upstreams: Upstreams = {
    ...plain,
    open: async (server) => {
      opening += 1;
      await isOpened;
      return plain.open(server);
    },
  };
  const bounds = { idleMs, most: 4, mostEach: 4 };
  const gateway = createGateway(upstreams, { bounds, seal: createSeal(key, 'p'), version: '1', log: () => {} });
  const http = gateway.serverFor({ kind: 'socket' }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  running.push({ gateway, http });
  const { port } = http.address() as AddressInfo;
  return { gateway, open, opening: () => opening, send: (text: string) => sent(port, text), left: () => none(http) };
}
async function sent(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}
/** Resolves once the server knows that nobody is connected any more. */
const none = (http: Server): Promise<void> =>
  eventually(async () => {
    const count = await new Promise((resolve) => http.getConnections((_, open) => resolve(open)));
    expect(count).toBe(0);
  });

const head = (verb: string, headers: Readonly<Record<string, string | number>>): string =>
  [`${verb} /mcp/fs HTTP/1.1`, 'host: localhost', ...Object.entries(headers).map((one) => one.join(': ')), '', ''].join(
    '\r\n',
  );
const body = JSON.stringify(handshake);
const begin = head('POST', { 'content-type': 'application/json', 'content-length': body.length }) + body;

/** A response whose client has left. */
async function leftResponse(): Promise<ServerResponse> {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const socket = await sent((http.address() as AddressInfo).port, head('GET', {}));
  const [, response] = await once(http, 'request');
  socket.destroy();
  await once(response, 'close');
  http.close();
  return response;
}

test('a reply to a client that has left already is not open, and keeps nothing', async () => {
  const response = await leftResponse();
  vi.useFakeTimers();
  const reply = createReply(response, { load: createLoads()('p', response) });
  expect([reply.isOpen(), reply.tell('{}'), vi.getTimerCount()]).toEqual([false, false, 0]);
});

test('a stream of the old transport whose client has left already begins no session', async () => {
  const response = await leftResponse();
  const sessions: Pick<Sessions, 'open'> = { open: vi.fn() };
  const place = { principal: 'p', guard: guardOf('p'), path: '/sse/fs', faceOf: () => expect.fail('nobody asks') };
  expect(createOldSse(sessions as Sessions).open(place, response, createLoads()('p', response))).toBe(true);
  expect(sessions.open).not.toHaveBeenCalled();
});

test('a session whose client left before it had begun is over with that', async () => {
  const { gateway, open, opening, send, left } = await start(3_600_000);
  const socket = await send(begin);
  await eventually(() => expect(opening()).toBe(1));
  socket.destroy();
  await left();
  open();
  await eventually(() => expect(gateway.sessions()).toBe(0));
});

test('a session that is begun again for a stream whose client has left is not listened to, and goes by disuse', async () => {
  const first = await start(3_600_000);
  first.open();
  let answer = '';
  (await first.send(begin)).setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  const id = await eventually(() => {
    const found = /mcp-session-id: (\S+)/.exec(answer)?.[1];
    if (found === undefined) throw new Error(`no id yet: ${answer}`);
    return found;
  });
  const { gateway, open, opening, send, left } = await start(1);
  const socket = await send(head('GET', { 'mcp-session-id': id, accept: 'text/event-stream' }));
  await eventually(() => expect(opening()).toBe(1));
  expect(gateway.sessions()).toBe(1);
  socket.destroy();
  await left();
  open();
  await eventually(() => expect(gateway.sessions()).toBe(0));
});
