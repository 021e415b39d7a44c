import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import type { startLooms } from '../../support/looms.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** Clients that call at once. */
const crowd = 50;
const textOf = (result: unknown): unknown => (result as { content: { text?: string }[] }).content[0]?.text;

/** Over HTTP, with sessions; it answers 400 to those that it does not know, as servers do that are written like the examples of the SDK. */
const strictScript = `
const sessions = new Set();
const results = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'strict', version: '1' } }),
  'tools/list': () => ({ tools: [{ name: 'known', inputSchema: { type: 'object' } }] }),
  'tools/call': () => ({ content: [{ type: 'text', text: String(sessions.size) }] }),
};
require('node:http').createServer(async (request, response) => {
  if (request.method !== 'POST') return response.writeHead(405).end();
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body);
  const say = (status, message, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const session = method === 'initialize' ? require('node:crypto').randomUUID() : request.headers['mcp-session-id'];
  if (method === 'initialize') sessions.add(session);
  if (!sessions.has(session)) return say(400, { id: null, error: { code: -32000, message: 'Bad Request: No valid session ID provided' } });
  if (id === undefined) return response.writeHead(202).end();
  say(200, { id, result: results[method]?.(params) ?? {} }, { 'mcp-session-id': session });
}).listen(8000);
process.on('SIGTERM', () => process.exit(0));
`;

describe.skipIf(withoutEngine())('the servers of a gateway, once apply or the engine changes them', () => {
  const project = testProject('replaced');
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  const folder = mkdtempSync(join(tmpdir(), 'looms-servers-'));
  const room = { resource_limits: { memory_mb: 4096, pids_limit: 2000 } };
  const sessions = (): string => changed(tinySpec({ name: 'fs', timeoutSeconds: 120 }), { backend: room });
  const without = (file: string): string =>
    changed(tinySpec({ name: 'newer' }), {
      args: [`/srv/${file}`],
      mcp: { protocol: '2026-07-28' },
      backend: { volume_mounts: [{ source: folder, target: '/srv', read_only: true }] },
    });
  const strict = changed(httpSpec('strict'), { args: ['-e', strictScript] });
  let gateway: ReturnType<typeof startLooms>;
  let socket: string;
  const open: { close(): Promise<void> }[] = [];
  const url = (path: string): URL => new URL(`http://localhost${path}`);

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    const file = join(folder, 'one.mjs');
    await build({
      entryPoints: [new URL('../../fixtures/servers/all-modern.mjs', import.meta.url).pathname],
      outfile: file,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    // The same with another tool.
    const other = readFileSync(file, 'utf8').replace(/registerTool\("think"/, 'registerTool("ponder"');
    writeFileSync(join(folder, 'two.mjs'), other);
    const { code, stderr } = await project.apply(specs(sessions(), without('one.mjs'), strict), [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    gateway = project.start(['serve', '--json', '--max-sessions', '200', '--max-per-principal', '200'], { env });
    socket = await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout()).socket;
    });
  });
  afterAll(async () => {
    await Promise.allSettled(open.map((one) => one.close()));
    gateway?.child.kill('SIGKILL');
    await project.remove();
  });

  /** Applies while these call; each has called the new container once when it resolves. Throws what a call throws. */
  const applyUnder = async (server: string, text: string, calls: readonly (() => Promise<void>)[]): Promise<void> => {
    const before = await project.idOf(server);
    let isOver = false;
    let isReplaced = false;
    const calling = calls.map(async (call) => {
      for (let after = 0; after < 2 || !isOver; after += isReplaced ? 1 : 0) {
        await call();
        await delay(20);
      }
    });
    const all = Promise.all(calling);
    all.catch(() => {}); // Waited for at the end; what apply says comes first.
    const { code, stderr } = await project.apply(text, [], { env });
    isReplaced = true;
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const after = await project.idOf(server);
    expect(after).not.toBe(before);
    await eventually(async () => {
      const { stdout } = await project.run(['audit', '--json', '--tail', '100'], { env });
      const last = stdout.split('\n').filter((line) => line !== '');
      expect(last.map((line) => JSON.parse(line)).every(({ container }) => container === after)).toBe(true);
    }, 60_000).finally(() => {
      isOver = true;
    });
    await all;
  };

  test('fifty clients with sessions, whose server apply replaces: no call fails, all sessions go on, and each is told once that the tools are others', async () => {
    const changes = Array.from({ length: crowd }, () => 0);
    const clients = await Promise.all(
      changes.map(async (_, index) => {
        const client = new Client({ name: 'test', version: '1' });
        const transport = new StreamableHTTPClientTransport(url('/mcp/fs'), { fetch: socketFetch(socket) });
        await client.connect(transport as never);
        open.push(client);
        client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
          changes[index] = (changes[index] ?? 0) + 1;
        });
        await client.listTools();
        return { client, transport };
      }),
    );
    const ids = clients.map(({ transport }) => transport.sessionId);
    let lastCall = 0;
    const calls = clients.map(({ client }) => async () => {
      lastCall += 1;
      const text = `call ${lastCall}`;
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text } }))).toBe(text);
    });
    await applyUnder('fs', specs(sessions().replace('The tool ', 'The new tool '), without('one.mjs'), strict), calls);
    await eventually(() => expect(changes).toEqual(changes.map(() => 1)), 30_000);
    // A second word of it would have been on its way before the answer to a request that is made now.
    await Promise.all(clients.map(({ client }) => client.listTools()));
    expect(changes).toEqual(changes.map(() => 1));
    expect(clients.map(({ transport }) => transport.sessionId)).toEqual(ids);
    expect(new Set(ids).size).toBe(crowd);
  }, 300_000);

  test('fifty clients without sessions: no call fails, and each that listens hears once that the tools are others, then of the new container', async () => {
    const changes = Array.from({ length: crowd }, () => 0);
    const clients = await Promise.all(
      changes.map(async (_, index) => {
        const path = index % 10 === 0 ? '/mcp' : '/mcp/newer';
        const mode = { pin: '2026-07-28' } as const;
        const client = new Client2({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
        await client.connect(new Transport2(url(path), { fetch: socketFetch(socket) }));
        open.push(client);
        client.setNotificationHandler('notifications/tools/list_changed', () => {
          changes[index] = (changes[index] ?? 0) + 1;
        });
        await client.listTools();
        await client.listen({ toolsListChanged: true });
        return { client, add: path === '/mcp' ? 'newer__add' : 'add' };
      }),
    );
    const [first, second] = clients.map(({ client }) => client);
    // A server that is slow to begin is told of at /mcp when its list comes; whatever there was of that comes before this.
    await eventually(async () => {
      const { tools } = (await first?.listTools()) ?? { tools: [] };
      const servers = new Set(tools.map(({ name }) => name.replace(/__.*/, '')));
      expect([...servers].sort()).toEqual(['fs', 'newer', 'strict']);
    }, 60_000);
    const before = [...changes];
    await second?.callTool({ name: 'touch', arguments: {} });
    await eventually(() => expect(changes.filter((count, index) => count === before[index])).toEqual([]), 30_000);
    changes.fill(0);
    let last = 0;
    const calls = clients.map(({ client, add }) => async () => {
      last += 1;
      const [a, sum] = [last, `${last + 1}`];
      expect(textOf(await client.callTool({ name: add, arguments: { a, b: 1 } }))).toBe(sum);
    });
    const text = specs(sessions().replace('The tool ', 'The new tool '), without('two.mjs'), strict);
    await applyUnder('newer', text, calls);
    await eventually(() => expect(changes).toEqual(changes.map(() => 1)), 30_000);
    expect((await first?.listTools())?.tools.map(({ name }) => name)).toContain('newer__ponder');
    await second?.callTool({ name: 'touch', arguments: {} });
    await eventually(() => expect(changes).toEqual(changes.map(() => 2)), 30_000);
  }, 300_000);

  test('the engine restarts a server over HTTP, which refuses the sessions that it has forgotten: they go on', async () => {
    const clients = await Promise.all(
      [1, 2].map(async () => {
        const client = new Client({ name: 'test', version: '1' });
        const transport = new StreamableHTTPClientTransport(url('/mcp/strict'), { fetch: socketFetch(socket) });
        await client.connect(transport as never);
        open.push(client);
        return client;
      }),
    );
    const call = async (client: Client | undefined) =>
      Number(textOf(await client?.callTool({ name: 'known', arguments: {} })));
    expect(await call(clients[0])).toBeGreaterThanOrEqual(2);
    await project.container('strict').restart({ t: 1 });
    // Asked at once, before or after the gateway has heard of it: what is not answered yet is not lost.
    await eventually(async () => expect(await call(clients[0])).toBeGreaterThanOrEqual(1), 30_000);
    // One that asks nothing begins again as well.
    await eventually(async () => expect(await call(clients[0])).toBeGreaterThanOrEqual(2), 30_000);
    expect(await call(clients[1])).toBeGreaterThanOrEqual(2);
  }, 120_000);

  test('a client of all servers hears of one that comes, and of one that goes, with sessions and without', async () => {
    const older = new Client({ name: 'test', version: '1' });
    await older.connect(new StreamableHTTPClientTransport(url('/mcp'), { fetch: socketFetch(socket) }) as never);
    const mode = { pin: '2026-07-28' } as const;
    const newer = new Client2({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    await newer.connect(new Transport2(url('/mcp'), { fetch: socketFetch(socket) }));
    open.push(older, newer);
    const changes = { older: 0, newer: 0 };
    older.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      changes.older += 1;
    });
    newer.setNotificationHandler('notifications/tools/list_changed', () => {
      changes.newer += 1;
    });
    await newer.listen({ toolsListChanged: true });
    const names = async () =>
      (await Promise.all([older.listTools(), newer.listTools()])).map(({ tools }) => tools.map(({ name }) => name));
    for (const tools of await names()) expect(tools).not.toContain('late__echo');
    const { code, stderr } = await project.apply(tinySpec({ name: 'late' }), [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const { older: before, newer: beforeThat } = await eventually(() => {
      expect(Math.min(changes.older, changes.newer)).toBeGreaterThan(0);
      return { ...changes };
    }, 30_000);
    await eventually(async () => {
      for (const tools of await names()) expect(tools).toContain('late__echo');
    }, 30_000);
    expect(await project.run(['delete', 'late', '--yes'], { env })).toExit(0);
    await eventually(() => {
      expect(changes.older).toBeGreaterThan(before);
      expect(changes.newer).toBeGreaterThan(beforeThat);
    }, 30_000);
    for (const tools of await names()) expect(tools).not.toContain('late__echo');
  }, 120_000);
});
