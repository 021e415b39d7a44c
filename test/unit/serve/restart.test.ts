import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, test } from 'vitest';
import { asServerName } from '../../../src/model/ids.ts';
import { openGuard } from '../../../src/serve/access/guard.ts';
import { oneServer } from '../../../src/serve/face.ts';
import { createSeal, maxAgeMs } from '../../../src/serve/sessions/seal.ts';
import { createSessions, type SessionNotes } from '../../../src/serve/sessions/sessions.ts';
import { sessionNotes } from '../../../src/state/session-notes.ts';
import { key, type LocalGateway, localGateway, localUpstreams, rawClient } from './local-gateway.ts';

const dayMs = 24 * 60 * 60_000;
/** What is noted, as long as the test. */
function inMemory(): SessionNotes {
  const notes = new Map<string, string>();
  return { of: (id) => notes.get(id), write: (id, text) => void notes.set(id, text) };
}
const textOf = (text: string): string => JSON.parse(text).result.content[0].text;

describe('a gateway that is started anew', () => {
  const running: LocalGateway[] = [];
  const start = async (seal = createSeal(key, 'p'), notes?: SessionNotes): Promise<LocalGateway> => {
    const one = await localGateway(localUpstreams(), seal, notes);
    running.push(one);
    return one;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map(({ gateway }) => gateway.close()));
  };
  afterEach(stop);
  const call = '{"name":"NAME","arguments":{"a":1,"b":2}}';
  const begun = async (path: string) => {
    const client = rawClient('legacy', () => `${running[0]?.url}${path}`);
    await start();
    await client.begin();
    return client;
  };

  test.each([
    ['/mcp/legacy', 'add'],
    ['/mcp/modern', 'add'],
    ['/mcp', 'legacy__add'],
  ])('goes on with the sessions of the one before it at %s, whatever comes first and at once', async (path, name) => {
    const client = await begun(path);
    await stop();
    await start();
    const both = [1, 2].map(() => client.ask('tools/call', call.replace('NAME', name)));
    for (const { status, text } of await Promise.all(both)) {
      expect({ status, text: textOf(text) }).toEqual({ status: 200, text: '3' });
    }
    expect(running[0]?.gateway.sessions()).toBe(1);
  });

  test('tells the client that the tools may have changed meanwhile', async () => {
    const client = await begun('/mcp/legacy');
    await stop();
    await start();
    const response = await fetch(`${running[0]?.url}/mcp/legacy`, { headers: { 'mcp-session-id': client.session() } });
    const reader = response.body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    expect(new TextDecoder().decode(value)).toContain('notifications/tools/list_changed');
    await reader?.cancel();
  });

  test.each([
    ['/mcp/legacy', ''],
    ['/mcp', 'legacy__'],
  ])('goes on at %s with how much is logged, and with what was subscribed to', async (path, own) => {
    const file = join(mkdtempSync(join(tmpdir(), 'looms-notes-')), 'p.sessions');
    const again = async () => {
      await stop();
      await start(createSeal(key, 'p'), sessionNotes(file, { keepMs: maxAgeMs, onFault: expect.fail }));
    };
    await again();
    const client = rawClient('legacy', () => `${running[0]?.url}${path}`);
    await client.begin();
    /** All that comes with the answer of a tool. */
    const heard = async (tool: string): Promise<string> => {
      const response = await fetch(`${running[0]?.url}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-session-id': client.session(),
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: randomUUID(),
          method: 'tools/call',
          params: { name: `${own}${tool}`, arguments: {} },
        }),
      });
      return response.text();
    };
    await client.ask('tools/list', '{}');
    await client.ask('resources/list', '{}');
    const granted = [
      await client.ask('logging/setLevel', '{"level":"warning"}'),
      await client.ask('resources/subscribe', '{"uri":"legacy://one"}'),
    ];
    expect(granted.map(({ text }) => JSON.parse(text).error)).toEqual([undefined, undefined]);
    await again();
    expect(await heard('touch')).toContain('notifications/resources/updated');
    const loud = await heard('loud');
    expect({ shout: loud.includes('shout'), whisper: loud.includes('whisper') }).toEqual({
      shout: true,
      whisper: false,
    });
    await client.ask('resources/unsubscribe', '{"uri":"legacy://one"}');
    await again();
    expect(await heard('touch')).not.toContain('notifications/resources/updated');
    expect(readFileSync(file, 'utf8')).not.toMatch(/legacy|warning/);
  });

  test('takes no id that was changed, is of another project or key, is too old, or that its client has ended', async () => {
    const client = await begun('/mcp/legacy');
    const list = async () => (await client.ask('tools/list', '{}')).status;
    const id = client.session();
    await stop();
    const middle = Math.floor(id.length / 2);
    client.use(`${id.slice(0, middle)}${id[middle] === 'A' ? 'B' : 'A'}${id.slice(middle + 1)}`);
    await start();
    expect(await list()).toBe(404);
    client.use(id);
    for (const seal of [
      createSeal(key, 'another'),
      createSeal(Buffer.alloc(32, 8), 'p'),
      createSeal(key, 'p', () => Date.now() + 8 * dayMs),
    ]) {
      await stop();
      await start(seal);
      expect(await list()).toBe(404);
    }
    await stop();
    await start(createSeal(key, 'p'), inMemory());
    expect(await list()).toBe(200);
    const ended = await fetch(`${running[0]?.url}/mcp/legacy`, { method: 'DELETE', headers: { 'mcp-session-id': id } });
    expect({ ended: ended.status, after: await list() }).toEqual({ ended: 204, after: 404 });
  });

  test('does not begin again what its client has ended in one before it, and goes on with the rest', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'looms-ended-')), 'p.ended');
    const again = () => start(createSeal(key, 'p'), sessionNotes(file, { keepMs: maxAgeMs, onFault: expect.fail }));
    await again();
    const clients = await Promise.all(
      [1, 2].map(async () => {
        const client = rawClient('legacy', () => `${running[0]?.url}/mcp/legacy`);
        await client.begin();
        return client;
      }),
    );
    const [gone, stays] = clients.map((client) => client.session());
    const url = `${running[0]?.url}/mcp/legacy`;
    const deleted = await fetch(url, { method: 'DELETE', headers: { 'mcp-session-id': gone ?? '' } });
    expect(deleted.status).toBe(204);
    for (let turn = 0; turn < 2; turn += 1) {
      await stop();
      await again();
      const statuses = await Promise.all(clients.map(async (client) => (await client.ask('tools/list', '{}')).status));
      expect(statuses).toEqual([404, 200]);
    }
    expect(readFileSync(file, 'utf8')).not.toContain(gone);
    expect(stays).not.toBe(gone);
  });

  test('ends a session of the one before it without beginning it again, for its principal at its own address', async () => {
    let opened = 0;
    const plain = localUpstreams();
    const upstreams: typeof plain = {
      ...plain,
      open: (server) => {
        opened += 1;
        return plain.open(server);
      },
    };
    const notes = inMemory();
    const again = async (): Promise<void> => {
      await stop();
      running.push(await localGateway(upstreams, createSeal(key, 'p'), notes));
    };
    await again();
    const client = rawClient('legacy', () => `${running[0]?.url}/mcp/legacy`);
    await client.begin();
    await again();
    const end = async (path: string, id = client.session()): Promise<number> => {
      const headers = { 'mcp-session-id': id };
      return (await fetch(`${running[0]?.url}${path}`, { method: 'DELETE', headers })).status;
    };
    const statuses = [await end('/mcp/modern'), await end('/mcp/legacy', 'AAAA'), await end('/mcp/legacy')];
    expect([...statuses, await end('/mcp/legacy')]).toEqual([404, 404, 204, 404]);
    await again();
    expect((await client.ask('tools/list', '{}')).status).toBe(404);
    expect(opened).toBe(1);
  });

  test('gives a session to nobody but its principal, at its own address', async () => {
    const upstreams = localUpstreams();
    const bounds = { idleMs: 60_000, most: 4, mostEach: 4 };
    const place = (principal: string, path = '/mcp/legacy') => ({
      principal,
      guard: { ...openGuard, key: principal },
      path,
      faceOf: (heard: Parameters<typeof oneServer>[2]) => oneServer(asServerName('legacy'), upstreams, heard),
    });
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
    const handshake = { jsonrpc: '2.0', id: 1, method: 'initialize', params } as const;
    const id = createSessions(upstreams, bounds, createSeal(key, 'p')).open(place('ann'), handshake)?.id ?? '';
    const next = createSessions(upstreams, bounds, createSeal(key, 'p'));
    expect(await next.findOrBegin(id, place('bob'))).toBeUndefined();
    expect(await next.findOrBegin(id, place('ann', '/mcp/modern'))).toBeUndefined();
    expect(await next.findAndEnd(id, place('bob'))).toBe(false);
    const found = await next.findOrBegin(id, place('ann'));
    expect(found?.principal).toBe('ann');
    expect(await next.findOrBegin(id, place('bob'))).toBeUndefined();
    await Promise.all(next.all().map(next.end));
  });

  test('refuses the state of a call that was parked in the one before it: it may have run', async () => {
    const client = rawClient('modern', () => `${running[0]?.url}/mcp/legacy`);
    await start();
    const { text } = await client.ask('tools/call', '{"name":"ask","arguments":{}}');
    const { resultType, requestState, inputRequests } = JSON.parse(text).result;
    expect(resultType).toBe('input_required');
    const [asked] = Object.keys(inputRequests);
    const answers = JSON.stringify({ [String(asked)]: { action: 'decline' } });
    const again = (name: string, state: string) =>
      client.ask(
        'tools/call',
        `{"name":"${name}","arguments":{},"inputResponses":${answers},"requestState":"${state}"}`,
      );
    const why = async (name: string, state: string) => JSON.parse((await again(name, state)).text).error.message;
    expect(await why('ask', 'AAAA')).toContain('none that was given here');
    expect(await why('add', requestState)).toContain('another request');
    expect(JSON.parse((await again('ask', requestState)).text).result.resultType).toBe('input_required');
    await stop();
    await start();
    expect(await why('ask', requestState)).toContain('may have run');
  });
});

describe('a client that lost the stream of an answer', () => {
  let running: LocalGateway;
  const seal = createSeal(key, 'p');
  const begin = async (port?: number) => {
    running = await localGateway(localUpstreams(), seal, inMemory(), port);
  };
  afterEach(() => running.gateway.close());
  const connected = async () => {
    const client = rawClient('legacy', () => `${running.url}/mcp/legacy`);
    await client.begin();
    return client;
  };
  const headersOf = (session: string, more: Readonly<Record<string, string>>) => ({
    'content-type': 'application/json',
    'mcp-session-id': session,
    ...more,
  });
  /** Asks for a tool whose stream begins at once, and gives up the connection; what the stream is called. */
  const lost = async (session: string, id: number): Promise<string> => {
    const leaving = new AbortController();
    const response = await fetch(`${running.url}/mcp/legacy`, {
      method: 'POST',
      headers: headersOf(session, { accept: 'text/event-stream, application/json' }),
      body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'wait', arguments: {} } }),
      signal: leaving.signal,
    });
    const reader = response.body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    leaving.abort();
    const [, name = ''] = /^id: (\S+)\ndata: \n\n/.exec(new TextDecoder().decode(value)) ?? [];
    expect(name).not.toBe('');
    return name;
  };
  const backWith = (session: string, name: string, signal?: AbortSignal) =>
    fetch(`${running.url}/mcp/legacy`, {
      headers: headersOf(session, { 'last-event-id': name }),
      ...(signal === undefined ? {} : { signal }),
    });
  const cancel = (session: string, requestId: number) =>
    fetch(`${running.url}/mcp/legacy`, {
      method: 'POST',
      headers: headersOf(session, { accept: 'application/json, text/event-stream' }),
      body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }),
    });

  test('is given the rest where it is under way, and told that it may have run after a restart', async () => {
    await begin();
    const client = await connected();
    const session = client.session();
    const name = await lost(session, 41);
    const again = await backWith(session, name);
    await cancel(session, 41);
    // A request that its client cancelled is answered by nobody: its stream ends.
    expect(await again.text()).toMatch(/^id: \S+\ndata: \n\n$/);
    expect(await (await backWith(session, name)).text()).toContain('"id":41');

    const next = await lost(session, 42);
    await running.gateway.close();
    await begin();
    const text = await (await backWith(session, next)).text();
    expect(text).toContain('"id":42');
    expect(text).toContain('may have been done');
  });

  test('is told of no request of another session', async () => {
    await begin();
    const [one, other] = [await connected(), await connected()];
    const name = await lost(one.session(), 43);
    const leaving = new AbortController();
    const response = await backWith(other.session(), name, leaving.signal);
    expect(response.status).toBe(200);
    // Its own stream, on which nothing is told; the request of the other session goes on.
    await cancel(one.session(), 43);
    leaving.abort();
    expect(await (await backWith(one.session(), name)).text()).toContain('"id":43');
  });

  test('that is the SDK comes back by itself', async () => {
    await begin();
    const { port } = new URL(running.url);
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'legacy' } });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${running.url}/mcp/legacy`)));
    const { promise: hasBegun, resolve: onprogress } = Promise.withResolvers<unknown>();
    const called = client.callTool({ name: 'wait', arguments: {} }, { timeout: 50_000, onprogress });
    const failed = expect(called).rejects.toThrow('may have been done');
    await hasBegun;
    // As when it is killed: what is under way is answered nothing.
    running.http.closeAllConnections();
    await running.gateway.close();
    await begin(Number(port));
    await failed;
    await client.close();
  }, 60_000);
});
