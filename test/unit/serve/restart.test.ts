import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { asServerName } from '../../../src/model/ids.ts';
import { openGuard } from '../../../src/serve/access/guard.ts';
import { oneServer } from '../../../src/serve/face.ts';
import { createSeal, maxAgeMs } from '../../../src/serve/sessions/seal.ts';
import { createSessions, type Ended } from '../../../src/serve/sessions/sessions.ts';
import { endedSessions } from '../../../src/state/ended-sessions.ts';
import { key, type LocalGateway, localGateway, localUpstreams, rawClient } from './local-gateway.ts';

const dayMs = 24 * 60 * 60_000;
const textOf = (text: string): string => JSON.parse(text).result.content[0].text;

describe('a gateway that is started anew', () => {
  const running: LocalGateway[] = [];
  const start = async (seal = createSeal(key, 'p'), ended?: Ended): Promise<LocalGateway> => {
    const one = await localGateway(localUpstreams(), seal, ended);
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
    await start(createSeal(key, 'p'), new Set<string>());
    expect(await list()).toBe(200);
    const ended = await fetch(`${running[0]?.url}/mcp/legacy`, { method: 'DELETE', headers: { 'mcp-session-id': id } });
    expect({ ended: ended.status, after: await list() }).toEqual({ ended: 204, after: 404 });
  });

  test('does not begin again what its client has ended in one before it, and goes on with the rest', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'looms-ended-')), 'p.ended');
    const again = () => start(createSeal(key, 'p'), endedSessions(file, { keepMs: maxAgeMs, onFault: expect.fail }));
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
