import { once } from 'node:events';
import { Agent, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Channel } from '../../../src/mcp/link/channel.ts';
import { asContainerId, type ServerName } from '../../../src/model/ids.ts';
import { tokenDigest } from '../../../src/model/secrets/token-digest.ts';
import { type ServeLimits, usualServe } from '../../../src/model/serve-settings.ts';
import { isRecord } from '../../../src/model/values/is-record.ts';
import { createBearers } from '../../../src/serve/access/bearers.ts';
import { createGateway, type Gateway } from '../../../src/serve/gateway.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { localEngine, targetFor } from '../mcp/local-engine.ts';
import { key, localUpstreams, modern } from './local-gateway.ts';

// What one client can do to the others by how it sends and reads: slowly, without end, or not at all. Mallory has a token,
// and so has Alice, who calls all the time and has to notice nothing. Their servers are fakes in this process: what is
// tried is the gateway.

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const mebibyte = 1024 * 1024;
/** What this process holds once nothing is left to collect, MiB: the gateway, and as much of its clients. */
const held = (): number => {
  // What buffers held is given back beside the first collection, and is counted no more from the second one on.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / mebibyte;
};

type Fields = Readonly<Record<string, unknown>>;
const told = { method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(1_000) } };
const saying = (words: string) => ({ content: [{ type: 'text', text: words }] });

/** Servers `legacy` and `modern` as functions; `open` counts their processes, which take `closeMs` to end. */
function fakeServers(closeMs = 0) {
  const counts = { open: 0, most: 0, told: 0, listed: 0 };
  const channelOf = (server: string): Channel => {
    const say = (message: Fields): void => {
      const whole = { jsonrpc: '2.0', ...message } as const;
      channel.ontext?.(JSON.stringify(whole), whole);
    };
    const answers = (method: unknown, params: Fields): object | undefined => {
      const capabilities = { tools: { listChanged: true } };
      const serverInfo = { name: server, version: '1' };
      if (method === 'initialize') return { protocolVersion: '2025-11-25', capabilities, serverInfo };
      if (method === 'server/discover') return { supportedVersions: [modern], capabilities, serverInfo };
      if (method !== 'tools/call' || params.name === 'wait') return undefined;
      const { value, mib } = isRecord(params.arguments) ? params.arguments : {};
      return params.name === 'big' ? saying('x'.repeat(Number(mib) * mebibyte)) : saying(String(value));
    };
    let last: Promise<unknown> = Promise.resolve();
    const flood = async (): Promise<void> => {
      // Not of the request that began it, which is over by then.
      await delay(20);
      for (let times = 0; times < 40_000; times += 1) say(told);
      counts.told += 1;
    };
    const channel: Channel = {
      async send(_, { id, method, params }) {
        if (id === undefined) return;
        // One after the other, as a process does it.
        last = last
          .then(() => setImmediate())
          .then(() => {
            const result = answers(method, isRecord(params) ? params : {});
            if (result !== undefined) say({ id, result });
            if (isRecord(params) && params.name === 'tells') flood();
          });
      },
      drop: () => true,
      async close() {
        await delay(closeMs);
        counts.open -= 1;
      },
    };
    counts.open += 1;
    counts.most = Math.max(counts.most, counts.open);
    return channel;
  };
  const { engine } = localEngine();
  const upstreams: Upstreams = {
    ...localUpstreams(),
    servers: async () => {
      counts.listed += 1;
      return [];
    },
    async open(server: ServerName) {
      const protocol = server === 'modern' ? modern : 'legacy';
      const { spec } = targetFor(engine, [], { mcp: { protocol } });
      const container = asContainerId(server);
      return { channel: channelOf(server), container, generation: 1, spec: { ...spec, name: server } };
    },
  };
  return { upstreams, counts };
}

type Answer = { readonly status: number; readonly text: string; readonly session: string };

/** Thousands of connections and hundreds of megabytes in one process: a busy machine takes its time for each test, ms. */
const timeout = 400_000;
const soonMs = 180_000;
/** No session goes by disuse, however long a busy machine takes. */
const bounds = { idleMs: 3_600_000, most: 12, mostEach: 8 };
const initialize = (more: object = {}) => ({
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1', ...more } },
});
const call = (name: string, args: object) => ({ method: 'tools/call', params: { name, arguments: args } });

describe('a client that sends or reads as none should', { timeout }, () => {
  let gateway: Gateway;
  let http: Server;
  let port: number;
  let counts: ReturnType<typeof fakeServers>['counts'];
  let lastId = 0;
  const agents: Agent[] = [];
  const sockets: Socket[] = [];
  let alice: (value: string) => Promise<string>;

  const start = async ({ closeMs = 0, limits = {} }: { closeMs?: number; limits?: ServeLimits } = {}) => {
    const fake = fakeServers(closeMs);
    counts = fake.counts;
    const settings = { ...usualServe, limits };
    gateway = createGateway(fake.upstreams, {
      ...{ bounds, seal: createSeal(key, 'p'), version: '1', log: () => {}, settings },
    });
    const tokens = ['alice', 'mallory'].map((name) => ({ name, sha256: tokenDigest(name), scopes: 'all' as const }));
    http = gateway.serverFor({ kind: 'tcp', host: '127.0.0.1', bearers: createBearers(() => tokens) });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    ({ port } = http.address() as AddressInfo);
    const begun = await post(agentOf(1), 'alice', '/mcp/legacy', initialize());
    const own = agentOf(1);
    alice = async (value) => {
      const { text } = await post(own, 'alice', '/mcp/legacy', call('echo', { value }), begun.session);
      return JSON.parse(text).result?.content[0].text ?? text;
    };
  };
  const agentOf = (maxSockets: number): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets });
    agents.push(agent);
    return agent;
  };
  const headersOf = (who: string, session?: string): Record<string, string> => ({
    ...{
      authorization: `Bearer ${who}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
  });
  const bodyOf = (message: object): string => {
    lastId += 1;
    return JSON.stringify({ jsonrpc: '2.0', id: lastId, ...message });
  };
  const post = (agent: Agent, who: string, path: string, message: object, session?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request({ agent, host: '127.0.0.1', port, path, method: 'POST', headers: headersOf(who, session) });
      sent.on('error', reject).on('response', (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        incoming.on('end', () =>
          resolve({
            ...{ status: incoming.statusCode ?? 0, text },
            session: String(incoming.headers['mcp-session-id'] ?? ''),
          }),
        );
      });
      sent.end(bodyOf(message));
    });
  /** A connection of which every byte is said here; what came back so far, and when it ended. */
  const raw = async () => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    const seen = { text: '', isOver: false };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      seen.text += piece;
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        seen.isOver = true;
      });
    await once(socket, 'connect');
    return { socket, seen };
  };
  /** The head of a request, as it goes over the wire. */
  const head = (verb: string, path: string, headers: Record<string, string | number>): string =>
    [
      `${verb} ${path} HTTP/1.1`,
      'host: 127.0.0.1',
      ...Object.entries(headers).map(([name, is]) => `${name}: ${is}`),
      '',
      '',
    ].join('\r\n');
  /** A byte now and then on each of these, for as long as they are open. */
  const trickle = async (all: readonly { socket: Socket; seen: { isOver: boolean } }[]): Promise<void> => {
    while (all.some(({ seen }) => !seen.isOver)) {
      for (const { socket } of all) if (socket.writable) socket.write('x');
      await delay(100);
    }
  };
  /** How Alice fares while something is tried: each of her calls is answered. */
  const besides = async (attempt: Promise<unknown>): Promise<void> => {
    let isOver = false;
    const tried = attempt.finally(() => {
      isOver = true;
    });
    tried.catch(() => {});
    for (let turn = 0; !isOver || turn < 3; turn += 1) {
      expect(await alice(`turn ${turn}`)).toBe(`turn ${turn}`);
      await delay(20);
    }
    await tried;
  };

  beforeEach(() => start());
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const agent of agents.splice(0)) agent.destroy();
    await gateway.close();
  });

  test('has a minute for a request, and ten seconds for its head', () => {
    expect({ whole: http.requestTimeout, head: http.headersTimeout }).toEqual({ whole: 60_000, head: 10_000 });
  });

  test('300 bodies of a byte now and then end when their time is over', async () => {
    http.headersTimeout = 1_000;
    http.requestTimeout = 2_000;
    const all = await Promise.all(Array.from({ length: 300 }, raw));
    for (const { socket } of all) {
      socket.write(head('POST', '/mcp/legacy', { ...headersOf('mallory'), 'content-length': 1_000_000 }));
    }
    await besides(trickle(all));
    expect(all.filter(({ seen }) => !seen.text.startsWith('HTTP/1.1 408'))).toEqual([]);
    expect(gateway.sessions()).toBe(1);
  });

  test('300 heads of a byte now and then, and connections that say nothing at all, end when their time is over', async () => {
    http.headersTimeout = 2_000;
    http.requestTimeout = 4_000;
    const all = await Promise.all(Array.from({ length: 300 }, raw));
    for (const { socket } of all.slice(0, 200)) socket.write('POST /mcp/legacy HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ');
    await besides(
      Promise.all([
        trickle(all.slice(0, 200)),
        eventually(() => expect(all.every(({ seen }) => seen.isOver)).toBe(true)),
      ]),
    );
  });

  test('no more than 4,000 connections are open; what takes more is closed, and the socket is none of them', async () => {
    http.headersTimeout = 60_000;
    const all: Awaited<ReturnType<typeof raw>>[] = [];
    // As many at once as wait to be accepted.
    for (let made = 0; made < 4_100; made += 100) all.push(...(await Promise.all(Array.from({ length: 100 }, raw))));
    await eventually(() => expect(all.filter(({ seen }) => !seen.isOver).length).toBeLessThanOrEqual(4_000));
    const local = gateway.serverFor({ kind: 'socket' });
    expect(local.maxConnections).toBeUndefined();
    for (const { socket } of all) socket.destroy();
    await eventually(async () => expect(await alice('after them')).toBe('after them'));
  });

  test('ten thousand sessions: it has no more than its own, and nobody loses one', async () => {
    const agent = agentOf(bounds.mostEach);
    let begun = 0;
    const begin = (count: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: count }, async (_, index) => {
          // As much of itself as an id holds.
          const title = `${index}`.padEnd(3_800, 'x');
          const { status } = await post(agent, 'mallory', '/mcp/legacy', initialize({ title }));
          if (status === 200) begun += 1;
          else expect(status).toBe(503);
          expect(gateway.sessions()).toBeLessThanOrEqual(bounds.mostEach + 1);
        }),
      );
    await begin(1_000);
    const before = held();
    await besides(begin(9_000));
    expect(held() - before).toBeLessThan(20);
    expect(begun).toBeGreaterThan(5_000);
    await eventually(() => expect(counts.open).toBe(bounds.mostEach + 1));
  });

  test('sessions that end slowly are not more at once than twice its own', async () => {
    await gateway.close();
    await start({ closeMs: 500 });
    const agent = agentOf(50);
    const begin = () => post(agent, 'mallory', '/mcp/legacy', initialize());
    let begun = 0;
    await besides(
      Promise.all(
        Array.from({ length: 2_000 }, async () => {
          if ((await begin()).status === 200) begun += 1;
        }),
      ),
    );
    expect(begun).toBeGreaterThan(bounds.mostEach);
    expect(counts.most).toBeLessThanOrEqual(2 * bounds.mostEach + 1);
    await eventually(async () => expect((await begin()).status).toBe(200));
  });

  test('sessions that are all busy are none that a new one takes the place of', async () => {
    const agent = agentOf(100);
    const busy = await Promise.all(
      Array.from({ length: bounds.mostEach }, () => post(agent, 'mallory', '/mcp/legacy', initialize())),
    );
    const waiting = busy.map(({ session }) => post(agent, 'mallory', '/mcp/legacy', call('wait', {}), session));
    for (const one of waiting) one.catch(() => {});
    await eventually(async () => {
      const one = await post(agent, 'mallory', '/mcp/legacy', initialize());
      expect(one.status).toBe(503);
    });
    await besides(
      Promise.all(
        Array.from({ length: 200 }, async () => {
          expect((await post(agent, 'mallory', '/mcp/legacy', initialize())).status).toBe(503);
        }),
      ),
    );
  });

  test('bodies that it keeps unfinished are no more at once than it may have held', async () => {
    const before = held();
    const all = await Promise.all(Array.from({ length: 50 }, raw));
    const most = Buffer.alloc(8 * mebibyte - 1, 'x');
    const sendAll = async (): Promise<void> => {
      for (const { socket } of all) {
        socket.write(head('POST', '/mcp/legacy', { ...headersOf('mallory'), 'content-length': most.length + 1 }));
        socket.write(most);
      }
      await eventually(() => {
        for (const { socket, seen } of all) expect(seen.isOver || socket.writableLength === 0).toBe(true);
      }, soonMs);
    };
    await besides(sendAll());
    expect(held() - before).toBeLessThan(300);
    // Of some that were refused the answer is lost with what they still sent.
    await eventually(() => expect(all.filter(({ seen }) => !seen.isOver).length).toBeLessThanOrEqual(256 / 8), soonMs);
    expect(all.filter(({ seen }) => seen.text.startsWith('HTTP/1.1 429')).length).toBeGreaterThan(5);
    for (const { socket } of all) socket.destroy();
    await eventually(async () => {
      expect((await post(agentOf(1), 'mallory', '/mcp/legacy', initialize())).status).toBe(200);
    });
  });

  test('answers that it does not read are no more at once than it may have held; what is beyond is cut', async () => {
    const before = held();
    const { session } = await post(agentOf(1), 'mallory', '/mcp/legacy', initialize());
    const most = 256 / 9;
    const ask = async (count: number, accept: string) => {
      const all = await Promise.all(Array.from({ length: count }, raw));
      for (const { socket } of all) {
        socket.pause();
        const body = bodyOf(call('big', { mib: 9 }));
        const headers = { ...headersOf('mallory', session), accept, 'content-length': body.length };
        socket.write(head('POST', '/mcp/legacy', headers) + body);
      }
      return all;
    };
    const attempt = async () => {
      const all = [...(await ask(25, 'application/json')), ...(await ask(25, 'text/event-stream'))];
      // A call more gets nothing either, until what there is was read.
      await eventually(async () => {
        await expect(post(agentOf(1), 'mallory', '/mcp/legacy', call('big', { mib: 9 }), session)).rejects.toThrow();
      });
      return all;
    };
    const tried = attempt();
    await besides(tried);
    expect(held() - before).toBeLessThan(450);
    const all = await tried;
    for (const { socket } of all) socket.resume();
    await eventually(() =>
      expect(all.filter(({ seen }) => seen.text.length > 9 * mebibyte).length).toBe(Math.floor(most)),
    );
    expect(all.filter(({ seen }) => seen.isOver).length).toBeGreaterThanOrEqual(50 - most);
    const { text } = await post(agentOf(1), 'mallory', '/mcp/legacy', call('echo', { value: 'again' }), session);
    expect(text).toContain('again');
  });

  test('streams without sessions are no more at once than its requests may be; the rest is told to come again', async () => {
    const all = await Promise.all(Array.from({ length: 1_200 }, raw));
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': modern,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const openAll = async (): Promise<void> => {
      for (const { socket } of all) {
        const listen = { method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta } };
        const body = bodyOf(listen);
        const own = { 'mcp-protocol-version': modern, 'mcp-method': 'subscriptions/listen' };
        const headers = { ...headersOf('mallory'), ...own, 'content-length': body.length };
        socket.write(head('POST', '/mcp/modern', headers) + body);
      }
      await eventually(() => {
        const count = (status: number) => all.filter(({ seen }) => seen.text.startsWith(`HTTP/1.1 ${status}`)).length;
        expect({ open: count(200), refused: count(429) }).toEqual({ open: 1_000, refused: 200 });
      }, soonMs);
    };
    await besides(openAll());
    expect(all.find(({ seen }) => seen.text.startsWith('HTTP/1.1 429'))?.seen.text).toContain('retry-after: 1');
    // One process has them all, and one more is Alice's.
    expect(counts.open).toBe(2);
  });

  test('a subscription to 100,000 resources of all servers is refused, and costs no look at what there is', async () => {
    const resourceSubscriptions = Array.from({ length: 100_000 }, (_, at) => `x:${at}`);
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': modern,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const listen = { method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions }, _meta } };
    const own = { 'mcp-protocol-version': modern, 'mcp-method': 'subscriptions/listen' };
    const attempt = async (): Promise<void> => {
      const { socket, seen } = await raw();
      const body = bodyOf(listen);
      socket.write(head('POST', '/mcp', { ...headersOf('mallory'), ...own, 'content-length': body.length }) + body);
      await eventually(() => expect(seen.text).toContain('-32602'), soonMs);
    };
    await besides(attempt());
    expect(counts.listed).toBe(0);
  });

  test('a stream that is never read is told no more than it may leave, and its session goes on', async () => {
    const { session } = await post(agentOf(1), 'mallory', '/mcp/legacy', initialize());
    const { socket, seen } = await raw();
    socket.pause();
    socket.write(head('GET', '/mcp/legacy', headersOf('mallory', session)));
    const ask = () => post(agentOf(1), 'mallory', '/mcp/legacy', call('tells', { value: 'told' }), session);
    const floods = async (count: number): Promise<void> => {
      for (let times = 0; times < count; times += 1) {
        await ask();
        await eventually(() => expect(counts.told).toBe(times + 1));
      }
    };
    const before = held();
    await besides(floods(5));
    expect(held() - before).toBeLessThan(10);
    socket.resume();
    await eventually(() => expect(seen.text.length).toBeGreaterThan(mebibyte));
    expect(JSON.parse((await ask()).text).result).toEqual(saying('told'));
  });

  test('2,000 streams of one session are one: each takes the place of the one before it', async () => {
    const { session } = await post(agentOf(1), 'mallory', '/mcp/legacy', initialize());
    const all = await Promise.all(Array.from({ length: 2_000 }, raw));
    await besides(
      (async () => {
        for (const { socket } of all) socket.write(head('GET', '/mcp/legacy', headersOf('mallory', session)));
        await eventually(() => {
          const begun = all.filter(({ seen }) => seen.text.startsWith('HTTP/1.1 200'));
          expect(begun).toHaveLength(2_000);
          // The last chunk of a stream that is over.
          expect(begun.filter(({ seen }) => !seen.text.endsWith('0\r\n\r\n'))).toHaveLength(1);
        });
      })(),
    );
  });
});
