import { chmodSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { program, type startLooms } from '../../support/looms.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { talkativeSpec } from '../../support/talkative-server.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

type Served = { readonly socket: string; readonly url: string; readonly tokenFile: string };

const textOf = (result: unknown): unknown => (result as { content: { text?: string }[] }).content[0]?.text;

describe.skipIf(withoutEngine())('looms serve', () => {
  const project = testProject('serve');
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  const folder = mkdtempSync(join(tmpdir(), 'looms-servers-'));
  // It ends by no end of its input.
  const stubborn = (name: string): string =>
    tinySpec({ name }).replace("process.stdin.on('end', () => process.exit(0))", 'setInterval(() => {}, 1e6)');
  const filtered = (): string =>
    changed(tinySpec({ name: 'fs' }), {
      backend: { resource_limits: { memory_mb: 2048, pids_limit: 1000 } },
      mcp: { tools: { exclude: ['secret'] } },
    });
  const all = (): string =>
    specs(
      filtered(),
      changed(talkativeSpec('shop'), {
        backend: { resource_limits: { memory_mb: 512, execution_timeout_seconds: 20 } },
      }),
      stubborn('deaf'),
      httpSpec('web'),
      changed(tinySpec({ name: 'newer' }), {
        args: ['/srv/sdk2-stdio.mjs'],
        mcp: { protocol: 'auto' },
        backend: { volume_mounts: [{ source: folder, target: '/srv', read_only: true }] },
      }),
    );
  let gateway: ReturnType<typeof startLooms>;
  let served: Served;
  let token: string;
  const open: { close(): Promise<void> }[] = [];

  const start = async (flags: readonly string[] = [], more: Record<string, string> = {}): Promise<void> => {
    gateway = project.start(['serve', '--json', '--listen', '127.0.0.1:0', ...flags], { env: { ...env, ...more } });
    served = await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    });
    token = readFileSync(served.tokenFile, 'utf8').trim();
  };
  const transport = (path: string) =>
    new StreamableHTTPClientTransport(new URL(`http://localhost${path}`), { fetch: socketFetch(served.socket) });
  const connect = async (path: string, client = new Client({ name: 'test', version: '1' })): Promise<Client> => {
    await client.connect(transport(path) as never);
    open.push(client);
    return client;
  };
  const overTcp = (path: string, headers: Record<string, string>, body?: string) =>
    new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const { hostname, port } = new URL(served.url);
      const outgoing = request({ hostname, port, path, method: body === undefined ? 'GET' : 'POST', headers });
      outgoing.on('error', reject).on('response', (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }));
      });
      outgoing.end(body);
    });
  const initialize = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } },
  });
  const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  type Call = {
    readonly time: string;
    readonly tool: string;
    readonly result: string;
    readonly principal?: string;
  };
  const trail = async (): Promise<readonly Call[]> =>
    (await project.run(['audit', '--json'], { env })).stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  /** Processes of a server's container that are no PID 1. */
  const processes = async (server: string): Promise<readonly string[]> => {
    const { Titles, Processes } = await project.container(server).top({ ps_args: '-eo pid,ppid,args' });
    const args = (Titles as string[]).findIndex((title) => /COMMAND|CMD/.test(title));
    return (Processes as string[][]).map((row) => row[args] ?? '').filter((one) => one.includes('node'));
  };

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    await build({
      entryPoints: [new URL('../../fixtures/servers/sdk2-stdio.mjs', import.meta.url).pathname],
      outfile: join(folder, 'sdk2-stdio.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    const { code, stderr } = await project.apply(all(), [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    await start();
  });
  afterAll(async () => {
    await Promise.allSettled(open.map((one) => one.close()));
    gateway?.child.kill('SIGKILL');
    await project.remove();
  });

  test('says where it listens, by its schema; the socket and the token are their owner’s alone', () => {
    expect(schemaProblems('serve', served)).toEqual([]);
    expect(statSync(served.socket).mode & 0o777).toBe(0o600);
    expect(statSync(served.tokenFile).mode & 0o777).toBe(0o600);
  });

  test('a client lists what the filter lets through and calls it; what is filtered is refused; both are in the trail', async () => {
    const client = await connect('/mcp/fs');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['echo', 'fail', 'break', 'wait']);
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'warm' } }))).toBe('warm');
    await expect(client.callTool({ name: 'secret', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    await expect(client.callTool({ name: 'break', arguments: {} })).rejects.toMatchObject({ code: -32603 });
    const calls = await eventually(async () => {
      const written = await trail();
      expect(written.map(({ tool, result, principal }) => `${tool} ${result} ${principal}`)).toEqual([
        'echo ok local',
        'secret refused local',
        'break json-rpc-error local',
      ]);
      return written;
    });
    expect(schemaProblems('audit', calls[0])).toEqual([]);
  });

  test('a question of the server goes to the client and its answer back; progress comes before the answer', async () => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
    const asked: string[] = [];
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
      asked.push(params.message);
      return { action: 'accept', content: { email: 'a@b.c', size: 'l' } };
    });
    await connect('/mcp/shop', client);
    const answered = await client.callTool({ name: 'order', arguments: {} });
    expect(JSON.parse(String(textOf(answered)))).toEqual({ action: 'accept', content: { email: 'a@b.c', size: 'l' } });
    const seen: number[] = [];
    const result = await client.callTool({ name: 'steps', arguments: { to: 3 } }, undefined, {
      onprogress: ({ progress }) => seen.push(progress),
    });
    expect({ seen, text: textOf(result) }).toEqual({ seen: [1, 2, 3], text: 'took 3 steps' });
    expect(asked).toEqual(['What shall it be?']);
  });

  test('a call that is cancelled is cancelled at the server, under the server’s own id of it', async () => {
    const client = await connect('/mcp/shop');
    const stop = new AbortController();
    const calling = client.callTool({ name: 'wait', arguments: {} }, undefined, { signal: stop.signal });
    calling.catch(() => {});
    await eventually(async () => {
      expect(textOf(await client.callTool({ name: 'waiting', arguments: {} }))).toBe('yes');
    });
    stop.abort('enough');
    await expect(calling).rejects.toThrow(/enough/);
    await eventually(async () => {
      expect(textOf(await client.callTool({ name: 'cancelled', arguments: {} }))).toContain('enough');
    });
  });

  test('a call that takes longer than execution_timeout_seconds ends with an error', async () => {
    const client = await connect('/mcp/shop');
    const calling = client.callTool({ name: 'wait', arguments: {} }, undefined, { timeout: 60_000 });
    await expect(calling).rejects.toThrow(/took longer than 20s/);
  });

  test('a session that its client ends is over, and so is its process', async () => {
    const before = (await processes('deaf')).length;
    const client = new Client({ name: 'test', version: '1' });
    const way = transport('/mcp/deaf');
    await client.connect(way as never);
    await eventually(async () => expect((await processes('deaf')).length).toBeGreaterThan(before));
    const { sessionId = '' } = way;
    await way.terminateSession();
    await eventually(async () => expect((await processes('deaf')).length).toBe(before));
    const answer = await socketFetch(served.socket)('http://localhost/mcp/deaf', {
      method: 'POST',
      headers: { ...json, 'mcp-session-id': sessionId },
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list' }),
    });
    expect(answer.status).toBe(404);
    await client.close();
  });

  test('on TCP: no token and a wrong one are 401, a foreign page or host 403; the right one is let in by its name', async () => {
    expect(await overTcp('/mcp/fs', json, initialize)).toMatchObject({ status: 401 });
    const wrong = await overTcp('/mcp/fs', { ...json, authorization: `Bearer ${'0'.repeat(64)}` }, initialize);
    expect(wrong).toMatchObject({ status: 401, headers: { 'www-authenticate': expect.stringContaining('Bearer') } });
    const authorization = `Bearer ${token}`;
    for (const headers of [{ origin: 'https://evil.example' }, { host: 'evil.example' }]) {
      expect(await overTcp('/mcp/fs', { ...json, authorization, ...headers }, initialize)).toMatchObject({
        status: 403,
      });
    }
    const client = new Client({ name: 'test', version: '1' });
    const url = new URL(`${served.url}/mcp/fs`);
    await client.connect(
      new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization } } }) as never,
    );
    open.push(client);
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'tcp' } }))).toBe('tcp');
    expect((await trail()).at(-1)).toMatchObject({ tool: 'echo', principal: project.name });
  });

  test('a session is of no use to another principal or at another server, and nothing else is served', async () => {
    const way = transport('/mcp/fs');
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(way as never);
    open.push(client);
    const list = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list' });
    const headers = { ...json, authorization: `Bearer ${token}`, 'mcp-session-id': way.sessionId ?? '' };
    expect(await overTcp('/mcp/fs', headers, list)).toMatchObject({ status: 404 });
    const elsewhere = await socketFetch(served.socket)('http://localhost/mcp/shop', {
      method: 'POST',
      headers,
      body: list,
    });
    expect(elsewhere.status).toBe(404);
    expect((await overTcp('/mcp/nobody', headers, initialize)).status).toBe(404);
    expect((await overTcp('/.well-known/oauth-protected-resource', headers)).text).toMatch(/^\{.*\}$/);
    const batch = await overTcp('/mcp/fs', headers, `[${list}]`);
    expect(batch).toMatchObject({ status: 400 });
  });

  test('an HTTP server is reached by the same address', async () => {
    const client = await connect('/mcp/web');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('digest');
    expect(textOf(await client.callTool({ name: 'digest', arguments: {} }))).toMatch(/^[0-9a-f]{64}$/);
  });

  test('the stateless revision is passed on to a server that speaks it; one that does not is reached all the same', async () => {
    const connect2 = async (path: string): Promise<Client2> => {
      const client = new Client2({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
      const url = new URL(`http://localhost${path}`);
      await client.connect(new Transport2(url, { fetch: socketFetch(served.socket) }));
      open.push(client);
      return client;
    };
    const newer = await connect2('/mcp/newer');
    expect(newer.getProtocolEra()).toBe('modern');
    const sums = await Promise.all(
      [1, 2, 3, 4].map((a) => newer.callTool({ name: 'add', arguments: { a, b: 1 } }).then(textOf)),
    );
    expect(sums).toEqual(['2', '3', '4', '5']);
    const older = await connect2('/mcp/fs');
    expect(older.getProtocolEra()).toBe('modern');
    expect(textOf(await older.callTool({ name: 'echo', arguments: { text: 'older' } }))).toBe('older');
  });

  test('all servers are one at /mcp, by names that say whose each tool is; the filter holds there too', async () => {
    const client = await connect('/mcp');
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    expect(names).toContain('fs__echo');
    expect(names).toContain('shop__steps');
    expect(names).toContain('web__digest');
    expect(names).not.toContain('fs__secret');
    expect(textOf(await client.callTool({ name: 'fs__echo', arguments: { text: 'all' } }))).toBe('all');
    expect(textOf(await client.callTool({ name: 'shop__steps', arguments: { to: 1 } }))).toBe('took 1 steps');
    await expect(client.callTool({ name: 'fs__secret', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    await expect(client.callTool({ name: 'nobody__x', arguments: {} })).rejects.toMatchObject({ code: -32602 });
  });

  test('a client that starts commands has the same by looms mcp stdio, which ends with its input', async () => {
    const connectStdio = async (...words: string[]): Promise<Client> => {
      const client = new Client({ name: 'test', version: '1' });
      const args = [program, 'mcp', 'stdio', ...words, '--project', project.name];
      const { PATH = '', HOME = '', DOCKER_HOST = '' } = process.env;
      const given = { PATH, HOME, DOCKER_HOST, ...env };
      await client.connect(new StdioClientTransport({ command: process.execPath, args, env: given }));
      return client;
    };
    const before = (await processes('deaf')).length;
    const client = await connectStdio('deaf');
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'by stdio' } }))).toBe('by stdio');
    expect((await processes('deaf')).length).toBeGreaterThan(before);
    await client.close();
    await eventually(async () => expect((await processes('deaf')).length).toBe(before));
    const all = await connectStdio('--all');
    const { tools } = await all.listTools();
    expect(tools.map(({ name }) => name)).toContain('fs__echo');
    await expect(all.callTool({ name: 'fs__secret', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    await all.close();
    await eventually(async () =>
      expect(await trail()).toContainEqual(
        expect.objectContaining({ server: 'deaf', principal: 'local', result: 'ok' }),
      ),
    );
    expect(await project.run(['mcp', 'stdio'], { env })).toMatchObject({ code: 64 });
  });

  test('twenty clients at once each get their own answers', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect('/mcp/fs')));
    const answers = await Promise.all(
      clients.flatMap((client, index) =>
        Array.from({ length: 5 }, (_, turn) =>
          client.callTool({ name: 'echo', arguments: { text: `${index}.${turn}` } }).then(textOf),
        ),
      ),
    );
    expect(answers).toEqual(clients.flatMap((_, index) => Array.from({ length: 5 }, (_, turn) => `${index}.${turn}`)));
    await Promise.all(clients.map((client) => client.close()));
  });

  test('a second gateway of the project is refused; one that ends by SIGTERM leaves no process', async () => {
    expect(await project.run(['serve'], { env })).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('served already'),
    });
    await connect('/mcp/deaf');
    await eventually(async () => expect((await processes('deaf')).length).toBeGreaterThan(0));
    gateway.child.kill('SIGTERM');
    expect(await gateway.finished).toMatchObject({ code: 143, stderr: '' });
    expect(await processes('deaf')).toEqual([]);
  });

  test('one that is killed leaves no process, and does not need a lease to end for that; its sessions go on in the next one', async () => {
    await start();
    await connect('/mcp/deaf');
    const client = await connect('/mcp/fs');
    const [all, busy] = [await connect('/mcp'), await connect('/mcp/shop')];
    expect(statSync(served.socket.replace(/sock$/, 'seal')).mode & 0o777).toBe(0o600);
    const calling = busy.callTool({ name: 'wait', arguments: {} }, undefined, { timeout: 120_000 });
    calling.catch(() => {});
    await eventually(async () => expect((await processes('shop')).length).toBeGreaterThan(0));
    gateway.child.kill('SIGKILL');
    await gateway.finished;
    await expect(calling).rejects.toThrow();
    // Its keeper ends it; the lease would be over after a minute.
    await eventually(async () => expect(await processes('deaf')).toEqual([]), 40_000, 1_000);
    await start();
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'again' } }))).toBe('again');
    expect(textOf(await all.callTool({ name: 'fs__echo', arguments: { text: 'all again' } }))).toBe('all again');
    expect(textOf(await busy.callTool({ name: 'steps', arguments: { to: 1 } }))).toBe('took 1 steps');
  });

  test('the least recently used session goes when there are too many; its client begins another one', async () => {
    // Those that are open would come back, and take the room.
    await Promise.allSettled(open.splice(0).map((one) => one.close()));
    gateway.child.kill('SIGTERM');
    await gateway.finished;
    await start(['--max-sessions', '2']);
    const [first, second] = [await connect('/mcp/fs'), await connect('/mcp/fs')];
    await connect('/mcp/fs');
    await expect(first.callTool({ name: 'echo', arguments: { text: 'x' } })).rejects.toThrow(/session is over/);
    expect(textOf(await second.callTool({ name: 'echo', arguments: { text: 'kept' } }))).toBe('kept');
  });

  test('a quota of the project holds for its clients too, and its end is in the trail', async () => {
    gateway.child.kill('SIGTERM');
    await gateway.finished;
    const config = mkdtempSync(join(tmpdir(), 'looms-quota-'));
    // The quota is of a day, and the file may have begun before midnight.
    const today = new Date().toISOString().slice(0, 10);
    const made = (await trail()).filter(({ time, result }) => time.startsWith(today) && result !== 'refused').length;
    mkdirSync(join(config, 'looms'));
    writeFileSync(join(config, 'looms', 'policy.yaml'), `projects: { "*": { calls_per_day: ${made + 3} } }\n`);
    await start([], { XDG_CONFIG_HOME: config });
    const client = await connect('/mcp/fs');
    const atOnce = Array.from({ length: 12 }, () => client.callTool({ name: 'echo', arguments: { text: 'one' } }));
    const ends = await Promise.allSettled(atOnce);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    await expect(client.callTool({ name: 'echo', arguments: { text: 'more' } })).rejects.toThrow(/(is|are) allowed/);
    expect((await trail()).at(-1)).toMatchObject({ tool: 'echo', result: 'refused', principal: 'local' });
  });

  test('a quota that is set while it runs is heard with the next process that is opened', async () => {
    gateway.child.kill('SIGTERM');
    await gateway.finished;
    const config = mkdtempSync(join(tmpdir(), 'looms-quota-'));
    await start([], { XDG_CONFIG_HOME: config });
    const before = await connect('/mcp/fs');
    expect(textOf(await before.callTool({ name: 'echo', arguments: { text: 'free' } }))).toBe('free');
    mkdirSync(join(config, 'looms'));
    writeFileSync(join(config, 'looms', 'policy.yaml'), 'projects: { "*": { calls_per_day: 0 } }\n');
    const after = await connect('/mcp/fs');
    await expect(after.callTool({ name: 'echo', arguments: { text: 'more' } })).rejects.toThrow(/are allowed/);
  });

  test('a call that cannot be counted against a quota is refused, and its client is told', async () => {
    gateway.child.kill('SIGTERM');
    await gateway.finished;
    const config = mkdtempSync(join(tmpdir(), 'looms-quota-'));
    mkdirSync(join(config, 'looms'));
    writeFileSync(join(config, 'looms', 'policy.yaml'), 'projects: { "*": { calls_per_day: 100000 } }\n');
    await start([], { XDG_CONFIG_HOME: config });
    const client = await connect('/mcp/fs');
    const ledger = new DatabaseSync(join(env.XDG_STATE_HOME, 'looms', 'ledger.sqlite'));
    ledger.exec('BEGIN IMMEDIATE');
    const uncounted = client.callTool({ name: 'echo', arguments: { text: 'x' } });
    await expect(uncounted).rejects.toThrow(/cannot be counted/);
    ledger.close();
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'counted' } }))).toBe('counted');
  });
});
