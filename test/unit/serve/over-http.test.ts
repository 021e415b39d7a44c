import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client as Client2, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { fixture } from '../mcp/local-engine.ts';
import { type Backend, type LocalGateway, localGateway, localUpstreams, modern } from './local-gateway.ts';

// Servers over HTTP of all three kinds behind the gateway, and clients of the oldest of them in front of it.

const children: ChildProcess[] = [];
const open: { close(): Promise<void> }[] = [];
let running: LocalGateway;

const serve = async (file: string): Promise<number> => {
  const child = spawn(process.execPath, [fixture(file)], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return Number(String((await once(child.stderr, 'data'))[0]).replace('listening on ', ''));
};
const connect = async (name: string, mode: 'legacy' | { pin: string }): Promise<Client2> => {
  const capabilities = { elicitation: {}, roots: {} };
  const client = new Client2({ name: 'test', version: '1' }, { versionNegotiation: { mode }, capabilities });
  client.setRequestHandler('elicitation/create', async () => ({ action: 'decline' }));
  client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///srv' }] }));
  await client.connect(new StreamableHTTPClientTransport(new URL(`${running.url}/mcp/${name}`)));
  open.push(client);
  return client;
};
/** With the progress that came over its stream: the SDK drops one that it reads together with the answer. */
const connectOld = async (
  path: string,
): Promise<{ readonly client: Client; readonly progress: readonly unknown[] }> => {
  const client = new Client({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'decline' as const }));
  const transport = new SSEClientTransport(new URL(`${running.url}${path}`));
  await client.connect(transport as never);
  open.push(client);
  const progress: unknown[] = [];
  const hear = transport.onmessage;
  transport.onmessage = (message) => {
    if ('method' in message && message.method === 'notifications/progress') progress.push(message.params?.progress);
    hear?.(message);
  };
  return { client, progress };
};
const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

beforeAll(async () => {
  const [old, newer] = await Promise.all([serve('sdk1-http.mjs'), serve('all-modern.mjs')]);
  const backend = (mcp: Backend['mcp']): Backend => ({ argv: [], mcp: { protocol: 'auto', ...mcp } });
  const more = new Map<string, Backend>([
    ['streams', backend({ transport: { kind: 'streamable-http', port: old, path: '/mcp' } })],
    ['sse', backend({ transport: { kind: 'sse', port: old, path: '/sse' } })],
    ['newer', backend({ transport: { kind: 'streamable-http', port: newer, path: '/mcp' } })],
  ]);
  running = await localGateway(localUpstreams([], more));
});
afterEach(async () => {
  await Promise.allSettled(open.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await running.gateway.close();
  for (const child of children) child.kill('SIGKILL');
});

const both = ['legacy', { pin: modern }] as const;

test.each(['streams', 'sse'].flatMap((name) => both.map((mode) => [name, mode] as const)))(
  'a server over %s is listed, called, and tells of progress: client %j',
  async (name, mode) => {
    const client = await connect(name, mode);
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain('add');
    expect(textOf(await client.callTool({ name: 'add', arguments: { a: 1, b: 2 } }))).toBe('3');
    const seen: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    expect(textOf(await client.callTool({ name: 'count', arguments: { to: 3, ms: 5 } }, { onprogress }))).toBe(
      'counted to 3',
    );
    expect(seen).toEqual([1, 2, 3]);
    const stop = new AbortController();
    const waiting = client.callTool({ name: 'wait', arguments: {} }, { signal: stop.signal });
    waiting.catch(() => {});
    stop.abort('enough');
    await expect(waiting).rejects.toThrow();
  },
);

test.each(both)('a server over HTTP without sessions is asked, cancelled and listened to: client %j', async (mode) => {
  const client = await connect('newer', mode);
  const call = async (name: string) => textOf(await client.callTool({ name, arguments: {} }));
  expect(await call('where')).toBe('[{"uri":"file:///srv"}]');
  expect(JSON.parse(await call('ask'))).toEqual([{ action: 'decline' }, { action: 'decline' }]);
  const before = Number(await call('cancelled'));
  const stop = new AbortController();
  const waiting = client.callTool({ name: 'wait', arguments: {} }, { signal: stop.signal });
  waiting.catch(() => {});
  await client.listTools();
  stop.abort('enough');
  await expect(waiting).rejects.toThrow();
  await eventually(async () => expect(Number(await call('cancelled'))).toBe(before + 1));
  const updated: string[] = [];
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
  if (mode === 'legacy') await client.subscribeResource({ uri: 'modern://one' });
  else await client.listen({ resourceSubscriptions: ['modern://one'] });
  await eventually(async () => {
    await call('touch');
    expect(updated[0]).toBe('modern://one');
  });
});

test.each([
  ['/sse/legacy', 'add'],
  ['/sse/modern', 'add'],
  ['/sse', 'modern__add'],
])('a client of the old transport is served at %s, by a session that ends with its stream', async (path, add) => {
  const before = running.gateway.sessions();
  const { client, progress } = await connectOld(path);
  expect(textOf(await client.callTool({ name: add, arguments: { a: 3, b: 4 } }))).toBe('7');
  const steps = { name: add.replace('add', 'steps'), arguments: { to: 3 } };
  await client.callTool(steps, undefined, { onprogress: () => {} });
  expect(progress).toEqual([1, 2, 3]);
  const asked = await client.callTool({ name: add.replace('add', 'ask'), arguments: {} });
  expect(JSON.parse(textOf(asked))).toEqual([{ action: 'decline' }, { action: 'decline' }]);
  await client.close();
  await eventually(() => expect(running.gateway.sessions()).toBe(before));
  const posted = await fetch(`${running.url}${path}?sessionId=x`, {
    method: 'POST',
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  expect(posted.status).toBe(404);
});
