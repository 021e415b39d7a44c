import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { parsed } from '../../support/prometheus.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, watchLoop } from '../../support/watch-loop.ts';

describe.skipIf(withoutEngine())('what a loop tells of itself', () => {
  let project: TestProject;
  afterEach(async () => {
    await endLoops();
    await project.remove();
  });
  const folderOf = (text: string): string => {
    const folder = join(emptyFolder(), 'specs');
    mkdirSync(folder);
    writeFileSync(join(folder, 'mcp.yaml'), text);
    return folder;
  };
  /** What is told of what a server takes, by the ends of the names of metrics. */
  const takenBy = async (url: string, server: string, headers: Record<string, string> = {}) => {
    const text = await (await fetch(`${url}/metrics`, { headers })).text();
    const samples = [...parsed(text).values()].flatMap((family) => family.samples);
    return new Map(
      samples.flatMap(({ name, labels, value }) =>
        labels.server === server ? [[name.replace('looms_server_', ''), value] as const] : [],
      ),
    );
  };
  const stateOf = async (url: string, server: string, headers: Record<string, string> = {}) => {
    const text = await (await fetch(`${url}/metrics`, { headers })).text();
    const states = parsed(text).get('looms_server_health')?.samples ?? [];
    return states.find(({ labels, value }) => labels.server === server && value === 1)?.labels.state;
  };

  test('looms watch --listen: health, readiness and metrics, without a token', async () => {
    project = testProject('status');
    const folder = folderOf(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' })));
    const loop = watchLoop(project, 'watch', '-f', folder, '--listen', '127.0.0.1:0');
    await loop.told('in-sync');
    const [, url = ''] = /telling of the loop at (http:\S+)/.exec(loop.stderr()) ?? [];
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ watch: 'alive' });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await eventually(async () => expect(await stateOf(url, 'fs')).toBe('healthy'), soonMs);
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(parsed(text).get('looms_changes_total')?.samples).toMatchObject([
      { labels: { reason: 'missing' }, value: 2 },
    ]);
    await eventually(async () => {
      const taken = await takenBy(url, 'fs');
      expect(taken.get('info')).toBe(1);
      expect(taken.get('memory_working_set_bytes')).toBeGreaterThan(0);
      expect(taken.get('memory_limit_bytes')).toBeGreaterThan(taken.get('memory_working_set_bytes') ?? Number.NaN);
      expect(taken.get('cpu_seconds_total')).toBeGreaterThan(0);
      expect(taken.get('pids')).toBeGreaterThan(0);
      expect(taken.get('oom_kills_total')).toBe(0);
    }, soonMs);
    expect((await project.run(['mcp', 'stop', 'web'])).code).toBe(0);
    await eventually(async () => expect(await stateOf(url, 'web')).toBe('stopped'), soonMs);
    expect(await loop.ended()).toBe(130);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  }, 180_000);

  test('looms serve --watch: one program keeps the servers and serves them, and its end is that of both', async () => {
    project = testProject('both');
    const folder = folderOf(tinySpec({ name: 'fs' }));
    const run = watchLoop(project, 'serve', '--watch', '-f', folder, '--listen', '127.0.0.1:0');
    await run.told('in-sync');
    const [first = ''] = run.stdout().split('\n');
    const { url, tokenFile } = JSON.parse(first);
    const headers = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` };
    expect(await (await fetch(`${url}/healthz`, { headers })).json()).toEqual({ sessions: 0, watch: 'alive' });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${url}/mcp/fs`), { requestInit: { headers } }) as never,
    );
    const hello = { name: 'echo', arguments: { text: 'hello' } };
    expect(await client.callTool(hello)).toMatchObject({ content: [{ text: 'hello' }] });

    // The session goes over to what the loop makes in the place of its server.
    writeFileSync(join(folder, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB: 96 }));
    await run.told('changed', 2);
    expect(await client.callTool(hello)).toMatchObject({ content: [{ text: 'hello' }] });
    expect(await stateOf(url, 'fs', headers)).toBe('healthy');
    await eventually(async () => {
      const taken = await takenBy(url, 'fs', headers);
      expect(taken.get('memory_limit_bytes')).toBe(96 * 1024 * 1024);
      expect(taken.get('restarts_total')).toBe(0);
    }, soonMs);
    const text = await (await fetch(`${url}/metrics`, { headers })).text();
    expect(
      parsed(text)
        .get('looms_changes_total')
        ?.samples.map(({ labels }) => labels.reason),
    ).toEqual(['missing', 'spec-changed']);
    expect(parsed(text).get('looms_sessions')?.samples[0]?.value).toBe(1);
    await client.close();
    expect(await run.ended()).toBe(130);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    expect((await project.run(['serve', '-f', folder])).code).toBe(64);
  }, 180_000);

  test('what the loop cannot begin with ends the gateway as well', async () => {
    project = testProject('neither');
    const ended = await project.run(['serve', '--watch', '-f', '-']);
    expect(ended).toMatchObject({ code: 64, stderr: expect.stringContaining('standard input cannot be watched') });
  }, 60_000);
});
