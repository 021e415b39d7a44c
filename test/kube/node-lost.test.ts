import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson } from '../support/kubectl.ts';
import { emptyFolder, looms, startLooms } from '../support/looms.ts';
import { nodes, withoutNodes } from '../support/nodes.ts';
import { socketFetch } from '../support/socket-fetch.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

type Pod = {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
};

/** How long a lost node may take until all of it is over, ms: the cluster alone takes a minute and a half to begin a pod anew. */
const overWithinMs = 300_000;

const isLeftOut = withoutNodes(
  'it takes two nodes, of which one may be lost: those of `npm run test:kube` without KUBECONFIG',
  2,
);

describe.skipIf(isLeftOut)('a server whose node is lost', () => {
  const project = `e2e-lost-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '' };
  const flags = ['--project', project, '--context', 'kubernetes:'];
  const known = nodes ?? { lose: async () => {}, back: async () => {}, containers: async () => [] };
  let gateway: ReturnType<typeof startLooms> | undefined;
  let socket = '';
  let lost = '';

  const pods = async (server: string): Promise<readonly Pod[]> =>
    (await kubectlJson<{ items: Pod[] }>(['-n', namespace, 'get', 'pods', '-l', `looms.dev/server=${server}`])).items;
  const nodeOf = async (server: string): Promise<string> => {
    const [pod] = (await pods(server)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return pod?.spec.nodeName ?? '';
  };
  const connect = async (server: string): Promise<Client> => {
    const client = new Client({ name: 'test', version: '1' });
    const url = new URL(`http://localhost/mcp/${server}`);
    await client.connect(new StreamableHTTPClientTransport(url, { fetch: socketFetch(socket) }) as never);
    return client;
  };
  const echo = async (client: Client, text: string): Promise<unknown> => {
    const { content } = await client.callTool({ name: 'echo', arguments: { text } }, undefined, { timeout: 10_000 });
    return (content as { text?: string }[])[0]?.text;
  };

  beforeAll(async () => {
    writeFileSync(join(cwd, 'mcp.yaml'), specs(tinySpec({ name: 'fs' }), tinyHttpSpec({ name: 'web' })));
    const { code, stdout, stderr } = await looms(['apply', '-f', 'mcp.yaml', '--yes', ...flags], { cwd, env });
    expect(code, stdout + stderr).toBe(0);
    const started = startLooms(['serve', '--json', ...flags], { cwd, env });
    gateway = started;
    ({ socket } = await eventually(() => {
      if (started.child.exitCode !== null) throw new Error(`it ended: ${started.stderr()}`);
      return JSON.parse(started.stdout()) as { socket: string };
    }));
  }, 240_000);
  afterAll(async () => {
    gateway?.child.kill('SIGINT');
    await gateway?.finished;
    if (lost !== '') await known.back(lost).catch(() => {});
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  it('answers from another one through the same gateway, to the client that it had and to new ones', async () => {
    const client = await connect('fs');
    expect(await echo(client, 'before')).toBe('before');
    lost = await nodeOf('fs');
    await known.lose(lost);
    const began = performance.now();
    const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(0)} s`;
    await eventually(async () => expect(await nodeOf('fs')).not.toBe(lost), overWithinMs);
    console.log(`${seconds()}: a pod of it is meant for another node`);
    await eventually(async () => expect(await echo(client, 'after')).toBe('after'), overWithinMs);
    console.log(`${seconds()}: it answers the client that it had, from ${await nodeOf('fs')} in place of ${lost}`);
    const other = await connect('fs');
    expect(await echo(other, 'again')).toBe('again');
    await Promise.all([client.close(), other.close()]);
  });

  it('runs once when its node is back, and so does all else that was there', async () => {
    await known.back(lost);
    const began = performance.now();
    const there = lost;
    lost = '';
    const count = { fs: 1, web: 1 };
    await eventually(async () => {
      const found = await Promise.all(['fs', 'web'].map(async (server) => [server, (await pods(server)).length]));
      expect(Object.fromEntries(found)).toEqual(count);
      const ids = await Promise.all(['node1', 'node2'].map((node) => known.containers(node, namespace)));
      // A server over HTTP has one more, through which it is reached.
      expect(ids.flat()).toHaveLength(3);
    }, overWithinMs);
    console.log(`${((performance.now() - began) / 1000).toFixed(0)} s after ${there} is back nothing runs twice`);
    const client = await connect('fs');
    expect(await echo(client, 'still')).toBe('still');
    await client.close();
    const { code, stdout } = await looms(['diff', '-f', 'mcp.yaml', ...flags], { cwd, env });
    expect(code, stdout).toBe(0);
  });
});
