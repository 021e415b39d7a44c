import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms } from '../../support/looms.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';

const before = { LOOMS_SECRET_TOLD: 'quux-before-7231' };
const after = { LOOMS_SECRET_TOLD: 'quux-after-9917' };

describe.skipIf(withoutEngine())('a changed secret of a server over HTTP', () => {
  const project = testProject('changed-secret');
  const yaml = httpSpec('teller', { secret: 'told' });
  const diff = (env: Readonly<Record<string, string>>, flags: readonly string[] = []) =>
    project.run(['diff', '-f', '-', ...flags], { stdin: yaml, env });
  beforeAll(async () => {
    expect(await project.apply(yaml, [], { env: before })).toExit(0);
  });
  afterAll(() => project.remove());

  test('is none while the value is the same', async () => {
    expect(await diff(before)).toMatchObject({ code: 0, stderr: '' });
  });

  test('is named by diff, without a value, and no other machine replaces for it', async () => {
    const shown = await diff(after);
    expect(shown).toMatchObject({ code: 2, stderr: '' });
    expect(shown.stdout).toMatch(/^\+\/- teller {2}replace without downtime: a secret changed: API_TOKEN$/m);
    const json = await diff(after, ['--json']);
    expect(changesAsText(JSON.parse(json.stdout))).toEqual(['teller: replace start-first secret-changed']);
    expect(shown.stdout + json.stdout).not.toContain('quux');

    const elsewhere = await diff({ ...after, XDG_STATE_HOME: emptyFolder() });
    expect(elsewhere.code).toBe(0);
    expect(elsewhere.stdout + elsewhere.stderr).toMatch(/warning\[secrets-of-another-key] teller: .*LOOMS_RECORD_KEY/s);
  });

  test('that is not set here is told and is no drift', async () => {
    const unset = await diff({});
    expect(unset.code).toBe(0);
    expect(unset.stdout + unset.stderr).toContain(
      'warning[secrets-not-compared] teller: whether its secrets changed cannot be told: ${secret:told} is not set here',
    );
  });

  test('of a saved plan that cannot be told where it is carried out is the reason why it is stale', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'teller.yaml'), yaml);
    const save = ['diff', '-f', 'teller.yaml', '--out', 'plan.json'];
    expect(await project.run(save, { env: after, cwd })).toExit(2);
    expect(readFileSync(join(cwd, 'plan.json'), 'utf8')).not.toMatch(/quux|[0-9a-f]{32}"}/);
    const elsewhere = await looms(['apply', 'plan.json'], { env: { ...after, XDG_STATE_HOME: emptyFolder() }, cwd });
    expect(elsewhere.code).toBe(7);
    expect(elsewhere.stderr).toContain('here that cannot be told');
    expect(elsewhere.stderr).toMatch(/teller: whether its secrets changed cannot be told here.*LOOMS_RECORD_KEY/s);
  });

  test('replaces the server with apply, and is no drift after that; no value is anywhere on the engine', async () => {
    const applied = await project.apply(yaml, [], { env: after });
    expect(applied).toExit(0);
    expect(applied.stdout).toMatch(/^✓ teller {2}replaced/m);
    expect(await diff(after)).toMatchObject({ code: 0, stderr: '' });
    expect(await diff(before)).toExit(2);
    const { Labels } = (await project.container('teller').inspect()).Config;
    expect(JSON.parse(Labels['looms.secrets'] ?? '')).toEqual({
      key: expect.stringMatching(/^[0-9a-f]{12}$/),
      values: { API_TOKEN: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    for (const { LOOMS_SECRET_TOLD: value } of [before, after]) {
      expect(await placesThatTell(project.docker, project.name, value)).toEqual([]);
    }
  });

  test('comes with the next restart, too, and then is no drift', async () => {
    expect(await project.run(['mcp', 'restart', 'teller'], { env: before })).toExit(0);
    expect(await diff(before)).toMatchObject({ code: 0, stderr: '' });
  });
});
