import { afterEach, describe, expect, test, vi } from 'vitest';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName, type ServerName } from '../../../src/model/ids.ts';
import { usualNames } from '../../../src/model/serve-settings.ts';
import type { Guard } from '../../../src/serve/access/guard.ts';
import { failureText } from '../../../src/serve/call.ts';
import { createCatalogue } from '../../../src/serve/catalogue.ts';
import { oneServer } from '../../../src/serve/face.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { createSessions } from '../../../src/serve/sessions/sessions.ts';
import { createBridge } from '../../../src/serve/stateless/bridge.ts';
import { createStateless, type Stateless } from '../../../src/serve/stateless/stateless.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type Fake,
  fakeChannel,
  fs,
  guardOf,
  keptReply,
  specWith,
  upstreamsOf,
  upstreamsWith,
} from './fake-servers.ts';
import { key, modern } from './local-gateway.ts';

// What one principal must not hear or learn of another one.

const levelKey = 'io.modelcontextprotocol/logLevel';

test('a failure about a server that is not there names no other server', () => {
  const missing = new LoomsError('server-not-found', 'no server team-x in project p', {
    hint: 'project p has fs, web',
  });
  expect(failureText(1, missing)).not.toContain('web');
  const other = new LoomsError('sessions-busy', 'too many sessions are busy', { hint: 'try again' });
  expect(failureText(1, other)).toContain('try again');
});

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
    await eventually(() => expect(calls(channel)).toHaveLength(1));
    channel.say(log);
    expect(silent.reply.told).toEqual([]);
    await stateless.close();
  });

  test('goes to who asked for it, and to nobody else after that one has gone: its call may go on', async () => {
    const channel = fakeChannel(() => undefined);
    const stateless = start(channel);
    const ann = ask(stateless, 'ann', { [levelKey]: 'info' });
    await eventually(() => expect(calls(channel)).toHaveLength(1));
    channel.say(log);
    expect(ann.reply.told).toHaveLength(1);
    ann.reply.onleft?.();
    await ann.over;
    const bob = ask(stateless, 'bob', { [levelKey]: 'debug' });
    await eventually(() => expect(calls(channel)).toHaveLength(2));
    channel.say(log);
    expect(bob.reply.told).toEqual([]);
    await stateless.close();
  });

  test('goes to the next one where the call before it was answered', async () => {
    const channel = fakeChannel(() => undefined);
    const stateless = start(channel);
    const ann = ask(stateless, 'ann', { [levelKey]: 'info' });
    await eventually(() => expect(calls(channel)).toHaveLength(1));
    channel.say({ id: calls(channel)[0]?.id, result: {} });
    await ann.over;
    const bob = ask(stateless, 'bob', { [levelKey]: 'info' });
    await eventually(() => expect(calls(channel)).toHaveLength(2));
    channel.say(log);
    expect(bob.reply.told).toHaveLength(1);
    await stateless.close();
  });
});

describe('a session whose client has renewed its token', () => {
  const base = Date.now();
  afterEach(() => vi.useRealTimers());
  /** As of an issuer: good for so many seconds from the beginning. */
  const until = (seconds: number): Guard => {
    const endsAt = base + seconds * 1000;
    return { ...guardOf('ann'), endsAt, isValid: () => Date.now() < endsAt };
  };
  const seal = createSeal(key, 'p');
  const upstreams = upstreamsOf(
    fakeChannel(({ method }) =>
      method === 'initialize'
        ? { result: { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } } } }
        : { result: {} },
    ),
  );
  const start = () => {
    const sessions = createSessions(upstreams, { idleMs: 600_000, most: 4, mostEach: 4 }, seal);
    const faceOf = (heard: Parameters<typeof oneServer>[2]) => oneServer(fs, upstreams, heard);
    const place = (guard: Guard) => ({ principal: guard.key, guard, path: '/mcp/fs', faceOf });
    return { sessions, place };
  };
  const handshake = { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} } as const;

  test('lives by the newest one that was taken, whichever comes last, and ends with it', async () => {
    vi.useFakeTimers({ now: base, toFake: ['Date'] });
    const { sessions, place } = start();
    const id = sessions.open(place(until(10)), handshake)?.id ?? '';
    expect(await sessions.findOrBegin(id, place(until(20)))).toBeDefined();
    expect(await sessions.findOrBegin(id, place(until(10)))).toBeDefined();
    const seen = [11, 21].map((second) => {
      vi.setSystemTime(base + second * 1000);
      sessions.sweep();
      return sessions.all().length;
    });
    expect(seen).toEqual([1, 0]);
  });

  test('lives by the one that took the place of another without an end, once that is revoked', async () => {
    const { sessions, place } = start();
    let isRevoked = false;
    const id = sessions.open(place({ ...guardOf('ann'), isValid: () => !isRevoked }), handshake)?.id ?? '';
    expect(await sessions.findOrBegin(id, place(guardOf('ann')))).toBeDefined();
    isRevoked = true;
    sessions.sweep();
    expect(sessions.all()).toHaveLength(1);
  });

  test('goes on for what has no sessions, but not a subscription that was made with a token that is over', async () => {
    vi.useFakeTimers({ now: base, toFake: ['Date'] });
    const { sessions, place } = start();
    const bridge = createBridge(sessions, seal);
    const ask = (guard: Guard, method: string, params: object, reply = keptReply()) => {
      const over = bridge.request({ ...place(guard), message: { jsonrpc: '2.0', id: method, method, params } }, reply);
      return { reply, over };
    };
    const heard = ask(until(10), 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    await eventually(() => expect(heard.reply.told).toHaveLength(1));
    await ask(until(20), 'tools/list', {}).over;
    vi.setSystemTime(base + 11_000);
    sessions.sweep();
    bridge.sweep();
    await heard.over;
    expect({ sessions: sessions.all().length, answered: heard.reply.answered.length }).toEqual({
      sessions: 1,
      answered: 1,
    });
    await Promise.all(sessions.all().map(sessions.end));
  });
});

describe('what all servers are together to somebody who reaches some of them', () => {
  const [a, b] = [asServerName('a'), asServerName('b')];
  /** Both list one resource of the same URI, and each one of its own; `a` comes first. */
  const catalogue = createCatalogue<readonly ServerName[]>({
    servers: async () => [a, b],
    whose: (reached) => reached.join(),
    reaches: (server, reached) => reached.includes(server),
    list: async (server, method) =>
      method === 'tools/list' ? [{ name: 'go' }] : [{ uri: 'x://both' }, { uri: `x://${server}` }],
    log: () => {},
    names: usualNames,
  });
  const read = (uri: string, reached: readonly ServerName[]) =>
    catalogue.route({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } }, reached);
  const call = (name: string, reached: readonly ServerName[]) =>
    catalogue.route({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }, reached);

  test('is decided among those, whatever others have listed before', async () => {
    expect(await read('x://both', [a, b])).toMatchObject({ server: a });
    expect(await read('x://both', [b])).toMatchObject({ server: b });
    expect(await read('x://elsewhere', [b])).toMatchObject({ server: b });
    expect(await call('a__go', [a])).toMatchObject({ server: a });
  });

  test('says nothing of the others: neither whose a URI is, nor that there is such a tool', async () => {
    expect(await read('x://a', [a, b])).toMatchObject({ server: a });
    expect(await read('x://a', [])).toEqual({ unknown: 'Resource not found: x://a' });
    expect(await call('a__go', [a])).toMatchObject({ server: a });
    expect(await call('a__go', [b])).toEqual({ unknown: 'Unknown tool: a__go' });
  });
});
