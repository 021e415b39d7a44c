import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Client as Client2,
  StreamableHTTPClientTransport as HttpTransport2,
  type Transport as Transport2,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioTransport2 } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type startLooms } from '../../support/looms.ts';
import { type NpmClients, npmClients } from '../../support/npm-clients.ts';
import { changed } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** Where a client finds the servers: an address and a token, or a command. */
type Way = { readonly url: string; readonly authorization: string } | { readonly entryFile: string };
/** What it prints, or answers, when it lists and when it calls `fs__echo` with a text. */
type Seen = { readonly listed: string; readonly called: string };

describe.skipIf(withoutEngine())('clients that nobody here wrote', () => {
  const project = testProject('clients');
  const env = { XDG_STATE_HOME: emptyFolder() };
  const home = emptyFolder();
  /** Written by `looms connect cursor`, and read by all who know the key `mcpServers`. */
  const entryFile = join(home, '.cursor', 'mcp.json');
  let gateway: ReturnType<typeof startLooms>;
  let url: string;
  let authorization: string;
  let npm: NpmClients;

  const serve = async (): Promise<{ url: string; tokenFile: string }> => {
    gateway = project.start(['serve', '--json', '--listen', '127.0.0.1:0'], { env });
    return eventually(() => JSON.parse(gateway.stdout()));
  };
  const all = (description = 'The tool '): string =>
    specs(...['fs', 'time'].map((name) => roomy(name).replace('The tool ', description)));
  // Clients leave their sessions open, and each has a process.
  const roomy = (name: string): string =>
    changed(tinySpec({ name }), { backend: { resource_limits: { memory_mb: 2048, pids_limit: 1000 } } });

  beforeAll(async () => {
    const [applied, installed] = await Promise.all([project.apply(all(), [], { env }), npmClients()]);
    expect(applied, applied.stderr).toExit(0);
    npm = installed;
    const served = await serve();
    url = `${served.url}/mcp`;
    authorization = `Bearer ${readFileSync(served.tokenFile, 'utf8').trim()}`;
    const connected = await project.run(['connect', 'cursor', '--stdio'], { env: { ...env, HOME: home } });
    expect(connected, connected.stderr).toExit(0);
  }, 600_000);
  afterAll(async () => {
    gateway?.child.kill('SIGTERM');
    await project.remove();
  });

  const command = (): { command: string; args: string[]; env: Record<string, string> } => {
    const { looms } = JSON.parse(readFileSync(entryFile, 'utf8')).mcpServers;
    return { ...looms, env: { PATH: process.env.PATH ?? '', HOME: home, ...looms.env } };
  };
  const bySdk1 = async (way: Way): Promise<Seen> => {
    const client = new Client({ name: 'test', version: '1' });
    const transport =
      'url' in way
        ? new StreamableHTTPClientTransport(new URL(way.url), { requestInit: { headers: { authorization } } })
        : new StdioClientTransport(command());
    await client.connect(transport as Transport);
    const listed = JSON.stringify(await client.listTools());
    const called = JSON.stringify(await client.callTool({ name: 'fs__echo', arguments: { text: 'by the first' } }));
    await client.close();
    return { listed, called };
  };
  const bySdk2 = async (way: Way): Promise<Seen> => {
    const client = new Client2({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const transport: Transport2 =
      'url' in way
        ? new HttpTransport2(new URL(way.url), { requestInit: { headers: { authorization } } })
        : new StdioTransport2(command());
    await client.connect(transport);
    const listed = JSON.stringify(await client.listTools());
    const called = JSON.stringify(await client.callTool({ name: 'fs__echo', arguments: { text: 'by the second' } }));
    await client.close();
    return { listed, called };
  };
  const byMcporter = async (way: Way): Promise<Seen> => {
    const at =
      'url' in way
        ? ['--http-url', way.url, '--allow-http', '--header', `Authorization=${authorization}`, '--name', 'looms']
        : ['--config', entryFile];
    const own = ['--no-oauth', '--timeout', '30000'];
    const listed = await npm.run('mcporter', ['list', ...('url' in way ? at : [...at, 'looms']), ...own, '--json']);
    const tool = 'url' in way ? ['--tool', 'fs__echo'] : ['looms.fs__echo'];
    const called = await npm.run('mcporter', ['call', ...at, ...tool, '--args', '{"text":"mcporter"}', ...own]);
    return { listed, called };
  };
  const byInspector = async (way: Way): Promise<Seen> => {
    const at =
      'url' in way
        ? [way.url, '--transport', 'http', '--header', `Authorization: ${authorization}`]
        : ['--config', entryFile, '--server', 'looms'];
    const run = (...words: string[]) => npm.run('inspector', ['--cli', ...at, '--method', ...words]);
    return {
      listed: await run('tools/list'),
      called: await run('tools/call', '--tool-name', 'fs__echo', '--tool-arg', 'text=by the inspector'),
    };
  };

  describe.each([
    ['the SDK 1.x', bySdk1, 'by the first'],
    ['the SDK 2.x', bySdk2, 'by the second'],
    ['mcporter', byMcporter, 'mcporter'],
    ['the Inspector', byInspector, 'by the inspector'],
  ] as const)('%s', (_name, use, text) => {
    test('lists and calls through the gateway over HTTP, with the token', async () => {
      const { listed, called } = await use({ url, authorization });
      for (const name of ['fs__echo', 'time__echo']) expect(listed).toContain(name);
      expect(called).toContain(text);
    }, 120_000);

    test('lists and calls by the entry that looms connect wrote, through looms mcp stdio', async () => {
      // A server that takes more than 5 s to start, as under load, is in a later list.
      await eventually(async () => {
        const { listed, called } = await use({ entryFile });
        for (const name of ['fs__echo', 'time__echo']) expect(listed).toContain(name);
        expect(called).toContain(text);
      }, 90_000);
    }, 120_000);
  });

  test('looms mcp stdio goes on when the gateway is killed, when it starts again and when its server is replaced', async () => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StdioClientTransport(command()));
    const call = async (text: string): Promise<void> => {
      const { content } = await client.callTool({ name: 'fs__echo', arguments: { text } });
      expect(content).toEqual([{ type: 'text', text }]);
    };
    await call('before');
    gateway.child.kill('SIGKILL');
    await gateway.finished;
    await call('without');
    await serve();
    await call('again');
    const before = await project.idOf('fs');
    const replaced = await project.apply(all('The new tool '), [], { env });
    expect(replaced, replaced.stderr).toExit(0);
    expect(await project.idOf('fs')).not.toBe(before);
    await call('replaced');
    await client.close();
  }, 120_000);
});
