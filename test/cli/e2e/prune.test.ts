import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePrivateEngine, noPrivateEngine, type PrivateEngine } from '../../../scripts/lib/private-engine.mjs';
import { withoutEngine } from '../../support/images.ts';
import { looms } from '../../support/looms.ts';
import { brokenSpec, changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const missing = withoutEngine() ? 'no engine' : noPrivateEngine();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const image = (command: string) => ({
  base_image: undefined,
  build_config: { from_image: 'node:24-slim', run_commands: [`echo ${command} > /made`] },
});
const built = (name: string, command: string): string =>
  changed(tinySpec({ name }), {
    backend: { ...image(command), volume_mounts: [{ source: name, target: '/data' }] },
  });

/** Images are the engine's, not a project's: a prune would take those of tests that run beside it. */
describe.skipIf(missing !== undefined)('prune', () => {
  let engine: PrivateEngine;
  let docker: Docker;
  const run = (args: readonly string[], stdin = '') =>
    looms([...args, '--project', 'disk'], { env: { DOCKER_HOST: engine.host }, stdin });
  const apply = (yaml: string) => run(['apply', '-f', '-', '--yes'], yaml);
  const images = async () =>
    (await docker.listImages())
      .flatMap(({ RepoTags: tags }) => tags ?? [])
      .filter((tag) => tag.startsWith('looms/build:'));
  const volumes = async () => ((await docker.listVolumes()).Volumes ?? []).map(({ Name }) => Name).sort();
  const records = async () =>
    (await docker.listContainers({ all: true })).flatMap(({ Names }) => Names.filter((name) => /\.h\d+$/.test(name)));

  beforeAll(async () => {
    engine = await makePrivateEngine({
      images: ['node:24-slim', 'debian:bookworm-slim'],
      from: process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock',
    });
    docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
  }, 120_000);
  afterAll(() => engine?.close());

  test('has nothing to do where everything is used, and leaves what it was not asked for', async () => {
    expect(await apply(built('fs', 'one'))).toExit(0);
    const idle = await run(['prune', '--volumes', '--history', '--yes']);
    expect(idle).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to prune.') });
    expect(await run(['delete', 'fs', '--yes'])).toExit(0);
    const told = await run(['prune', '--yes']);
    expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to prune.') });
    expect(told.stderr).toContain('volumes that no server has stay: looms-disk-fs; --volumes removes them');
    expect(told.stderr).toContain('records of deleted servers stay: looms-disk-fs.h1; --history removes them');
    expect([(await images()).length, await volumes(), await records()]).toEqual([
      1,
      ['looms-disk-fs'],
      ['/looms-disk-fs.h1'],
    ]);
  });

  test('shows what would go, asks, and removes it', async () => {
    await docker.createVolume({ Name: 'looms-disk-theirs' });
    const all = ['prune', '--volumes', '--history'];
    expect(await run(all)).toExit(9);
    const dry = await run([...all, '--dry-run', '--json']);
    expect(schemaProblems('apply', JSON.parse(dry.stdout))).toEqual([]);
    expect((await records()).length).toBe(1);
    const pruned = await run([...all, '--yes']);
    expect(pruned.stdout).toMatch(/^- {3}record looms-disk-fs\.h1 +remove: its server was deleted$/m);
    expect(pruned.stdout).toMatch(/^1 record to remove, 1 volume to remove, 1 image to remove$/m);
    expect([await images(), await volumes(), await records()]).toEqual([[], ['looms-disk-theirs'], []]);
    expect(await run(['history', 'fs'])).toExit(66);
  });

  test('is not needed for an image whose server never passed its gate', async () => {
    const broken = changed(brokenSpec('bad', 'exits'), { backend: image('two') });
    expect(await apply(broken)).toExit(10);
    expect(await images()).toEqual([]);
  });

  test('leaves images while a run works on another project', async () => {
    expect(await apply(built('fs', 'three'))).toExit(0);
    expect(await run(['delete', 'fs', '--yes'])).toExit(0);
    const now = Date.now();
    const held = { who: 'ben', host: 'elsewhere', pid: 1, command: 'apply', acquiredAt: now, expiresAt: now + 60_000 };
    const lock = await docker.createContainer({
      Image: 'node:24-slim',
      name: 'looms-other.lock',
      Labels: { 'looms.project': 'other', 'looms.role': 'lock', 'looms.lock': JSON.stringify(held) },
    });
    const left = await run(['prune', '--history', '--yes']);
    expect(left.stdout).toContain('images stay while a run works on project other');
    expect(await images()).toHaveLength(1);
    await lock.remove();
    // One that ran out, or that looms did not make, is nobody's.
    for (const label of [JSON.stringify({ ...held, acquiredAt: 1, expiresAt: 2 }), 'mine']) {
      const dead = await docker.createContainer({
        Image: 'node:24-slim',
        name: `looms-other${label === 'mine' ? '2' : ''}.lock`,
        Labels: {
          'looms.project': `other${label === 'mine' ? '2' : ''}`,
          'looms.role': 'lock',
          'looms.lock': label,
        },
      });
      const dryRun = await run(['prune', '--dry-run']);
      expect(dryRun.stdout).toContain('1 image to remove');
      await dead.remove();
    }
    expect(await run(['prune', '--yes'])).toExit(0);
    expect(await images()).toEqual([]);
  });
});
