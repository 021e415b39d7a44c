import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { envelopeKeys, modernRevision } from '../../../src/serve/messages/protocol.ts';
import { serveStdio } from '../../../src/serve/stdio.ts';
import { eventually } from '../../support/eventually.ts';
import { fakeChannel, upstreamsOf } from './fake-servers.ts';

// One client on standard streams.

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
  const [stdin, stdout] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })];
  let written = '';
  stdout.on('data', (text: string) => {
    written += text;
  });
  const signal = new AbortController().signal;
  const over = serveStdio(upstreams, { server: undefined, stdin, stdout, signal, version: '1', log: () => {} });
  const say = (message: object): void => void stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const meta = { [envelopeKeys.revision]: modernRevision, [envelopeKeys.capabilities]: {} };
  // The gateway itself asks for them when it begins.
  await eventually(() => expect(asked).toBe(1));
  const notifications = { toolsListChanged: true };
  say({ id: 'mine', method: 'subscriptions/listen', params: { _meta: meta, notifications } });
  await eventually(() => expect(asked).toBe(2));
  say({ method: 'notifications/cancelled', params: { requestId: 'mine' } });
  say({ id: 'next', method: 'server/discover', params: { _meta: meta } });
  await eventually(() => expect(written).toContain('"next"'));
  know();
  await eventually(() => expect(written).toContain('"mine"'));
  stdin.end();
  await over;
  expect(written).not.toContain('acknowledged');
  expect(plain.opened()).toBe(0);
});
