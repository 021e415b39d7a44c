import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { usualServe } from '../../../src/model/serve-settings.ts';
import { createGateway } from '../../../src/serve/gateway.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, specWith, upstreamsWith } from './fake-servers.ts';
import { key, modern } from './local-gateway.ts';

// `limits.in_flight` counts a request until it has been answered or ended, whatever became of the connection it came by.

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** A gateway that lets one request be under way, and a server whose calls wait to be answered; `opened` before it is asked. */
async function start(opened = 0) {
  const initialized = { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} } } };
  const answer = ({ method }: Message) => {
    if (method === 'initialize') return initialized;
    return method === 'tools/list' ? { result: { tools: [] } } : undefined;
  };
  const earlier = Array.from({ length: opened }, () => fakeChannel(answer));
  const channel = fakeChannel(answer);
  const gateway = createGateway(upstreamsWith(specWith({ protocol: 'legacy' }), ...earlier, channel), {
    bounds: { idleMs: 60_000, most: 4, mostEach: 4 },
    seal: createSeal(key, 'p'),
    sse: true,
    settings: { ...usualServe, limits: { inFlight: 1 } },
    version: '1',
    log: () => {},
  });
  open.push(gateway);
  const http = gateway.serverFor({ kind: 'socket' }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  let id = 0;
  const post = (path: string, method: string, params: object, headers: object = {}, signal?: AbortSignal) => {
    id += 1;
    return fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  const calls = () => channel.sent.filter(({ method }) => method === 'tools/call');
  const called = (count: number) => eventually(() => expect(calls()).toHaveLength(count));
  const answerLast = () => channel.say({ id: calls().at(-1)?.id, result: { content: [] } });
  return { url, post, called, answerLast, channel };
}
const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
const slow = { name: 'slow', arguments: {} };

test('a call whose client hung up is under way until its server has answered', async () => {
  const { post, called, answerLast } = await start();
  const begun = await post('/mcp/fs', 'initialize', handshake);
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' };
  const leaves = new AbortController();
  const first = post('/mcp/fs', 'tools/call', slow, session, leaves.signal);
  first.catch(() => {});
  await called(1);
  leaves.abort();
  await expect(first).rejects.toThrow();
  const list = async () => (await post('/mcp/fs', 'tools/list', {}, session)).status;
  expect([await list(), await list()]).toEqual([429, 429]);
  answerLast();
  await eventually(async () => expect(await list()).toBe(200));
});

test('a call of the old transport, whose post is over at once, is so too', async () => {
  const { url, post, called, answerLast } = await start();
  const stream = (await fetch(`${url}/sse/fs`)).body?.getReader();
  const { value } = (await stream?.read()) ?? {};
  const path = /data: (.*)/.exec(new TextDecoder().decode(value))?.[1] ?? '';
  await post(path, 'initialize', handshake);
  const status = async (method: string, params: object) => (await post(path, method, params)).status;
  await eventually(async () => expect(await status('tools/list', {})).toBe(202));
  await eventually(async () => expect(await status('tools/call', slow)).toBe(202));
  await called(1);
  expect([await status('tools/list', {}), await status('tools/call', slow)]).toEqual([429, 429]);
  answerLast();
  await eventually(async () => expect(await status('tools/list', {})).toBe(202));
  await stream?.cancel();
});

test('a call that asks its client something is none until it is taken up again', async () => {
  // One that is opened to find out which revisions it speaks.
  const { post, called, channel } = await start(1);
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': modern,
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
  };
  const headers = { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': 'slow' };
  const call = (more: object) => post('/mcp/fs', 'tools/call', { ...slow, ...more, _meta }, headers);
  const first = call({});
  await called(1);
  channel.say({ id: 'q', method: 'elicitation/create', params: {} });
  const { result } = JSON.parse(await (await first).text());
  const inputResponses = Object.fromEntries(
    Object.keys(result.inputRequests).map((one) => [one, { action: 'decline' }]),
  );
  const again = call({ requestState: result.requestState, inputResponses });
  await eventually(() => expect(channel.sent.at(-1)).toMatchObject({ id: 'q', result: { action: 'decline' } }));
  channel.say({ id: channel.sent.find(({ method }) => method === 'tools/call')?.id, result: { content: [] } });
  expect((await again).status).toBe(200);
});
