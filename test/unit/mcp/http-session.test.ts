import { type ChildProcess, spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { networkDial } from '../../../src/docker/engine/exec/network-dial.ts';
import { openSession } from '../../../src/mcp/client/connect.ts';
import { runGate } from '../../../src/mcp/client/gate.ts';
import type { Session, SessionTarget } from '../../../src/mcp/client/session.ts';
import { asContainerId, asServerName, carrierName } from '../../../src/model/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

// The relay's command runs on this machine here: what it needs (perl) is what its image has.

const call = { timeoutMs: 60_000 };
const reach = { way: 'relay', host: '127.0.0.1' };
const children: ChildProcess[] = [];
const sessions: Session[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** Starts the HTTP fixture, which listens then unless it is to come late; its exit shows as the container's state. */
async function serve(env: { LATE_MS?: string } = {}) {
  const late = env.LATE_MS === undefined ? undefined : await freePort();
  const child = spawn(process.execPath, [fixture('sdk1-http.mjs')], {
    env: { ...process.env, PORT: String(late ?? 0), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  const port = late ?? Number(String((await once(child.stderr, 'data'))[0]).replace('listening on ', ''));
  const local = localEngine();
  const { exec, tailLog } = local.engine;
  const containerRunning = async () => ({
    running: child.exitCode === null,
    run: '',
    exitCode: child.exitCode ?? 0,
    engineHealth: null,
  });
  const engine = { ...local.engine, exec, tailLog, containerRunning, dial: networkDial({ exec, containerRunning }) };
  const target = (
    kind: 'streamable-http' | 'sse',
    at: Partial<{ port: number; path: string }> = {},
  ): SessionTarget => ({
    ...targetFor(engine, [], {
      mcp: { transport: { kind, port: at.port ?? port, path: at.path ?? (kind === 'sse' ? '/sse' : '/mcp') } },
    }),
    reach,
  });
  return { target, port, execs: local.execs };
}

async function open(target: SessionTarget, connectTimeoutMs = 60_000): Promise<Session> {
  const session = await openSession(target, { connectTimeoutMs });
  sessions.push(session);
  return session;
}

/** What is dialled in the relay. */
const numberOf = (port: number, seconds = 60) => ({
  port,
  deadline: performance.now() + seconds * 1_000,
  signal: new AbortController().signal,
});

/** Dials in the relay of an engine, until it lets go of it. */
function dialerOf(
  { exec, containerRunning }: SessionTarget['sessions'],
  dial = networkDial({ exec, containerRunning }),
) {
  const holding = new AbortController();
  return {
    dial: ({ port, ...call }: ReturnType<typeof numberOf>) =>
      dial(asContainerId('local'), port, { ...call, server: asServerName('web'), reach, held: holding.signal }),
    release: () => holding.abort(),
  };
}

/** Waits until no process of the relay's command is left. */
const nothingInRelay = () =>
  eventually(async () => {
    const list = spawn('pgrep', ['-P', String(process.pid), `perl|${carrierName}`], { stdio: 'ignore' });
    const [code] = await once(list, 'exit');
    expect(code).toBe(1);
  }, 120_000);

describe.each(['streamable-http', 'sse'] as const)('a session over %s through the relay', (kind) => {
  it('waits until the server listens, lists and calls', async () => {
    const { target } = await serve({ LATE_MS: '700' });
    const session = await open(target(kind));
    expect((await session.listTools()).tools.map((tool) => tool.name)).toEqual(['add', 'count', 'die', 'huge', 'wait']);
    expect((await session.callTool('add', { a: 1, b: 2 }, call)).content[0]?.text).toBe('3');
  });

  it('streams progress', async () => {
    const { target } = await serve();
    const session = await open(target(kind));
    const seen: number[] = [];
    await session.callTool('count', { to: 5 }, { ...call, onProgress: ({ progress }) => seen.push(progress) });
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('carries many sessions with many calls at once, each answer to its call', async () => {
    const { target } = await serve();
    const many = await Promise.all(Array.from({ length: 4 }, () => open(target(kind))));
    const sums = await Promise.all(
      many.flatMap((session, index) =>
        Array.from({ length: 5 }, async (_, step) => {
          const result = await session.callTool('add', { a: index * 100, b: step }, call);
          return result.content[0]?.text === String(index * 100 + step);
        }),
      ),
    );
    expect(sums).toEqual(Array(20).fill(true));
  });

  it('ends its session on the server and its processes in the relay', async () => {
    const { target, port } = await serve();
    const session = await open(target(kind));
    await session.listTools();
    await session.close();
    await eventually(async () => {
      const stats = await fetch(`http://127.0.0.1:${port}/stats`);
      expect(await stats.json()).toMatchObject({ sessions: 0 });
    });
    await nothingInRelay();
  });

  it('says that the server exited when it dies in a call', async () => {
    const { target } = await serve();
    const session = await open(target(kind));
    await expect(session.callTool('die', {}, call)).rejects.toMatchObject({
      code: 'server-exited',
      message: 'unit exited with code 5 during the call of die',
    });
  });

  it('ends a call at its limit and can go on', async () => {
    const { target } = await serve();
    const session = await open(target(kind));
    await expect(session.callTool('wait', {}, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'call-timeout' });
    expect((await session.callTool('add', { a: 1, b: 2 }, call)).content[0]?.text).toBe('3');
  });

  it('refuses a message of 20 MB with a clear error, and leaves nothing of the session', async () => {
    const { target } = await serve();
    const session = await open(target(kind));
    await expect(session.callTool('huge', {}, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'session-failed',
      message: 'the server sent a message of more than 10485760 bytes',
    });
    await session.close();
    await nothingInRelay();
  });

  it('tells the server that a call is cancelled, also when the session ends at once', async () => {
    const { target, port } = await serve();
    const session = await open(target(kind));
    await session.listTools();
    const stop = new AbortController();
    const waiting = session.callTool('wait', {}, { ...call, signal: stop.signal });
    const settled = waiting.catch((error: unknown) => error);
    await Promise.race([settled, new Promise((resolve) => setImmediate(resolve))]);
    stop.abort();
    expect(await settled).toMatchObject({ code: 'interrupted' });
    await session.close();
    const stats = await fetch(`http://127.0.0.1:${port}/stats`);
    expect(await stats.json()).toMatchObject({ cancelled: 1 });
  });

  it('says that nothing listens', async () => {
    const { target } = await serve({ LATE_MS: '60000' });
    const result = await runGate(openSession, target(kind), { timeoutMs: 600 });
    expect(result).toMatchObject({ passed: false, failure: { code: 'session-failed' } });
    expect(result.passed ? '' : result.failure.message).toMatch(
      /^[a-z-]+: connection refused, nothing listens on port \d+$/,
    );
  });

  it('points at path and transport when the page does not exist', async () => {
    const { target } = await serve();
    await expect(open(target(kind, { path: '/nothing' }))).rejects.toMatchObject({
      code: 'session-failed',
      hint: expect.stringMatching(/mcp_server\.path/),
    });
  });
});

it('reuses a connection for the next request', async () => {
  const { target, execs } = await serve();
  const session = await open(target('streamable-http'));
  for (let i = 0; i < 10; i++) await session.callTool('add', { a: i, b: 1 }, call);
  expect(execs).toHaveLength(1);
});

/** An HTTP server that drops the connection of the first requests that `drops` names, before it answers. */
async function dropping(drops: (body: string) => boolean) {
  const bodies: string[] = [];
  const server = createHttpServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    bodies.push(body);
    if (drops(body)) return request.socket.destroy();
    const message = body === '' ? {} : JSON.parse(body);
    if (request.method !== 'POST') return response.writeHead(405).end();
    if (message.id === undefined) return response.writeHead(202).end();
    const result = {
      initialize: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'd', version: '1' },
      },
      'tools/list': { tools: [{ name: 'pay', inputSchema: { type: 'object' } }] },
      'tools/call': { content: [{ type: 'text', text: 'paid' }] },
    }[message.method as string];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const target = {
    ...targetFor(localEngine().engine, [], { mcp: { transport: { kind: 'streamable-http', port, path: '/mcp' } } }),
    reach,
  };
  return { target, server, count: (method: string) => bodies.filter((body) => body.includes(`"${method}"`)).length };
}

it('a connection that a server closes under a handshake or a list is made again, and nobody notices', async () => {
  const seen = new Set<string>();
  const { target, server, count } = await dropping((body) => {
    const method = /"method":"([^"]*)"/.exec(body)?.[1];
    if (method === undefined || method === 'tools/call' || seen.has(method)) return false;
    seen.add(method);
    return true;
  });
  const session = await open(target);
  expect((await session.callTool('pay', {}, call)).content[0]?.text).toBe('paid');
  expect(['initialize', 'notifications/initialized', 'tools/list', 'tools/call'].map(count)).toEqual([2, 2, 2, 1]);
  server.close();
});

it('a connection that is closed under a call ends the call, which is not sent again and may have run', async () => {
  const { target, server, count } = await dropping((body) => body.includes('"tools/call"'));
  const session = await open(target);
  await expect(session.callTool('pay', {}, call)).rejects.toMatchObject({
    code: 'session-failed',
    message: 'unit: the connection ended before the call of pay was answered',
    hint: expect.stringMatching(/; the call may have run, and looms does not repeat it$/),
  });
  expect(count('tools/call')).toBe(1);
  server.close();
});

it('a call does not go over a connection that was idle for long, however late the program is', async () => {
  let connections = 0;
  const { target, server } = await dropping(() => false);
  server.on('connection', () => {
    connections += 1;
  });
  const session = await open(target);
  await session.listTools();
  const before = connections;
  const until = performance.now() + 1_200;
  while (performance.now() < until); // As a busy machine does: no timer comes in time.
  expect((await session.callTool('pay', {}, call)).content[0]?.text).toBe('paid');
  expect(connections).toBe(before + 1);
  server.close();
});

it('a connection that is given up at once leaves no process in the relay, also many at a time', async () => {
  const { target, port, execs } = await serve();
  const dialer = dialerOf(target('streamable-http').sessions);
  const streams = await Promise.all(Array.from({ length: 20 }, () => dialer.dial(numberOf(port))));
  for (const stream of streams) stream.destroy();
  expect(execs).toHaveLength(1);
  dialer.release();
  await nothingInRelay();
}, 120_000);

it('a connection that ends in the moment in which it is made leaves nothing that holds on to the server', async () => {
  const held = new Set<Socket>();
  const server = createServer((socket) => {
    held.add(socket.on('error', () => {}).on('close', () => held.delete(socket)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { engine } = localEngine();
  const dialIn = networkDial(engine);
  const connectAndGo = async (index: number): Promise<void> => {
    const dialer = dialerOf(engine, dialIn);
    const stream = await dialer.dial(numberOf(port));
    await delay(index % 4);
    stream.destroy();
    dialer.release();
  };
  // A signal that is lost between a shell's fork and exec left one of eighty.
  for (let first = 0; first < 600; first += 6) {
    await Promise.all(Array.from({ length: 6 }, (_, index) => connectAndGo(first + index)));
  }
  await eventually(() => expect(held.size).toBe(0), 10_000);
  await nothingInRelay();
  server.close();
}, 60_000);

it.each([
  ['was killed before it connected', 'kill -9 $$'],
  // What Engine 20.10 writes to the output of the exec when the relay's memory is exhausted.
  [
    'the engine could not begin',
    'echo "OCI runtime exec failed: exec failed: (possibly OOM-killed): unknown"; exit 126',
  ],
])('a process of the relay that %s is tried again', async (_, script) => {
  const { target, port } = await serve();
  const { sessions: engine } = target('streamable-http');
  let killed = 0;
  const crowded = {
    ...engine,
    exec: (...[id, request, options]: Parameters<typeof engine.exec>) =>
      engine.exec(id, killed++ < 2 ? { argv: ['sh', '-c', script] } : request, options),
  };
  const dialer = dialerOf(crowded);
  const stream = await dialer.dial(numberOf(port));
  expect(killed).toBe(3);
  stream.destroy();
  dialer.release();
  await nothingInRelay();
});

it('a program that the relay does not have is told at once, with its exit code', async () => {
  const { target, port } = await serve();
  const { sessions: engine } = target('streamable-http');
  const empty = { ...engine, exec: () => engine.exec(asContainerId(''), { argv: ['no-such-program'] }) };
  await expect(dialerOf(empty).dial(numberOf(port))).rejects.toMatchObject({
    message: expect.stringContaining('(exit code 127)'),
  });
});

it('a program that the engine can never begin is given up after a few tries', async () => {
  const { target, port } = await serve();
  const { sessions: engine } = target('streamable-http');
  let begun = 0;
  const exec = () => {
    begun += 1;
    return engine.exec(asContainerId(''), { argv: ['sh', '-c', 'echo "OCI runtime exec failed"; exit 126'] });
  };
  await expect(dialerOf({ ...engine, exec }).dial(numberOf(port))).rejects.toMatchObject({
    message: expect.stringContaining('(exit code 126)'),
  });
  expect(begun).toBe(5);
});

/** What stands for the relay: opens the first connection, and then writes frames of a type, a length, and what it claims. */
const forgedRelay = (type: string, length: number, claimed = length, times = 1) => `
  const frame = (type, length, claimed) => {
    const head = Buffer.alloc(9, type);
    head.writeUInt32BE(1, 0);
    head.writeUInt32BE(claimed, 5);
    process.stdout.write(Buffer.concat([head, Buffer.alloc(length)]));
  };
  process.stdin.once('data', () => {
    frame('O', 0, 0);
    for (let turn = 0; turn < ${times}; turn += 1) frame('${type}', ${length}, ${claimed});
  });`;

it.each([
  ['a piece that is longer than any of ours', forgedRelay('D', 10, 0xffffffff)],
  ['an acknowledgement of no number', forgedRelay('W', 1)],
  ['more than the window of a connection', forgedRelay('D', 60_000, 60_000, 9)],
])('%s from what stands for the relay ends the connection, and nothing is gathered', async (_, script) => {
  const { target, port } = await serve();
  const { sessions: engine } = target('streamable-http');
  const forged = { ...engine, exec: () => engine.exec(asContainerId(''), { argv: [process.execPath, '-e', script] }) };
  const dialer = dialerOf(forged);
  const ended = dialer.dial(numberOf(port)).then(
    (stream) =>
      new Promise((resolve) =>
        // Nothing reads it: what is read gives window back.
        stream.on('close', () => resolve('closed')).on('error', () => {}),
      ),
    (error: { code: string }) => error.code,
  );
  expect(['closed', 'session-failed']).toContain(await ended);
  dialer.release();
});

it('a server that begins to listen when less than a second is left is reached', async () => {
  const { port } = await serve();
  const dialer = dialerOf(localEngine().engine);
  const stream = await dialer.dial({ ...numberOf(port), deadline: performance.now() + 900 });
  stream.destroy();
  dialer.release();
  await nothingInRelay();
});

it('a dial leaves no listener on the signal of whoever waits for it', async () => {
  const { port } = await serve();
  const { signal } = new AbortController();
  const dialer = dialerOf(localEngine().engine);
  for (let turn = 0; turn < 5; turn += 1) (await dialer.dial({ ...numberOf(port), signal })).destroy();
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  dialer.release();
  await nothingInRelay();
});

it('a reader that stops holds its own connection up and no other, and what is on its way is bounded', async () => {
  let written = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const fill = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(16_384))) written += 16_384;
      socket.once('drain', fill);
    };
    socket.once('data', (data) => (String(data) === 'flood' ? fill() : socket.end(data)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dialer = dialerOf(localEngine().engine);
  const stalled = await dialer.dial(numberOf(port));
  stalled.write('flood');
  await eventually(async () => {
    const before = written;
    await delay(200);
    expect(written).toBe(before);
  }, 120_000);
  // The windows here and in the kernel's own buffers; a stream that is not bounded takes all that the server can write.
  expect(written).toBeLessThan(12 * 1024 * 1024);
  const other = await dialer.dial(numberOf(port));
  const big = Buffer.alloc(300_000, 'x');
  other.write(big);
  expect((await once(other, 'data'))[0].length).toBeGreaterThan(0);
  stalled.destroy();
  other.destroy();
  dialer.release();
  await nothingInRelay();
  server.close();
}, 120_000);
