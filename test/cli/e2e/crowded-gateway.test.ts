import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import type { startLooms } from '../../support/looms.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

// A session of a stdio server is a process, and clients seldom end theirs: a container of usual size is full after some.
describe.skipIf(withoutEngine())('a gateway whose server has room for a few sessions', () => {
  const project = testProject('crowded');
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  const clients: Client[] = [];
  let gateway: ReturnType<typeof startLooms>;
  let socket: string;

  beforeAll(async () => {
    const { code, stderr } = await project.apply(tinySpec({ name: 'fs', memoryMiB: 128 }), [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    gateway = project.start(['serve', '--json'], { env });
    socket = await eventually(() => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout()).socket;
    });
  });
  afterAll(async () => {
    await Promise.allSettled(clients.map((client) => client.close()));
    gateway?.child.kill('SIGKILL');
    await project.remove();
  });

  /** A client that listens to nothing between its calls. */
  const begin = async () => {
    const fetch = socketFetch(socket);
    const transport = new StreamableHTTPClientTransport(new URL('http://localhost/mcp/fs'), {
      fetch: async (url, init) => (init?.method === 'GET' ? new Response(null, { status: 405 }) : fetch(url, init)),
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport as never);
    clients.push(client);
    const echo = async (text: string): Promise<void> => {
      const { content } = await client.callTool({ name: 'echo', arguments: { text } });
      expect(content).toEqual([{ type: 'text', text }]);
    };
    return { echo, id: () => transport.sessionId };
  };

  test('the ones that nobody uses make room, and go on under their ids when they are used again', async () => {
    const all: Awaited<ReturnType<typeof begin>>[] = [];
    for (let index = 0; index < 8; index += 1) {
      const one = await begin();
      await one.echo(`first ${index}`);
      all.push(one);
    }
    const ids = all.map(({ id }) => id());
    expect(new Set(ids).size).toBe(8);
    for (const [index, { echo }] of all.entries()) await echo(`again ${index}`);
    expect(all.map(({ id }) => id())).toEqual(ids);
    expect(gateway.stderr()).not.toContain('failed');
  }, 240_000);

  test('where all are in use, the one that finds no room is told so, and what would make some', async () => {
    const waiting = clients.slice(0, 6).map((client) =>
      client.callTool({ name: 'wait', arguments: {} }, undefined, { timeout: 180_000 }).then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    );
    const first = await Promise.race(waiting);
    expect(first).toMatch(/fs has no room for another session: \d+ (is|are) open, .* MiB of memory are taken/);
  }, 240_000);
});
