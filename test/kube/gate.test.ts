import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterVolume } from '../support/cluster-volume.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { emptyFolder, type Finished, looms, startLooms } from '../support/looms.ts';
import { tinySpec } from '../support/tiny-server.ts';

type Noted = { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };
type Pod = Noted & { readonly metadata: { readonly deletionTimestamp?: string } };
type Quota = { readonly status?: { readonly used?: Readonly<Record<string, string>> } };

/** Longest wait for what the cluster does by itself, ms. */
const longMs = 90_000;

describe.skipIf(kubectlProgram === '')('a new generation that comes to nothing', () => {
  const project = `gate-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const volume = clusterVolume(namespace);
  const cwd = emptyFolder();
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '' };
  const flags = ['--project', project, '--context', 'kubernetes:'];
  const run = (...args: readonly string[]): Promise<Finished> => looms([...args, ...flags], { cwd, env });
  const applying = (document: string) => {
    writeFileSync(join(cwd, 'mcp.yaml'), document);
    return startLooms(['apply', '-f', 'mcp.yaml', '--yes', ...flags], { cwd, env });
  };
  const apply = (document: string): Promise<Finished> => applying(document).finished;
  const says = async (server: string, text: string) =>
    expect(await run('mcp', 'call', server, 'echo', `text=${text}`)).toMatchObject({ code: 0, stdout: `${text}\n` });
  const ofProject = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', namespace, ...args]);
  const generationOf = ({ metadata }: Noted): string | undefined => metadata.annotations?.['looms.dev/generation'];

  const fs = (memoryMiB: number): string => tinySpec({ name: 'fs', memoryMiB });
  const stored = (kind: 'works' | 'dies'): string =>
    tinySpec({
      ...{ name: 'stored', kind, timeoutSeconds: 5 },
      backend: { volume_mounts: [{ source: 'data', target: '/data' }], lifecycle: { drain_seconds: 1 } },
    });

  beforeAll(async () => {
    await volume.make();
  });
  afterAll(async () => {
    await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false']);
    await volume.remove();
  });

  it('says within a minute why the cluster makes none of it, and what serves goes on', async () => {
    expect(await apply(fs(128))).toExit(0);
    const counted = 'count/replicasets.apps';
    await ofProject('create', 'quota', 'q', `--hard=${counted}=1`);
    await eventually(async () => {
      const { status } = await kubectlJson<Quota>(['-n', namespace, 'get', 'quota', 'q']);
      expect(status?.used?.[counted]).toBe('1');
    }, longMs);

    try {
      const began = performance.now();
      const refused = await apply(fs(160));
      const seconds = Math.round((performance.now() - began) / 1000);
      console.log(`that its ReplicaSet exceeds a quota was told after ${seconds} s`);
      expect(refused).toExit(4);
      expect(refused.stdout).toMatch(/fs did not become ready: Failed to create new replica set .*exceeded quota: q/);
      expect(seconds).toBeLessThan(60);
      await says('fs', 'still');
    } finally {
      await ofProject('delete', 'quota', 'q');
    }
    expect(await apply(fs(160))).toExit(0);
  }, 240_000);

  const generationNow = async (server: string): Promise<string | undefined> =>
    generationOf(await kubectlJson<Noted>(['-n', namespace, 'get', 'deployment', `looms-${server}`]));
  /** Applies, and kills that once a generation is written, which then is all that there is or is meant. */
  const applyKilled = async (server: string, document: string, generation: string): Promise<void> => {
    const killed = applying(document);
    await eventually(async () => expect(await generationNow(server), killed.stdout()).toBe(generation), longMs);
    killed.child.kill('SIGKILL');
    await killed.finished;
    await eventually(async () => {
      const of = ['-n', namespace, 'get', 'pods', '-l', `looms.dev/server=${server}`];
      const { items } = await kubectlJson<{ items: readonly Pod[] }>(of);
      const pods = items.map((pod) => [generationOf(pod), pod.metadata.deletionTimestamp]);
      expect(pods).toEqual([[generation, undefined]]);
    }, longMs);
  };

  it('passes its gate with the next apply where its run was killed, and is what is gone back to from then on', async () => {
    const late = (memoryMiB: number, kind: 'works' | 'dies' = 'works'): string =>
      tinySpec({ name: 'late', memoryMiB, kind, timeoutSeconds: 5 });
    expect(await apply(late(128))).toExit(0);
    await applyKilled('late', late(160), '2');
    await ofProject('rollout', 'status', 'deployment', 'looms-late', `--timeout=${longMs}ms`);
    const pending = await run('diff', '-f', 'mcp.yaml');
    expect([pending.code, pending.stdout]).toEqual([2, expect.stringContaining('late')]);
    expect(await apply(late(160))).toExit(0);
    expect((await run('diff', '-f', 'mcp.yaml')).code).toBe(0);
    expect(await apply(late(160, 'dies'))).toExit(4);
    expect(await generationNow('late')).toBe('2');
    await says('late', 'back');
  }, 300_000);

  it('is taken back by the next apply where its run was killed, and its server had to stop first', async () => {
    expect(await apply(stored('works'))).toExit(0);
    await says('stored', 'before');
    await applyKilled('stored', stored('dies'), '2');

    const next = await apply(stored('dies'));
    expect(next, next.stdout + next.stderr).toExit(4);
    await says('stored', 'after');
    expect(await generationNow('stored')).toBe('1');
  }, 300_000);
});
