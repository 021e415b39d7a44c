import { describe, expect, test } from 'vitest';
import { overHttp } from '../../../src/mcp/link/channel.ts';
import type { Fetch, HttpLink } from '../../../src/mcp/link/link.ts';
import { eventually } from '../../support/eventually.ts';

// What an HTTP server says outside of answers, where the stream for that ends in the middle of a session.

const events = { 'content-type': 'text/event-stream' };
const said = (uri: string): Uint8Array => {
  const message = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } };
  return new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
};
const stream = (uri: string, end: (of: ReadableStreamDefaultController<Uint8Array>) => void): Response => {
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => controller.enqueue(said(uri));
  return new Response(new ReadableStream({ start, pull: end }, { highWaterMark: 0 }), { headers: events });
};
const broken = (): Response => stream('x:first', (of) => of.error(new Error('the connection broke')));
const ended = (): Response => stream('x:first', (of) => of.close());
const lasting = (): Response => stream('x:last', () => {});
const held = (): Response => new Response('{}', { status: 409 });
const unreachable = (): Response => {
  throw new Error('no connection can be made');
};

/** A session whose server answers these to one GET after the other; the URIs that it told of, and how often it was asked. */
async function begin(...answers: (() => Response)[]) {
  let asked = 0;
  const fetch: Fetch = async (_url, init) => {
    if (init?.method === 'DELETE' || String(init?.body).includes('initialized'))
      return new Response(null, { status: 202 });
    if (init?.method === 'POST') {
      const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };
      const headers = { 'content-type': 'application/json', 'mcp-session-id': 's' };
      return new Response(JSON.stringify({ jsonrpc: '2.0', id: 1, result }), { headers });
    }
    const answer = answers[asked];
    asked += 1;
    if (answer === undefined) throw new Error('more than was meant');
    return answer();
  };
  const link = { kind: 'streamable-http', url: new URL('http://web/mcp'), fetch, close: async () => {} };
  const channel = overHttp(link as unknown as HttpLink, 'web');
  const told: unknown[] = [];
  channel.ontext = (text) => void told.push(JSON.parse(text).params?.uri);
  const send = async (message: object): Promise<void> => {
    const whole = { jsonrpc: '2.0', ...message } as const;
    await channel.send(JSON.stringify(whole), whole);
  };
  await send({ id: 1, method: 'initialize', params: {} });
  await send({ method: 'notifications/initialized' });
  return { channel, told: () => told.filter((uri) => uri !== undefined), asked: () => asked };
}

describe.concurrent('is heard again on another one', () => {
  test.each([
    ['it broke', [broken], ['x:first', 'x:last']],
    ['it ended', [ended], ['x:first', 'x:last']],
    ['it broke, and none could be made at once', [broken, unreachable], ['x:first', 'x:last']],
    ['the server holds the one that broke for open', [broken, held], ['x:first', 'x:last']],
    ['the first one could not be made', [unreachable], ['x:last']],
  ] as const)('where %s', async (_, before, expected) => {
    const { channel, told, asked } = await begin(...before, lasting);
    await eventually(() => expect(told()).toEqual(expected));
    expect(asked()).toBe(before.length + 1);
    await channel.close();
  });
});
