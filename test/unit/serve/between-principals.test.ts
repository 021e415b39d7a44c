import { describe, expect, test, vi } from 'vitest';
import { usualNames } from '../../../src/model/serve-settings.ts';
import { createStateless, type Stateless } from '../../../src/serve/stateless.ts';
import { type Fake, fakeChannel, fs, guardOf, keptReply, specWith, upstreamsWith } from './fake-servers.ts';
import { modern } from './local-gateway.ts';

// What one principal must not hear or learn of another one.

const levelKey = 'io.modelcontextprotocol/logLevel';

describe('what a process that all share logs', () => {
  const start = (channel: Fake): Stateless => {
    const bridge = { request: vi.fn(), sweep: () => {} };
    const names = usualNames;
    return createStateless(upstreamsWith(specWith({ protocol: modern }), channel), {
      ...{ idleMs: 60_000, bridge, version: '1', log: () => {}, names },
    });
  };
  const ask = (stateless: Stateless, principal: string, meta: object) => {
    const reply = keptReply();
    const guard = guardOf(principal);
    const place = { principal, guard, path: '/mcp/fs', faceOf: vi.fn() };
    const params = { name: 'slow', arguments: {}, _meta: meta };
    const message = { jsonrpc: '2.0', id: principal, method: 'tools/call', params } as const;
    const over = stateless.request({ ...place, server: fs, message, revision: modern }, reply);
    return { reply, over };
  };
  const calls = (channel: Fake) => channel.sent.filter(({ method }) => method === 'tools/call');
  const log = { method: 'notifications/message', params: { level: 'info', data: 'of ann' } };

  test('goes to nobody who did not ask for a log', async () => {
    const channel = fakeChannel(() => undefined);
    const stateless = start(channel);
    const silent = ask(stateless, 'ann', {});
    await vi.waitFor(() => expect(calls(channel)).toHaveLength(1));
    channel.say(log);
    expect(silent.reply.told).toEqual([]);
    await stateless.close();
  });

  test('goes to who asked for it, and to nobody else after that one has gone: its call may go on', async () => {
    const channel = fakeChannel(() => undefined);
    const stateless = start(channel);
    const ann = ask(stateless, 'ann', { [levelKey]: 'info' });
    await vi.waitFor(() => expect(calls(channel)).toHaveLength(1));
    channel.say(log);
    expect(ann.reply.told).toHaveLength(1);
    ann.reply.onleft?.();
    await ann.over;
    const bob = ask(stateless, 'bob', { [levelKey]: 'debug' });
    await vi.waitFor(() => expect(calls(channel)).toHaveLength(2));
    channel.say(log);
    expect(bob.reply.told).toEqual([]);
    await stateless.close();
  });

  test('goes to the next one where the call before it was answered', async () => {
    const channel = fakeChannel(() => undefined);
    const stateless = start(channel);
    const ann = ask(stateless, 'ann', { [levelKey]: 'info' });
    await vi.waitFor(() => expect(calls(channel)).toHaveLength(1));
    channel.say({ id: calls(channel)[0]?.id, result: {} });
    await ann.over;
    const bob = ask(stateless, 'bob', { [levelKey]: 'info' });
    await vi.waitFor(() => expect(calls(channel)).toHaveLength(2));
    channel.say(log);
    expect(bob.reply.told).toHaveLength(1);
    await stateless.close();
  });
});
