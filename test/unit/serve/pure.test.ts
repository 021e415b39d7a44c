import { describe, expect, test } from 'vitest';
import { listenAddress } from '../../../src/cli/command-line/listen-address.ts';
import { tokenDigest } from '../../../src/model/secrets/token-digest.ts';
import { joinedName, serverOf } from '../../../src/model/values/joined-names.ts';
import { accessOf, type Door, misdirected } from '../../../src/serve/access/access.ts';
import { createBearers } from '../../../src/serve/access/bearers.ts';
import { filteredTools, whyRefused } from '../../../src/serve/filter.ts';
import { readClientMessage, withId } from '../../../src/serve/messages/message.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';

describe('a message of a client', () => {
  test('keeps its numbers as they were written, and loses what a server could take for something else', () => {
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","method":"x/y","params":{"n":9007199254740993}}';
    expect(JSON.stringify(readClientMessage(text))).toBe(
      '{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"n":9007199254740993}}',
    );
  });
  test.each([
    '',
    '[]',
    '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    '{"jsonrpc":"1.0","id":1,"method":"x"}',
    '{"id":1}',
    '{"jsonrpc":"2.0","id":{},"method":"x"}',
    '{"jsonrpc":"2.0","id":1}',
  ])('%j is none', (text) => expect(readClientMessage(text)).toBeUndefined());
});

describe('another id', () => {
  test.each([
    ['{"jsonrpc":"2.0","id":5,"result":{"id":5}}', '{"jsonrpc":"2.0","result":{"id":5},"id":"a"}'],
    ['{"id":5,"result":{}}', '{"result":{},"id":"a"}'],
    ['{"jsonrpc":"2.0","id":5,"result":{},"id":5}', '{"jsonrpc":"2.0","result":{},"id":5,"id":"a"}'],
    [
      '{"result":{"id":5,"big":1e400},"jsonrpc":"2.0","id":5}',
      '{"result":{"id":5,"big":1e400},"jsonrpc":"2.0","id":"a"}',
    ],
    [
      '{ "jsonrpc": "2.0", "result": {"x":1.0,"id":5}, "id": 5 }',
      '{"jsonrpc":"2.0","result":{"x":1.0,"id":5},"id":"a"}',
    ],
    ['{"jsonrpc":"2.0","id":"$1","result":"$&"}', '{"jsonrpc":"2.0","result":"$&","id":"a"}'],
  ])('%s', (text, expected) => expect(withId(text, 'a')).toBe(expected));
  test('is put at the end of a long text without touching the rest', () => {
    const long = 'x'.repeat(1000);
    expect(withId(`{"result":"${long}","jsonrpc":"2.0","id":5}`, 6)).toBe(
      `{"result":"${long}","jsonrpc":"2.0","id":6}`,
    );
  });
  test('may hold what means something in a replacement', () => {
    expect(withId('{"id":5,"result":{}}', '$&$1')).toBe('{"result":{},"id":"$&$1"}');
  });
});

describe('the filter of tools', () => {
  const filter = { exclude: ['drop'] };
  const call = (params: object): Message => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });

  test('takes tools out of a list, and makes a shared one private', () => {
    const text =
      '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop"},{"name":"read","n":1.0}],"cacheScope":"public"}}';
    expect(filteredTools(filter, text)).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{"cacheScope":"private","tools":[{"name":"read","n":1.0}]}}',
    );
    expect(filteredTools({ exclude: [] }, text)).toBe(text);
  });
  test.each([
    [{ name: 'read' }, undefined],
    [{ name: 'drop' }, 'Unknown tool: drop'],
    [{ name: 'read', Name: 'drop' }, 'tools/call with more than one name'],
    [{}, 'tools/call without the name of a tool'],
  ])('%j: %s', (params, why) => expect(whyRefused(filter, call(params))).toBe(why));
});

describe('who may come in', () => {
  const known = { name: 'ci', sha256: tokenDigest('a'.repeat(64)), scopes: 'all' } as const;
  const tcp: Door = {
    kind: 'tcp',
    host: 'box.lan',
    publicHost: 'mcp.example.com',
    bearers: createBearers(() => [known]),
  };
  const authorization = `Bearer ${'a'.repeat(64)}`;
  const says = async (door: Door, headers: Record<string, string>) => {
    if (misdirected(door, headers) !== undefined) return 403;
    const access = await accessOf(door, headers);
    return access.granted ? access.grant.name : access.status;
  };
  test.each([
    [{ host: '127.0.0.1:7777', authorization }, 'ci'],
    [{ host: 'BOX.lan:7777', authorization }, 'ci'],
    [{ host: '192.168.1.5', authorization }, 'ci'],
    [{ host: 'mcp.example.com', origin: 'https://mcp.example.com', authorization }, 'ci'],
    [{ host: '[::1]:7777', authorization: `bearer  ${'a'.repeat(64)}` }, 'ci'],
    [{ host: 'localhost' }, 401],
    [{ host: 'localhost', authorization: 'Bearer b' }, 401],
    [{ host: 'localhost', authorization: `Basic ${'a'.repeat(64)}` }, 401],
    [{ host: 'evil.example', authorization }, 403],
    [{ authorization }, 403],
    [{ host: 'localhost', origin: 'http://localhost:5173', authorization }, 'ci'],
    [{ host: 'box.lan', origin: 'http://box.lan', authorization }, 'ci'],
    [{ host: 'localhost', origin: 'http://evil.example', authorization }, 403],
    [{ host: 'localhost', origin: 'http://localhost.evil.example', authorization }, 403],
    [{ host: 'localhost', origin: 'null', authorization }, 403],
    [{ host: 'localhost', origin: 'file://localhost', authorization }, 403],
  ])('on TCP %j: %s', async (headers, expected) => expect(await says(tcp, headers)).toBe(expected));
  test('the socket asks for no token, and lets no foreign page in either', async () => {
    expect(await says({ kind: 'socket' }, { host: 'anything' })).toBe('local');
    expect(await says({ kind: 'socket' }, { host: 'evil.example', origin: 'http://evil.example' })).toBe(403);
  });
});

describe('names among all servers', () => {
  test('are server__name, of characters that all clients take, of a length that all take, and never the same twice', () => {
    expect(joinedName('fs', 'read_file')).toBe('fs__read_file');
    expect(serverOf('my-fs__read__x')).toBe('my-fs');
    expect(serverOf('read')).toBeUndefined();
    const odd = ['a.b', 'a_b', 'a b', 'a/b', `${'x'.repeat(80)}1`, `${'x'.repeat(80)}2`].map((name) =>
      joinedName('fs', name),
    );
    expect(new Set(odd).size).toBe(odd.length);
    for (const name of odd) expect(name).toMatch(/^fs__[a-zA-Z0-9_-]{1,41}$/);
  });
});

test('--listen takes a host and a port', () => {
  expect(listenAddress('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 });
  expect(listenAddress('[::1]:7777')).toEqual({ host: '::1', port: 7777 });
  for (const wrong of ['7777', ':7777', 'localhost', 'localhost:70000', '::1:7777']) {
    expect(() => listenAddress(wrong)).toThrow(/--listen takes HOST:PORT/);
  }
});
