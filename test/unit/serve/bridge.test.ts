import { afterEach, expect, test } from 'vitest';
import { oneServer } from '../../../src/serve/face.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { createSessions } from '../../../src/serve/sessions/sessions.ts';
import { createBridge } from '../../../src/serve/stateless/bridge.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, fs, guardOf, type Kept, keptReply, upstreamsOf } from './fake-servers.ts';
import { key } from './local-gateway.ts';

// Clients without sessions that subscribe to resources of a server with sessions, in the one that they share.

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()));
});

/** A server whose answer to a subscription waits where its URI is among these. */
function start(...slow: string[]) {
  const channel = fakeChannel(({ method, params }: Message) => {
    if (method === 'initialize') {
      return { result: { protocolVersion: '2025-11-25', capabilities: { resources: { subscribe: true } } } };
    }
    const waits = method === 'resources/subscribe' && slow.includes((params as { uri: string }).uri);
    return waits ? undefined : { result: {} };
  });
  const upstreams = upstreamsOf(channel);
  const sessions = createSessions(upstreams, { idleMs: 600_000, most: 4, mostEach: 4 }, createSeal(key, 'p'));
  const bridge = createBridge(sessions, createSeal(key, 'p'));
  ended.push(() => Promise.all(sessions.all().map(sessions.end)));
  const guard = guardOf('ann');
  const place = {
    ...{ principal: guard.key, guard, path: '/mcp/fs' },
    faceOf: (heard: Parameters<typeof oneServer>[2]) => oneServer(fs, upstreams, heard),
  };
  const asked = (): string[] =>
    channel.sent
      .filter(({ method }) => method?.startsWith('resources/'))
      .map(({ method, params }) => `${method?.replace('resources/', '')} ${(params as { uri: string }).uri}`);
  return {
    asked,
    /** Answers the subscription of a URI that waits. */
    answer: (uri: string) => {
      const waits = channel.sent.find(({ params }) => (params as { uri?: string } | undefined)?.uri === uri);
      channel.say({ id: waits?.id, result: {} });
    },
    listen: (...uris: string[]) => {
      let isOpen = true;
      const reply = Object.assign(keptReply(), { isOpen: () => isOpen });
      const params = { notifications: { resourceSubscriptions: uris } };
      const message = { jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params } as const;
      const over = bridge.request({ ...place, message }, reply);
      const leave = (): void => {
        isOpen = false;
        reply.onleft?.();
      };
      return { reply, over, leave };
    },
  };
}
const granted = ({ told }: Kept): unknown =>
  told.map((text) => JSON.parse(text).params.notifications.resourceSubscriptions);

test('who leaves takes nothing from another one that has just come, and whose other resources are still asked for', async () => {
  const { asked, answer, listen } = start('x:2');
  const first = listen('x:1');
  await eventually(() => expect(granted(first.reply)).toEqual([['x:1']]));
  const second = listen('x:1', 'x:2');
  await eventually(() => expect(asked().at(-1)).toBe('subscribe x:2'));
  first.leave();
  await first.over;
  expect(asked()).toEqual(['subscribe x:1', 'subscribe x:1', 'subscribe x:2']);
  answer('x:2');
  await eventually(() => expect(granted(second.reply)).toEqual([['x:1', 'x:2']]));
  second.leave();
  await second.over;
  expect(asked().slice(3)).toEqual(['unsubscribe x:1', 'unsubscribe x:2']);
});

test('who has left has nothing more asked for, and what was is given up', async () => {
  const { asked, answer, listen } = start('x:2');
  const { over, leave } = listen('x:1', 'x:2', 'x:3');
  await eventually(() => expect(asked().at(-1)).toBe('subscribe x:2'));
  leave();
  answer('x:2');
  await over;
  expect(asked()).toEqual(['subscribe x:1', 'subscribe x:2', 'unsubscribe x:1', 'unsubscribe x:2']);
});

test('who names more resources than a subscription may have is refused, and nothing is asked for', async () => {
  const { asked, listen } = start();
  const { reply, over } = listen(...Array.from({ length: 1_001 }, (_, index) => `x:${index}`));
  await over;
  expect(JSON.parse(reply.answered[0] ?? '').error).toMatchObject({
    code: -32602,
    message: 'more than 1000 subscriptions',
  });
  expect(asked()).toEqual([]);
});
