import { expect, test, vi } from 'vitest';
import { openGuard } from '../../../src/serve/access/guard.ts';
import { allServers } from '../../../src/serve/aggregate.ts';
import type { ClientRequest, Message } from '../../../src/serve/messages/protocol.ts';
import { fakeChannel, fs, upstreamsOf } from './fake-servers.ts';

// All servers as one, in one session.

const message = (method: string): ClientRequest => ({ jsonrpc: '2.0', id: 1, method, params: {} });
const server = (capabilities: object) =>
  fakeChannel(({ method }: Message) =>
    method === 'initialize' ? { result: { capabilities } } : { result: { tools: [], prompts: [{ name: 'ask' }] } },
  );

function start(...channels: ReturnType<typeof server>[]) {
  const onNotification = vi.fn();
  let lastId = 0;
  const heard = { nextId: () => ++lastId, onNotification, onRequest: () => {} };
  const names = { separator: '__', maxName: 45 };
  const face = allServers(upstreamsOf(...channels), heard, { version: '1', log: () => {}, guard: openGuard, names });
  const listed = async (method: string): Promise<unknown> => {
    const route = await face.route(message(method));
    return route.kind === 'here' ? JSON.parse(route.text).result : undefined;
  };
  return { face, listed, onNotification };
}

test('a server that comes back with other lists is asked for those', async () => {
  const first = server({ tools: {} });
  const { face, listed } = start(first, server({ prompts: {} }));
  await face.initialize(message('initialize'));
  expect(await listed('prompts/list')).toEqual({ prompts: [] });
  first.onend?.();
  expect(await listed('prompts/list')).toEqual({ prompts: [{ name: `${fs}__ask` }] });
});

test('a client is told of a server that comes or goes once it is initialized, and not before', async () => {
  const { face, onNotification } = start();
  face.serverChanged?.(fs);
  await face.initialize(message('initialize'));
  face.serverChanged?.(fs);
  expect(onNotification).not.toHaveBeenCalled();
  await face.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  face.serverChanged?.(fs);
  expect(onNotification).toHaveBeenCalledTimes(3);
});
