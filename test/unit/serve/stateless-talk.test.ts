import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { statelessTalk } from '../../../src/serve/leg/stateless-talk.ts';
import { type ClientRequest, type Message, subscriptionKey } from '../../../src/serve/messages/protocol.ts';
import { fakeChannel } from './fake-servers.ts';

// What a client with sessions hears of changes, of a server that knows none.

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const message = (method: string, params: object = {}): ClientRequest => ({
  jsonrpc: '2.0',
  id: method,
  method,
  params,
});
const uri = 'x://one';
const failure = { code: -32603, message: 'the connection broke' };

/** A conversation that is begun with a server of these capabilities. */
async function begin(capabilities: object) {
  const dropped: unknown[] = [];
  const channel = Object.assign(
    fakeChannel(({ method }) => (method === 'server/discover' ? { result: { capabilities } } : undefined)),
    { drop: (id: unknown) => dropped.push(id) > 0 },
  );
  const said: Message[] = [];
  const talk = statelessTalk(channel, 'fs', message('initialize'), (_, one) => void said.push(one));
  channel.ontext = (text, one) => talk.hear(text, one as Message);
  await talk.discover('initialize');
  await talk.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const tell = (method: string, id: unknown, params: object = {}): void =>
    channel.say({ method, params: { ...params, _meta: { [subscriptionKey]: id } } });
  return {
    talk,
    dropped,
    /** What the server was asked to tell of, by the ids of these requests. */
    listens: () => channel.sent.filter(({ method }) => method === 'subscriptions/listen').map(({ id }) => id),
    acknowledge: (id: unknown) => tell('notifications/subscriptions/acknowledged', id),
    update: (id: unknown) => tell('notifications/resources/updated', id, { uri }),
    end: (id: unknown) => channel.say({ id, error: failure }),
    said: (method: string) => said.filter((one) => one.method === method || one.id === method),
  };
}

test('with its last subscription a server that tells of no lists is listened to no more', async () => {
  const { talk, dropped, listens, acknowledge, update, said } = await begin({ resources: { subscribe: true } });
  await talk.send(message('resources/subscribe', { uri }));
  const [first] = listens();
  acknowledge(first);
  update(first);
  expect(said('notifications/resources/updated')).toHaveLength(1);
  await talk.send(message('resources/unsubscribe', { uri }));
  expect(said('resources/unsubscribe')).toMatchObject([{ result: {} }]);
  expect(dropped).toEqual([first]);
  update(first);
  expect(said('notifications/resources/updated')).toHaveLength(1);
  // As well where the server had not said yet that it tells of it.
  await talk.send(message('resources/subscribe', { uri }));
  const [, second] = listens();
  await talk.send(message('resources/unsubscribe', { uri }));
  acknowledge(second);
  update(second);
  expect(dropped).toEqual([first, second]);
  expect(said('notifications/resources/updated')).toHaveLength(1);
});

test('a server that ended its telling is asked again until it tells again, less and less often', async () => {
  const { talk, listens, acknowledge, update, end, said } = await begin({ resources: { subscribe: true } });
  await talk.send(message('resources/subscribe', { uri }));
  acknowledge(listens().at(-1));
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    const before = listens();
    end(before.at(-1));
    await vi.advanceTimersByTimeAsync(pauseMs - 1);
    expect(listens()).toEqual(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(listens()).toHaveLength(before.length + 1);
  }
  const last = listens().at(-1);
  acknowledge(last);
  update(last);
  expect(said('notifications/resources/updated')).toHaveLength(1);
  end(last);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(listens().at(-1)).not.toBe(last);
  end(listens().at(-1));
  talk.close();
  expect(vi.getTimerCount()).toBe(0);
});
