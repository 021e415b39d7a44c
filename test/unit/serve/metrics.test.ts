import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { createMetrics } from '../../../src/serve/metrics.ts';
import { parsed } from '../../support/prometheus.ts';
import { type LocalGateway, localGateway, localUpstreams, rawClient } from './local-gateway.ts';

const duration = 'mcp_server_operation_duration_seconds';

describe('what is counted', () => {
  const now = { version: '1.2.3', sessions: 3, engineUp: true };
  const fs = asServerName('fs');
  const answered = (answer: object) => ({ kind: 'answered' as const, answer: { jsonrpc: '2.0', id: 1, ...answer } });
  const call = (name: string) => ({ method: 'tools/call', params: { name } });

  test('is text that a strict reader takes, from the first scrape on', () => {
    const families = parsed(createMetrics().text({ ...now, engineUp: false }));
    expect([...families.keys()]).toEqual([
      'looms_build_info',
      'looms_engine_up',
      'looms_sessions',
      'looms_session_opens_total',
      duration,
    ]);
    expect(families.get('looms_build_info')?.samples).toEqual([
      { name: 'looms_build_info', labels: { version: '1.2.3' }, value: 1 },
    ]);
    expect(families.get('looms_engine_up')?.samples[0]?.value).toBe(0);
    expect(families.get('looms_sessions')?.samples[0]?.value).toBe(3);
  });

  test('names tools that a server lists, and nothing else that a client or a server says', () => {
    const metrics = createMetrics();
    const operation = { server: fs, seconds: 0.03 };
    // Each label is told some twenty times, at every scrape.
    const long = 'x'.repeat(129);
    metrics.ended({ ...operation, message: call('read'), end: answered({ result: {} }) });
    metrics.listed(fs, { result: { tools: [{ name: 'read' }, { name: 'a"b\\c\nd' }, { name: long }] } });
    metrics.listed(fs, { error: { code: -32603 } });
    metrics.ended({ ...operation, message: { method: 'tools/list' }, end: answered({ result: {} }) });
    metrics.ended({ ...operation, message: call('read'), end: answered({ result: { isError: true } }) });
    metrics.ended({ ...operation, message: call('a"b\\c\nd'), end: answered({ error: { code: -32603 } }) });
    metrics.ended({ ...operation, message: call(long), end: { kind: 'failed', code: 'call-timeout' } });
    metrics.ended({ ...operation, message: call('made-up'), end: { kind: 'failed', code: 'call-timeout' } });
    metrics.ended({ ...operation, message: { method: 'x/made-up' }, end: answered({ result: {} }) });
    const { samples = [] } = parsed(metrics.text(now)).get(duration) ?? {};
    expect(samples.filter(({ name }) => name.endsWith('_count')).map(({ labels }) => labels)).toEqual([
      { server: 'fs', mcp_method_name: 'tools/call', gen_ai_tool_name: '_other' },
      { server: 'fs', mcp_method_name: 'tools/list' },
      { server: 'fs', mcp_method_name: 'tools/call', gen_ai_tool_name: 'read', error_type: 'tool_error' },
      { server: 'fs', mcp_method_name: 'tools/call', gen_ai_tool_name: 'a"b\\c\nd', error_type: 'json-rpc-error' },
      { server: 'fs', mcp_method_name: 'tools/call', gen_ai_tool_name: '_other', error_type: 'call-timeout' },
      { server: 'fs', mcp_method_name: '_other' },
    ]);
  });

  test('buckets hold all that is not above them, up to the count', () => {
    const metrics = createMetrics();
    for (const seconds of [0.001, 0.01, 0.04, 7, 1000]) {
      metrics.ended({ server: fs, seconds, message: { method: 'ping' }, end: answered({ result: {} }) });
    }
    const { samples = [] } = parsed(metrics.text(now)).get(duration) ?? {};
    const of = (le: string) => samples.find(({ labels }) => labels.le === le)?.value;
    expect(['0.01', '0.02', '0.05', '5', '10', '300', '+Inf'].map(of)).toEqual([2, 2, 3, 3, 4, 4, 5]);
    expect(samples.at(-1)).toMatchObject({ name: `${duration}_count`, value: 5 });
    expect(samples.at(-2)?.value).toBeCloseTo(1007.051);
  });

  test('a thousand names of tools that nobody lists are one', () => {
    const metrics = createMetrics();
    for (let index = 0; index < 1_000; index += 1) {
      metrics.ended({ server: fs, seconds: 1, message: call(`t${index}`), end: answered({ result: {} }) });
    }
    expect(metrics.text(now).length).toBeLessThan(4_000);
  });
});

describe('at the gateway', () => {
  let local: LocalGateway;
  let isUp = true;
  beforeAll(async () => {
    const plain = localUpstreams();
    local = await localGateway({
      ...plain,
      engineAnswers: async () => isUp,
      open: async (server) => {
        if (server === 'gone') throw new LoomsError('server-not-running', 'gone is stopped');
        return plain.open(server);
      },
    });
  });
  afterAll(() => local.gateway.close());
  const get = async (path: string) => {
    const response = await fetch(`${local.url}${path}`);
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };

  test('/metrics has sessions, openings by what came of them, and operations', async () => {
    const client = rawClient('legacy', () => `${local.url}/mcp/exact-legacy`);
    await client.begin();
    await client.ask('tools/list', '{}');
    await client.ask('tools/call', '{"name":"nothing-of-this-name"}');
    await rawClient('legacy', () => `${local.url}/mcp/gone`).begin();
    const { status, type, text } = await get('/metrics');
    expect({ status, type }).toEqual({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    const families = parsed(text);
    expect(families.get('looms_sessions')?.samples[0]?.value).toBe(1);
    expect(families.get('looms_session_opens_total')?.samples).toEqual(
      expect.arrayContaining([
        { name: 'looms_session_opens_total', labels: { result: 'ok' }, value: 1 },
        { name: 'looms_session_opens_total', labels: { result: 'server-not-running' }, value: 1 },
      ]),
    );
    const methods = families.get(duration)?.samples.map(({ labels }) => labels.mcp_method_name);
    expect(new Set(methods)).toEqual(new Set(['tools/list', 'tools/call']));
  });

  test('/readyz says whether the engine answers', async () => {
    expect(await get('/readyz')).toMatchObject({ status: 200, text: '{"ready":true}' });
    isUp = false;
    expect(await get('/readyz')).toMatchObject({ status: 503, text: '{"ready":false}' });
    expect(parsed((await get('/metrics')).text).get('looms_engine_up')?.samples[0]?.value).toBe(0);
  });
});
