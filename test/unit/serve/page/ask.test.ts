import { expect, test } from 'vitest';
import { asServerName } from '../../../../src/model/ids.ts';
import { createGuards, ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLimits } from '../../../../src/serve/access/limits.ts';
import { createAsk } from '../../../../src/serve/page/ask.ts';
import { localUpstreams } from '../local-gateway.ts';

test('what nobody waits for any more is not asked, and counts on no limits', async () => {
  const asked: string[] = [];
  const ask = createAsk({
    stateless: {
      request: async ({ server }: { readonly server: string }) => void asked.push(server),
    } as unknown as Parameters<typeof createAsk>[0]['stateless'],
    upstreams: localUpstreams([]),
    guardOf: createGuards({}),
    limits: createLimits({ limits: { callsPerMinute: 1 } }),
    version: '1',
  });
  const question = { method: 'tools/call', params: { name: 'add', arguments: {} } };
  const call = (left: AbortSignal) => ask(ownGrant, asServerName('modern'), question, left);
  expect(await call(AbortSignal.abort())).toMatchObject({ status: 502 });
  expect(asked).toEqual([]);
  await call(new AbortController().signal);
  expect(asked).toEqual(['modern']);
});
