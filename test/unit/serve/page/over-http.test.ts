import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LoomsError } from '../../../../src/model/errors.ts';
import { asServerName } from '../../../../src/model/ids.ts';
import type { PageLogLine } from '../../../../src/model/page/past.ts';
import { tokenDigest } from '../../../../src/model/secrets/token-digest.ts';
import { usualServe } from '../../../../src/model/serve-settings.ts';
import { createBearers, type KnownToken } from '../../../../src/serve/access/bearers.ts';
import { createGateway } from '../../../../src/serve/gateway.ts';
import { createAssets } from '../../../../src/serve/page/assets.ts';
import { createSeal } from '../../../../src/serve/sessions/seal.ts';
import { followEvents } from '../../../support/event-source.ts';
import { eventually } from '../../../support/eventually.ts';
import { madeUpSource, pageEvent } from '../../../support/page-source.ts';
import { key, localUpstreams } from '../local-gateway.ts';

const open: { close(): Promise<unknown> | unknown }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const known = (name: string, scopes: KnownToken['scopes']): KnownToken => ({
  name,
  sha256: tokenDigest(`${name}-token`),
  scopes,
});

/** A gateway with a page, on TCP and on what stands for its socket. */
async function pageGateway({ settings = {} }: { settings?: Partial<typeof usualServe> } = {}) {
  const made = madeUpSource();
  const calls: string[] = [];
  const logged: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'looms-page-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>looms</title>');
  writeFileSync(join(folder, 'assets', 'page-abc123.js'), 'export {};');
  writeFileSync(join(folder, 'secret.txt'), 'not a file of the page');
  const tokens = [
    known('all', 'all'),
    known('tools', ['*:*']),
    known('reader', ['looms:page']),
    known('caller', ['looms:page', 'legacy:add']),
    known('one', ['looms:page/legacy', 'looms:logs/legacy', 'looms:audit/legacy', 'looms:operate/legacy']),
    known('operator', ['looms:page', 'looms:operate']),
    known('everything', ['looms:*', '*:*']),
  ];
  let url = '';
  const gateway = createGateway(localUpstreams(calls), {
    ...{
      bounds: { idleMs: 60_000, most: 64, mostEach: 64 },
      seal: createSeal(key, 'p'),
      version: '1',
      log: (text: string) => void logged.push(text),
    },
    settings: { ...usualServe, ...settings },
    page: { source: made.source, assets: createAssets(folder) },
    url: () => url,
  });
  open.push(gateway);
  const listen = async (door: Parameters<typeof gateway.serverFor>[0]) => {
    const http = gateway.serverFor(door).listen(0, '127.0.0.1');
    await once(http, 'listening');
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  };
  const socket = await listen({ kind: 'socket' });
  url = await listen({ kind: 'tcp', host: '127.0.0.1', bearers: createBearers(() => tokens) });
  const ask = async (
    path: string,
    {
      as,
      body,
      at = url,
      ...more
    }: { as?: string; body?: unknown; at?: string; method?: string; headers?: object } = {},
  ) => {
    const response = await fetch(`${at}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...more,
      headers: { ...(as === undefined ? {} : { authorization: `Bearer ${as}` }), ...more.headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  };
  const logIn = async () => {
    const { body } = await ask('/page/code', { at: socket, body: {} });
    return (await ask('/page/session', { body: { code: body.code } })).body.token as string;
  };
  const follow = async (path: string, as: string, headers: Record<string, string> = {}) => {
    const stream = await followEvents(`${url}${path}`, as, headers);
    open.push({ close: stream.leave });
    return stream;
  };
  return { ...made, calls, logged, tokens, url: () => url, socket, ask, logIn, follow };
}

describe('the page over HTTP: its files', () => {
  test('need no token, run nothing else, and are found by their names alone', async () => {
    const { ask } = await pageGateway();
    const page = await ask('/');
    expect(page.status).toBe(200);
    expect(page.text).toContain('<title>looms</title>');
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
      expect(policy).toContain(part);
    }
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toContain('unsafe');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('set-cookie')).toBeNull();
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const script = await ask('/assets/page-abc123.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(script.headers.get('cache-control')).toContain('immutable');
    for (const path of ['/assets/secret.txt', '/secret.txt', '/assets/..%2fsecret.txt', '/assets/', '/index.html']) {
      expect((await ask(path)).status, path).not.toBe(200);
    }
  });

  test('another Origin and another Host get nothing', async () => {
    const { ask, url } = await pageGateway();
    for (const origin of ['https://evil.example', 'null']) {
      expect((await ask('/', { headers: { origin } })).status).toBe(403);
      expect((await ask('/page/session', { body: { code: 'x' }, headers: { origin } })).status).toBe(403);
    }
    const status = await new Promise((resolve, reject) => {
      const asked = request(`${url()}/page/stream`, { headers: { host: 'evil.example' } }, ({ statusCode }) =>
        resolve(statusCode),
      );
      asked.on('error', reject).end();
    });
    expect(status).toBe(403);
  });
});

describe('the page over HTTP: who looks', () => {
  test('a code of the socket logs in once; over TCP there is none to be had', async () => {
    const { ask, socket, url } = await pageGateway();
    const { body } = await ask('/page/code', { at: socket, body: {} });
    expect(body.url).toBe(url());
    expect((await ask('/page/code', { body: {} })).status).toBe(401);
    expect((await ask('/page/code', { body: {}, as: 'everything-token' })).status).toBe(404);
    const session = await ask('/page/session', { body: { code: body.code } });
    expect(session).toMatchObject({ status: 200, body: { principal: 'local', may: { operate: true } } });
    expect(session.headers.get('cache-control')).toBe('no-store');
    const again = await ask('/page/session', { body: { code: body.code } });
    expect(again).toMatchObject({ status: 401, body: { error: { code: 'refused' } } });
    const wrong = await ask('/page/session', { body: { code: '' } });
    expect(wrong.status).toBe(401);
  });

  test('a key of the page is none for MCP, and none when its session was ended', async () => {
    const { ask, logIn } = await pageGateway();
    const as = await logIn();
    expect((await ask('/page/audit', { as })).status).toBe(200);
    expect((await ask('/mcp', { as, body: {} })).status).toBe(401);
    expect((await ask('/page/session', { as, method: 'DELETE' })).status).toBe(204);
    expect((await ask('/page/audit', { as })).status).toBe(401);
  });

  test('a token of a client logs in with what it may, and one for tools alone does not', async () => {
    const { ask } = await pageGateway();
    expect((await ask('/page/session', { body: { token: 'reader-token' } })).body).toMatchObject({
      principal: 'reader',
      may: { logs: false, audit: false, operate: false },
    });
    expect(await ask('/page/session', { body: { token: 'tools-token' } })).toMatchObject({
      status: 403,
      body: { error: { code: 'insufficient-scope', message: 'this needs looms:page' } },
    });
    expect((await ask('/page/session', { body: { token: 'guessed' } })).status).toBe(401);
    expect((await ask('/page/session', { body: 'text' })).status).toBe(400);
    expect((await ask('/page/session', { body: { token: 'x'.repeat(20_000) } })).status).toBe(413);
  });

  test('without a token, with a foreign one and with one for tools nothing is told and nothing done', async () => {
    const { ask, done, calls } = await pageGateway();
    const act = { deed: 'stop', server: 'legacy', repeat: 'legacy' };
    const call = { server: 'legacy', tool: 'echo', arguments: {} };
    for (const [as, status] of [
      [undefined, 401],
      ['foreign', 401],
      ['tools-token', 403],
    ] as const) {
      const who = as === undefined ? {} : { as };
      for (const path of ['/page/stream', '/page/log?server=*', '/page/audit', '/page/servers/legacy', '/page/x']) {
        expect((await ask(path, who)).status, path).toBe(status);
      }
      expect((await ask('/page/act', { ...who, body: act })).status).toBe(status);
      expect((await ask('/page/call', { ...who, body: call })).status).toBe(status);
      expect((await ask('/page/plan', { ...who, body: { digest: 'abc' } })).status).toBe(status);
    }
    expect([done, calls]).toEqual([[], []]);
  });

  test('each deed takes its own right, of that server', async () => {
    const { ask, done } = await pageGateway();
    const act = (as: string, server: string, deed = 'restart', more = {}) =>
      ask('/page/act', { as, body: { deed, server, ...more } });
    for (const as of ['all-token', 'reader-token']) {
      expect(await act(as, 'legacy')).toMatchObject({ status: 403, body: { error: { code: 'insufficient-scope' } } });
      expect((await ask('/page/plan', { as, body: { digest: 'abc' } })).status).toBe(403);
    }
    expect((await ask('/page/log?server=*', { as: 'reader-token' })).status).toBe(403);
    expect((await ask('/page/audit', { as: 'reader-token' })).status).toBe(403);
    expect((await act('one-token', 'legacy')).status).toBe(200);
    expect((await act('one-token', 'modern')).status).toBe(403);
    expect((await ask('/page/plan', { as: 'one-token', body: { digest: 'abc' } })).status).toBe(403);
    expect((await ask('/page/servers/modern', { as: 'one-token' })).status).toBe(403);
    expect((await ask('/page/audit?limit=7', { as: 'one-token' })).status).toBe(200);
    expect((await ask('/page/audit?server=modern', { as: 'one-token' })).status).toBe(403);
    expect((await ask('/page/audit?limit=100000', { as: 'everything-token' })).status).toBe(200);
    expect((await ask('/page/audit?limit=x', { as: 'everything-token' })).status).toBe(400);
    expect(done.splice(0)).toEqual(['one restart legacy', 'audit legacy 7', 'audit all 500']);

    // Whoever stops one repeats its name, and a name that is repeated is that one.
    expect((await act('operator-token', 'modern', 'stop')).body.error.code).toBe('not-confirmed');
    expect((await act('operator-token', 'modern', 'stop', { repeat: 'legacy' })).status).toBe(409);
    expect((await act('operator-token', 'modern', 'start', { repeat: 'legacy' })).status).toBe(409);
    expect((await act('operator-token', 'modern', 'remove', { repeat: 'modern' })).status).toBe(400);
    expect((await act('operator-token', '../x')).status).toBe(400);
    expect((await act('operator-token', 'modern', 'stop', { repeat: 'modern' })).status).toBe(200);
    expect(await ask('/page/plan', { as: 'operator-token', body: { digest: 'old' } })).toMatchObject({
      status: 409,
      body: { error: { code: 'plan-stale' } },
    });
    expect((await ask('/page/plan', { as: 'operator-token', body: {} })).status).toBe(400);
    expect((await ask('/page/plan', { as: 'operator-token', body: { digest: 'abc' } })).status).toBe(200);
    expect(done).toEqual(['operator stop modern', 'operator approve abc']);
  });
});

describe('the page over HTTP: calls', () => {
  test.for(['legacy', 'modern'])('a call of the page is a call of any client (%s)', async (server) => {
    const { ask, calls, logIn } = await pageGateway();
    const as = await logIn();
    const { body } = await ask(`/page/servers/${server}`, { as });
    expect(body.tools.kind).toBe('known');
    expect(body.tools.list.map(({ name }: { name: string }) => name)).toContain('add');
    expect(body.container.command).toEqual(['--password=(secret)']);
    const made = await ask('/page/call', { as, body: { server, tool: 'add', arguments: { a: 2, b: 40 } } });
    expect(made.status).toBe(200);
    expect(JSON.stringify(made.body.result)).toContain('42');
    expect(calls).toEqual(['local add']);
    expect((await ask('/page/call', { as, body: { server: 'none', tool: 'echo', arguments: {} } })).status).toBe(404);
    expect((await ask('/page/call', { as, body: { server, tool: 'echo' } })).status).toBe(400);
  });

  test('says which argument of a call does not fit its schema, and sends nothing then', async () => {
    const { ask, calls, logIn } = await pageGateway();
    const as = await logIn();
    const made = await ask('/page/call', { as, body: { server: 'legacy', tool: 'add', arguments: { a: 'x' } } });
    expect(made).toMatchObject({ status: 400, body: { error: { code: 'arguments-invalid' } } });
    expect(made.body.error.fields).toEqual({
      a: expect.stringContaining('must be of type'),
      b: expect.stringContaining('is missing'),
    });
    expect(calls).toEqual([]);
    const unknown = await ask('/page/call', { as, body: { server: 'legacy', tool: 'nothing', arguments: {} } });
    expect(unknown.body.error?.code).not.toBe('arguments-invalid');
  });

  test.each(['legacy', 'modern'])('passes on what a server asks, and what is answered: %s', async (server) => {
    const { ask, logIn } = await pageGateway();
    const as = await logIn();
    const call = (more: object) => ask('/page/call', { as, body: { server, tool: 'ask', arguments: {}, ...more } });
    let made = await call({});
    const asked: unknown[] = [];
    while (made.body.result.resultType === 'input_required') {
      const { inputRequests, requestState } = made.body.result;
      const [[key, { method, params }] = ['', { method: '', params: {} }]] =
        Object.entries<Record<'method' | 'params', { message?: string }>>(inputRequests);
      expect(method).toBe('elicitation/create');
      asked.push(params.message);
      const response = asked.length === 1 ? { action: 'accept', content: { colour: 'red' } } : { action: 'decline' };
      made = await call({ answers: { inputResponses: { [key]: response }, requestState } });
    }
    expect(asked).toEqual(['Which one?', 'And then?']);
    expect(made.status).toBe(200);
    expect(JSON.stringify(made.body.result)).toMatch(/red.*decline/);
    const answers = { inputResponses: {} };
    for (const wrong of [{ inputResponses: [] }, { ...answers, requestState: 1 }, 'x'])
      expect((await call({ answers: wrong })).status).toBe(400);
  });

  test('who may see a tool may not call it for that, and limits are those of any client', async () => {
    const { ask, calls } = await pageGateway({ settings: { limits: { callsPerMinute: 1 } } });
    const { body } = await ask('/page/servers/legacy', { as: 'caller-token' });
    const tools: { name: string; callable: boolean }[] = body.tools.list;
    expect(tools.filter(({ callable }) => callable).map(({ name }) => name)).toContain('add');
    const other = tools.find(({ callable }) => !callable)?.name ?? 'none';
    const call = (tool: string, as = 'caller-token') =>
      ask('/page/call', { as, body: { server: 'legacy', tool, arguments: { a: 1, b: 1 } } });
    expect(await call(other)).toMatchObject({ status: 403, body: { error: { code: 'insufficient-scope' } } });
    expect((await call('add', 'reader-token')).status).toBe(403);
    for (const server of ['modern', 'none']) {
      const refused = await ask('/page/call', { as: 'caller-token', body: { server, tool: 'add', arguments: {} } });
      expect(refused).toMatchObject({ status: 403, body: { error: { message: `this needs ${server}:add` } } });
    }
    expect((await call('add')).status).toBe(429);
    expect((await call('add', 'everything-token')).status).toBe(200);
    expect(calls).toEqual(['everything add']);
  });
});

describe('the page over HTTP: limits', () => {
  test('a list of tools counts on the limits of whoever looks at it', async () => {
    const { ask } = await pageGateway({ settings: { limits: { inFlight: 0 } } });
    const { body } = await ask('/page/servers/legacy', { as: 'reader-token' });
    expect(body.tools).toEqual({ kind: 'unknown', why: '0 requests of reader are under way' });
  });
});

describe('the page over HTTP: streams', () => {
  test('the state comes first, then what was, then what comes; who comes back goes on from there', async () => {
    const { follow, logIn, tell, measure, change, isWatched } = await pageGateway();
    const as = await logIn();
    const first = await follow('/page/stream', as);
    await eventually(async () => expect(first.told.map(({ event }) => event)).toEqual(['state', 'past']));
    tell(pageEvent('01A', 'legacy'));
    measure('2026-11-29T06:00:15.000Z');
    await eventually(async () => expect([...first.of('event'), ...first.of('sample')]).toHaveLength(2));
    change({ version: '2' });
    await eventually(async () => expect(first.of('state').at(-1)?.data.version).toBe('2'));
    const last = first.told.at(-1)?.id ?? '';
    await first.leave();
    expect(isWatched()).toBe(true);
    tell(pageEvent('01B', 'modern'));
    // Told twice, as after a look that was begun again, it is one event.
    tell(pageEvent('01A', 'legacy'));

    const second = await follow('/page/stream', as, { 'last-event-id': last });
    await eventually(async () => expect(second.told.map(({ event }) => event)).toEqual(['state', 'event']));
    expect(second.of('event')[0]?.data.id).toBe('01B');
    const third = await follow('/page/stream', as, { 'last-event-id': 'of-another-run' });
    await eventually(async () => expect(third.told.map(({ event }) => event)).toEqual(['state', 'past']));
    const past = third.of('past')[0]?.data as { events: { id: string }[]; samples: unknown[] };
    expect(past.events.map(({ id }) => id)).toEqual(['01A', '01B']);
    expect(past.samples).toHaveLength(1);
  });

  test('of servers that somebody may not see nothing is told', async () => {
    const { follow, tell, measure } = await pageGateway();
    const { told, of } = await follow('/page/stream', 'one-token');
    await eventually(async () => expect(told).toHaveLength(2));
    tell(pageEvent('01A', 'modern'));
    measure('2026-11-29T06:00:15.000Z');
    tell(pageEvent('01B', 'legacy'));
    await eventually(async () => expect(of('event')).toHaveLength(1));
    expect(JSON.stringify(told)).not.toContain('modern');
    expect(of('state')[0]?.data).toMatchObject({
      plan: { kind: 'unknown' },
      may: { operate: false, approve: false },
      servers: [{ name: 'legacy', may: { logs: true, operate: true } }],
    });
  });

  test('a token that is revoked ends its streams, and those of sessions that it began', async () => {
    const { follow, ask, tokens } = await pageGateway();
    const { body } = await ask('/page/session', { body: { token: 'everything-token' } });
    const streams = await Promise.all([
      follow('/page/stream', 'everything-token'),
      follow('/page/stream', body.token),
      follow('/page/log?server=*', body.token),
    ]);
    await eventually(async () => expect(streams[1].told).toHaveLength(2));
    tokens.splice(
      tokens.findIndex(({ name }) => name === 'everything'),
      1,
    );
    for (const { of, isOver } of streams) {
      await eventually(async () => expect(isOver()).toBe(true));
      expect(of('end')[0]?.data).toMatchObject({ error: { code: 'insufficient-scope' } });
    }
    expect((await ask('/page/audit', { as: body.token })).status).toBe(401);
  });

  test('one principal has so many streams and no more, and others have theirs', async () => {
    const { follow } = await pageGateway();
    const streams = await Promise.all(Array.from({ length: 16 }, () => follow('/page/stream', 'reader-token')));
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await follow('/page/stream', 'reader-token')).status).toBe(429);
    expect((await follow('/page/stream', 'caller-token')).status).toBe(200);
    await streams[0]?.leave();
    await eventually(async () => expect((await follow('/page/stream', 'reader-token')).status).toBe(200));
  });

  const line = (server: string, text: string): PageLogLine => ({
    ts: '2026-11-29T06:00:00.000Z',
    server: asServerName(server),
    generation: 1,
    stream: 'stderr',
    text,
    gone: false,
  });

  test('a log is searched, masked and told to its end, the newest lines of the past first', async () => {
    const { follow, lines } = await pageGateway();
    const past = Array.from({ length: 900 }, (_, at) => line('legacy', `line ${at}`));
    lines.push(...past, line('modern', 'line of modern'), 'live', line('legacy', 'now hunter2-hunter2'));
    const all = await follow('/page/log?server=*', 'everything-token');
    await eventually(async () => expect(all.of('line')).toHaveLength(501));
    expect(all.of('line')[0]?.data.text).toBe('line 401');
    expect(all.told.at(-2)?.event).toBe('live');
    expect(all.told.at(-1)?.data.text).toBe('now (secret)');
    const some = await follow('/page/log?server=legacy&grep=(7$|now)&tail=3', 'one-token');
    await eventually(async () =>
      expect(some.of('line').map(({ data }) => data.text)).toEqual([
        'line 877',
        'line 887',
        'line 897',
        'now (secret)',
      ]),
    );
    const own = await follow('/page/log?server=*', 'one-token');
    await eventually(async () => expect(own.of('line')).toHaveLength(501));
    expect(JSON.stringify(own.told)).not.toContain('modern');
  });

  test('an expression that never ends is given up, and what is none is refused', async () => {
    const { ask, follow, lines } = await pageGateway();
    lines.push(line('legacy', `${'a'.repeat(60)}!`), 'live');
    const log = await follow(`/page/log?server=*&grep=${encodeURIComponent('(a+)+$')}`, 'everything-token');
    await eventually(async () => expect(log.isOver()).toBe(true));
    expect(log.of('end')[0]?.data).toMatchObject({ error: { code: 'refused' } });
    for (const query of ['grep=(', `grep=${'a'.repeat(300)}`, 'tail=-1', 'tail=0', 'tail=x', 'server=..']) {
      expect((await ask(`/page/log?${query}`, { as: 'everything-token' })).status, query).toBe(400);
    }
  });

  test('a failure is told in the words of looms, without what it is of', async () => {
    const { ask, source } = await pageGateway();
    expect(await ask('/page/servers/none', { as: 'everything-token' })).toMatchObject({
      status: 404,
      // No hint: it names all servers, which a scope with a pattern is not about.
      body: { error: { code: 'server-not-found', message: 'no none' } },
    });
    expect(JSON.stringify(await ask('/page/servers/none', { as: 'everything-token' }))).not.toContain('modern');
    Object.assign(source, {
      act: async () => {
        const hint = 'wait with --lock-timeout, or `looms unlock 1`';
        throw new LoomsError('lock-held', 'ann changes it: hunter2-hunter2', { hint, detail: ['a log'] });
      },
    });
    expect(await ask('/page/act', { as: 'everything-token', body: { deed: 'start', server: 'legacy' } })).toMatchObject(
      {
        status: 409,
        text: '{"error":{"code":"lock-held","message":"ann changes it: (secret)","hint":"try again when that run has ended"}}',
      },
    );
  });

  test('what nobody foresaw is for the log of the gateway, and for no browser', async () => {
    const { ask, follow, source, logged } = await pageGateway();
    const fail = () => {
      throw new TypeError('cannot read /root/looms of undefined');
    };
    Object.assign(source, { act: async () => fail(), log: fail });
    const told = { error: { code: 'internal', message: 'the gateway failed; its log says more' } };
    const act = await ask('/page/act', { as: 'everything-token', body: { deed: 'start', server: 'legacy' } });
    expect(act).toMatchObject({ status: 500, body: told });
    const log = await follow('/page/log?server=*', 'everything-token');
    await eventually(async () => expect(log.isOver()).toBe(true));
    expect(log.of('end')[0]?.data).toEqual(told);
    expect(logged).toEqual(Array(2).fill('a request of the page failed: cannot read /root/looms of undefined'));
  });
});
