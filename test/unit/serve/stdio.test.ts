import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { envelopeKeys, modernRevision } from '../../../src/serve/messages/protocol.ts';
import { serveStdio } from '../../../src/serve/stdio.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, upstreamsOf } from './fake-servers.ts';

// One client on standard streams.

/** A client in front of these servers: what it writes, what was written to it, and when that is over. */
function client(upstreams: Upstreams) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })];
  const written: string[] = [];
  stdout.on('data', (text: string) => written.push(text));
  const signal = new AbortController().signal;
  const over = serveStdio(upstreams, { server: undefined, stdin, stdout, signal, version: '1', log: () => {} });
  return { stdin, over, written: () => written.join('') };
}
const lineOf = (message: object): string => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`;

test.each([
  ['at once', Number.POSITIVE_INFINITY],
  ['byte by byte', 1],
])('a line ends with LF alone, so that a text may hold what else parts lines: %s', async (_, size) => {
  const { stdin, over, written } = client(upstreamsOf());
  const clientInfo = { name: 'a\u2028b\u2029c\u0085d', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const bytes = Buffer.from(lineOf({ id: 'begin', method: 'initialize', params }));
  for (let at = 0; at < bytes.length; at += size) stdin.write(bytes.subarray(at, at + size));
  await eventually(() => expect(written()).toContain('\n'));
  // The last line may end with the input.
  stdin.end(lineOf({ id: 'last', method: 'ping' }).trimEnd());
  await eventually(() => expect(written().match(/\n/g)).toHaveLength(2));
  await over;
  const answers = written()
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(answers).toMatchObject([{ id: 'begin', result: { protocolVersion: '2025-11-25' } }, { id: 'last' }]);
});

test('a line of more than 10 MiB is refused, and ends it', async () => {
  const { stdin, over, written } = client(upstreamsOf());
  const mebibyte = Buffer.alloc(1024 * 1024, 'x');
  for (let times = 0; times < 11; times += 1) stdin.write(mebibyte);
  await over;
  expect(JSON.parse(written())).toMatchObject({ id: null, error: { code: -32700 } });
});

test('a subscription that is given up before its servers are known is none, and opens nothing', async () => {
  const { promise: isKnown, resolve: know } = Promise.withResolvers<void>();
  const plain = upstreamsOf(fakeChannel(() => ({ result: {} })));
  let asked = 0;
  const upstreams: typeof plain = {
    ...plain,
    servers: async () => {
      asked += 1;
      await isKnown;
      return plain.servers();
    },
  };
  const { stdin, over, written } = client(upstreams);
  const say = (message: object): void => void stdin.write(lineOf(message));
  const meta = { [envelopeKeys.revision]: modernRevision, [envelopeKeys.capabilities]: {} };
  // The gateway itself asks for them when it begins.
  await eventually(() => expect(asked).toBe(1));
  const notifications = { toolsListChanged: true };
  say({ id: 'mine', method: 'subscriptions/listen', params: { _meta: meta, notifications } });
  await eventually(() => expect(asked).toBe(2));
  say({ method: 'notifications/cancelled', params: { requestId: 'mine' } });
  say({ id: 'next', method: 'server/discover', params: { _meta: meta } });
  await eventually(() => expect(written()).toContain('"next"'));
  know();
  await eventually(() => expect(written()).toContain('"mine"'));
  stdin.end();
  await over;
  expect(written()).not.toContain('acknowledged');
  expect(plain.opened()).toBe(0);
});
