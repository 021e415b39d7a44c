import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlProgram } from '../support/kubectl.ts';
import { emptyFolder, type Finished, looms } from '../support/looms.ts';
import { withoutNodes } from '../support/nodes.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

type Pod = {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};

describe.skipIf(kubectlProgram === '')('what looms export writes, on a cluster', () => {
  const project = `e2e-kube-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const inNamespace = (...args: readonly string[]): Promise<Finished> => kubectl(['-n', namespace, ...args]);

  const exported = async (...documents: readonly string[]): Promise<string> => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'mcp.yaml'), specs(...documents));
    const { code, stdout, stderr } = await looms(['export', '--to', 'kubernetes', '--project', project], { cwd });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    return stdout;
  };
  const apply = async (objects: string): Promise<void> => {
    const { code, stderr } = await kubectl(['apply', '-f', '-'], objects);
    expect([code, stderr]).toEqual([0, '']);
  };
  const rolledOut = async (server: string): Promise<void> => {
    const { code, stdout, stderr } = await inNamespace(
      'rollout',
      'status',
      `deployment/looms-${server}`,
      '--timeout=60s',
    );
    expect(code, stdout + stderr).toBe(0);
  };
  const pods = async (server: string): Promise<readonly Pod[]> => {
    const { stdout } = await inNamespace('get', 'pods', '-l', `looms.dev/server=${server}`, '-o', 'json');
    return JSON.parse(stdout).items;
  };
  const isReady = ({ metadata, status }: Pod): boolean =>
    metadata.deletionTimestamp === undefined &&
    (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True');
  const readyPod = async (server: string): Promise<string> => {
    const [ready] = (await pods(server)).filter(isReady);
    if (ready === undefined) throw new Error(`no pod of ${server} is ready`);
    return ready.metadata.name;
  };
  /** A client whose session is a process in a pod. */
  const connect = async (pod: string, spec: string): Promise<Client> => {
    const { command, args } = JSON.parse(spec).mcp_server;
    const way = ['-n', namespace, 'exec', '-i', pod, '-c', 'server', '--', command, ...args];
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(
      new StdioClientTransport({ command: kubectlProgram, args: way, env: { ...process.env } as never }) as never,
    );
    return client;
  };
  const echo = async (client: Client, text: string): Promise<unknown> =>
    ((await client.callTool({ name: 'echo', arguments: { text } })).content as { text?: string }[])[0]?.text;

  const fs = tinySpec({
    name: 'fs',
    env: { API_TOKEN: '${secret:token}' },
    backend: { lifecycle: { drain_seconds: 60 } },
  });
  const open = tinySpec({ name: 'open', backend: { network: { mode: 'bridge' } } });
  const web = tinyHttpSpec({ name: 'web' });

  beforeAll(async () => {
    await apply(await exported(fs, open, web));
    const secret = ['create', 'secret', 'generic', 'looms-fs-env', '--from-literal=API_TOKEN=only in the cluster'];
    expect((await inNamespace(...secret)).code).toBe(0);
    await Promise.all(['fs', 'open', 'web'].map(rolledOut));
  }, 180_000);
  afterAll(async () => {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  it('is what the cluster keeps: applied once more, nothing of it is another', async () => {
    const { code, stdout } = await kubectl(['diff', '-f', '-'], await exported(fs, open, web));
    expect([code, stdout]).toEqual([0, '']);
  });

  it('is in sync for looms itself, which finds nothing in it that it would change', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'mcp.yaml'), specs(fs, open, `${web}\n`));
    const way = ['--project', project, '--context', 'kubernetes:'];
    const { code, stdout } = await looms(['diff', '-f', 'mcp.yaml', ...way], {
      cwd,
      env: { KUBECONFIG: process.env.KUBECONFIG ?? '' },
    });
    expect([code, stdout]).toEqual([0, expect.stringContaining('In sync: 3 servers run as declared.')]);
  });

  it('has sessions as processes of a pod, which have the secrets; no object holds one', async () => {
    const client = await connect(await readyPod('fs'), fs);
    expect(await echo(client, 'hello')).toBe('hello');
    const told = (await client.callTool({ name: 'secret', arguments: {} })).content as { text?: string }[];
    expect(told[0]?.text).toBe('token=only in the cluster');
    await client.close();
    const { stdout } = await inNamespace('get', 'deployments,pods,configmaps', '-o', 'yaml');
    expect(stdout).not.toContain('only in the cluster');
  });

  it('keeps the old pod while the new one does not answer, and says why', async () => {
    const before = await readyPod('open');
    await apply(await exported(tinySpec({ name: 'open', kind: 'dies', backend: { network: { mode: 'bridge' } } })));
    await eventually(async () => {
      const { stdout } = await inNamespace('get', 'events', '-o', 'json');
      const messages = JSON.parse(stdout).items.map(({ message }: { message: string }) => message);
      expect(messages.join('\n')).toContain('Startup probe failed: the server ended before it answered');
    }, 90_000);
    expect(await readyPod('open')).toBe(before);
    await apply(await exported(open));
    await eventually(async () => expect((await pods('open')).map(({ metadata }) => metadata.name)).toEqual([before]));
  }, 240_000);

  it('lets a session end before its pod does', async () => {
    const before = await readyPod('fs');
    const client = await connect(before, fs);
    expect(await echo(client, 'one')).toBe('one');
    expect((await inNamespace('rollout', 'restart', 'deployment/looms-fs')).code).toBe(0);
    await eventually(async () => expect(await readyPod('fs')).not.toBe(before), 90_000);
    expect(await echo(client, 'two')).toBe('two');
    await client.close();
    await eventually(
      async () => expect((await pods('fs')).map(({ metadata }) => metadata.name)).not.toContain(before),
      90_000,
    );
  }, 240_000);

  const enforcesNothing = withoutNodes('another cluster may enforce no network policies');
  it.skipIf(enforcesNothing)(
    'reaches what its network says: an isolated server nothing, an open one the API server',
    async () => {
      const { stdout: api } = await kubectl(['get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}']);
      const script = `require('node:net').connect(443, '${api}')
      .on('connect', () => { console.log('open'); process.exit(); })
      .on('error', () => { console.log('closed'); process.exit(); });
      setTimeout(() => { console.log('closed'); process.exit(); }, 4000);`;
      const reaches = async (server: string): Promise<string> =>
        (await inNamespace('exec', await readyPod(server), '-c', 'server', '--', 'node', '-e', script)).stdout.trim();
      expect(await Promise.all(['fs', 'open'].map(reaches))).toEqual(['closed', 'open']);
    },
  );

  it('is in a namespace that lets in no pod which could do more', async () => {
    const { code, stderr } = await inNamespace('run', 'more', '--image=node:24-slim');
    expect(code).not.toBe(0);
    expect(stderr).toContain('violates PodSecurity "restricted');
  });
});
