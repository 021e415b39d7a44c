import { describe, expect, test, vi } from 'vitest';
import { createCallClocks } from '../../../src/mcp/client/call-clock.ts';
import type { DesiredServer } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId } from '../../../src/model/ids.ts';
import { openGuard } from '../../../src/serve/access/guard.ts';
import { callTool, tookTooLong } from '../../../src/serve/call.ts';
import { oneServer } from '../../../src/serve/face.ts';
import { createLeg, type Leg, type LegHooks } from '../../../src/serve/leg/leg.ts';
import type { ClientRequest, Message } from '../../../src/serve/messages/protocol.ts';
import type { Reply } from '../../../src/serve/messages/reply.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { createSession } from '../../../src/serve/sessions/session.ts';
import { createSessions } from '../../../src/serve/sessions/sessions.ts';
import type { Successor, Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { type Fake, fakeChannel, fs, spec, upstreamsOf } from './fake-servers.ts';

const tools = (...names: string[]) => ({ result: { tools: names.map((name) => ({ name })) } });
const answering =
  (...names: string[]) =>
  ({ method }: Message) =>
    method === 'tools/list' ? tools(...names) : method === 'slow' ? undefined : { result: { method } };
const hooks = () => {
  let lastId = 0;
  return { nextId: () => ++lastId, onNotification: vi.fn(), onRequest: vi.fn() };
};
const message = (method: string, params: object = {}): ClientRequest => ({ jsonrpc: '2.0', id: 1, method, params });
const methods = (channel: Fake) => channel.sent.map(({ method }) => method);
const callMove = (upstreams: Upstreams, leg: Leg) =>
  callTool({
    upstreams,
    leg,
    message: { ...message('tools/call', { name: 'move' }), id: 7 },
    clocks: createCallClocks(tookTooLong),
    guard: openGuard,
    protocolVersion: '2025-06-18',
    onAsked: () => {},
  });

describe('a conversation with a server', () => {
  test('goes over to another container: what was told before is told again, what is under way ends on the old one', async () => {
    const [first, second] = [fakeChannel(answering('a', 'b')), fakeChannel(answering('b', 'c'))];
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(first, second), heard);
    await leg.initialize(message('initialize', { capabilities: { roots: {} } }));
    await leg.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await leg.ask(message('logging/setLevel', { level: 'debug' })).answer;
    await leg.ask(message('resources/subscribe', { uri: 'x:1' })).answer;
    await leg.ask(message('resources/subscribe', { uri: 'x:2' })).answer;
    await leg.ask(message('resources/unsubscribe', { uri: 'x:1' })).answer;
    await leg.ask(message('tools/list')).answer;
    const slow = leg.ask(message('slow'));
    await eventually(() => expect(methods(first)).toContain('slow'));
    await leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
    expect(methods(second)).toEqual([
      'initialize',
      'notifications/initialized',
      'logging/setLevel',
      'resources/subscribe',
      'tools/list',
    ]);
    expect(heard.onNotification.mock.calls.map(([text]) => JSON.parse(text).method)).toEqual([
      'notifications/tools/list_changed',
    ]);
    expect((await leg.ask(message('next')).answer).message.result).toEqual({ method: 'next' });
    expect(methods(second)).toContain('next');
    expect(first.isClosed).toBe(false);
    first.say({ id: first.sent.find(({ method }) => method === 'slow')?.id, result: { late: true } });
    expect((await slow.answer).message.result).toEqual({ late: true });
    expect(first.isClosed).toBe(true);
  });

  test('that was closed opens no other process, and says so to who asks', async () => {
    const upstreams = upstreamsOf(fakeChannel(answering()), fakeChannel(answering()));
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    await leg.close();
    const failure = { code: 'interrupted', message: 'the session with fs is over' };
    await expect(leg.ask(message('next')).answer).rejects.toMatchObject(failure);
    expect(upstreams.opened()).toBe(1);
  });

  test('begins once more elsewhere where its container ends in the handshake, and has others go elsewhere as well', async () => {
    const dead = (): Fake =>
      Object.assign(
        fakeChannel(() => undefined),
        { isClosed: true },
      );
    const begun = async (serves: Awaited<ReturnType<Upstreams['serving']>>, ...channels: Fake[]) => {
      const avoid = vi.fn();
      const all = upstreamsOf(...channels);
      const upstreams = {
        ...all,
        open: async () => ({ ...(await all.open(fs)), avoid }),
        serving: async () => serves,
      };
      const made = await createLeg(fs, upstreams, hooks())
        .initialize(message('initialize'))
        .then(
          ({ message: { result } }) => result,
          ({ code }: LoomsError) => code,
        );
      return [made, all.opened(), avoid.mock.calls.length];
    };
    const [one, two] = [1, 2].map((id) => ({ container: asContainerId(String(id)), drainSeconds: 30 })) as [
      Successor,
      Successor,
    ];
    const ok = { method: 'initialize' };
    expect(await begun({ ...one, beside: [two] }, dead(), fakeChannel(answering()))).toEqual([ok, 2, 1]);
    expect(await begun('asleep', dead(), fakeChannel(answering()))).toEqual([ok, 2, 1]);
    expect(await begun(one, dead(), fakeChannel(answering()))).toEqual(['server-exited', 1, 1]);
    expect(await begun(two, dead(), dead(), fakeChannel(answering()))).toEqual(['server-exited', 2, 2]);
  });

  test('the same tools in another order are no change', async () => {
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(fakeChannel(answering('a', 'b')), fakeChannel(answering('b', 'a'))), heard);
    await leg.initialize(message('initialize'));
    await leg.ask(message('tools/list')).answer;
    await leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
    expect(heard.onNotification).not.toHaveBeenCalled();
  });

  test('begins again in another run of the same container, which knows nothing of it, and not in the same run', async () => {
    const [first, second] = [fakeChannel(answering()), fakeChannel(answering())];
    const plain = upstreamsOf(first, second);
    const upstreams: Upstreams = {
      ...plain,
      open: async (server) => ({
        ...(await plain.open(server)),
        container: asContainerId('1'),
        run: `${plain.opened()}`,
      }),
    };
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    expect(await leg.follow({ container: asContainerId('1'), run: '1', drainSeconds: 30 })).toBe(true);
    expect(plain.opened()).toBe(1);
    expect(await leg.follow({ container: asContainerId('1'), run: '2', drainSeconds: 30 })).toBe(true);
    expect(methods(second)).toEqual(['initialize']);
    expect(first.isClosed).toBe(true);
    // Not open for it yet.
    expect(await leg.follow({ container: asContainerId('1'), run: '3', drainSeconds: 30 })).toBe(false);
  });

  test('stays where it is while that serves beside what the server is shown by, and goes elsewhere when it does not', async () => {
    const [first, second] = [fakeChannel(answering()), fakeChannel(answering())];
    const upstreams = upstreamsOf(first, second);
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    const [one, two, three] = ['1', '2', '3'].map((id) => ({ container: asContainerId(id), drainSeconds: 30 }));
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    expect(await leg.follow({ ...three, beside: [one, two] })).toBe(true);
    expect(upstreams.opened()).toBe(1);
    // It may be led to any of those that are left.
    expect(await leg.follow({ ...three, beside: [two] })).toBe(true);
    expect([upstreams.opened(), first.isClosed]).toEqual([2, true]);
  });

  test('a container that takes a message and says nothing of it is waited for no longer than a handshake may take', async () => {
    vi.useFakeTimers();
    try {
      const silent = (method: string): Fake => {
        const channel = fakeChannel(answering('a'));
        const { send } = channel;
        return Object.assign(channel, {
          send: (text: string, sent: Message) =>
            sent.method === method ? new Promise<void>(() => {}) : send(text, sent as Parameters<Fake['send']>[1]),
        });
      };
      const mute = [silent('initialize'), silent('notifications/initialized'), silent('tools/list')];
      const [first, last] = [fakeChannel(answering('a')), fakeChannel(answering('a'))];
      const leg = createLeg(fs, upstreamsOf(first, ...mute, last), hooks());
      await leg.initialize(message('initialize'));
      await leg.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
      await leg.ask(message('tools/list')).answer;
      const follow = async (): Promise<boolean> => {
        const led = leg.follow({ container: asContainerId('5'), drainSeconds: 30 });
        await vi.advanceTimersByTimeAsync(5_000);
        return led;
      };
      expect([await follow(), await follow(), await follow()]).toEqual([false, false, false]);
      expect(leg.isBusy()).toBe(false);
      expect(await follow()).toBe(true);
      expect([first, ...mute].map(({ isClosed }) => isClosed)).toEqual([true, true, true, true]);
      expect(mute[0]?.sent).toEqual([]);
      expect(mute[2]?.sent.at(-1)).toMatchObject({ method: 'notifications/cancelled' });
      expect(last.isClosed).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  test('whose process ended by itself begins again for what its client has subscribed to, and for nothing else', async () => {
    const subscribed = { uri: 'x:1' };
    const [first, second, third] = [fakeChannel(answering()), fakeChannel(answering()), fakeChannel(answering())];
    const upstreams = upstreamsOf(first, second, third);
    const leg = createLeg(fs, upstreams, hooks());
    const follow = (container: string) => leg.follow({ container: asContainerId(container), drainSeconds: 30 });
    await leg.initialize(message('initialize'));
    await leg.ask(message('resources/subscribe', subscribed)).answer;
    first.onend?.();
    expect(await follow('2')).toBe(true);
    expect(methods(second)).toEqual(['initialize', 'resources/subscribe']);
    // The same container, of which a process ended alone.
    second.onend?.();
    expect(await follow('2')).toBe(true);
    expect(methods(third)).toEqual(['initialize', 'resources/subscribe']);
    // What cannot be opened is not tried once a second.
    third.onend?.();
    expect([await follow('2'), upstreams.opened()]).toEqual([true, 4]);

    const plain = upstreamsOf(fakeChannel(answering()), fakeChannel(answering()));
    const other = createLeg(fs, plain, hooks());
    const opened = await other.initialize(message('initialize')).then(() => other.ready());
    await other.ask(message('resources/subscribe', subscribed)).answer;
    await other.ask(message('resources/unsubscribe', subscribed)).answer;
    opened.channel.onend?.();
    expect(await other.follow({ container: asContainerId('2'), drainSeconds: 30 })).toBe(true);
    expect(plain.opened()).toBe(1);
  });

  test('what is asked while another container is gone over to goes there: no second process is begun', async () => {
    const [first, second, third] = [fakeChannel(answering()), fakeChannel(answering()), fakeChannel(answering())];
    const plain = upstreamsOf(first, second, third);
    const { promise: isOpened, resolve: open } = Promise.withResolvers<void>();
    const upstreams: Upstreams = {
      ...plain,
      open: async (server) => {
        const upstream = await plain.open(server);
        if (upstream.generation > 1) await isOpened;
        return upstream;
      },
    };
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    const led = leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
    first.onend?.();
    const asked = leg.ask(message('next'));
    open();
    expect((await asked.answer).message.result).toEqual({ method: 'next' });
    await led;
    expect(plain.opened()).toBe(2);
    expect(methods(second)).toEqual(['initialize', 'next']);
  });

  /** A leg on the first of two containers, whose successor takes until `open` to be opened, or as long as it fails. */
  const slowlyReplaced = async (drainSeconds: number) => {
    const [first, second] = [fakeChannel(answering('a')), fakeChannel(answering('b'))];
    const plain = upstreamsOf(first, second);
    const { promise: isOpened, resolve: open, reject: fail } = Promise.withResolvers<void>();
    const upstreams: Upstreams = {
      ...plain,
      open: async (server) => {
        const upstream = await plain.open(server);
        if (upstream.generation > 1) await isOpened;
        return upstream;
      },
    };
    const heard = hooks();
    const leg = createLeg(fs, upstreams, heard);
    await leg.initialize(message('initialize'));
    return {
      leg,
      first,
      second,
      open,
      fail,
      heard,
      opened: plain.opened,
      led: leg.follow({ container: asContainerId('2'), drainSeconds }),
    };
  };

  test('while its successor is opened, a container is asked for half of its drain: what is asked later waits', async () => {
    const lasting = await slowlyReplaced(30);
    expect((await lasting.leg.ask(message('next')).answer).message.result).toEqual({ method: 'next' });
    expect(methods(lasting.first)).toContain('next');
    lasting.open();
    await lasting.led;
    const brief = await slowlyReplaced(0);
    const asked = brief.leg.ask(message('next'));
    brief.open();
    expect((await asked.answer).message.result).toEqual({ method: 'next' });
    expect(methods(brief.first)).not.toContain('next');
    expect(methods(brief.second)).toContain('next');
    await brief.led;
    expect(brief.first.isClosed).toBe(true);
  });

  test('a successor that cannot be opened leaves the container to be asked as long as it is there', async () => {
    const { leg, first, fail, led, opened } = await slowlyReplaced(0);
    const asked = leg.ask(message('next'));
    fail(new LoomsError('secret-missing', 'no secret'));
    expect((await asked.answer).message.result).toEqual({ method: 'next' });
    expect(methods(first)).toContain('next');
    expect(await led).toBe(false);
    // The next one is not held up by another try at once, and what was left behind for another container is taken back.
    await leg.ask(message('again')).answer;
    expect(methods(first)).toContain('again');
    expect(opened()).toBe(2);
    expect(await leg.follow({ container: asContainerId('1'), drainSeconds: 0 })).toBe(true);
    await leg.ask(message('later')).answer;
    expect(opened()).toBe(2);
  });

  test('an error in place of a list, and a comparison that comes too late, say nothing of the tools', async () => {
    // The comparison is asked first, and is not answered.
    let lists = 0;
    const failing = fakeChannel(({ method }) => {
      if (method !== 'tools/list') return { result: {} };
      lists += 1;
      return lists === 1 ? undefined : { error: { code: -32603, message: 'busy' } };
    });
    const heard = hooks();
    const [first, third] = [fakeChannel(answering('a')), fakeChannel(answering('a'))];
    const leg = createLeg(fs, upstreamsOf(first, failing, third), heard);
    await leg.initialize(message('initialize'));
    await leg.ask(message('tools/list')).answer;
    first.onend?.();
    await leg.ask(message('next')).answer;
    expect((await leg.ask(message('tools/list')).answer).message.error).toBeDefined();
    expect(await leg.follow({ container: asContainerId('3'), drainSeconds: 30 })).toBe(true);
    failing.say({ id: failing.sent.find(({ method }) => method === 'tools/list')?.id, result: { tools: [] } });
    await leg.ask(message('last')).answer;
    expect(heard.onNotification).not.toHaveBeenCalled();
  });

  test('what one of those that share it has seen of another container is told to all, once', async () => {
    const { leg, first, second, open, led, heard } = await slowlyReplaced(30);
    await leg.ask(message('tools/list')).answer;
    first.onend?.();
    const list = leg.ask(message('tools/list'));
    open();
    expect((await list.answer).message.result).toEqual(tools('b').result);
    await led;
    // The client's own and one comparison.
    expect(methods(second).filter((method) => method === 'tools/list')).toHaveLength(2);
    expect(heard.onNotification.mock.calls.map(([, { method }]) => method)).toEqual([
      'notifications/tools/list_changed',
    ]);
  });

  test('a container that is opened by a request is compared as well', async () => {
    const heard = hooks();
    const first = fakeChannel(answering('a'));
    const leg = createLeg(fs, upstreamsOf(first, fakeChannel(answering('b'))), heard);
    await leg.initialize(message('initialize'));
    await leg.ask(message('tools/list')).answer;
    first.onend?.();
    await leg.ask(message('next')).answer;
    await eventually(() => expect(heard.onNotification).toHaveBeenCalledOnce());
  });

  test('what surely did not get there is asked of the next process; what may have is not', async () => {
    const [first, second] = [fakeChannel(answering()), fakeChannel(answering())];
    const leg = createLeg(fs, upstreamsOf(first, second), hooks());
    await leg.initialize(message('initialize'));
    const slow = leg.ask(message('slow'));
    await eventually(() => expect(methods(first)).toContain('slow'));
    first.isClosed = true;
    expect((await leg.ask(message('next')).answer).message.result).toEqual({ method: 'next' });
    await expect(slow.answer).rejects.toMatchObject({
      code: 'server-exited',
      message: expect.stringContaining('may have been done'),
    });
    expect(methods(second)).toEqual(['initialize', 'next']);
  });

  test('a container that takes no session leaves things as they are', async () => {
    const [first, second] = [fakeChannel(answering()), fakeChannel(() => ({ error: { code: -32603, message: 'no' } }))];
    const leg = createLeg(fs, upstreamsOf(first, second), hooks());
    await leg.initialize(message('initialize'));
    await leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
    expect(second.isClosed).toBe(true);
    expect((await leg.ask(message('next')).answer).message.result).toEqual({ method: 'next' });
    expect(methods(first)).toContain('next');
  });

  test('a call is held against the filter of the container that it is sent to, whatever served when it was looked at', async () => {
    const [first, second] = [fakeChannel(answering('move')), fakeChannel(answering('move'))];
    const plain = upstreamsOf(first, second);
    const stricter = { ...spec, mcp: { ...spec.mcp, tools: { exclude: ['move'] } } } as DesiredServer;
    const upstreams: Upstreams = {
      ...plain,
      open: async (server) => {
        const upstream = await plain.open(server);
        return upstream.generation === 1 ? upstream : { ...upstream, spec: stricter };
      },
      record: async (_call, make) => {
        await leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
        await make();
      },
    };
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    const call = callMove(upstreams, leg);
    await expect(call).rejects.toMatchObject({ code: 'tool-not-found' });
    expect([...methods(first), ...methods(second)]).not.toContain('tools/call');
  });

  test('a process that makes room is one with nothing under way and nobody to tell; the next request begins another one', async () => {
    const [first, second] = [fakeChannel(answering('a')), fakeChannel(answering('a'))];
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(first, second), heard);
    expect(leg.park()).toBeUndefined();
    await leg.initialize(message('initialize'));
    const slow = leg.ask(message('slow'));
    await eventually(() => expect(methods(first)).toContain('slow'));
    expect(leg.park()).toBeUndefined();
    slow.cancel(new LoomsError('interrupted', 'enough'));
    await expect(slow.answer).rejects.toMatchObject({ code: 'interrupted' });
    await leg.ask(message('resources/subscribe', { uri: 'x:1' })).answer;
    expect(leg.park()).toBeUndefined();
    await leg.ask(message('resources/unsubscribe', { uri: 'x:1' })).answer;
    first.say({ id: 8, method: 'ping' });
    first.say({ id: 9, method: 'roots/list' });
    expect(leg.park()).toBeUndefined();
    leg.answer({ jsonrpc: '2.0', id: heard.onRequest.mock.calls[1]?.[1].id, result: { roots: [] } });
    const release = leg.hold();
    expect(leg.park()).toBeUndefined();
    release();
    expect(leg.isParked()).toBe(false);
    await leg.park();
    expect([first.isClosed, leg.isParked(), leg.park()]).toEqual([true, true, undefined]);
    expect((await leg.ask(message('next')).answer).message.result).toEqual({ method: 'next' });
    expect(methods(second)).toEqual(['initialize', 'next']);
    expect(leg.isParked()).toBe(false);
    expect(heard.onNotification).not.toHaveBeenCalled();
  });

  test('a call that is written down keeps its process, however long nothing was asked before it', async () => {
    const parked: unknown[] = [];
    const plain = upstreamsOf(fakeChannel(answering('move')), fakeChannel(answering('move')));
    const upstreams: Upstreams = {
      ...plain,
      record: async (_call, make) => {
        parked.push(leg.park());
        await make();
      },
    };
    const leg = createLeg(fs, upstreams, hooks());
    await leg.initialize(message('initialize'));
    await callMove(upstreams, leg);
    expect(parked).toEqual([undefined]);
    expect(plain.opened()).toBe(1);
    expect(leg.idleMs()).toBeLessThan(60_000);
    await leg.park();
    expect(leg.isParked()).toBe(true);
  });

  test('a client whose process made room hears that another container may have other tools, once', async () => {
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(fakeChannel(answering('a')), fakeChannel(answering('b'))), heard);
    await leg.initialize(message('initialize'));
    await leg.ask(message('tools/list')).answer;
    await leg.park();
    expect(await leg.follow({ container: asContainerId('1'), drainSeconds: 30 })).toBe(true);
    expect(heard.onNotification).not.toHaveBeenCalled();
    for (const _ of [1, 2]) expect(await leg.follow({ container: asContainerId('2'), drainSeconds: 30 })).toBe(true);
    expect((await leg.ask(message('tools/list')).answer).message.result).toEqual(tools('b').result);
    expect(heard.onNotification.mock.calls.map(([, { method }]) => method)).toEqual([
      'notifications/tools/list_changed',
    ]);
  });

  test('a client whose process made room does not hear of another container that is made from the same', async () => {
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(fakeChannel(answering('a'))), heard);
    await leg.initialize(message('initialize'));
    await leg.ask(message('tools/list')).answer;
    await leg.park();
    const serves = { container: asContainerId('2'), drainSeconds: 30 };
    expect(await leg.follow({ ...serves, generation: 1 })).toBe(true);
    expect(heard.onNotification).not.toHaveBeenCalled();
    expect(await leg.follow({ ...serves, generation: 2 })).toBe(true);
    expect(heard.onNotification).toHaveBeenCalledOnce();
  });

  test('a question keeps the way to who asked, under an id that no other one has', async () => {
    const [first, second] = [fakeChannel(answering()), fakeChannel(answering())];
    const heard = hooks();
    const leg = createLeg(fs, upstreamsOf(first, second), heard);
    await leg.initialize(message('initialize'));
    const slow = leg.ask(message('slow'));
    await eventually(() => expect(methods(first)).toContain('slow'));
    first.say({ id: 7, method: 'elicitation/create', params: {} });
    await leg.follow({ container: asContainerId('2'), drainSeconds: 30 });
    second.say({ id: 7, method: 'roots/list' });
    const [one, two] = heard.onRequest.mock.calls.map(([, { id }]) => id);
    expect(one).not.toBe(two);
    expect(leg.answer({ jsonrpc: '2.0', id: two, result: { roots: [] } })).toBe(true);
    expect(leg.answer({ jsonrpc: '2.0', id: one, result: { action: 'decline' } })).toBe(true);
    expect(leg.answer({ jsonrpc: '2.0', id: one, result: {} })).toBe(false);
    expect(first.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { action: 'decline' } });
    expect(second.sent.at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: { roots: [] } });
    slow.cancel(new LoomsError('interrupted', 'enough'));
    await expect(slow.answer).rejects.toMatchObject({ code: 'interrupted' });
    expect(first.sent.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { reason: 'enough' } });
    expect(first.isClosed).toBe(true);
  });
});

/** A client's stream, as the texts on it. */
function fakeReply(): Reply & { readonly texts: string[] } {
  let isOpen = true;
  const texts: string[] = [];
  return {
    texts,
    tell: (text) => isOpen && texts.push(text) > 0,
    answer: (text) => {
      texts.push(text);
      isOpen = false;
    },
    begin: () => {},
    end: () => {
      isOpen = false;
    },
    isOpen: () => isOpen,
  };
}

const seal = createSeal(Buffer.alloc(32, 1), 'p');

describe('a session', () => {
  test('keeps what belongs to no request until its client listens', async () => {
    const channel = fakeChannel(answering());
    const upstreams = upstreamsOf(channel);
    const session = createSession({ id: 's', guard: openGuard, path: '/mcp/fs' }, upstreams, (heard) =>
      oneServer(fs, upstreams, heard),
    );
    await session.initialize({ ...message('initialize'), id: 'x' });
    channel.say({ method: 'notifications/resources/list_changed' });
    const stream = fakeReply();
    session.listen(stream);
    expect(stream.texts.map((text) => JSON.parse(text).method)).toEqual(['notifications/resources/list_changed']);
    const reply = fakeReply();
    await session.request({ ...message('next'), id: '007' }, reply);
    expect(reply.texts).toEqual(['{"jsonrpc":"2.0","result":{"method":"next"},"id":"007"}']);
    const another = fakeReply();
    session.listen(another);
    expect(stream.isOpen()).toBe(false);
  });

  test('whose process made room answers a ping by itself, and begins another process for what is asked of the server', async () => {
    const upstreams = upstreamsOf(fakeChannel(answering()), fakeChannel(answering()));
    const session = createSession({ id: 's', guard: openGuard, path: '/mcp/fs' }, upstreams, (heard) =>
      oneServer(fs, upstreams, heard),
    );
    await session.initialize({ ...message('initialize'), id: 'x' });
    await session.legs()[0]?.park();
    const [ping, next] = [fakeReply(), fakeReply()];
    await session.request({ ...message('ping'), id: 1 }, ping);
    expect(ping.texts.map((text) => JSON.parse(text))).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
    expect(upstreams.opened()).toBe(1);
    await session.request({ ...message('next'), id: 2 }, next);
    expect(JSON.parse(next.texts[0] ?? '').result).toEqual({ method: 'next' });
    expect(upstreams.opened()).toBe(2);
  });

  test('keeps once that a list has changed, however often, so that a question stays', async () => {
    const channel = fakeChannel(answering());
    const upstreams = upstreamsOf(channel);
    const session = createSession({ id: 's', guard: openGuard, path: '/mcp/fs' }, upstreams, (heard) =>
      oneServer(fs, upstreams, heard),
    );
    await session.initialize({ ...message('initialize'), id: 'x' });
    channel.say({ id: 7, method: 'elicitation/create', params: {} });
    for (let at = 0; at < 200; at += 1) channel.say({ method: 'notifications/tools/list_changed' });
    const stream = fakeReply();
    session.listen(stream);
    const heard = stream.texts.map((text) => JSON.parse(text).method);
    expect(heard).toEqual(['elicitation/create', 'notifications/tools/list_changed']);
    await session.close();
  });

  test('goes when it is the least recently used of too many, and never while something is under way', async () => {
    const upstreams = upstreamsOf(...Array.from({ length: 9 }, () => fakeChannel(answering())));
    const sessions = createSessions(upstreams, { idleMs: 60_000, most: 3, mostEach: 2 }, seal);
    const faceOf = (heard: LegHooks) => oneServer(fs, upstreams, heard);
    const place = (principal: string) => ({
      principal,
      guard: { ...openGuard, key: principal },
      path: '/mcp/fs',
      faceOf,
    });
    const open = async (principal: string) => {
      const session = sessions.open(place(principal), message('initialize'));
      await session?.initialize({ ...message('initialize'), id: 1 });
      return session;
    };
    const [a, b, c] = [await open('p'), await open('p'), await open('q')];
    if (a === undefined || b === undefined || c === undefined) throw new Error('there is room for three');
    a.request({ ...message('slow'), id: 2 }, fakeReply());
    await eventually(() => expect(a.isBusy()).toBe(true));
    const d = await open('p');
    expect(sessions.all().map(({ id }) => id)).toEqual([a.id, c.id, d?.id]);
    d?.request({ ...message('slow'), id: 2 }, fakeReply());
    await eventually(() => expect(d?.isBusy()).toBe(true));
    expect(await open('p')).toBeUndefined();
    const beginning = sessions.open(place('r'), message('initialize'));
    const begun = beginning?.initialize({ ...message('initialize'), id: 1 });
    expect(beginning?.isBusy()).toBe(true);
    expect(sessions.open(place('s'), message('initialize'))).toBeUndefined();
    await begun;
    expect(sessions.find(a.id, place('q'))).toBeUndefined();
    expect(sessions.find(a.id, { ...place('p'), path: '/mcp/other' })).toBeUndefined();
    expect(sessions.find(a.id, place('p'))).toBe(a);
  });

  test('goes by disuse, for good; not while something is under way, its client listens, or it was used since', async () => {
    let later = 0;
    const upstreams = upstreamsOf(...Array.from({ length: 4 }, () => fakeChannel(answering())));
    const noted = new Map<string, string>();
    const notes = {
      of: (id: string) => noted.get(id),
      write: (id: string, text: string) => void noted.set(id, text),
    };
    const bounds = { idleMs: 60_000, most: 9, mostEach: 9 };
    const sessions = createSessions(upstreams, bounds, seal, notes, () => performance.now() + later);
    const place = { principal: 'p', guard: { ...openGuard, key: 'p' }, path: '/mcp/fs' };
    const faceOf = (heard: LegHooks) => oneServer(fs, upstreams, heard);
    const open = async () => {
      const session = sessions.open({ ...place, faceOf }, message('initialize'));
      await session?.initialize({ ...message('initialize'), id: 1 });
      if (session === undefined) throw new Error('there is room');
      return session;
    };
    const [unused, busy, listening] = [await open(), await open(), await open()];
    busy.request({ ...message('slow'), id: 2 }, fakeReply());
    await eventually(() => expect(busy.isBusy()).toBe(true));
    const stream = fakeReply();
    listening.listen(stream);
    sessions.sweep();
    expect(sessions.all()).toEqual([unused, busy, listening]);
    later = bounds.idleMs + 1;
    sessions.sweep();
    expect(sessions.all()).toEqual([busy, listening]);
    expect([...noted]).toEqual([[unused.id, 'over']]);
    expect(await sessions.findOrBegin(unused.id, { ...place, faceOf })).toBeUndefined();
    stream.end();
    sessions.sweep();
    expect(sessions.all()).toEqual([busy]);
    later = 0;
    const used = await open();
    sessions.sweep();
    expect(sessions.all()).toEqual([busy, used]);
  });
});
