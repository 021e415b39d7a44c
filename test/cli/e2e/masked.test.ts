import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { testProject } from '../../support/test-project.ts';
import { specs } from '../../support/tiny-server.ts';

const told = 'quux"77\\310-told';
const password = 'quux-90211-in-a-uri';
const env = { LOOMS_SECRET_TOLD: told, V: password };

// README: secrets never show (issue 11, 3 and 4).
describe.skipIf(withoutEngine())('what a server over HTTP tells of its secrets', () => {
  const project = testProject('masked');
  const yaml = specs(
    httpSpec('teller', { secret: 'told', backend: { environment: { U1: 'postgres://u:${V}@h/db' } } }),
  );
  beforeAll(async () => {
    expect(await project.apply(yaml, [], { env })).toMatchObject({ code: 0 });
  });
  afterAll(() => project.remove());

  test('a password in a URI of environment is nowhere on the engine', async () => {
    expect(await placesThatTell(project.docker, project.name, password)).toEqual([]);
  });

  test('is masked in answers, as text and as JSON in JSON, and in its log', async () => {
    for (const args of [
      ['mcp', 'call', 'teller', 'tell'],
      ['mcp', 'call', 'teller', 'tell', '--json'],
      ['mcp', 'logs', 'teller'],
      ['mcp', 'logs', 'teller', '--json'],
    ]) {
      const { code, stdout } = await project.run(args, { env });
      expect({ args, code }).toEqual({ args, code: 0 });
      expect(stdout).toContain('(secret)');
      expect(stdout).not.toMatch(/quux|310-told/);
    }
  });

  test('of which nothing can be looked up is warned of, and the log is shown all the same', async () => {
    const { code, stderr } = await project.run(['mcp', 'logs', 'teller']);
    expect({ code }).toEqual({ code: 0 });
    expect(stderr.match(/\$\{secret:told\} of teller cannot be looked up here/g)).toHaveLength(1);
  });
});
