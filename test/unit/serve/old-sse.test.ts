import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { DesiredServer } from '../../../src/model/desired.ts';
import { isRecord } from '../../../src/model/values/is-record.ts';
import { createGateway, type Gateway } from '../../../src/serve/gateway.ts';
import { paramsOf } from '../../../src/serve/messages/message.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { eventually } from '../../support/eventually.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { fakeChannel, specWith, upstreamsWith } from './fake-servers.ts';
import { key } from './local-gateway.ts';

// Clients of HTTP+SSE (2024-11-05): what they leave unread, and have sent without an answer, is bounded as anybody's.

const mebibyte = 1024 * 1024;
/** What a principal may have held, MiB. */
const mostHeld = 256;
const timeout = 240_000;
const sockets: Socket[] = [];
/** A Unix socket: the kernel takes little of what is not read. */
const folder = mkdtempSync(join(tmpdir(), 'looms-sse-'));
const path = join(folder, 's');
let gateway: Gateway;
let http: Server;

afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await gateway.close();
});

/** A gateway in front of a server whose tool `big` answers so many MiB, and whose `wait` does not answer. */
async function start(sessions: number): Promise<void> {
  const answer = ({ method, params }: Message) => {
    if (method === 'initialize') return { result: { protocolVersion: '2024-11-05', capabilities: { tools: {} } } };
    const { name, arguments: args } = paramsOf({ params });
    if (name !== 'big' || !isRecord(args)) return undefined;
    return { result: { content: [{ type: 'text', text: 'x'.repeat(Number(args.mib) * mebibyte) }] } };
  };
  const channels = Array.from({ length: sessions }, () => fakeChannel(answer));
  const own = { ...specWith({ protocol: 'legacy', timeoutSeconds: 60 }), limits: { executionTimeoutSeconds: 600 } };
  gateway = createGateway(upstreamsWith(own as DesiredServer, ...channels), {
    bounds: { idleMs: 60_000, most: sessions, mostEach: sessions },
    ...{ seal: createSeal(key, 'p'), sse: true, version: '1', log: () => {} },
  });
  http = gateway.serverFor({ kind: 'socket' }).listen(path);
  await once(http, 'listening');
}

/** A stream of a session, which is read as long as `socket` flows; `text` is the end of what came. */
async function stream() {
  const socket = connect(path);
  sockets.push(socket);
  const seen = { text: '', isOver: false };
  socket.setEncoding('latin1').on('data', (piece: string) => {
    seen.text = (seen.text + piece).slice(-2_000);
  });
  socket
    .on('error', () => {})
    .on('close', () => {
      seen.isOver = true;
    });
  socket.write('GET /sse/fs HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const address = await eventually(() => {
    const found = /data: (\/sse\/fs\?sessionId=\S+)/.exec(seen.text)?.[1];
    if (found === undefined) throw new Error(`no stream yet: ${seen.text}`);
    return found;
  });
  let id = 0;
  const post = async (method: string, params: object): Promise<number> => {
    id += 1;
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    return (await socketFetch(path)(`http://localhost${address}`, { method: 'POST', body })).status;
  };
  const clientInfo = { name: 't', version: '1' };
  expect(await post('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo })).toBe(202);
  await eventually(() => expect(seen.text).toContain('"protocolVersion"'));
  const call = (name: string, args: object) => post('tools/call', { name, arguments: args });
  return { socket, seen, call };
}

test('answers that they do not read are cut beyond what one principal may have held', { timeout }, async () => {
  await start(40);
  const all = await Promise.all(Array.from({ length: 40 }, stream));
  for (const { socket, call } of all) {
    socket.pause();
    expect(await call('big', { mib: 9 })).toBe(202);
  }
  for (const { socket } of all) socket.resume();
  await eventually(() => {
    const whole = all.filter(({ seen }) => seen.text.includes('"id":2}'));
    const cut = all.filter(({ seen }) => seen.isOver);
    expect(whole.length + cut.length).toBe(all.length);
    expect(whole.length).toBeLessThanOrEqual(mostHeld / 9);
    expect(whole.length).toBeGreaterThan(0);
  }, timeout / 2);
});

test('bodies without an answer are refused beyond what one principal may have held', { timeout }, async () => {
  await start(1);
  const { call } = await stream();
  const filling = 'x'.repeat(7 * mebibyte);
  const statuses: number[] = [];
  for (let times = 0; times < 40; times += 1) statuses.push(await call('wait', { filling }));
  const most = Math.floor(mostHeld / 7);
  expect(statuses.filter((status) => status === 202).length).toBe(most);
  expect(statuses.slice(most)).toEqual(Array.from({ length: 40 - most }, () => 429));
});

test('an answer comes behind all that was not read before it', { timeout }, async () => {
  await start(1);
  const { socket, seen, call } = await stream();
  socket.pause();
  // More than a stream may leave unread and still be told something that is no answer.
  expect(await call('big', { mib: 3 })).toBe(202);
  await eventually(async () => expect(await call('big', { mib: 0 })).toBe(202));
  socket.resume();
  await eventually(() => expect(seen.text).toContain('"id":3}'));
});
