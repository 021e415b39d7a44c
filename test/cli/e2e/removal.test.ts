import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const a = tinySpec({ name: 'a', env: { API_TOKEN: 'plain' } });
const b = tinySpec({ name: 'b' });
const c = tinySpec({ name: 'c' });
const web = httpSpec('web', { volume: 'pages' });

describe.skipIf(withoutEngine())('removing servers', () => {
  const project = testProject('remove');
  const bystander = testProject('bystander');
  const names = async () => (await project.names()).filter((name) => !name.startsWith('.'));

  beforeAll(async () => {
    const [one, two] = await Promise.all([project.apply(specs(a, b, c, web)), bystander.apply(a)]);
    expect(one, one.stderr).toExit(0);
    expect(two, two.stderr).toExit(0);
  });
  afterAll(async () => {
    await project.remove();
    await bystander.remove();
  });

  test('never happens without --prune: what no file declares stays, with a warning, and the rest is in sync', async () => {
    const { plan } = await project.diff(specs(a, b));
    expect(plan.warnings).toEqual([
      expect.objectContaining({ code: 'not-in-spec', message: expect.stringContaining('c, web') }),
    ]);
    expect(plan.steps).toEqual([]);
    expect(await project.apply(specs(a, b))).toExit(0);
    expect(await names()).toEqual(['a', 'b', 'c', 'web']);
  });

  test('by --prune is refused (8) beyond --max-deletes', async () => {
    const refused = await project.apply(a, ['--prune', '--max-deletes', '2']);
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain('--max-deletes 3');
    expect(await names()).toEqual(['a', 'b', 'c', 'web']);
  });

  test('by --prune is refused (65) when one of the files does not load', async () => {
    const broken = specs(a, 'name: b\ndocker_backend:\n  base_imgae: node:24-slim\n');
    expect(await project.apply(broken, ['--prune'])).toExit(65);
    expect(await names()).toEqual(['a', 'b', 'c', 'web']);
  });

  test('by --prune of an empty file is refused (8) without --allow-empty', async () => {
    const refused = await project.apply('---\n', ['--prune']);
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain('--allow-empty');
    expect(await names()).toEqual(['a', 'b', 'c', 'web']);
  });

  test('by --prune takes exactly what no file declares, in this project only', async () => {
    expect(changesAsText((await project.diff(specs(a, b, web), ['--prune'])).plan)).toEqual(['c: remove not-in-spec']);
    expect(await project.apply(specs(a, b, web), ['--prune', '--max-deletes', '1'])).toExit(0);
    expect(await names()).toEqual(['a', 'b', 'web']);
    expect(await bystander.names()).toEqual(['a']);
  });

  test('with --server looks at nothing else, also when pruning', async () => {
    expect(await project.apply(a, ['--prune', '--server', 'a'])).toExit(0);
    expect(await names()).toEqual(['a', 'b', 'web']);
  });

  test('what get -o yaml prints can be applied again, and changes nothing', async () => {
    const { code, stdout } = await project.run(['get', '-o', 'yaml']);
    expect(code).toBe(0);
    const before = await Promise.all(['a', 'b', 'web'].map(project.idOf));
    expect((await project.diff(stdout, ['--prune'])).plan).toMatchObject({ steps: [], drift: [] });
    const again = await project.apply(stdout, ['--prune']);
    expect(again).toExit(0);
    expect(again.stdout).toContain('In sync');
    expect(await Promise.all(['a', 'b', 'web'].map(project.idOf))).toEqual(before);
  });

  test('by name takes one server, and says 66 and the nearest name for one that is not there', async () => {
    expect(await project.run(['delete', 'b', '--yes'])).toExit(0);
    expect(await names()).toEqual(['a', 'web']);
    const typo = await project.run(['delete', 'wep', '--yes']);
    expect(typo.code).toBe(66);
    expect(typo.stderr).toContain('did you mean web?');
  });

  test('is shown and not done with --dry-run, and without --yes and a terminal (9)', async () => {
    const dry = await project.run(['delete', '--all', '--dry-run']);
    expect(dry).toExit(0);
    expect(dry.stdout).toContain('2 to remove');
    expect(await project.run(['delete', '--all'])).toExit(9);
    expect(await names()).toEqual(['a', 'web']);
  });

  test('of all takes relay and network with it, and leaves volumes and other projects', async () => {
    const deleted = await project.run(['delete', '--all', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
    expect(await project.volumes()).toEqual([`looms-${project.name}-pages`]);
    expect(await bystander.names()).toEqual(['a']);
    expect(await project.run(['delete', '--all', '--yes'])).toExit(0);
  });
});

describe.skipIf(withoutEngine())('a deletion that was cut off behind its server', () => {
  const project = testProject('cut-removal');
  const prefix = `looms-${project.name}`;
  afterAll(() => project.remove());

  test.each([
    ['its forwarder', [`${prefix}-a`]],
    ['networks', [`${prefix}-a`, `${prefix}-a.egress-1`]],
  ])('is completed by the same one, where only %s are left, and by no other name', async (_, gone) => {
    const spec = tinySpec({ name: 'a', backend: { network: { egress: ['db.example.com:5432'] } } });
    expect(await project.apply(spec)).toExit(0);
    for (const name of gone) await project.docker.getContainer(name).remove({ force: true });
    expect(await project.networks()).toContain(`${prefix}-a.egress`);
    expect(await project.run(['delete', 'b', '--yes'])).toExit(66);
    const deleted = await project.run(['delete', 'a', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
    expect(await project.names()).toEqual([]);
    expect(await project.run(['delete', 'a', '--yes'])).toExit(66);
  });
});
