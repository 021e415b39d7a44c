import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLimits, createLoads } from '../../../../src/serve/access/limits.ts';
import type { Ask } from '../../../../src/serve/page/ask.ts';
import { createRequests } from '../../../../src/serve/page/requests.ts';
import { madeUpSource } from '../../../support/page-source.ts';

test('a call that is being checked is under way, and a list that does not come does not hold it up', async () => {
  const asked: string[] = [];
  const listAsked = Promise.withResolvers<void>();
  const ask: Ask = async (_grant, _server, { method }) => {
    asked.push(method);
    // What reaches a server does not end because nobody waits for its list any more.
    if (method === 'tools/list') {
      listAsked.resolve();
      await new Promise(() => {});
    }
    return { status: 200, message: { jsonrpc: '2.0', result: { content: [] } }, text: '' };
  };
  const requests = createRequests({
    source: madeUpSource().source,
    ask,
    limits: createLimits({ limits: { inFlight: 1 } }),
    sessionsOf: () => [],
    loadOf: createLoads(),
    mostBody: () => 1024,
  });
  const http = createServer((request, response) => void requests.call(request, response, ownGrant)).listen(
    0,
    '127.0.0.1',
  );
  await once(http, 'listening');
  try {
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const call = () =>
      fetch(url, { method: 'POST', body: JSON.stringify({ server: 'legacy', tool: 'add', arguments: {} }) });
    const first = call();
    await listAsked.promise;
    const second = await call();
    expect(second.status).toBe(429);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await second.json()).toMatchObject({ error: { message: expect.stringContaining('under way') } });
    expect((await first).status).toBe(200);
    expect(asked).toEqual(['tools/list', 'tools/call']);
  } finally {
    http.close();
  }
});
