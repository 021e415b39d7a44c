import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { overHttp } from '../../../src/mcp/link/channel.ts';
import type { HttpLink } from '../../../src/mcp/link/link.ts';
import { eventually } from '../../support/eventually.ts';

// A server over HTTP that was started again, and answers 400 to sessions that it does not know: as the examples of the SDK do.

const sessions = new Set<string>();
const asked: string[] = [];
/** What the server begins to answer and never ends, of a ping and of anything else. */
let isStuck = false;
const refused = {
  jsonrpc: '2.0',
  error: { code: -32000, message: 'Bad Request: No valid session ID provided' },
  id: null,
};
const http = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method } = body === '' ? { id: undefined, method: request.method ?? '' } : JSON.parse(body);
  asked.push(method);
  const own = String(request.headers['mcp-session-id']);
  const say = (status: number, message: object, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(message));
  if (method === 'initialize') {
    const session = `s${asked.length}`;
    sessions.add(session);
    const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
    return say(200, { jsonrpc: '2.0', id, result }, { 'mcp-session-id': session });
  }
  if (isStuck) return void (method === 'ping' || response.writeHead(400).write('{'));
  if (!sessions.has(own) || method === 'odd') return say(400, refused);
  if (method === 'wrong') return say(400, { jsonrpc: '2.0', id, error: { code: -32602, message: 'wrong' } });
  return say(200, { jsonrpc: '2.0', id, result: { method } });
});

const heard: unknown[] = [];
const ended = vi.fn();
let channel: ReturnType<typeof overHttp>;
const send = async (id: number, method: string): Promise<void> => {
  const message = { jsonrpc: '2.0', id, method } as const;
  await channel.send(JSON.stringify(message), message);
};

beforeEach(async () => {
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
  channel = overHttp({ kind: 'http', url, fetch, close: async () => {} } as unknown as HttpLink, 'web');
  heard.length = 0;
  ended.mockClear();
  channel.ontext = (text) => void heard.push(JSON.parse(text));
  channel.onend = ended;
  await send(1, 'initialize');
  await eventually(() => expect(heard).toHaveLength(1));
  asked.length = 0;
});
afterEach(async () => {
  isStuck = false;
  vi.restoreAllMocks();
  await channel.close();
  http.close();
  http.closeAllConnections();
});

test('the session is over, and the request that was refused surely did not run', async () => {
  sessions.clear();
  await expect(send(2, 'tools/call')).rejects.toMatchObject({ code: 'server-exited' });
  expect(ended).toHaveBeenCalledOnce();
  expect(heard).toHaveLength(1);
});

test('a request that is refused for itself ends no session', async () => {
  await send(2, 'odd');
  expect(heard.at(-1)).toMatchObject({
    id: 2,
    error: { message: 'web: HTTP 400 without an answer: Bad Request: No valid session ID provided' },
  });
  await send(3, 'wrong');
  expect(heard.at(-1)).toMatchObject({ id: 3, error: { code: -32602 } });
  await send(4, 'next');
  await eventually(() => expect(heard.at(-1)).toMatchObject({ id: 4, result: { method: 'next' } }));
  expect(ended).not.toHaveBeenCalled();
  expect(asked).toEqual(['odd', 'ping', 'wrong', 'next']);
});

test('one request fails where a server neither ends its refusal nor answers a ping, and its session goes on', async () => {
  isStuck = true;
  const { timeout } = AbortSignal;
  vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => timeout.call(AbortSignal, 100));
  await send(2, 'tools/call');
  expect(heard.at(-1)).toMatchObject({ id: 2, error: { message: 'web: HTTP 400 without an answer' } });
  expect(ended).not.toHaveBeenCalled();
});
