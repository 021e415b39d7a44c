import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { emptyFolder, type Finished, looms, startLooms } from '../support/looms.ts';
import { specs, tinyHttpSpec } from '../support/tiny-server.ts';

/** How long a call takes, ms: longer than a pod takes to be told, and less than its grace period. */
const callMs = 15_000;

/**
 * A server that has no word for TERM, as many: as PID 1 it goes on until the end of the grace period. With NEAT it takes nothing
 * new then, and waits for what is open.
 */
const program = `const server = require('node:http').createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method, params } = JSON.parse(body || '{}');
  const results = {
    initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'web', version: '1' } }),
    'tools/list': () => ({ tools: [{ name: 'slow', inputSchema: { type: 'object' } }] }),
    'tools/call': () => {
      console.log('began');
      return new Promise((resolve) => setTimeout(resolve, ${callMs}, { content: [{ type: 'text', text: 'done' }] }));
    },
  };
  if (request.method === 'POST' && id !== undefined) {
    const result = await (results[method] ?? (() => ({})))();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  } else if (request.method === 'GET') {
    console.log('news');
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  } else response.writeHead(202).end();
}).listen(3000);
if (process.env.NEAT) process.on('SIGTERM', () => server.close());`;

type Pod = { readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string } };

describe.skipIf(kubectlProgram === '')('a server over HTTP whose pod is ended', () => {
  const project = `calls-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '', XDG_STATE_HOME: emptyFolder() };
  const run = (...args: readonly string[]): Promise<Finished> =>
    looms([...args, '--project', project, '--context', 'kubernetes:'], { cwd, env });
  const ofProject = (...args: readonly string[]) => kubectlSays(['-n', namespace, ...args]);
  const pods = async (name: string): Promise<readonly Pod[]> => {
    const of = ['-n', namespace, 'get', 'pods', '-l', `looms.dev/server=${name}`];
    return (await kubectlJson<{ items: readonly Pod[] }>(of)).items;
  };
  const podOf = async (name: string): Promise<string> => {
    const [pod, ...more] = (await pods(name)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    if (pod === undefined || more.length > 0) throw new Error(`${more.length + 1} pods, or none`);
    return pod.metadata.name;
  };

  beforeAll(async () => {
    const mcp = { args: ['-e', program] };
    const neat = tinyHttpSpec({ name: 'neat', mcp: { ...mcp, env: { NEAT: '1' } } });
    writeFileSync(join(cwd, 'mcp.yaml'), specs(tinyHttpSpec({ name: 'web', mcp }), neat));
    const applied = await run('apply', '-f', 'mcp.yaml', '--yes');
    expect(applied, applied.stderr).toExit(0);
  }, 240_000);
  afterAll(async () => {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  const says = (pod: string, word: string): Promise<void> =>
    eventually(async () => expect(await ofProject('logs', pod, '-c', 'server')).toContain(word), 60_000);

  /** Calls, ends the pod while the call is under way, and has the answer. */
  const isAnswered = async (end: (pod: string) => Promise<unknown>): Promise<void> => {
    const pod = await podOf('web');
    let isOver = false;
    const calling = run('mcp', 'call', 'web', 'slow').finally(() => {
      isOver = true;
    });
    await says(pod, 'began');
    const ending = end(pod);
    await eventually(async () => {
      const told = (await pods('web')).find(({ metadata }) => metadata.name === pod);
      expect(told?.metadata.deletionTimestamp).toBeDefined();
    }, 60_000);
    expect(isOver).toBe(false);
    expect(await calling).toMatchObject({ code: 0, stdout: 'done\n' });
    await ending;
  };

  it('answers a call where the pod is deleted', async () => {
    await isAnswered((pod) => ofProject('delete', 'pod', pod, '--wait=false'));
    const healed = await run('apply', '-f', 'mcp.yaml', '--yes');
    expect(healed, healed.stderr).toExit(0);
  }, 180_000);

  it('answers a call where it is replaced', async () => {
    await isAnswered(async () => expect(await run('mcp', 'restart', 'web')).toExit(0));
  }, 180_000);

  it('ends long before its grace period where a session of a gateway only has a stream open', async () => {
    const flags = ['--project', project, '--context', 'kubernetes:'];
    const gateway = startLooms(['serve', '--json', '--listen', '127.0.0.1:0', ...flags], { cwd, env });
    const client = new Client({ name: 'test', version: '1' });
    try {
      const { url, tokenFile } = await eventually(
        () => JSON.parse(gateway.stdout()) as { url: string; tokenFile: string },
        60_000,
      );
      const headers = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` };
      const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp/neat`), { requestInit: { headers } });
      await client.connect(transport as never, { timeout: 60_000 });
      const pod = await podOf('neat');
      await says(pod, 'news');
      const began = performance.now();
      await ofProject('delete', 'pod', pod);
      expect(performance.now() - began).toBeLessThan(20_000);
    } finally {
      await client.close();
      gateway.child.kill('SIGTERM');
      await gateway.finished;
    }
  }, 180_000);
});
