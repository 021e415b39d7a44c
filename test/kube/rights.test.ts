import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Right, rightOf } from '../../src/kubernetes/client/rights.ts';
import { probeRights, projectRights } from '../../src/kubernetes/model/rights.ts';
import type { ApiRequest } from '../../src/kubernetes/port.ts';
import { clusterVolume } from '../support/cluster-volume.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { type LeastRights, leastRights, linesOf } from '../support/least-rights.ts';
import { emptyFolder, looms, startLooms } from '../support/looms.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

// Everything that looms does in a project, by a user who has the rights of deploy/kubernetes/role.yaml and no other ones.

type Asked = Right & { readonly line: string; readonly status: number };

/** What a user has asked for, as rights. */
const askedOf = ({ recorded }: LeastRights): readonly Asked[] =>
  recorded.flatMap(({ method, url, status }) => {
    const query = Object.fromEntries(url.searchParams);
    const right = rightOf({ method: method as ApiRequest['method'], path: url.pathname, query });
    return right === undefined ? [] : [{ ...right, line: `${right.resource}: ${right.verb}`, status }];
  });

/** Each right once; one request for an exec needs two. */
const linesIn = (asked: readonly Asked[]): readonly string[] =>
  [...new Set(asked.map(({ line }) => line))]
    .sort()
    .flatMap((line) => (line === 'pods/exec: get' ? ['pods/exec: create', line] : [line]));

describe.skipIf(kubectlProgram === '')('a user with the rights of the recipe', () => {
  const project = `rights-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const volume = clusterVolume(namespace);
  const cwd = emptyFolder();
  let user: LeastRights;

  const env = () => ({ KUBECONFIG: user.kubeconfig, LOOMS_SECRET_TOKEN: 'a secret' });
  const flags = ['--project', project, '--context', 'kubernetes:'];
  const run = (...args: readonly string[]) => looms([...args, ...flags], { cwd, env: env() });
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stderr], args.join(' ')).toEqual([0, expect.not.stringMatching(/error|may not/)]);
    return stdout;
  };
  const write = (...documents: readonly string[]): void => writeFileSync(join(cwd, 'mcp.yaml'), specs(...documents));
  const ofProject = (...args: readonly string[]) => kubectlSays(['-n', namespace, ...args]);

  const fs = (more: Partial<Parameters<typeof tinySpec>[0]> = {}): string =>
    tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:token}' }, ...more });
  const web = tinyHttpSpec({
    name: 'web',
    backend: {
      volume_mounts: [{ source: 'data', target: '/data' }],
      network: { egress: [{ host: 'db', address: '10.1.2.3', port: 5432 }] },
    },
  });

  beforeAll(async () => {
    user = await leastRights(project);
    await volume.make();
  });
  afterAll(async () => {
    await user?.clean();
    await volume.remove();
  });

  it('applies a project whose namespace is there, and talks to its servers', async () => {
    write(fs(), web);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
    expect(await does('mcp', 'call', 'fs', 'echo', '{"text":"hello"}')).toContain('hello');
    for (const words of [
      ['get'],
      ['describe', 'fs'],
      ['stats'],
      ['history', 'fs'],
      ['mcp', 'logs', 'fs'],
      ['unlock'],
    ]) {
      await does(...words);
    }
  }, 180_000);

  it('is told by doctor what it may not see, which keeps it from nothing', async () => {
    const { code, stdout } = await looms(['doctor', '--context', 'kubernetes:'], { cwd, env: env() });
    expect([code, stdout]).toEqual([0, expect.stringContaining('projects        not known: cannot list namespaces')]);
    expect(stdout).toContain('resources       not known');
  });

  it('sets back what somebody changed of anything', async () => {
    await kubectlSays(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=baseline', '--overwrite']);
    await ofProject('patch', 'configmap', 'looms-scripts', '-p', '{"data":{"more":"by hand"}}');
    await ofProject('label', 'networkpolicy', 'looms-deny', 'more=by-hand');
    await ofProject('label', 'service', 'looms-web', 'more=by-hand');
    await ofProject('label', 'deployment', 'looms-fs', 'more=by-hand');
    const { changes, support } = JSON.parse((await run('diff', '-f', 'mcp.yaml', '--json')).stdout);
    expect(changes).toMatchObject([{ action: 'clean-up' }, { action: 'unchanged' }]);
    expect(support.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      'namespace',
      'network',
      'scripts',
      'service',
    ]);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
  }, 120_000);

  it('keeps what serves where the new one hangs, for longer than the lock lives without a renewal', async () => {
    write(fs({ kind: 'hangs', timeoutSeconds: 10 }), web);
    const { code } = await run('apply', '-f', 'mcp.yaml', '--yes');
    expect(code).toBe(4);
    expect(await does('mcp', 'call', 'fs', 'echo', '{"text":"still"}')).toContain('still');
    write(fs(), web);
    await does('apply', '-f', 'mcp.yaml', '--yes');
  }, 240_000);

  it('follows what happens', async () => {
    const loop = startLooms(['watch', '-f', 'mcp.yaml', ...flags], { cwd, env: env() });
    try {
      await eventually(() => expect(loop.stdout()).toContain('watching 2 servers'), 60_000);
      await ofProject('delete', 'deployment', 'looms-fs');
      await eventually(() => expect(loop.stdout()).toContain('in sync'), 60_000);
    } finally {
      loop.child.kill('SIGINT');
    }
    expect((await loop.finished).stderr).not.toMatch(/error|may not/);
  }, 180_000);

  it('scales a server by its sessions, asleep and awake', async () => {
    const scale = { min: 0, max: 2, sessions_per_replica: 1, idle_seconds: 1 };
    write(fs({ mcp: { scale } }), web);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    const gateway = startLooms(['serve', ...flags], { cwd, env: env() });
    const runs = [gateway];
    const state = async (): Promise<string> => JSON.parse(await does('get', '-o', 'json'))[0].state;
    const sessions = async (): Promise<number> => JSON.parse(await does('stats', 'fs', '--json'))[0].sessions;
    try {
      await eventually(async () => expect(await state()).toBe('asleep'), 60_000);
      const call = startLooms(['mcp', 'call', 'fs', 'wait', ...flags], { cwd, env: env() });
      runs.unshift(call);
      const ended = call.finished.then(({ stdout, stderr }) => {
        throw new Error(`the call has ended: ${stdout}${stderr}`);
      });
      await Promise.race([ended, eventually(async () => expect(await sessions()).toBeGreaterThan(0), 60_000)]);
      // One too many beside it: which goes first is said.
      await ofProject('scale', 'deployment/looms-fs', '--replicas=2');
      await eventually(async () => {
        const { stdout } = await kubectl(['-n', namespace, 'get', 'pods', '-o', 'yaml']);
        expect(stdout).toContain('controller.kubernetes.io/pod-deletion-cost');
      }, 60_000);
    } finally {
      for (const { child, finished } of runs) {
        child.kill('SIGINT');
        await finished;
      }
    }
    expect((await gateway.finished).stderr).not.toMatch(/may not/);
  }, 240_000);

  it('removes what is not needed any more, data too', async () => {
    write(fs({ memoryMiB: 160 }));
    await does('apply', '-f', 'mcp.yaml', '--yes', '--prune');
    await does('prune', '--volumes', '--yes');
    await does('delete', 'fs', '--yes');
    const { stdout } = await kubectl(['-n', namespace, 'get', 'all,secrets,persistentvolumeclaims', '-o', 'name']);
    expect(stdout).not.toContain('looms-');
  }, 180_000);

  it('is told which right is lacking, and that an exec takes two', async () => {
    const less = await leastRights(`${project}-less`, { without: ['pods/exec: create'] });
    try {
      write(fs());
      const asked = ['apply', '-f', 'mcp.yaml', '--yes', '--project', `${project}-less`, '--context', 'kubernetes:'];
      const { code, stdout, stderr } = await looms(asked, { cwd, env: { ...env(), KUBECONFIG: less.kubeconfig } });
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain(`kubectl auth can-i create pods/exec -n ${namespace}-less`);
    } finally {
      await less.clean();
    }
  }, 120_000);

  it('leaves a namespace that it may look at and not write as it is', async () => {
    const less = await leastRights(`${project}-look`, { without: ['namespaces: patch'] });
    try {
      await kubectlSays(['label', 'namespace', `${namespace}-look`, 'pod-security.kubernetes.io/enforce-']);
      write(fs());
      const run = (...args: readonly string[]) =>
        looms([...args, '-f', 'mcp.yaml', '--project', `${project}-look`, '--context', 'kubernetes:'], {
          cwd,
          env: { ...env(), KUBECONFIG: less.kubeconfig },
        });
      const { code, stderr } = await run('apply', '--yes');
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      expect((await run('diff')).code).toBe(0);
    } finally {
      await less.clean();
    }
  }, 120_000);

  it('tries out with those of another role whether the cluster keeps servers in, and needs all of them', async () => {
    const prober = await leastRights(`${project}-probe`, { everywhere: ['probe-role.yaml'] });
    try {
      const doctor = (more: Readonly<Record<string, string>> = {}) =>
        looms(['doctor', '--probe', '--context', 'kubernetes:'], { env: { KUBECONFIG: prober.kubeconfig, ...more } });
      expect((await doctor()).stdout).toContain('✓ isolation');
      // A pod that does not begin has the cluster's events asked for.
      await doctor({ LOOMS_RELAY_IMAGE: 'nowhere.invalid/none:1' });
      const asked = askedOf(prober).filter(
        ({ resource, namespace: at }) => at?.startsWith('looms-probe-') === true || resource === 'namespaces',
      );
      const lines = linesIn(asked.filter(({ status, name }) => status !== 403 && name !== 'kube-system'));
      expect(lines).toEqual(linesOf(probeRights));
    } finally {
      await prober.clean();
    }
  }, 240_000);

  it('needed all of its rights, and asked for no others but those that looms does without', () => {
    const asked = askedOf(user);
    const isInside = ({ namespace: at, resource, name }: Asked): boolean =>
      at === namespace || (resource === 'namespaces' && name === namespace);
    // Those that hosts by name take are tried where the cluster knows such policies (names.test.ts).
    const ofOthers = projectRights.filter(({ resource }) => resource !== 'ciliumnetworkpolicies.cilium.io');
    expect(linesIn(asked.filter((one) => isInside(one) && !one.resource.endsWith('.cilium.io')))).toEqual(
      linesOf(ofOthers),
    );
    expect(linesIn(asked.filter(({ status }) => status === 403))).toEqual([
      'namespaces: get',
      'namespaces: list',
      'nodes: list',
    ]);
    expect(asked.filter((one) => one.status === 403 && isInside(one))).toEqual([]);
  });
});
