import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterVolume } from '../support/cluster-volume.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { emptyFolder, looms } from '../support/looms.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

type Meta = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
  };
};

/** Longest wait for pods to come or go: a node makes one at a time, and each has its gate. */
const longMs = 90_000;

describe.skipIf(kubectlProgram === '')('what somebody deletes of a server, or lets go of', () => {
  const project = `ending-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const volume = clusterVolume(namespace);
  const cwd = emptyFolder();
  const env = {
    KUBECONFIG: process.env.KUBECONFIG ?? '',
    XDG_STATE_HOME: emptyFolder(),
    LOOMS_SECRET_TOKEN: 'a secret',
  };
  const run = (...args: readonly string[]) =>
    looms([...args, '--project', project, '--context', 'kubernetes:'], { cwd, env });
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stderr], args.join(' ')).toEqual([0, expect.not.stringContaining('error')]);
    return stdout + stderr;
  };
  const write = (...documents: readonly string[]): void => writeFileSync(join(cwd, 'mcp.yaml'), specs(...documents));
  const apply = (...documents: readonly string[]): Promise<string> => {
    write(...documents);
    return does('apply', '-f', 'mcp.yaml', '--yes');
  };
  /** What is refused, with all that is said. */
  const isBlocked = async (what: string, ...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout + stderr], args.join(' ')).toEqual([
      args[0] === 'diff' ? 2 : 8,
      expect.stringContaining(`${what} is being deleted`),
    ]);
  };
  const ofProject = (...args: readonly string[]) => kubectlSays(['-n', namespace, ...args]);
  const find = (...what: readonly string[]) => kubectlJson<Meta>(['-n', namespace, 'get', ...what]);
  const pods = async (server: string): Promise<readonly string[]> => {
    const of = ['-n', namespace, 'get', 'pods', '-l', `looms.dev/server=${server}`];
    const { items } = await kubectlJson<{ items: readonly Meta[] }>(of);
    return items
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name)
      .sort();
  };
  const podOf = async (server: string): Promise<string> => {
    const [pod, ...more] = await pods(server);
    if (pod === undefined || more.length > 0) throw new Error(`${server} has ${more.length + 1} pods, or none`);
    return pod;
  };
  const isGone = (...what: readonly string[]): Promise<void> =>
    eventually(async () => {
      expect((await kubectl(['-n', namespace, 'get', ...what])).stderr).toContain('not found');
    }, longMs);
  const token = () => does('mcp', 'call', 'fs', 'secret');

  const fs = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:token}' } });
  const web = (memory = 128): string =>
    tinyHttpSpec({ name: 'web', backend: { resource_limits: { memory_mb: memory } } });
  const data = (memoryMiB = 128): string =>
    tinySpec({ name: 'data', memoryMiB, backend: { volume_mounts: [{ source: 'data', target: '/data' }] } });

  beforeAll(async () => {
    await volume.make();
    await apply(fs, web(), data());
  }, 240_000);
  afterAll(async () => {
    await kubectl(['-n', namespace, 'patch', 'deployment', 'looms-web', '-p', '{"metadata":{"finalizers":null}}']);
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
    await volume.remove();
  });

  it('is no ReplicaSet that labels were taken from: its server goes on', async () => {
    const selector = ['-l', 'looms.dev/server=fs'];
    await ofProject('label', 'replicaset', ...selector, 'looms.dev/project-', 'pod-template-hash-');
    expect(await token()).toContain('token=(secret)');
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
  });

  it('is a pod that its ReplicaSet let go of: it is told until it is deleted, by any of its labels', async () => {
    const lost = await podOf('web');
    await ofProject('label', 'pod', lost, '--overwrite', 'pod-template-hash=other');
    await eventually(async () => expect(await pods('web')).toHaveLength(2), longMs);
    // The pod in its place passes its gate.
    await does('apply', '-f', 'mcp.yaml', '--yes');
    for (const taken of ['looms.dev/server-', 'looms.dev/project-']) {
      const told = expect.stringMatching(new RegExp(`not-ours.*${lost}`, 's'));
      expect(await does('diff', '-f', 'mcp.yaml')).toEqual(told);
      expect(await does('get')).toEqual(told);
      await ofProject('label', 'pod', lost, taken);
    }
    expect(await does('diff', '-f', 'mcp.yaml')).not.toContain('not-ours');
    await ofProject('delete', 'pod', lost, '--wait=false');
  }, 180_000);

  it('is a Secret: that it is gone is drift, and apply makes it again where its pod is gone, too', async () => {
    const { stdout } = await kubectl(['-n', namespace, 'get', 'secrets', '-l', 'looms.dev/server=fs', '-o', 'name']);
    const [, secret = ''] = stdout.trim().split('/');
    expect(secret).toMatch(/^looms-fs-env-[0-9a-f]{12}$/);
    await ofProject('delete', 'secret', secret);
    const { code, stdout: said } = await run('diff', '-f', 'mcp.yaml');
    expect([code, said]).toEqual([2, expect.stringContaining(`Secret ${secret}`)]);
    const pod = await podOf('fs');
    await ofProject('delete', 'pod', pod);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await token()).toContain('token=(secret)');
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
    expect((await find('secret', secret)).metadata.name).toBe(secret);
  }, 180_000);

  it('is a Secret: another one of its name is used for no pod', async () => {
    const { stdout } = await kubectl(['-n', namespace, 'get', 'secrets', '-l', 'looms.dev/server=fs', '-o', 'name']);
    const [, secret = ''] = stdout.trim().split('/');
    await ofProject('delete', 'secret', secret);
    await ofProject('create', 'secret', 'generic', secret, '--from-literal=API_TOKEN=forged');
    const { code, stderr, stdout: said } = await run('apply', '-f', 'mcp.yaml', '--yes');
    expect([code, said + stderr]).toEqual([expect.any(Number), expect.stringContaining(`Secret ${secret} is there`)]);
    expect(code).not.toBe(0);
    await ofProject('delete', 'secret', secret);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await token()).toContain('token=(secret)');
  }, 180_000);

  it('is a claim: no run ends the pod that has it, but for the deletion of its server', async () => {
    const pod = await podOf('data');
    await ofProject('delete', 'persistentvolumeclaim', 'looms-data', '--wait=false');
    const claim = 'PersistentVolumeClaim looms-data';
    await isBlocked(claim, 'diff', '-f', 'mcp.yaml');
    write(fs, web(), data(160));
    await isBlocked(claim, 'apply', '-f', 'mcp.yaml', '--yes');
    await isBlocked(claim, 'mcp', 'stop', 'data');
    expect(await podOf('data')).toBe(pod);
    expect((await find('persistentvolumeclaim', 'looms-data')).metadata.deletionTimestamp).toBeDefined();
    expect(await does('delete', 'data', '--yes')).not.toContain('volumes-stay');
    await isGone('persistentvolumeclaim', 'looms-data');
  }, 180_000);

  it('is a Deployment: a finalizer of others stays, and nothing is written until it is gone', async () => {
    const finalizers = ['example.com/keep'];
    await ofProject('patch', 'deployment', 'looms-web', '-p', JSON.stringify({ metadata: { finalizers } }));
    await apply(fs, web(160));
    const { metadata } = await find('deployment', 'looms-web');
    expect(metadata.finalizers).toEqual(finalizers);
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');

    await ofProject('delete', 'deployment', 'looms-web', '--cascade=foreground', '--wait=false');
    await isBlocked('Deployment looms-web', 'diff', '-f', 'mcp.yaml');
    write(fs, web(192));
    await isBlocked('Deployment looms-web', 'apply', '-f', 'mcp.yaml', '--yes');
    const ending = (await find('deployment', 'looms-web')).metadata;
    expect([ending.uid, ending.finalizers]).toEqual([metadata.uid, expect.arrayContaining(finalizers)]);

    await ofProject('patch', 'deployment', 'looms-web', '-p', '{"metadata":{"finalizers":null}}');
    await isGone('deployment', 'looms-web');
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect((await find('deployment', 'looms-web')).metadata.uid).not.toBe(metadata.uid);
  }, 240_000);
});
