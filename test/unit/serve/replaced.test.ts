import { describe, expect, test, vi } from 'vitest';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId } from '../../../src/model/ids.ts';
import { usualNames } from '../../../src/model/serve-settings.ts';
import { oneServer } from '../../../src/serve/face.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import { createSession } from '../../../src/serve/sessions/session.ts';
import { createStateless, type Stateless } from '../../../src/serve/stateless/stateless.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { type Fake, fakeChannel, fs, guardOf, keptReply, specWith, upstreamsWith } from './fake-servers.ts';
import { modern } from './local-gateway.ts';

// What clients of the stateless revisions notice of a server of theirs that another container takes the place of.

const subscription = 'io.modelcontextprotocol/subscriptionId';
const revision = 'io.modelcontextprotocol/protocolVersion';
const meta = { [revision]: modern, 'io.modelcontextprotocol/clientCapabilities': {} };

/** A server of that revision: it refuses what does not name it, and acknowledges what it is to tell. */
function modernServer(...tools: string[]): Fake {
  const channel = fakeChannel(({ id, method, params }: Message) => {
    const { _meta, notifications } = params as { _meta?: Record<string, unknown>; notifications?: object };
    if (_meta?.[revision] !== modern) return { error: { code: -32602, message: 'no envelope' } };
    if (method === 'tools/list') return { result: { tools: tools.map((name) => ({ name })) } };
    if (method !== 'subscriptions/listen') return undefined;
    queueMicrotask(() =>
      channel.say({
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications, _meta: { [subscription]: String(id) } },
      }),
    );
    return undefined;
  });
  return channel;
}

const start = (upstreams: Upstreams): Stateless =>
  createStateless(upstreams, {
    ...{ idleMs: 60_000, bridge: { request: vi.fn(), sweep: () => {} }, version: '1', log: () => {} },
    names: usualNames,
  });
const ask = (stateless: Stateless, id: string, method: string, params: object = {}) => {
  const reply = keptReply();
  const guard = guardOf('ann');
  const message = { jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } } as const;
  const place = { principal: 'ann', guard, path: '/mcp/fs', faceOf: vi.fn(), server: fs };
  const over = stateless.request({ ...place, message, revision: modern }, reply);
  return { reply, over };
};
const sent = (channel: Fake, wanted: string): readonly Message[] =>
  channel.sent.filter(({ method }) => method === wanted);
const told = ({ reply }: ReturnType<typeof ask>) =>
  reply.told.map((text) => {
    const { method, params } = JSON.parse(text);
    return `${method.replace('notifications/', '')} of ${params._meta[subscription]}`;
  });
const slow = { name: 'slow', arguments: {} };
const spec = specWith({ protocol: modern });

describe('a client that listens, once another container serves', () => {
  test('is told by that one under its own ids, without a second word of what it is told; nothing keeps the old one', async () => {
    const [first, second] = [modernServer('a'), modernServer('a', 'b')];
    const stateless = start(upstreamsWith(spec, first, second));
    await ask(stateless, 'list', 'tools/list').over;
    const tools = ask(stateless, 'tools', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    const prompts = ask(stateless, 'prompts', 'subscriptions/listen', { notifications: { promptsListChanged: true } });
    await eventually(() => expect([...told(tools), ...told(prompts)]).toHaveLength(2));
    const call = ask(stateless, 'call', 'tools/call', { name: 'a', arguments: {} });
    await eventually(() => expect(sent(first, 'tools/call')).toHaveLength(1));

    expect(await stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 })).toBe(true);
    expect(sent(second, 'subscriptions/listen')).toEqual(sent(first, 'subscriptions/listen'));
    expect(sent(first, 'notifications/cancelled').map(({ params }) => params)).toEqual(
      sent(first, 'subscriptions/listen').map(({ id }) => ({ requestId: id, reason: 'another container serves' })),
    );
    await eventually(() =>
      expect(told(tools)).toEqual(['subscriptions/acknowledged of tools', 'tools/list_changed of tools']),
    );
    second.say({
      method: 'notifications/prompts/list_changed',
      params: { _meta: { [subscription]: String(sent(second, 'subscriptions/listen')[1]?.id) } },
    });
    expect(told(prompts)).toEqual(['subscriptions/acknowledged of prompts', 'prompts/list_changed of prompts']);
    expect(call.reply.told).toEqual([]);

    expect(first.isClosed).toBe(false);
    first.say({ id: sent(first, 'tools/call')[0]?.id, result: { content: [] } });
    await call.over;
    expect(first.isClosed).toBe(true);
    tools.reply.onleft?.();
    await tools.over;
    expect(sent(second, 'notifications/cancelled')).toHaveLength(1);
    await stateless.close();
  });

  test('hears nothing where the tools are the same', async () => {
    const stateless = start(upstreamsWith(spec, modernServer('a', 'b'), modernServer('b', 'a')));
    await ask(stateless, 'list', 'tools/list').over;
    const tools = ask(stateless, 'tools', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await eventually(() => expect(told(tools)).toHaveLength(1));
    expect(await stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 })).toBe(true);
    expect(told(tools)).toHaveLength(1);
    await stateless.close();
  });

  test('hears of it where the next one does not say in time which tools it has', async () => {
    const mute = fakeChannel(() => undefined);
    const hasty = specWith({ protocol: modern, timeoutSeconds: 0.05 });
    const stateless = start(upstreamsWith(hasty, modernServer('a'), mute));
    await ask(stateless, 'list', 'tools/list').over;
    const tools = ask(stateless, 'tools', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await eventually(() => expect(told(tools)).toHaveLength(1));
    const following = stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 });
    await eventually(() => expect(sent(mute, 'subscriptions/listen')).toHaveLength(1));
    const [listening] = sent(mute, 'subscriptions/listen');
    mute.say({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { [subscription]: String(listening?.id) }, notifications: { toolsListChanged: true } },
    });
    expect(await following).toBe(true);
    expect(told(tools).at(-1)).toBe('tools/list_changed of tools');
    await stateless.close();
  });

  test('hears of it where another filter shows other tools', async () => {
    const plain = upstreamsWith(spec, modernServer('a', 'b'), modernServer('a', 'b'));
    const stricter = specWith({ protocol: modern, tools: { exclude: ['b'] } });
    const stateless = start({
      ...plain,
      open: async (server) => {
        const upstream = await plain.open(server);
        return upstream.generation === 1 ? upstream : { ...upstream, spec: stricter };
      },
    });
    await ask(stateless, 'list', 'tools/list').over;
    const tools = ask(stateless, 'tools', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await eventually(() => expect(told(tools)).toHaveLength(1));
    await stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 });
    expect(told(tools).at(-1)).toBe('tools/list_changed of tools');
    await stateless.close();
  });

  test('is told that it has to listen again where that one says nothing of what it tells', async () => {
    const silent = fakeChannel(({ method }) => (method === 'tools/list' ? { result: { tools: [] } } : undefined));
    const hasty = specWith({ protocol: modern, timeoutSeconds: 0.05 });
    const stateless = start(upstreamsWith(hasty, modernServer('a'), silent));
    const tools = ask(stateless, 'tools', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await eventually(() => expect(told(tools)).toHaveLength(1));
    await stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 });
    await tools.over;
    expect(JSON.parse(tools.reply.answered[0] ?? '').error).toMatchObject({ data: { code: 'server-exited' } });
    expect(sent(silent, 'notifications/cancelled')).toHaveLength(1);
    await stateless.close();
  });
});

describe('each request is answered, with a result or an error', () => {
  test('one that ends on the old container, while another learns that nothing can be opened any more', async () => {
    const [first, second] = [modernServer(), modernServer()];
    const stateless = start(upstreamsWith(spec, first, second));
    const old = ask(stateless, 'old', 'tools/call', slow);
    await eventually(() => expect(sent(first, 'tools/call')).toHaveLength(1));
    await stateless.legs()[0]?.follow({ container: asContainerId('2'), drainSeconds: 30 });
    second.onend?.();
    const failing = ask(stateless, 'new', 'tools/call', slow);
    await failing.over;
    expect(failing.reply.answered.map((text) => JSON.parse(text))).toMatchObject([{ error: { code: -32603 } }]);
    first.say({ id: sent(first, 'tools/call')[0]?.id, result: { content: [] } });
    await old.over;
    const answered = { jsonrpc: '2.0', result: { content: [] }, id: 'old' };
    expect(old.reply.answered.map((text) => JSON.parse(text))).toEqual([answered]);
    await stateless.close();
  });

  test('one whose opening was stopped, as it took too long, or whose server is let go of under it', async () => {
    const stopped = start({
      ...upstreamsWith(spec),
      open: async () => {
        throw new LoomsError('interrupted', 'stopped while a session was being started');
      },
    });
    const late = ask(stopped, 'late', 'tools/call', slow);
    await late.over;
    const channel = fakeChannel(() => undefined);
    const stateless = start(upstreamsWith(spec, channel));
    const under = ask(stateless, 'under', 'tools/call', slow);
    await eventually(() => expect(sent(channel, 'tools/call')).toHaveLength(1));
    await stateless.close();
    await under.over;
    const answers = [...late.reply.answered, ...under.reply.answered].map((text) => JSON.parse(text));
    expect(answers).toMatchObject([
      { id: 'late', error: { code: -32603, data: { code: 'interrupted' } } },
      { id: 'under', error: { code: -32603, message: expect.stringContaining('may have been done') } },
    ]);
  });

  test('the same in a session; only who cancelled is sent nothing', async () => {
    const channel = fakeChannel(({ method }) => (method === 'initialize' ? { result: {} } : undefined));
    const upstreams = upstreamsWith(specWith({ protocol: 'legacy' }), channel);
    const session = createSession({ id: 's', guard: guardOf('ann'), path: '/mcp/fs' }, upstreams, (heard) =>
      oneServer(fs, upstreams, heard),
    );
    await session.initialize({ jsonrpc: '2.0', id: 0, method: 'initialize', params: {} });
    const [cancelled, under] = [keptReply(), keptReply()];
    const over = [cancelled, under].map((reply, id) =>
      session.request({ jsonrpc: '2.0', id, method: 'tools/call', params: slow }, reply),
    );
    await eventually(() => expect(sent(channel, 'tools/call')).toHaveLength(2));
    await session.take({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 0 } });
    await session.close();
    await Promise.all(over);
    expect(cancelled.answered).toEqual([]);
    expect(under.answered.map((text) => JSON.parse(text))).toMatchObject([{ id: 1, error: { code: -32603 } }]);
  });
});
