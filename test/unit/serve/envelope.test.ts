import { describe, expect, test } from 'vitest';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { Leg } from '../../../src/serve/leg/leg.ts';
import { createDeclaredHeaders } from '../../../src/serve/messages/declared-headers.ts';
import { contradiction, mirrored, missingOfEnvelope, unknownRevision } from '../../../src/serve/messages/envelope.ts';
import { paramContradiction, paramHeaders } from '../../../src/serve/messages/param-headers.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';

const revision = '2026-07-28';
const request = (method: string, params: object): Message => ({ jsonrpc: '2.0', id: 1, method, params });
const key = (name: string): string => `io.modelcontextprotocol/${name}`;

test.each([
  [{ [key('protocolVersion')]: revision, [key('clientCapabilities')]: {} }, undefined],
  [{ [key('clientCapabilities')]: {} }, `_meta has no ${key('protocolVersion')}`],
  [
    { [key('protocolVersion')]: revision, [key('clientCapabilities')]: 'all' },
    `_meta has no ${key('clientCapabilities')}`,
  ],
  [undefined, `_meta has no ${key('protocolVersion')}`],
])('a request with _meta %j: %s', (_meta, why) => {
  expect(missingOfEnvelope(request('tools/list', { _meta }))).toBe(why);
});

test('a revision that is not known is answered with those that are', () => {
  expect(unknownRevision(1, revision)).toBeUndefined();
  expect(JSON.parse(unknownRevision('a', '2031-01-01') ?? '')).toEqual({
    jsonrpc: '2.0',
    id: 'a',
    error: {
      code: -32022,
      message: 'revision 2031-01-01 is not spoken here',
      data: { supported: [revision], requested: '2031-01-01' },
    },
  });
});

describe('headers beside a body', () => {
  const all = { 'mcp-method': 'tools/call', 'mcp-name': 'add', 'mcp-protocol-version': revision };
  test.each([
    [{}, undefined],
    [{ 'mcp-name': '=?base64?YWRk?=' }, undefined],
    [{ 'mcp-name': '=?base64?YWRk' }, 'the header mcp-name is not what the body says'],
    [{ 'mcp-name': '=?base64?YW!Rk?=' }, 'the header mcp-name is not what the body says'],
    [{ 'mcp-name': 'drop' }, 'the header mcp-name is not what the body says'],
    [{ 'mcp-name': undefined }, 'the header mcp-name is missing'],
    [{ 'mcp-method': 'TOOLS/CALL' }, 'the header mcp-method is not what the body says'],
    [{ 'mcp-method': undefined }, 'the header mcp-method is missing'],
    [{ 'mcp-protocol-version': '2025-11-25' }, 'the header mcp-protocol-version is not what the body says'],
  ])('%j: %s', (change, why) => {
    expect(contradiction(request('tools/call', { name: 'add' }), { ...all, ...change }, revision)).toBe(why);
  });
  test('name what is read, and nothing of what has no name', () => {
    const read = request('resources/read', { uri: 'file:///ä', name: 'other' });
    expect(mirrored(read, revision)).toEqual({
      'mcp-protocol-version': revision,
      'mcp-method': 'resources/read',
      'mcp-name': '=?base64?ZmlsZTovLy/DpA==?=',
    });
    expect(contradiction(read, mirrored(read, revision), revision)).toBeUndefined();
    const list = request('tools/list', {});
    expect(contradiction(list, mirrored(list, revision), revision)).toBeUndefined();
  });
});

describe('arguments that stand in headers too', () => {
  const region = [{ name: 'mcp-param-region', path: ['where', 'region'] }];
  test.each([
    ['eu', 'eu', undefined],
    ['=?base64?ZXU=?=', 'eu', undefined],
    ['=?base64?ZXU?=', 'eu', 'the header mcp-param-region is not what the body says'],
    ['us', 'eu', 'the header mcp-param-region is not what the body says'],
    ['42.0', 42, undefined],
    ['', 0, 'the header mcp-param-region is not what the body says'],
    ['9007199254740993', JSON.rawJSON('9007199254740993'), undefined],
    ['true', true, undefined],
    [undefined, 'eu', 'the header mcp-param-region is missing'],
    ['eu', undefined, undefined],
    ['eu', null, undefined],
  ])('%s beside %j: %s', (given, value, why) => {
    const headers: Record<string, string> = given === undefined ? {} : { 'mcp-param-region': given };
    expect(paramContradiction(region, { where: { region: value } }, headers)).toBe(why);
    const made = paramHeaders(region, { where: { region: value } });
    expect(paramContradiction(region, { where: { region: value } }, made)).toBeUndefined();
  });

  test('are known by what the server lists, which is asked for once where a tool was not seen', async () => {
    const asked: unknown[] = [];
    const schema = {
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, n: { 'x-mcp-header': 'a b' } },
    };
    const pages = [
      { tools: [{ name: 'plain' }], nextCursor: 'next' },
      { tools: [{ name: 'deploy', inputSchema: schema }] },
    ];
    const leg = {
      server: asServerName('fs'),
      ready: async () => ({ container: asContainerId('one'), spec: { mcp: { timeoutSeconds: 5 } } }),
      ask: ({ params }: Message) => {
        asked.push((params as { cursor?: unknown }).cursor);
        return { answer: Promise.resolve({ text: '', message: { result: pages[(asked.length - 1) % 2] } }) };
      },
    } as unknown as Leg;
    const params = createDeclaredHeaders();
    expect(await params.of(leg, 'deploy')).toEqual([{ name: 'mcp-param-region', path: ['region'] }]);
    expect(await params.of(leg, 'plain')).toEqual([]);
    expect(asked).toEqual([undefined, 'next']);
    params.saw(leg.server, asContainerId('two'), [{ name: 'other' }]);
    expect(await params.of(leg, 'plain')).toEqual([]);
    expect(asked).toHaveLength(4);
  });
});
