import { expect, test, vi } from 'vitest';
import { openGuard } from '../../../src/serve/access/guard.ts';
import { allServers } from '../../../src/serve/aggregate.ts';
import type { ClientRequest, Message } from '../../../src/serve/messages/protocol.ts';
import { createPlaces } from '../../../src/serve/scaling/places.ts';
import { createSession } from '../../../src/serve/sessions/session.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, fs, keptReply, specWith, upstreamsOf, upstreamsWith } from './fake-servers.ts';

// All servers as one, in one session.

const message = (method: string): ClientRequest => ({ jsonrpc: '2.0', id: 1, method, params: {} });
const server = (capabilities: object) =>
  fakeChannel(({ method }: Message) =>
    method === 'initialize' ? { result: { capabilities } } : { result: { tools: [], prompts: [{ name: 'ask' }] } },
  );

const names = { separator: '__', maxName: 45 };

function start(upstreams: Upstreams) {
  const onNotification = vi.fn();
  let lastId = 0;
  const heard = { nextId: () => ++lastId, onNotification, onRequest: () => {} };
  const face = allServers(upstreams, heard, { version: '1', log: () => {}, guard: openGuard, names });
  const listed = async (method: string): Promise<unknown> => {
    const route = await face.route(message(method));
    return route.kind === 'here' ? JSON.parse(route.text).result : undefined;
  };
  return { face, listed, onNotification };
}

test('a server that comes back with other lists is asked for those', async () => {
  const first = server({ tools: {} });
  const { face, listed } = start(upstreamsOf(first, server({ prompts: {} })));
  await face.initialize(message('initialize'));
  expect(await listed('prompts/list')).toEqual({ prompts: [] });
  first.onend?.();
  expect(await listed('prompts/list')).toEqual({ prompts: [{ name: `${fs}__ask` }] });
});

test('a client is told of a server that comes or goes once it is initialized, and not before', async () => {
  const { face, onNotification } = start(upstreamsOf());
  face.serverChanged?.(fs);
  await face.initialize(message('initialize'));
  face.serverChanged?.(fs);
  expect(onNotification).not.toHaveBeenCalled();
  await face.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  face.serverChanged?.(fs);
  expect(onNotification).toHaveBeenCalledTimes(3);
});

test('a server that could not be joined may be joined anew while its first process still ends', async () => {
  const logging = ({ method }: Message) =>
    method === 'initialize' ? { result: { capabilities: { tools: {}, logging: {} } } } : { result: { tools: [] } };
  // Its level is asked for while it is joined, in vain.
  const first = fakeChannel((asked) => (asked.method === 'logging/setLevel' ? undefined : logging(asked)));
  const [closing, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const close = () => {
    closing.resolve();
    return gone.promise;
  };
  const { face, listed } = start(
    upstreamsWith(specWith({ timeoutSeconds: 0.05 }), Object.assign(first, { close }), fakeChannel(logging)),
  );
  await face.initialize(message('initialize'));
  await face.route(message('logging/setLevel'));
  const failed = listed('tools/list');
  await closing.promise;
  expect(await listed('tools/list')).toEqual({ tools: [] });
  gone.resolve();
  await failed;
  expect(face.legs()).toHaveLength(1);
});

/** A session that has called a tool of `fs`, and what became of that. */
async function calling(upstreams: Upstreams) {
  const places = createPlaces();
  const record = vi.fn(upstreams.record);
  const counted = { ...upstreams, record, open: () => places.open(fs, () => upstreams.open(fs)) };
  const session = createSession({ id: 's', guard: openGuard, path: '/mcp' }, counted, (heard) =>
    allServers(counted, heard, { version: '1', log: () => {}, guard: openGuard, names }),
  );
  await session.initialize({ ...message('initialize'), id: 'x' });
  const reply = keptReply();
  const answered = session.request({ ...message('tools/call'), params: { name: `${fs}__read` } }, reply);
  const ended = async () => {
    await answered;
    const [text] = reply.answered.map((one) => JSON.parse(one).error.data.code);
    return { answer: text, calls: record.mock.calls.length, open: places.countOf(fs), legs: session.legs() };
  };
  return { session, ended };
}
const over = { answer: 'interrupted', calls: 0, open: 0, legs: [] };

test('a call whose session ends while the engine is asked what servers there are opens no process', async () => {
  const channel = server({ tools: {} });
  const upstreams = upstreamsOf(channel);
  const listing = Promise.withResolvers<readonly (typeof fs)[]>();
  const { session, ended } = await calling({ ...upstreams, servers: () => listing.promise });
  await session.close();
  listing.resolve([fs]);
  expect(await ended()).toEqual(over);
  expect(upstreams.opened()).toBe(0);
});

test('a process that is being opened when its session ends is ended, and nothing is called', async () => {
  const channel = server({ tools: {} });
  const upstreams = upstreamsOf(channel);
  const opening = Promise.withResolvers<void>();
  const open = vi.fn(async () => {
    await opening.promise;
    return upstreams.open(fs);
  });
  const { session, ended } = await calling({ ...upstreams, open });
  await eventually(() => expect(open).toHaveBeenCalledOnce());
  await session.close();
  opening.resolve();
  expect(await ended()).toEqual(over);
  expect({ isClosed: channel.isClosed, sent: channel.sent }).toEqual({ isClosed: true, sent: [] });
});

test('a server that takes `initialized` and says nothing of it is called all the same, once a handshake has had its time', async () => {
  vi.useFakeTimers();
  try {
    const channel = server({ tools: {} });
    const { send } = channel;
    const mute: typeof send = (text, sent) =>
      sent.method === 'notifications/initialized' ? new Promise(() => {}) : send(text, sent);
    const { face } = start(upstreamsOf(Object.assign(channel, { send: mute })));
    await face.initialize(message('initialize'));
    await face.notify({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const called = vi.fn();
    face.route({ ...message('tools/call'), params: { name: `${fs}__read` } }).then(({ kind }) => called(kind));
    await vi.advanceTimersByTimeAsync(4_999);
    expect(called).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(called).toHaveBeenCalledWith('ask');
  } finally {
    vi.useRealTimers();
  }
});
