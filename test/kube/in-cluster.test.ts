import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { inCluster } from '../support/in-cluster.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { tinySpec } from '../support/tiny-server.ts';

/** The image of deploy/Dockerfile, which the nodes have or can pull (npm run test:kube). */
const image = process.env.LOOMS_TEST_IMAGE ?? '';
const isHere = kubectlProgram !== '' && image !== '';
if (!isHere)
  console.log('skipped: LOOMS_TEST_IMAGE names no image of looms that nodes of a cluster have (npm run test:kube)');

type Container = { readonly resources: { readonly limits: { readonly memory: string } } };
type Deployment = {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
};

describe.skipIf(!isHere)('deploy/kubernetes', () => {
  const project = `in-${randomBytes(3).toString('hex')}`;
  const at = inCluster(project, image);
  const ofLooms = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', at.home, ...args]);
  const ofServers = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', at.namespace, ...args]);
  const deployment = () => kubectlJson<Deployment>(['-n', at.namespace, 'get', 'deployment', 'looms-fs']);
  const generation = async (): Promise<number> =>
    Number((await deployment()).metadata.annotations['looms.dev/generation']);
  const memory = async (): Promise<unknown> =>
    (await deployment()).spec.template.spec.containers[0]?.resources.limits.memory;
  const setMemory = (memory: string) =>
    ofServers('set', 'resources', 'deployment/looms-fs', '-c', 'server', `--limits=memory=${memory}`);
  let declared = '256Mi';
  const logs = () => ofLooms('logs', '-l', 'app.kubernetes.io/name=looms', '--tail=-1', '--prefix');
  /** Waits until the server is as declared again, and no run goes on. */
  const isRepaired = () =>
    eventually(async () => {
      expect(await memory(), await logs()).toBe(declared);
      expect((await kubectl(['-n', at.namespace, 'get', 'lease', 'looms'])).stderr).toContain('NotFound');
      const { stdout } = await kubectl([
        '-n',
        at.namespace,
        'rollout',
        'status',
        'deployment/looms-fs',
        '--timeout=1s',
      ]);
      expect(stdout).toContain('successfully rolled out');
    }, 90_000);

  /** The port of this machine that leads to the Service. */
  const forwarded: { url: string; end: () => void } = { url: '', end: () => {} };
  const forward = async (): Promise<void> => {
    const child = spawn(kubectlProgram, ['-n', at.home, 'port-forward', 'service/looms', ':7777'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    forwarded.end = () => void child.kill();
    forwarded.url = await new Promise<string>((resolve, reject) => {
      child.once('close', () => reject(new Error('kubectl port-forward ended')));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const [, port] = /127\.0\.0\.1:(\d+)/.exec(text) ?? [];
        if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
      });
    });
  };

  beforeAll(async () => {
    await at.apply(tinySpec({ name: 'fs', memoryMiB: 256 }));
    await ofLooms('rollout', 'status', 'deployment/looms', '--timeout=120s').catch(async (error) => {
      throw new Error(`${error.message}\n${await ofLooms('describe', 'pods')}\n${await logs()}`);
    });
    await forward();
  }, 180_000);
  afterAll(async () => {
    forwarded.end();
    await at.clean();
  });

  it('runs the server of its ConfigMap, and is let into a namespace that lets nothing in which could do more', async () => {
    await ofServers('rollout', 'status', 'deployment/looms-fs', '--timeout=60s');
    expect(await generation()).toBe(1);
    const { metadata } = await kubectlJson<{ metadata: { labels: object } }>(['get', 'namespace', at.home]);
    expect(metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  });

  it('answers a client outside of the cluster, through a forwarded port and with a token', async () => {
    const client = new Client({ name: 'test', version: '1' });
    const headers = { authorization: `Bearer ${at.secret('client_token')}` };
    const transport = new StreamableHTTPClientTransport(new URL(`${forwarded.url}/mcp/fs`), {
      requestInit: { headers },
    });
    await client.connect(transport as never);
    const { content } = await client.callTool({ name: 'echo', arguments: { text: 'from outside' } });
    expect(content).toEqual([{ type: 'text', text: 'from outside' }]);
    await transport.terminateSession();
    await client.close();
    expect((await fetch(`${forwarded.url}/mcp/fs`, { method: 'POST', body: '{}' })).status).toBe(401);
    const metrics = { authorization: `Bearer ${at.secret('metrics_token')}` };
    expect(await (await fetch(`${forwarded.url}/metrics`, { headers: metrics })).text()).toContain(
      'looms_server_health',
    );
  });

  it('answers a pod by the address of its Service, and to no name that is not its own', async () => {
    const { spec } = await kubectlJson<{ spec: { clusterIP: string } }>(['-n', at.home, 'get', 'service', 'looms']);
    const ask = `const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } } });
      const headers = { authorization: 'Bearer ${at.secret('client_token')}', 'content-type': 'application/json', accept: 'application/json, text/event-stream', host: process.argv[1] };
      require('node:http').request('http://${spec.clusterIP}:7777/mcp/fs', { method: 'POST', headers }, (answer) => { console.log(answer.statusCode); answer.destroy(); }).end(body);`;
    const from = ['exec', 'deployment/looms', '--', 'node', '-e', ask];
    expect((await ofLooms(...from, `${spec.clusterIP}:7777`)).trim()).toBe('200');
    expect((await ofLooms(...from, 'rebound.example')).trim()).toBe('403');
  });

  it('sets back what somebody changed with kubectl', async () => {
    const before = await generation();
    await setMemory('320Mi');
    await isRepaired();
    expect(await generation()).toBe(before + 1);
    expect(await logs()).toContain('fs: replace, changed outside looms');
  }, 120_000);

  it('applies what changes in the ConfigMap', async () => {
    declared = '264Mi';
    await at.apply(tinySpec({ name: 'fs', memoryMiB: 264 }));
    await isRepaired();
  }, 180_000);

  it('does nothing twice where two of it run', async () => {
    await ofLooms('scale', 'deployment/looms', '--replicas=2');
    await ofLooms('rollout', 'status', 'deployment/looms', '--timeout=120s');
    for (let round = 0; round < 4; round += 1) {
      const before = await generation();
      await setMemory(`${300 + round}Mi`);
      await isRepaired();
      expect(await generation(), await logs()).toBe(before + 1);
    }
    const before = await generation();
    await ofServers('delete', 'deployment', 'looms-fs');
    await isRepaired();
    expect([before > 1, await generation()], await logs()).toEqual([true, 1]);
  }, 300_000);
});
