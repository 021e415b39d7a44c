import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { asServerName, type ServerName } from '../../../src/model/ids.ts';
import type { ClientRequest } from '../../../src/serve/messages/protocol.ts';
import type { Reply } from '../../../src/serve/messages/reply.ts';
import { createAllListeners } from '../../../src/serve/stateless/all-listeners.ts';
import { keptReply } from './fake-servers.ts';

// What a client hears of all servers as one, on the one stream that it asked for.

const [fs, web] = [asServerName('fs'), asServerName('web')];
const subscription = 'io.modelcontextprotocol/subscriptionId';
type Stream = { readonly reply: Reply; readonly end: () => void };

/** Two servers, of which `web` tells nothing; streams in the order in which they were asked for. */
function start(reached: readonly ServerName[] = [fs, web], homes: ReadonlyMap<string, ServerName> = new Map()) {
  let isValid = true;
  let isDown = false;
  const asked: { readonly server: ServerName; readonly stream: Stream }[] = [];
  const listeners = createAllListeners(async () => [fs, web]);
  const reply = keptReply();
  const notifications = { toolsListChanged: true };
  const message: ClientRequest = {
    jsonrpc: '2.0',
    id: 'mine',
    method: 'subscriptions/listen',
    params: { notifications },
  };
  const askOne = (server: ServerName, _: object, its: Reply): Promise<void> => {
    const { promise, resolve: end } = Promise.withResolvers<void>();
    asked.push({ server, stream: { reply: its, end } });
    if (isDown) return Promise.resolve(its.answer('{"error":{}}'));
    its.onleft = end;
    const foreign = homes.size === 0 ? {} : { resourceSubscriptions: ['x:1', 'x:1', 'x:other'] };
    const taken = server === fs ? { ...notifications, ...foreign } : {};
    its.tell(JSON.stringify({ method: 'notifications/subscriptions/acknowledged', params: { notifications: taken } }));
    if (server === web) end();
    return promise;
  };
  const guard = { reaches: (one: string) => reached.some((each) => each === one), isValid: () => isValid };
  const asker = { askOne, guard, homes };
  const over = listeners.listen(message, asker, reply);
  const told = () => reply.told.map((text) => JSON.parse(text).method.replace('notifications/', ''));
  const revoke = (): void => {
    isValid = false;
  };
  const setDown = (now: boolean): void => {
    isDown = now;
  };
  return { listeners, reply, asked, over, told, revoke, setDown };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());
const acknowledged = 'subscriptions/acknowledged';

test('one server whose stream ends is listened to again, the one that tells nothing is not', async () => {
  const { asked, listeners, told, over, reply } = start();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(told()).toEqual([acknowledged]);
  asked[0]?.stream.end();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked.map(({ server }) => server)).toEqual([fs, web, fs]);
  asked[2]?.stream.reply.tell('{"method":"notifications/tools/list_changed"}');
  expect(told()).toEqual([acknowledged, 'tools/list_changed']);
  reply.onleft?.();
  await over;
  expect(listeners.count()).toBe(0);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toHaveLength(3);
});

test('one that cannot be listened to again yet is tried with growing pauses, and then as before', async () => {
  const { asked, setDown } = start();
  await vi.advanceTimersByTimeAsync(0);
  setDown(true);
  asked[0]?.stream.end();
  const tries: number[] = [];
  for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 59_999]) {
    await vi.advanceTimersByTimeAsync(ms);
    tries.push(asked.length - 2);
  }
  expect(tries).toEqual([1, 2, 3, 4, 5, 6, 7, 7]);
  setDown(false);
  await vi.advanceTimersByTimeAsync(1);
  asked.at(-1)?.stream.end();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(11);
});

test('a client that leaves while servers are asked is told nothing more, and none of them is listened to', async () => {
  const { asked, told, reply, over, listeners } = start();
  reply.onleft?.();
  await over;
  listeners.serverChanged(fs);
  expect([asked, told()]).toEqual([[], []]);
});

test('of what a server says that it tells, only what the client asked for is handed on, once', async () => {
  const { reply } = start(
    undefined,
    new Map([
      ['x:1', fs],
      ['x:2', fs],
    ]),
  );
  await vi.advanceTimersByTimeAsync(0);
  expect(JSON.parse(reply.told[0] ?? '').params.notifications.resourceSubscriptions).toEqual(['x:1']);
});

test('a server that comes is listened to and told of, under the id of the client, in what it asked for', async () => {
  const { asked, listeners, told, reply } = start();
  await vi.advanceTimersByTimeAsync(0);
  listeners.serverChanged(web);
  expect(asked.map(({ server }) => server)).toEqual([fs, web, web]);
  expect(told()).toEqual([acknowledged, 'tools/list_changed']);
  expect(JSON.parse(reply.told[1] ?? '').params._meta).toEqual({ [subscription]: 'mine' });
  listeners.serverChanged(fs);
  expect(asked).toHaveLength(3);
});

test('of a server that it does not reach it is told nothing', async () => {
  const { asked, listeners, told } = start([fs]);
  await vi.advanceTimersByTimeAsync(0);
  listeners.serverChanged(web);
  expect(asked.map(({ server }) => server)).toEqual([fs]);
  expect(told()).toEqual([acknowledged]);
});

test('it ends with the token that it was made with', async () => {
  const { listeners, over, reply, revoke } = start();
  await vi.advanceTimersByTimeAsync(0);
  listeners.sweep();
  expect(listeners.count()).toBe(1);
  revoke();
  listeners.sweep();
  await over;
  expect(reply.answered.map((text) => JSON.parse(text).result.resultType)).toEqual(['complete']);
});
