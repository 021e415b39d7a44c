import { describe, expect, test } from 'vitest';
import { createGuards, ownGrant } from '../../../src/serve/access/guard.ts';
import { createLeg } from '../../../src/serve/leg/leg.ts';
import { createDeclaredHeaders } from '../../../src/serve/messages/declared-headers.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import { fakeChannel, fs, specWith, upstreamsWith } from './fake-servers.ts';

// What a server cannot make the gateway do or hold, however it answers.

type Answer = (message: Message) => object | undefined;
const legTo = (answer: Answer, timeoutSeconds = 60) => {
  const channel = fakeChannel(answer);
  let lastId = 0;
  const hooks = { nextId: () => ++lastId, onNotification: () => {}, onRequest: () => {} };
  const spec = specWith({ timeoutSeconds, protocol: '2026-07-28' });
  return { channel, leg: createLeg(fs, upstreamsWith(spec, channel), hooks) };
};
const call: Message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x', arguments: {} } };
const page = (tools: readonly object[], nextCursor?: string) => ({ result: { tools, nextCursor } });
let pages = 0;
const answers: Readonly<Record<string, Answer>> = {
  'says nothing': () => undefined,
  'pages without end': () => page([], `${++pages}`),
  'fills each page': () => page([{ name: 'a', description: 'x'.repeat(1024 * 1024) }], `${++pages}`),
};
const why: Readonly<Record<string, string>> = {
  'says nothing': 'fs did not answer tools/list in time',
  'pages without end': 'fs sends tools/list in more than 100 pages',
  'fills each page': 'fs sends more than 16 MiB for tools/list',
};

describe.each(Object.entries(answers))('a server that %s, asked for its tools before a call', (name, answer) => {
  // The time is over only where nothing else ends it: a busy machine takes as long for sixteen pages.
  const leg = () => legTo(answer, name === 'says nothing' ? 0.1 : 60).leg;
  test('for what a rule wants to know of them, costs that call', async () => {
    const judge = { needsAnnotations: true, refusal: () => undefined };
    const guard = createGuards({ judge })(ownGrant);
    await expect(guard.admit(leg(), call)).rejects.toThrow(why[name]);
  });

  test('for the headers of the call, costs that call', async () => {
    await expect(createDeclaredHeaders().of(leg(), 'x')).rejects.toThrow(why[name]);
  });
});

test('what a server wants in headers is kept of its last tools, and none of a size that no header has', async () => {
  const { channel, leg } = legTo(() => page([]));
  const { container } = await leg.ready();
  const headers = createDeclaredHeaders();
  const tool = (name: string, header: string) => ({
    name,
    inputSchema: { type: 'object', properties: { a: { type: 'string', 'x-mcp-header': header } } },
  });
  for (let round = 0; round < 30; round += 1) {
    headers.saw(
      fs,
      container,
      Array.from({ length: 100 }, (_, at) => tool(`t${round}-${at}`, 'A')),
    );
  }
  headers.saw(fs, container, [tool('long', 'a'.repeat(10_000))]);
  const asked = () => channel.sent.length;
  expect(await headers.of(leg, 't29-99')).toEqual([{ name: 'mcp-param-a', path: ['a'] }]);
  expect(asked()).toBe(0);
  expect(await headers.of(leg, 't0-0')).toEqual([]);
  expect(asked()).toBe(1);
  expect(await headers.of(leg, 'long')).toEqual([]);
});
