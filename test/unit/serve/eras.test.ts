import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { fixture } from '../mcp/local-engine.ts';
import { type Era, type LocalGateway, localGateway, localUpstreams, modern, rawClient } from './local-gateway.ts';

// Both eras of the protocol on both sides of the gateway, with clients and servers of the SDKs; servers run on this machine.

const calls: string[] = [];
let running: LocalGateway;
const open: Client[] = [];
beforeAll(async () => {
  running = await localGateway(localUpstreams(calls));
});
afterEach(async () => {
  await Promise.allSettled(open.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await running.gateway.close();
});

const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
const connect = async (era: Era, path: string, can: object = capabilities): Promise<Client> => {
  const mode = era === 'modern' ? { pin: modern } : 'legacy';
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode }, capabilities: can });
  const questions = ['red', 'blue'];
  if ('elicitation' in can) {
    client.setRequestHandler('elicitation/create', async ({ params }) => ({
      action: 'accept',
      content: { colour: `${params.message} ${questions.shift()}` },
    }));
  }
  if ('sampling' in can) {
    client.setRequestHandler('sampling/createMessage', async () => ({
      model: 'm',
      role: 'assistant',
      content: { type: 'text', text: 'fine' },
    }));
  }
  if ('roots' in can) client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///srv' }] }));
  await client.connect(new StreamableHTTPClientTransport(new URL(`${running.url}${path}`)));
  open.push(client);
  return client;
};
const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

const sides: readonly (readonly [Era, Era, 'one' | 'all'])[] = (['legacy', 'modern'] as const).flatMap((client) =>
  (['legacy', 'modern'] as const).flatMap((server) =>
    (['one', 'all'] as const).map((face) => [client, server, face] as const),
  ),
);

describe.each(sides)('a %s client of a %s server, %s at its address', (clientEra, serverEra, face) => {
  const path = face === 'one' ? `/mcp/${serverEra}` : '/mcp';
  const own = (name: string): string => (face === 'one' ? name : `${serverEra}__${name}`);
  const client = () => connect(clientEra, path);

  test('lists and calls tools', async () => {
    const one = await client();
    expect(one.getProtocolEra()).toBe(clientEra);
    const { tools } = await one.listTools();
    expect(tools.map(({ name }) => name)).toContain(own('add'));
    expect(textOf(await one.callTool({ name: own('add'), arguments: { a: 2, b: 3 } }))).toBe('5');
    expect(calls).toContain('local add');
    const sums = await Promise.all([1, 2, 3].map((a) => one.callTool({ name: own('add'), arguments: { a, b: a } })));
    expect(sums.map(textOf)).toEqual(['2', '4', '6']);
  });

  test('is told of progress, in order and before the answer', async () => {
    const one = await client();
    const seen: number[] = [];
    const result = await one.callTool(
      { name: own('steps'), arguments: { to: 4 } },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect({ seen, text: textOf(result) }).toEqual({ seen: [1, 2, 3, 4], text: 'took 4' });
  });

  test('cancels a call', async () => {
    const one = await client();
    const count = async () => Number(textOf(await one.callTool({ name: own('cancelled'), arguments: {} })));
    const before = await count();
    const stop = new AbortController();
    const calling = one.callTool({ name: own('wait'), arguments: {} }, { signal: stop.signal });
    calling.catch(() => {});
    await one.callTool({ name: own('add'), arguments: { a: 1, b: 1 } });
    stop.abort('enough');
    await expect(calling).rejects.toThrow();
    await eventually(async () => expect(await count()).toBe(before + 1));
  });

  test('is asked for a form, twice in one call', async () => {
    const one = await client();
    expect(JSON.parse(textOf(await one.callTool({ name: own('ask'), arguments: {} })))).toEqual([
      { action: 'accept', content: { colour: 'Which one? red' } },
      { action: 'accept', content: { colour: 'And then? blue' } },
    ]);
  });

  test('is asked for a model and for its roots', async () => {
    const one = await client();
    expect(JSON.parse(textOf(await one.callTool({ name: own('think'), arguments: {} })))).toEqual({
      type: 'text',
      text: 'fine',
    });
    expect(JSON.parse(textOf(await one.callTool({ name: own('where'), arguments: {} })))).toEqual([
      { uri: 'file:///srv' },
    ]);
  });

  test('hears of a log what it asked for', async () => {
    const one = await client();
    const heard: unknown[] = [];
    one.setNotificationHandler('notifications/message', ({ params }) => void heard.push(params.data));
    if (clientEra === 'legacy') await one.setLoggingLevel('warning');
    const meta = clientEra === 'legacy' ? {} : { _meta: { 'io.modelcontextprotocol/logLevel': 'warning' } };
    await one.callTool({ name: own('loud'), arguments: {}, ...meta });
    await eventually(() => expect(heard).toEqual(['shout']));
  });

  test('completes, reads, gets, and is told what is not known', async () => {
    const one = await client();
    const ref = { type: 'ref/prompt' as const, name: own('greet') };
    expect((await one.complete({ ref, argument: { name: 'name', value: 'A' } })).completion.values).toEqual([
      'Ada',
      'Alan',
    ]);
    const byUri = { type: 'ref/resource' as const, uri: `${serverEra}://{name}` };
    expect((await one.complete({ ref: byUri, argument: { name: 'name', value: '' } })).completion.values).toEqual([
      'one',
      'two',
    ]);
    expect((await one.readResource({ uri: `${serverEra}://three` })).contents).toMatchObject([{ text: 'about three' }]);
    expect((await one.listResources()).resources.map(({ uri }) => uri)).toContain(`${serverEra}://one`);
    expect((await one.readResource({ uri: `${serverEra}://one` })).contents).toMatchObject([{ text: 'the first' }]);
    expect((await one.listPrompts()).prompts.map(({ name }) => name)).toContain(own('greet'));
    const { messages } = await one.getPrompt({ name: own('greet'), arguments: { name: 'Ada' } });
    expect(messages).toMatchObject([{ content: { text: 'hello Ada' } }]);
    const nothing = one.callTool({ name: own('nothing'), arguments: {} });
    if (serverEra === 'modern') await expect(nothing).rejects.toMatchObject({ code: -32602 });
    else expect(await nothing).toMatchObject({ isError: true });
  });

  test('passes on what stands in _meta, both ways', async () => {
    const one = await client();
    const _meta = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'example.com/x': { n: 1 } };
    const result = await one.callTool({ name: own('meta'), arguments: {}, _meta });
    expect(JSON.parse(textOf(result))).toMatchObject(_meta);
    expect(JSON.parse(textOf(result))).not.toHaveProperty(['io.modelcontextprotocol/clientInfo']);
    expect(result._meta).toMatchObject({ 'example.com/back': 'yes' });
  });

  test('hears of changes that it subscribed to', async () => {
    const one = await client();
    const updated: string[] = [];
    const changes: unknown[] = [];
    one.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
    one.setNotificationHandler('notifications/tools/list_changed', (told) => void changes.push(told));
    await one.listResources();
    if (clientEra === 'legacy') await one.subscribeResource({ uri: `${serverEra}://one` });
    else await one.listen({ toolsListChanged: true, resourceSubscriptions: [`${serverEra}://one`] });
    await eventually(async () => {
      await one.callTool({ name: own('touch'), arguments: {} });
      expect(updated[0]).toBe(`${serverEra}://one`);
      expect(changes).not.toEqual([]);
    });
  });

  test('keeps numbers as they were written', async () => {
    const name = `exact-${serverEra}`;
    const numbers = face === 'one' ? `/mcp/${name}` : '/mcp';
    const raw = rawClient(clientEra, () => `${running.url}${numbers}`);
    await raw.begin();
    const tool = face === 'one' ? 'tell' : `${name}__tell`;
    const { text } = await raw.ask(
      'tools/call',
      `{"name":"${tool}","arguments":{"id":9007199254740993,"big":1e400,"one":1.0}}`,
    );
    expect(text).toContain(
      '"structuredContent":{"id":9007199254740993,"big":1e400,"small":0.1000000000000000055,"zero":-0,"one":1.0',
    );
    expect(JSON.parse(text).result.content[0].text).toContain(
      '"arguments":{"id":9007199254740993,"big":1e400,"one":1.0}',
    );
  });

  test('passes on a method that only the two of them know; among all servers it is nobody’s', async () => {
    const raw = rawClient(clientEra, () => `${running.url}${path}`);
    await raw.begin();
    const { status, text } = await raw.ask('x/echo', '{"n":[1]}');
    const { result, error } = JSON.parse(text);
    expect({ said: result?.said, code: error?.code }).toEqual(face === 'one' ? { said: { n: [1] } } : { code: -32601 });
    expect(status).toBe(face === 'all' && clientEra === 'modern' ? 404 : 200);
  });

  // A server of the newer revisions asks nothing but with an answer.
  if (serverEra === 'legacy') {
    test('is asked by a method that only the two of them know, where it has a session', async () => {
      const one = await client();
      one.fallbackRequestHandler = async ({ method, params }) => ({ heard: method, from: params?.from });
      const result = await one.callTool({ name: own('askback'), arguments: {} });
      if (clientEra === 'legacy') expect(JSON.parse(textOf(result))).toEqual({ heard: 'x/echo', from: 'server' });
      else expect(textOf(result)).toContain('the client does not answer x/echo');
    });
  }

  test('is refused a method that nobody knows', async () => {
    const raw = rawClient(clientEra, () => `${running.url}${path}`);
    await raw.begin();
    const { status, text } = await raw.ask('no/such', '{}');
    expect({ status, code: JSON.parse(text).error.code }).toEqual({
      status: clientEra === 'modern' ? 404 : 200,
      code: -32601,
    });
  });
});

test.each(['--silent', '--exit-on-unknown'])(
  'a server that does not take a revision it does not know (%s) is reached, and not asked for it with each request',
  async (flag) => {
    const argv = [process.execPath, fixture('plain.mjs'), flag];
    const odd = new Map([['odd', { argv, mcp: { protocol: 'auto' as const, timeoutSeconds: 6 } }]]);
    const one = await localGateway(localUpstreams([], odd));
    const client = rawClient('modern', () => `${one.url}/mcp/odd`);
    const call = async () => {
      const started = performance.now();
      const { text } = await client.ask('tools/list', '{}');
      return { ms: performance.now() - started, result: JSON.parse(text).result };
    };
    const first = await call();
    expect(first.result).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
    // Asking it takes a third of what it has for a handshake: two seconds.
    expect((await call()).ms).toBeLessThan(first.ms / 2);
    await one.gateway.close();
  },
);

test('a server that asks all it can at once is answered, what the client cannot do is refused', async () => {
  const argv = [process.execPath, fixture('plain.mjs'), '--asks'];
  const one = await localGateway(localUpstreams([], new Map([['asks', { argv, mcp: {} }]])));
  const client = new Client(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: { pin: modern } }, capabilities: { elicitation: {}, roots: {} } },
  );
  client.setRequestHandler('elicitation/create', async () => ({ action: 'decline' }));
  client.setRequestHandler('roots/list', async () => ({ roots: [] }));
  await client.connect(new StreamableHTTPClientTransport(new URL(`${one.url}/mcp/asks`)));
  expect(JSON.parse(textOf(await client.callTool({ name: 'read_file', arguments: {} })))).toEqual({
    'sampling/createMessage': -32601,
    'elicitation/create': 'answered',
    'roots/list': 'answered',
    ping: 'answered',
  });
  await client.close();
  await one.gateway.close();
});
