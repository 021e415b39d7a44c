import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { evilHttpSpec, evilSpec } from '../../support/evil-server.ts';
import { withoutEngine } from '../../support/images.ts';
import type { startLooms } from '../../support/looms.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const textOf = (result: unknown): unknown => (result as { content: { text?: string }[] }).content[0]?.text;

describe.skipIf(withoutEngine())('looms serve in front of servers that do what none should', () => {
  const project = testProject('evil');
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  let gateway: ReturnType<typeof startLooms>;
  let socket: string;
  const open: { close(): Promise<void> }[] = [];
  /** A session that is none of theirs, and has to notice nothing. */
  let bystander: Client;

  const connect = async (path: string, capabilities = {}): Promise<Client> => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`http://localhost${path}`), { fetch: socketFetch(socket) }) as never,
    );
    open.push(client);
    return client;
  };
  const call = async (client: Client, name: string, args: object = {}): Promise<unknown> =>
    textOf(await client.callTool({ name, arguments: { ...args } }, undefined, { timeout: 60_000 }));
  /**
   * What the gateway has in memory, MiB. Bodies of 256 MiB may be held at once (docs/commands.md), as bytes and as text, and
   * V8 gives back what it does not need when it sees a reason to: 400 to 607 MiB were seen after fifty bodies of 4 MiB.
   */
  const memory = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8'))?.[1]) / 1024;

  beforeAll(async () => {
    const all = specs(evilSpec('evil'), evilHttpSpec('evil-http'), tinySpec({ name: 'good' }));
    const { code, stderr } = await project.apply(all, [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    gateway = project.start(['serve', '--json'], { env });
    ({ socket } = await eventually((): { socket: string } => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    }));
    bystander = await connect('/mcp/good');
  });
  afterEach(async () => {
    expect(await call(bystander, 'echo', { text: 'still here' })).toBe('still here');
    expect(gateway.child.exitCode).toBeNull();
    expect(memory()).toBeLessThan(1024);
  });
  afterAll(async () => {
    await Promise.allSettled(open.map((one) => one.close()));
    gateway?.child.kill('SIGTERM');
    await project.remove();
  });

  test.each([
    ['garbage', {}],
    ['strangers', {}],
    ['flood', { n: 40_000 }],
    ['deep', {}],
    ['odd', {}],
  ])('%s before the answer: the answer comes, once and as it is', async (name, args) => {
    const client = await connect('/mcp/evil');
    expect(await call(client, name, args)).toBe('ok');
    expect(await call(client, 'odd')).toBe('ok');
  });

  test('questions without end reach a person a few at a time; the rest is refused', async () => {
    const client = await connect('/mcp/evil', { elicitation: {} });
    let asked = 0;
    client.setRequestHandler(ElicitRequestSchema, async () => {
      asked += 1;
      return { action: 'cancel' as const };
    });
    expect(await call(client, 'asks', { n: 20_000 })).toBe('ok');
    expect(asked).toBeLessThan(20_000);
  });

  test.each(['half', 'long'])('%s: the call fails, and the next one is answered by a new process', async (name) => {
    const client = await connect('/mcp/evil');
    await expect(call(client, name)).rejects.toMatchObject({ code: -32603 });
    expect(await call(client, 'odd')).toBe('ok');
  });

  test.each(['deaf', 'mute'])('%s: the call ends when its time is over', async (name) => {
    const client = await connect('/mcp/evil');
    await expect(call(client, name)).rejects.toThrow(/took longer than 8s/);
  });

  test('what is sent to one that reads nothing does not pile up', async () => {
    const client = await connect('/mcp/evil');
    await expect(call(client, 'deaf')).rejects.toThrow(/took longer than 8s/);
    const big = { text: 'x'.repeat(4 * 1024 * 1024) };
    const used: number[] = [];
    for (let i = 0; i < 24; i += 1) {
      const calls = await Promise.allSettled(Array.from({ length: 10 }, () => call(client, 'odd', big)));
      expect(calls.map(({ status }) => status)).toEqual(calls.map(() => 'rejected'));
      used.push(memory());
    }
    // The heap grows for some rounds, and when memory is given back is the collector's to say. Eight rounds send 320 MiB.
    const usual = (from: number): number => used.slice(from, from + 8).toSorted((a, b) => a - b)[4] ?? 0;
    expect(usual(16) - usual(8), used.map(Math.round).join(' ')).toBeLessThan(160);
    await expect(call(client, 'odd', big)).rejects.toThrow(/does not read what it was sent before/);
  });

  test('among all servers its tools that are none are left out, and the names of the rest are ones that clients take', async () => {
    const client = await connect('/mcp');
    for (let i = 0; i < 3; i += 1) {
      const { tools } = await client.listTools();
      const names = tools.map(({ name }) => name);
      expect(names.filter((name) => !/^[a-zA-Z0-9_-]{1,45}$/.test(name))).toEqual([]);
      expect(names).toEqual(expect.arrayContaining(['good__echo', 'evil__garbage', 'evil-http__endless']));
      expect(names.filter((name) => /^evil__(bare|worded|told|5)$/.test(name))).toEqual([]);
    }
    expect(await call(client, 'evil__strangers')).toBe('ok');
    expect(await call(client, 'good__echo', { text: 'mine' })).toBe('mine');
  });

  test('over HTTP: a stream that goes on after its answer is left, and costs no connection', async () => {
    const client = await connect('/mcp/evil-http');
    await Promise.all(Array.from({ length: 20 }, async () => expect(await call(client, 'endless')).toBe('ok')));
    await eventually(async () => {
      const left = await call(client, 'open');
      if (left !== '0') throw new Error(`${left} streams are open`);
    });
  });

  test.each([
    ['stuck', /took longer than 8s/],
    ['noise', /took longer than 8s/],
    ['fails', /HTTP 500 without an answer/],
    ['moved', /HTTP 307 without an answer/],
    ['resets', /it may have run/],
    ['long', /it may have run/],
  ])('over HTTP %s: %s', async (name, why) => {
    const client = await connect('/mcp/evil-http');
    await expect(call(client, name)).rejects.toThrow(why);
    expect(await call(client, 'open')).toMatch(/^\d+$/);
  });
});
