import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Owed } from '../../../src/app/alerts/book.ts';
import { alertMessage, headersTo, receiverAddress, signedHeaders } from '../../../src/app/alerts/message.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';

const docs = readFileSync(new URL('../../../docs/commands.md', import.meta.url), 'utf8');

test('a message is taken by what docs/commands.md shows, and nothing else is', async () => {
  const [, snippet = ''] = /```js\n(import \{ createHmac[\s\S]*?)```/.exec(docs) ?? [];
  const source = `${snippet}\nexport { isGenuine };`;
  const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const secret = 'a key that nobody guesses';
  const body = JSON.stringify({ v: 1, text: 'über' });
  const time = Math.floor(Date.now() / 1000);
  const headers = signedHeaders({ id: '01', time, body }, secret);
  expect(isGenuine(headers, body, secret)).toBe(true);
  expect(isGenuine(headers, `${body} `, secret)).toBe(false);
  expect(isGenuine(headers, body, 'another key of this kind')).toBe(false);
  expect(isGenuine({ ...headers, 'webhook-id': '02' }, body, secret)).toBe(false);
  const late = signedHeaders({ id: '01', time: time - 400, body }, secret);
  expect(isGenuine(late, body, secret)).toBe(false);
});

test('is signed as the example of Standard Webhooks 1.0', () => {
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', time: 1614265330, body: '{"test": 2432232314}' };
  expect(signedHeaders(signed, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')['webhook-signature']).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
  expect(signedHeaders(signed, null)).toEqual({
    'webhook-id': signed.id,
    'webhook-timestamp': '1614265330',
  });
});

test('the same is told under the same id, whenever it is tried', () => {
  const owed: Owed = {
    alert: {
      rule: 'drift',
      server: asServerName('fs'),
      state: 'firing',
      since: 1_000,
      firedAt: 2_000,
      knownAt: 3_000,
      value: 'image',
      told: {},
    },
    isReminder: false,
    since: 2_000,
  };
  const of = { project: asProjectName('p'), engine: 'e' };
  const first = alertMessage(of, [owed], 32_000);
  expect(alertMessage(of, [owed], 99_000).id).toBe(first.id);
  expect(alertMessage(of, [{ ...owed, since: 9_000, isReminder: true }], 99_000).id).not.toBe(first.id);
  expect(first).toMatchObject({ ts: '1970-01-01T00:00:32.000Z', alerts: [{ firedAt: '1970-01-01T00:00:02.000Z' }] });
});

test('nothing is sent without what signs it, nor to what is no address', async () => {
  const ref = (name: string) => ({ kind: 'secret', parts: [{ from: 'provider', name }] }) as const;
  const stored: Readonly<Record<string, string>> = {
    hook: 'https://x.example',
    key: 'long enough to be one',
    short: 'x',
  };
  const ports = {
    secrets: async ({ name }: { readonly name: string }) => {
      const value = stored[name];
      return value === undefined ? ({ found: false, tried: [] } as const) : ({ found: true, value } as const);
    },
  } as unknown as Parameters<typeof receiverAddress>[0];
  const failure = (url: string, secret: string | null) =>
    receiverAddress(ports, { url: ref(url), secret: secret === null ? null : ref(secret) }).catch(({ code, hint }) => [
      code,
      hint,
    ]);
  expect(await failure('hook', 'key')).toEqual({ url: 'https://x.example', secret: 'long enough to be one' });
  expect(await failure('hook', null)).toEqual({ url: 'https://x.example', secret: null });
  expect(await failure('hook', 'none')).toEqual([
    'secret-missing',
    'looms config set-key none, or write unsigned: true',
  ]);
  expect(await failure('none', 'key')).toEqual(['secret-missing', 'looms config set-key none']);
  expect(await failure('hook', 'short')).toEqual(['usage', 'for example: openssl rand -hex 32']);
  expect(await failure('key', 'key')).toEqual(['usage', 'it begins with https:// or http://']);
});

test('another message to the address of a receiver is signed with its secret, and one to any other address is not', async () => {
  const literal = (value: string) => ({ kind: 'literal', value }) as const;
  const secret = 'a key that nobody guesses';
  const ports = { secrets: async () => ({ found: false, tried: [] }) } as Parameters<typeof headersTo>[0];
  const receivers = [
    { url: literal('no address'), secret: null },
    { url: literal('https://a.example/x'), secret: literal(secret) },
    {
      url: literal('https://c.example/x'),
      secret: { kind: 'secret', parts: [{ from: 'provider', name: 'none' }] } as const,
    },
  ];
  const message = { body: '{}', now: 5_000 };
  const headers = await headersTo(ports, receivers, { ...message, url: 'https://a.example/x' });
  const { 'webhook-id': id = '' } = headers;
  expect(headers).toEqual(signedHeaders({ id, time: 5, body: '{}' }, secret));
  expect(headers).toHaveProperty('webhook-signature');
  expect(await headersTo(ports, receivers, { ...message, url: 'https://b.example/x' })).toEqual({
    'webhook-id': id,
    'webhook-timestamp': '5',
  });
  // Nothing goes unsigned to who was to get it signed, and that one keeps no other from getting its own.
  await expect(headersTo(ports, receivers, { ...message, url: 'https://c.example/x' })).rejects.toMatchObject({
    code: 'secret-missing',
  });
});
