import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** Two lines, of which the first holds what JSON escapes. */
const told = 'quux"77\\310-told\nquux-line-two';
const telling = /quux|310-told|line-two/;
const password = 'quux-90211-in-a-uri';
const state = { XDG_STATE_HOME: emptyFolder() };
const env = { ...state, LOOMS_SECRET_TOLD: told, V: password };

// README: secrets never show (issue 11, 3 and 4).
describe.skipIf(withoutEngine())('what a server over HTTP tells of its secrets', () => {
  const project = testProject('masked');
  const yaml = specs(
    httpSpec('teller', { secret: 'told', backend: { environment: { U1: 'postgres://u:${V}@h/db' } } }),
    httpSpec('quitter', { secret: 'told', backend: { lifecycle: { restart: 'no' } } }),
  );
  beforeAll(async () => {
    expect(await project.apply(yaml, [], { env })).toExit(0);
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
      expect(stdout).not.toMatch(telling);
    }
  });

  test.each([
    [[], 'in two: (secret)\n(secret)\ndripped\n'],
    [['--json'], 'in two: (secret)"'],
  ])('is masked in a log that is followed, as JSON and when it comes in two pieces %s', async (flags, written) => {
    const follow = project.start(['mcp', 'logs', 'teller', '--follow', '--tail', '0', ...flags], { env });
    try {
      await eventually(async () => {
        expect(await project.run(['mcp', 'call', 'teller', 'tell'], { env })).toExit(0);
        expect(follow.stdout()).toContain('token');
      }, 60_000);
      // Once: the second half of a line comes after a while, and nothing else may be written between the two.
      expect(await project.run(['mcp', 'call', 'teller', 'drip'], { env })).toExit(0);
      await eventually(() => expect(follow.stdout()).toContain('dripped'));
    } finally {
      follow.child.kill('SIGINT');
    }
    const { stdout } = await follow.finished;
    expect(stdout).toContain(written);
    expect(stdout).toContain('token');
    expect(stdout).not.toMatch(telling);
  });

  test('is masked in the arguments that the audit trail keeps', async () => {
    const args = [JSON.stringify({ text: `it is ${told}`, deep: { list: [told] }, [told]: 'as a key' })];
    const { code } = await project.run(['mcp', 'call', 'teller', 'tell', ...args, '--audit-arguments'], { env });
    expect(code).toBe(0);
    const { stdout } = await project.run(['audit', '--json', '--tail', '1'], { env });
    expect(JSON.parse(stdout)).toMatchObject({
      arguments: { text: 'it is (secret)', deep: { list: ['(secret)'] }, '(secret)': 'as a key' },
    });
    const stored = readFileSync(join(state.XDG_STATE_HOME, 'looms', 'ledger.sqlite'), 'latin1');
    expect(stored).toContain('it is (secret)');
    expect(stored).not.toMatch(telling);
  });

  test('is masked where a server that ended is told with its log', async () => {
    expect(await project.run(['mcp', 'call', 'quitter', 'quit'], { env })).not.toExit(0);
    for (const flags of [[], ['--json']]) {
      const { stdout, stderr } = await project.run(['mcp', 'health', 'quitter', ...flags], { env });
      expect(stdout).toContain('last words: (secret)');
      expect(stdout + stderr).not.toMatch(telling);
    }
  });

  test('is masked where a gate that failed is told with its log', async () => {
    const script = "console.error('token ' + process.env.API_TOKEN, JSON.stringify(process.env)); process.exit(3)";
    const broken = httpSpec('broken', { secret: 'told', mcp: { args: ['-e', script], timeout_seconds: 30 } });
    for (const flags of [[], ['--json'], ['--verbose']]) {
      const { code, stdout, stderr } = await project.apply(specs(broken), flags, { env });
      expect({ flags, code, stderr }).toMatchObject({ flags, code: 10 });
      expect(stdout).toContain('token (secret)');
      expect(stdout + stderr).not.toMatch(telling);
    }
  });

  test('of which nothing can be looked up is warned of, and the log is shown all the same', async () => {
    const { code, stderr } = await project.run(['mcp', 'logs', 'teller'], { env: state });
    expect({ code }).toEqual({ code: 0 });
    expect(stderr.match(/\$\{secret:told\} of teller cannot be looked up here/g)).toHaveLength(1);
  });
});

describe.skipIf(withoutEngine())('the password of a proxy', () => {
  const project = testProject('proxied');
  afterAll(() => project.remove());

  test('is masked in what a build that fails wrote, in the forms in which tools write it', async () => {
    const basic = 'printf %s "$HTTPS_PROXY" | cut -d/ -f3 | cut -d@ -f1 | tr -d "\\n" | base64';
    const run = [`echo "proxy is $HTTP_PROXY; basic $(${basic})"; exit 4`];
    const spec = changed(tinySpec({ name: 'proxied' }), {
      backend: {
        base_image: undefined,
        runtime_type: 'custom',
        build_config: { from_image: 'debian:bookworm-slim', run_commands: run },
      },
    });
    const proxy = `http://zoe:${password}@127.0.0.1:9`;
    const settings = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy };
    for (const flags of [[], ['--json'], ['--verbose']]) {
      const { code, stdout, stderr } = await project.apply(spec, flags, { env: settings });
      expect({ flags, code, stderr }).toMatchObject({ flags, code: 1 });
      const written = stdout + stderr;
      expect(written).toContain('proxy is http://(secret)@127.0.0.1:9; basic (secret)');
      expect(written).not.toContain(password);
      expect(written).not.toContain(Buffer.from(`zoe:${password}`).toString('base64'));
    }
  });
});
