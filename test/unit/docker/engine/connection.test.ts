import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { type RequestTarget, rememberedLookup } from '../../../../src/docker/engine/connection/connection.ts';
import { requestBytes } from '../../../../src/docker/engine/connection/request.ts';

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
