import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { madeTokens } from '../../../src/app/serve/tokens.ts';
import { tokenDigest } from '../../../src/model/secrets/token-digest.ts';
import { type CallRule, type ServeLimits, type ServeSettings, usualServe } from '../../../src/model/serve-settings.ts';
import { isMeant } from '../../../src/model/values/scopes.ts';
import { coverOf } from '../../../src/secrets/cover.ts';
import { createRedactor } from '../../../src/secrets/redact.ts';
import { type Bearers, createBearers } from '../../../src/serve/access/bearers.ts';
import { createGuards, type Guarding, ownGrant } from '../../../src/serve/access/guard.ts';
import { createLimits } from '../../../src/serve/access/limits.ts';
import { createIssued } from '../../../src/serve/access/oidc.ts';
import { createScan } from '../../../src/serve/access/scan.ts';
import { holds, wantedBy } from '../../../src/serve/access/scopes.ts';
import { createGateway, type Gateway } from '../../../src/serve/gateway.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { judgeOf } from '../../../src/spec/check/call-rules.ts';
import { createClientTokens } from '../../../src/state/client-tokens.ts';
import { eventually } from '../../support/eventually.ts';
import { key, localUpstreams, modern } from './local-gateway.ts';

const open: { close(): Promise<unknown> | unknown }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

type Body = {
  readonly resource?: string;
  readonly result: {
    readonly tools: readonly { readonly name: string }[];
    readonly prompts: readonly unknown[];
    readonly contents: readonly unknown[];
    readonly content: readonly [{ readonly text: string }];
  };
  readonly error: { readonly message: string; readonly data: { readonly scope?: string } };
};
type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: Body };

/** A gateway on TCP with these tokens; what a client gets of it. */
async function gatewayWith(
  bearers: Bearers,
  { settings = {}, guarding = {} }: { settings?: Partial<ServeSettings>; guarding?: Guarding } = {},
) {
  const refused: string[] = [];
  const upstreams = {
    ...localUpstreams(),
    refused: async ({ principal, tool }: { principal: string; tool: string }, why: string) => {
      refused.push(`${principal} ${tool} ${why}`);
    },
  };
  const bounds = { idleMs: 60_000, most: 64, mostEach: 64 };
  const whole = { ...usualServe, ...settings };
  const gateway: Gateway = createGateway(upstreams, {
    ...{ bounds, seal: createSeal(key, 'p'), version: '1', log: () => {}, settings: whole, guarding },
  });
  open.push(gateway);
  const http = gateway.serverFor({ kind: 'tcp', host: '127.0.0.1', bearers }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const send = (path: string, headers: Record<string, string>, body?: string, method?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const verb = method ?? (body === undefined ? 'GET' : 'POST');
      const outgoing = request({ port, host: '127.0.0.1', path, method: verb, headers });
      outgoing.on('error', reject).on('response', (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        incoming.on('end', () => {
          const data = text.startsWith('{') ? text : (/^data: (.*)$/gm.exec(text)?.[1] ?? '{}');
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: JSON.parse(data) });
        });
      });
      outgoing.end(body);
    });
  const client = (token: string, path: string) => {
    let session: Record<string, string> = {};
    const base = {
      ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      authorization: `Bearer ${token}`,
    };
    const ask = (method: string, params: object = {}) =>
      send(path, { ...base, ...session }, JSON.stringify({ jsonrpc: '2.0', id: method, method, params }));
    return {
      ask,
      async begin() {
        const info = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
        const begun = await ask('initialize', info);
        session = { 'mcp-session-id': String(begun.headers['mcp-session-id']) };
        return begun;
      },
      modern: (method: string, params: object = {}) => {
        const _meta = {
          'io.modelcontextprotocol/protocolVersion': modern,
          'io.modelcontextprotocol/clientCapabilities': {},
        };
        const { name, uri } = params as { name?: string; uri?: string };
        const headers = {
          ...{ ...base, 'mcp-protocol-version': modern, 'mcp-method': method },
          ...((name ?? uri) === undefined ? {} : { 'mcp-name': name ?? uri ?? '' }),
        };
        return send(path, headers, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }));
      },
    };
  };
  return { send, client, refused, port, gateway };
}

const tokens = (...all: (readonly [string, readonly string[]])[]): Bearers =>
  createBearers(() => all.map(([name, scopes]) => ({ name, sha256: tokenDigest(`${name}-token`), scopes })));

/** What something gives that has to end: it is stopped after a minute, far more than it takes on any machine. Throws then. */
const ended = <T>(run: () => T): T => runInNewContext('run()', { run }, { timeout: 60_000 });

describe('scopes', () => {
  test.each([
    ['read_*', 'read_file', true],
    ['*', '', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'ac', false],
    ['ab*ba', 'aba', false],
    ['read', 'read_file', false],
  ])('%s means %s: %s', (pattern, text, expected) => expect(isMeant(pattern, text)).toBe(expected));

  test('a pattern takes no longer than it is long, whatever a client calls a tool', () => {
    // One that went back to try other places would not end.
    const text = 'a'.repeat(1_000_000);
    expect(ended(() => isMeant(`${'a*'.repeat(50)}b*a`, text))).toBe(false);
  });

  test('a request is held against what it names; what is not known needs all of the server', () => {
    const wants = (method: string, params: object) => wantedBy({ jsonrpc: '2.0', id: 1, method, params });
    expect(wants('tools/call', { name: 'x' })).toEqual(['x']);
    expect(wants('tools/call', { name: 'x', Name: 'y' })).toBeUndefined();
    expect(wants('resources/read', { URI: 'x' })).toBeUndefined();
    expect(wants('completion/complete', { ref: { type: 'ref/prompt', name: 'p' } })).toEqual(['p']);
    expect(wants('completion/complete', { ref: { type: 'ref/resource', uri: 'a://b' } })).toEqual(['a://b']);
    expect(wants('subscriptions/listen', { notifications: { resourceSubscriptions: ['a://b'] } })).toEqual(['a://b']);
    expect(wants('tasks/cancel', { taskId: 'x' })).toEqual(['*']);
    expect(holds(['fs:*'], 'fs', '*')).toBe(true);
    expect(holds(['fs:read_*'], 'fs', '*')).toBe(false);
  });
});

describe('a token with scopes', () => {
  const bearers = tokens(['reader', ['legacy:add', 'modern:add', 'legacy:legacy://one']]);

  test('sees and uses what they hold, at a server and among all; the rest is refused, by name, and in the trail', async () => {
    const { client, refused } = await gatewayWith(bearers);
    const one = client('reader-token', '/mcp/legacy');
    await one.begin();
    const names = async (answer: Promise<Answer>) =>
      (await answer).body.result.tools.map(({ name }: { name: string }) => name);
    expect(await names(one.ask('tools/list'))).toEqual(['add']);
    expect((await one.ask('tools/call', { name: 'add', arguments: { a: 1, b: 2 } })).body.result.content[0].text).toBe(
      '3',
    );
    const denied = await one.ask('tools/call', { name: 'steps', arguments: { to: 1 } });
    expect(denied).toMatchObject({
      status: 403,
      headers: { 'www-authenticate': expect.stringContaining('error="insufficient_scope", scope="legacy:steps"') },
      body: { id: 'tools/call', error: { code: -32600, data: { code: 'insufficient-scope', scope: 'legacy:steps' } } },
    });
    expect(refused).toEqual(['reader steps insufficient-scope']);
    expect((await one.ask('prompts/list')).body.result.prompts).toEqual([]);
    expect((await one.ask('prompts/get', { name: 'greet', arguments: { name: 'A' } })).status).toBe(403);
    const ref = { type: 'ref/prompt', name: 'greet' };
    expect((await one.ask('completion/complete', { ref, argument: { name: 'name', value: '' } })).status).toBe(403);
    expect((await one.ask('resources/read', { uri: 'legacy://one' })).body.result.contents).toHaveLength(1);
    expect((await one.ask('resources/read', { uri: 'legacy://two' })).status).toBe(403);
    expect((await one.ask('resources/subscribe', { uri: 'legacy://two' })).status).toBe(403);
    expect((await client('reader-token', '/mcp/exact-legacy').begin()).status).toBe(403);
    const all = client('reader-token', '/mcp');
    await all.begin();
    expect(await names(all.ask('tools/list'))).toEqual(['legacy__add', 'modern__add']);
    expect((await all.ask('tools/call', { name: 'legacy__steps', arguments: {} })).body.error.data.scope).toBe(
      'legacy:steps',
    );
  });

  test('is held to them by the stateless revision too, on either side', async () => {
    const { client } = await gatewayWith(bearers);
    for (const server of ['modern', 'legacy']) {
      const one = client('reader-token', `/mcp/${server}`);
      expect((await one.modern('tools/list')).body.result.tools.map(({ name }: { name: string }) => name)).toEqual([
        'add',
      ]);
      expect((await one.modern('tools/call', { name: 'add', arguments: { a: 1, b: 2 } })).body.result).toBeDefined();
      const denied = await one.modern('tools/call', { name: 'steps', arguments: { to: 1 } });
      expect(denied).toMatchObject({
        status: 403,
        headers: { 'www-authenticate': expect.stringContaining(`insufficient_scope", scope="${server}:steps"`) },
        body: { error: { data: { scope: `${server}:steps` } } },
      });
    }
  });

  test('is not left by what has no id, by a path with dots, nor by another spelling of what is asked for', async () => {
    const { send, client } = await gatewayWith(tokens(['reader', ['legacy:add', 'legacy:file:///srv/*']]));
    const one = client('reader-token', '/mcp/legacy');
    const begun = await one.begin();
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer reader-token',
      'mcp-session-id': String(begun.headers['mcp-session-id']),
    };
    const silent = JSON.stringify({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'steps' } });
    expect((await send('/mcp/legacy', headers, silent)).status).toBe(400);
    for (const uri of [
      'file:///srv/../etc/passwd',
      'file:///srv/%2e%2E/x',
      'file:///srv/%252e%252e%5cx',
      'file:///srv/..',
    ]) {
      expect((await one.ask('resources/read', { uri })).body.error.message, uri).toContain('by . or ..');
    }
    for (const params of [
      { name: 'add', arguments: { a: 1, b: 2 }, Arguments: { a: 3, b: 4 } },
      { name: 'add', arguments: 'a' },
    ]) {
      expect((await one.ask('tools/call', params)).body.error.message).toContain('does not name one tool');
    }
  });

  test('reads metrics where one of them says so: names of servers and tools stand in them', async () => {
    const { send } = await gatewayWith(tokens(['reader', ['legacy:*']], ['scraper', ['looms:metrics']]));
    const statusFor = async (headers: Record<string, string>) => (await send('/metrics', headers)).status;
    expect(await statusFor({})).toBe(401);
    expect(await statusFor({ authorization: 'Bearer reader-token' })).toBe(403);
    expect(await statusFor({ authorization: 'Bearer scraper-token' })).toBe(200);
  });

  test('is none once it is revoked: the next request is 401 and its sessions end, without a restart', async () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'looms-tokens-')), 't');
    const kept = createClientTokens(folder);
    const gatewaySees = createClientTokens(folder);
    const { client, gateway } = await gatewayWith(createBearers(() => madeTokens(gatewaySees.list())));
    const { value } = kept.make({ name: 'ci', allow: ['legacy:*'] });
    const one = client(value, '/mcp/legacy');
    expect((await one.begin()).status).toBe(200);
    expect(gateway.sessions()).toBe(1);
    expect(kept.revoke('ci')).toBe(true);
    expect(await one.ask('tools/list')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringContaining('error="invalid_token"') },
    });
    await eventually(() => expect(gateway.sessions()).toBe(0));
  });
});

test('a token of the state folder is kept as a digest, by its owner alone, and ends by itself', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'looms-tokens-')), 't');
  const kept = createClientTokens(folder);
  const expires = new Date(Date.now() + 60_000).toISOString();
  const { value } = kept.make({ name: 'ci', allow: ['fs:*'], expires });
  expect(value).toMatch(/^looms_[\w-]{43}$/);
  const [file = ''] = readdirSync(folder);
  expect(readFileSync(join(folder, file), 'utf8')).not.toContain(value);
  expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
  expect(() => kept.make({ name: 'ci', allow: [] })).toThrow(/there is a token ci/);
  expect(() => kept.make({ name: '../x', allow: [] })).toThrow(/cannot be the name/);
  expect(() => kept.make({ name: 'local', allow: [] })).toThrow(/cannot be the name/);
  let now = Date.now();
  const bearers = createBearers(
    () => madeTokens(kept.list()),
    undefined,
    () => now,
  );
  const found = await bearers(value);
  expect(found).toMatchObject({ kind: 'known', grant: { name: 'ci', scopes: ['fs:*'] } });
  now += 61_000;
  expect(found.kind === 'known' && found.grant.isValid()).toBe(false);
  expect(await bearers(value)).toMatchObject({ kind: 'unknown' });
  expect(kept.revoke('ci')).toBe(true);
  expect(kept.revoke('ci')).toBe(false);
});

test('groups and scopes are sets: in another order they are those of the same principal, and any other is another one', async () => {
  const keyOf = (groups: readonly string[], scopes: readonly string[]): string =>
    createGuards({})({ ...ownGrant, kind: 'oidc', name: 'ann', groups, scopes }).key;
  const key = keyOf(['a', 'b'], ['fs:*', 'web:*']);
  expect(keyOf(['b', 'a', 'b'], ['web:*', 'fs:*'])).toBe(key);
  for (const other of [
    keyOf(['a'], ['fs:*', 'web:*']),
    keyOf(['a', 'b'], ['fs:*']),
    keyOf(['a', 'b', 'fs:*'], ['web:*']),
  ])
    expect(other).not.toBe(key);
  let scopes = ['fs:*', 'web:*'];
  const found = await createBearers(() => [{ name: 'ci', sha256: tokenDigest('secret'), scopes }])('secret');
  const isValid = (): boolean => found.kind === 'known' && found.grant.isValid();
  scopes = ['web:*', 'fs:*'];
  expect(isValid()).toBe(true);
  scopes = ['web:*'];
  expect(isValid()).toBe(false);
});

describe('rules for calls', () => {
  const rule = (effect: CallRule['effect'], expression: string, line = 1): CallRule => ({
    ...{ effect, expression, file: 'looms.yaml', line },
  });
  const says = (rules: readonly CallRule[], facts: { args?: object; groups?: string[]; annotations?: object } = {}) =>
    judgeOf(rules).refusal({
      principal: { name: 'ann', groups: facts.groups ?? [] },
      server: 'fs',
      tool: { name: 'rm', annotations: { destructiveHint: true, ...facts.annotations } },
      arguments: { ...facts.args },
    })?.why;
  const admins = rule('deny', 'tool.annotations.destructiveHint && !("admins" in principal.groups)');

  test('decide in their order; where one allows, what none decides is refused; what cannot be worked out is too', () => {
    expect(says([admins])).toBe('a rule denies it');
    expect(says([admins], { groups: ['admins'] })).toBeUndefined();
    expect(says([admins], { annotations: { destructiveHint: false } })).toBeUndefined();
    expect(says([rule('allow', 'server == "fs"'), rule('deny', 'true')])).toBeUndefined();
    expect(says([rule('allow', 'server == "db"')])).toBe('no rule allows it');
    expect(says([rule('deny', 'arguments.path.startsWith("/etc")')])).toContain('cannot be worked out');
    expect(says([rule('deny', 'arguments.path.startsWith("/etc")')], { args: { path: '/srv' } })).toBeUndefined();
    expect(says([rule('deny', 'arguments.n')], { args: { n: 'yes' } })).toBe('the rule is neither true nor false');
    expect(says([rule('deny', 'arguments.n > 5')], { args: { n: JSON.rawJSON('1e400') } })).toBe('a rule denies it');
  });

  test('are not made slow by what a client sends', () => {
    const walk = [rule('deny', 'arguments.l.all(x, x in arguments.l) && arguments.t.contains("b")')];
    const largest = { l: Array.from({ length: 900 }, (_, index) => `item ${index}`), t: 'a'.repeat(200_000) };
    expect(ended(() => says(walk, { args: largest }))).toBeUndefined();
    expect(ended(() => says(walk, { args: { l: Array(5_000).fill(1), t: '' } }))).toContain('too large');
    expect(ended(() => says(walk, { args: { l: [], t: 'a'.repeat(300_000) } }))).toContain('too large');
    let deep: object = {};
    for (let level = 0; level < 5_000; level += 1) deep = { deep };
    expect(ended(() => says(walk, { args: deep }))).toContain('too large');
  });

  test('hold for every client, and a refusal says which one, and where it stands', async () => {
    const judge = judgeOf([rule('deny', 'tool.annotations.readOnlyHint == false && arguments.a > 5.0', 12)]);
    const { client, refused } = await gatewayWith(tokens(['ci', ['*:*']]), { guarding: { judge } });
    for (const server of ['legacy', 'modern']) {
      const one = client('ci-token', `/mcp/${server}`);
      const call = (a: number) => one.modern('tools/call', { name: 'add', arguments: { a, b: 1 } });
      expect((await call(2)).body.result.content[0].text).toBe('3');
      expect((await call(9)).body.error).toMatchObject({
        message: `${server}:add is refused: a rule denies it`,
        data: { code: 'refused', hint: expect.stringContaining('looms.yaml:12: deny: tool.annotations') },
      });
    }
    expect(refused).toEqual(['ci add refused', 'ci add refused']);
  });
});

describe('limits', () => {
  test('calls come back over a minute, and what is under way is counted until it is over', () => {
    let now = 0;
    const { take } = createLimits({ limits: { callsPerMinute: 2, inFlight: 2 } }, () => now);
    const [first, second] = [take('a', true), take('a', true)];
    expect([first.taken, second.taken]).toEqual([true, true]);
    expect(take('a', true)).toMatchObject({ taken: false, why: '2 requests of a are under way' });
    if (first.taken) first.done();
    expect(take('a', true)).toMatchObject({ taken: false, why: 'a may make 2 calls a minute', retryAfterSeconds: 30 });
    expect(take('b', true).taken).toBe(true);
    now = 30_000;
    expect(take('a', true).taken).toBe(true);
  });

  test('a limit that is set or lowered later has nobody wait longer than a minute for what was called before', () => {
    const settings: { limits: ServeLimits } = { limits: {} };
    const { take } = createLimits(settings, () => 0);
    const call = (times: number): readonly boolean[] =>
      Array.from({ length: times }, () => {
        const taken = take('a', true);
        if (taken.taken) taken.done();
        return taken.taken;
      });
    expect(call(1_000)).not.toContain(false);
    settings.limits = { callsPerMinute: 60 };
    expect(call(59)).not.toContain(false);
    settings.limits = { callsPerMinute: 6_000 };
    expect(call(5_900)).not.toContain(false);
    settings.limits = { callsPerMinute: 6 };
    expect(take('a', true)).toMatchObject({ taken: false, retryAfterSeconds: 10 });
  });

  test('what is too much is 429 with how long to wait; a body that is too long is 413; others notice nothing', async () => {
    const settings = { limits: { callsPerMinute: 1, bodyMiB: 1 } };
    const { client } = await gatewayWith(tokens(['a', ['*:*']], ['b', ['*:*']]), { settings });
    const call = (who: string, a: unknown = 1) =>
      client(`${who}-token`, '/mcp/modern').modern('tools/call', { name: 'add', arguments: { a, b: 1 } });
    expect((await call('a')).status).toBe(200);
    const refused = await call('a');
    expect(refused).toMatchObject({ status: 429, body: { error: { message: 'a may make 1 calls a minute' } } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await call('b')).status).toBe(200);
    expect((await call('b', 'x'.repeat(1_100_000))).status).toBe(413);
  });
});

describe('secrets in what is said', () => {
  const cover = coverOf(createRedactor(['hunter2-of-fs']));
  const pem = '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----';

  test('are masked, wherever they stand; the rest of an answer stays as it was', () => {
    const scan = createScan('mask', cover);
    const plain = '{"jsonrpc":"2.0","id":1,"result":{"n":1.0,"text":"nothing"}}';
    expect(scan.answer(plain)).toBe(plain);
    const github = `ghp_${'a1B2'.repeat(10)}`;
    const said = { a: ['hunter2-of-fs', { b: `x ${github} y` }], [pem]: 'AKIAIOSFODNN7EXAMPLE', n: 1 };
    const answer = JSON.parse(scan.answer(JSON.stringify({ jsonrpc: '2.0', id: 1, result: said })));
    expect(answer.result).toEqual({ a: ['(secret)', { b: 'x (secret) y' }], '(secret)': '(secret)', n: 1 });
    // As a hostile server could write it.
    const hidden = '{"jsonrpc":"2.0","id":1,"result":{"text":"\\u0041KIAIOSFODNN7EXAMPLE"}}';
    expect(JSON.parse(scan.answer(hidden)).result.text).toBe('(secret)');
    expect(
      JSON.parse(scan.answer(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: 1, message: github } }))).error
        .message,
    ).toBe('(secret)');
  });

  test('are refused where they are not to be masked, on the way in and out', async () => {
    const { client, refused } = await gatewayWith(tokens(['ci', ['*:*']]), {
      guarding: { scan: createScan('deny', cover) },
    });
    const one = client('ci-token', '/mcp/modern');
    expect((await one.modern('tools/call', { name: 'add', arguments: { a: 1, b: 1 } })).body.result).toBeDefined();
    const denied = await one.modern('tools/call', { name: 'add', arguments: { a: 'hunter2-of-fs', b: 1 } });
    expect(denied.body.error.message).toBe('the request holds a secret');
    expect(denied.status).toBe(200);
    expect(refused).toEqual(['ci add refused']);
  });
});

describe('tokens of an issuer', () => {
  type Issuer = {
    url: string;
    sign: (claims?: Readonly<Record<string, unknown>>, by?: string) => Promise<string>;
    rotate(): Promise<void>;
    http: Server;
    asked: () => number;
  };
  /** One whose first place of metadata has them, or what a single-page app answers everywhere, or leads elsewhere. */
  const issuer = async (first: 'metadata' | 'page' | 'elsewhere' = 'metadata'): Promise<Issuer> => {
    const keys = new Map<string, { privateKey: CryptoKey; publicKey: CryptoKey }>();
    let current = 0;
    let asked = 0;
    const rotate = async () => {
      current += 1;
      keys.clear();
      keys.set(`k${current}`, await generateKeyPair('ES256'));
    };
    const http = createServer(async (incoming, outgoing) => {
      asked += 1;
      const known = [...keys].map(async ([kid, { publicKey }]) => ({
        ...(await exportJWK(publicKey)),
        kid,
        alg: 'ES256',
      }));
      if (first !== 'metadata' && incoming.url?.endsWith('openid-configuration')) {
        outgoing.writeHead(first === 'page' ? 200 : 302, { location: '/login' }).end('<html>');
        return;
      }
      const document = incoming.url?.startsWith('/.well-known/')
        ? { issuer: url, jwks_uri: `${url}/keys` }
        : { keys: await Promise.all(known) };
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    }).listen(0, '127.0.0.1');
    await once(http, 'listening');
    open.push({ close: () => http.closeAllConnections() ?? http.close() });
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    await rotate();
    return {
      ...{ url, rotate, http, asked: () => asked },
      sign: async (claims = {}, by) => {
        const [kid, pair] = [...keys][0] ?? [];
        const own = by === undefined ? pair?.privateKey : (await generateKeyPair('ES256')).privateKey;
        const now = Math.floor(Date.now() / 1000);
        const all = {
          iss: url,
          aud: 'https://mcp.example.com',
          sub: 'ann',
          iat: now,
          exp: now + 60,
          groups: ['admins'],
          ...claims,
        };
        return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: by ?? kid ?? '' }).sign(own as CryptoKey);
      },
    };
  };
  const settingsFor = (url: string) => ({
    oidc: { issuer: url, audience: 'https://mcp.example.com', groupsClaim: 'groups', allow: ['legacy:add'] },
  });

  test('are found by the metadata of the gateway, and let in whom they are made out to', async () => {
    const idp = await issuer();
    const settings = { ...settingsFor(idp.url), publicUrl: 'https://mcp.example.com' };
    const { send, client } = await gatewayWith(
      createBearers(() => [], createIssued(settings.oidc, 0)),
      { settings },
    );
    const json = { 'content-type': 'application/json' };
    const asked = await send('/mcp/legacy', json, '{}');
    const metadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp/legacy';
    expect(asked.status).toBe(401);
    expect(asked.headers['www-authenticate']).toBe(
      `Bearer realm="looms", resource_metadata="${metadata}", scope="legacy:*"`,
    );
    expect((await send('/.well-known/oauth-protected-resource/mcp/legacy', {})).body).toEqual({
      resource: 'https://mcp.example.com/mcp/legacy',
      authorization_servers: [idp.url],
      bearer_methods_supported: ['header'],
      scopes_supported: ['legacy:*'],
    });
    expect((await send('/.well-known/oauth-protected-resource', {})).body.resource).toBe('https://mcp.example.com/mcp');
    const one = client(await idp.sign({ scope: 'openid legacy:steps' }), '/mcp/legacy');
    expect((await one.begin()).status).toBe(200);
    const { tools } = (await one.ask('tools/list')).body.result;
    expect(tools.map(({ name }: { name: string }) => name)).toEqual(['add', 'steps']);
    expect((await one.ask('tools/call', { name: 'ask', arguments: {} })).headers['www-authenticate']).toBe(
      `Bearer realm="looms", resource_metadata="${metadata}", error="insufficient_scope", scope="legacy:ask"`,
    );
  });

  test.each(['page', 'elsewhere'] as const)(
    'are found at the place of RFC 8414 where that of OpenID has something else: %s',
    async (first) => {
      const idp = await issuer(first);
      const bearers = createIssued(settingsFor(idp.url).oidc);
      expect(await bearers(await idp.sign())).toMatchObject({ kind: 'known' });
    },
  );

  test('of another audience, issuer or key, of the past, without an end, or signed with nothing let nobody in', async () => {
    const idp = await issuer();
    const bearers = createIssued(settingsFor(idp.url).oidc, 0);
    expect(await bearers(await idp.sign())).toMatchObject({
      kind: 'known',
      grant: { name: `ann@${new URL(idp.url).host}`, groups: ['admins'], scopes: ['legacy:add'] },
    });
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"ann"}').toString('base64url')}.`;
    const shared = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(new Uint8Array(32));
    const wrong = [
      await idp.sign({ aud: 'https://other.example' }),
      await idp.sign({ iss: 'https://other.example' }),
      await idp.sign({ exp: 1 }),
      await idp.sign({ exp: undefined }),
      await idp.sign({ sub: undefined }),
      await idp.sign({}, 'k1'),
      await idp.sign({}, 'unknown'),
      none,
      shared,
      'a.b.c',
      'plain',
    ];
    for (const token of wrong) expect(await bearers(token)).toMatchObject({ kind: 'unknown' });
  });

  test('of a new key are taken once the issuer has it; while its keys cannot be had it is said so, and asked seldom', async () => {
    const idp = await issuer();
    const bearers = createIssued(settingsFor(idp.url).oidc, 0);
    expect(await bearers(await idp.sign())).toMatchObject({ kind: 'known' });
    await idp.rotate();
    expect(await bearers(await idp.sign())).toMatchObject({ kind: 'known' });
    const token = await idp.sign();
    const silent = createIssued(settingsFor('http://127.0.0.1:9').oidc);
    const why = /cannot be had: \S+openid-configuration: .+; \S+oauth-authorization-server: /;
    expect(await silent(token)).toMatchObject({ kind: 'unavailable', why: expect.stringMatching(why) });
    const { client } = await gatewayWith(
      createBearers(() => [], silent),
      { settings: settingsFor('http://127.0.0.1:9') },
    );
    expect(await client(token, '/mcp/legacy').begin()).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    const patient = createIssued(settingsFor(idp.url).oidc);
    expect(await patient(token)).toMatchObject({ kind: 'known' });
    const before = idp.asked();
    for (let turn = 0; turn < 20; turn += 1) await patient(await idp.sign({}, `unknown-${turn}`));
    expect(idp.asked() - before).toBeLessThanOrEqual(1);
  });
});
