import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startCollector, treeOf } from '../../support/collector.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import type { startLooms } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const trace = 'a'.repeat(32);
const outer = `00-${trace}-${'b'.repeat(16)}-01`;

/** Answers `echo` with the `_meta` of the call, and writes of its work as loom's trace library does. */
const working = (name: string): string => {
  const spec = tinySpec({ name, env: { API_TOKEN: '${secret:token}' } });
  const script: string = JSON.parse(spec).mcp_server.args[1];
  const begin = 'const call = (id, { name, arguments: a = {} }) => {';
  expect(script).toContain(begin);
  const work = `const call = (id, { name, arguments: a = {}, _meta }) => {
    const now = new Date().toISOString();
    const one = { trace_id: process.env.LOOM_TRACE_ID ?? 'x', span_id: 'y', parent_id: 'z', name: 'query_database', start_time: now, end_time: now, attributes: { rows: 3, token: process.env.API_TOKEN }, status: 'ok' };
    console.error('__LOOM_TRACE__:' + JSON.stringify({ ...one, name: 'read_rows', span_id: 'w', parent_id: 'y' }));
    console.error('__LOOM_TRACE__:' + JSON.stringify(one));
    console.error('__LOOM_TRACE__:{"name":"no times"}');
    if (a.text === 'meta') return send({ id, result: text(JSON.stringify(_meta)) });`;
  return changed(spec, { args: ['-e', script.replace(begin, () => work)] });
};

describe.skipIf(withoutEngine())('traces', () => {
  const project = testProject('traces');
  let collector: Awaited<ReturnType<typeof startCollector>>;
  const secret = 'not-for-any-trace';
  const folder = mkdtempSync(join(tmpdir(), 'looms-traces-'));
  const env = (more: Record<string, string> = {}) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    LOOMS_SECRET_TOKEN: secret,
    XDG_STATE_HOME: join(folder, 'state'),
    ...more,
  });
  const spanNamed = (name: string) => {
    const found = collector.spans.find((span) => span.name === name);
    expect(found, `${name} among ${treeOf(collector.spans).join('\n')}`).toBeDefined();
    return found ?? expect.fail();
  };

  beforeAll(async () => {
    collector = await startCollector();
  });
  afterEach(() => {
    collector.clear();
  });
  afterAll(async () => {
    await project.remove();
    await collector.stop();
    expect(collector.bodies.length).toBeGreaterThan(0);
    expect(collector.bodies.join('\n')).not.toContain(secret);
  });

  test('a change is a span with its plan and its steps, below the span of whoever began it', async () => {
    const applied = await project.apply(specs(working('a'), tinySpec({ name: 'b', kind: 'dies' })), [], {
      env: env({ TRACEPARENT: outer, OTEL_SERVICE_NAME: 'deploy' }),
    });
    expect(applied).toExit(3);
    const tree = treeOf(collector.spans);
    expect(tree).toContain('looms.reconcile');
    expect(tree).toContain('looms.reconcile > looms.plan');
    expect(tree).toContain('looms.reconcile > looms.step create-container');
    expect(spanNamed('looms.reconcile')).toMatchObject({
      traceId: trace,
      parentSpanId: 'b'.repeat(16),
      service: 'deploy',
      failed: true,
      attributes: { 'looms.project': project.name },
    });
    const failed = collector.spans.filter((span) => span.failed && span.attributes['looms.server'] === 'b');
    expect(failed.map(({ attributes }) => attributes['error.type'])).toContain('server-exited');
  });

  test('a call is a span that its server is told of, and what it writes of its work is part of that', async () => {
    const call = ['mcp', 'call', 'a', 'echo', 'text=meta', '--direct'];
    const { code, stdout } = await project.run(call, { env: env({ TRACEPARENT: outer }) });
    expect(code).toBe(0);
    expect(treeOf(collector.spans)).toEqual([
      'looms mcp call',
      'looms mcp call > looms.session.open',
      'looms mcp call > tools/call echo',
      'looms mcp call > tools/call echo > query_database',
      'looms mcp call > tools/call echo > query_database > read_rows',
    ]);
    const client = spanNamed('tools/call echo');
    expect(JSON.parse(stdout)).toMatchObject({ traceparent: `00-${trace}-${client.spanId}-01` });
    expect(client.attributes).toMatchObject({
      'gen_ai.tool.name': 'echo',
      'mcp.method.name': 'tools/call',
      'network.transport': 'pipe',
    });
    expect(spanNamed('query_database').attributes).toMatchObject({ rows: 3, token: expect.stringContaining('secret') });
    expect(await project.run(['mcp', 'call', 'a', 'fail'], { env: env() })).toExit(5);
    expect(spanNamed('tools/call fail')).toMatchObject({ failed: true, attributes: { 'error.type': 'tool_error' } });
  });

  describe('of the gateway', () => {
    let gateway: ReturnType<typeof startLooms>;
    let client: Client;
    beforeAll(async () => {
      gateway = project.start(['serve', '--json'], { env: env() });
      const { socket } = await eventually(() => JSON.parse(gateway.stdout()) as { socket: string });
      client = new Client({ name: 'test', version: '1' });
      const fetch = socketFetch(socket);
      await client.connect(new StreamableHTTPClientTransport(new URL('http://localhost/mcp/a'), { fetch }) as never);
    });
    afterAll(async () => {
      await client?.close();
      gateway?.child.kill('SIGTERM');
      await gateway?.finished;
    });

    test('go on from the span of its client, and end in its server', async () => {
      const answer = await client.callTool({
        name: 'echo',
        arguments: { text: 'meta' },
        _meta: { traceparent: outer, tracestate: 'vendor=1' },
      });
      const told = JSON.parse((answer as { content: { text: string }[] }).content[0]?.text ?? '');
      // They are sent in batches, each five seconds.
      await eventually(() => spanNamed('query_database'), 20_000);
      expect(treeOf(collector.spans.filter(({ traceId }) => traceId === trace))).toEqual([
        'tools/call echo',
        'tools/call echo > looms.policy',
        'tools/call echo > tools/call echo',
        'tools/call echo > tools/call echo > query_database',
        'tools/call echo > tools/call echo > query_database > read_rows',
      ]);
      const [server, asked] = [2, 3].map((kind) =>
        collector.spans.find((one) => one.traceId === trace && one.kind === kind),
      );
      expect(server).toMatchObject({ parentSpanId: 'b'.repeat(16) });
      expect(told).toMatchObject({ traceparent: `00-${trace}-${asked?.spanId}-01`, tracestate: 'vendor=1' });
    });
  });

  test('cost nothing but themselves: a collector that refuses is warned of, and `serve.telemetry` names one as well', async () => {
    const refusing = await startCollector(400);
    const specFile = join(folder, 'mcp.yaml');
    writeFileSync(specFile, working('a'));
    writeFileSync(join(folder, 'looms.yaml'), `serve: { telemetry: { endpoint: "${refusing.endpoint}" } }\n`);
    const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...rest } = env();
    const call = ['mcp', 'call', 'a', 'echo', 'text=hi', '--direct'];
    const ended = await project.run(call, { env: rest, cwd: folder });
    expect(ended).toMatchObject({ code: 0, stdout: 'hi\n', stderr: expect.stringContaining('traces are not sent') });
    expect(refusing.bodies.join('')).toContain('tools/call echo');
    const off = await project.run(call, { env: { ...rest, OTEL_SDK_DISABLED: 'true' }, cwd: folder });
    expect(off).toMatchObject({ code: 0, stderr: '' });
    await refusing.stop();
    expect(readFileSync(specFile, 'utf8')).not.toContain(secret);
  });
});
