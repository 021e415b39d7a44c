import { expect, test } from 'vitest';
import { asServerName } from '../../../../src/model/ids.ts';
import { createGuards, ownGrant } from '../../../../src/serve/access/guard.ts';
import { createLimits } from '../../../../src/serve/access/limits.ts';
import { envelopeKeys } from '../../../../src/serve/messages/protocol.ts';
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

test('a list and a call declare the same: a server has one conversation for both', async () => {
  const declared: unknown[] = [];
  const ask = createAsk({
    stateless: {
      request: async ({ message }: { readonly message: { readonly params: { readonly _meta: object } } }) =>
        void declared.push((message.params._meta as Record<string, unknown>)[envelopeKeys.capabilities]),
    } as unknown as Parameters<typeof createAsk>[0]['stateless'],
    upstreams: localUpstreams([]),
    guardOf: createGuards({}),
    limits: createLimits({ limits: {} }),
    version: '1',
  });
  for (const method of ['tools/list', 'tools/call'])
    await ask(ownGrant, asServerName('modern'), { method, params: {} }, new AbortController().signal);
  expect(declared).toEqual([{ elicitation: { form: {} } }, { elicitation: { form: {} } }]);
});
