import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

type Line = {
  readonly command: string;
  readonly result: string;
  readonly code?: string;
  readonly subject?: string;
  readonly servers: readonly {
    readonly server: string;
    readonly action: string;
    readonly reasons: readonly string[];
    readonly commit?: string;
    readonly result?: string;
    readonly why?: string;
  }[];
};

describe.skipIf(withoutEngine())('changes are audited', () => {
  const project = testProject('changes');
  const cwd = emptyFolder();
  const state = emptyFolder();
  const env = {
    ...{ XDG_STATE_HOME: state, XDG_DATA_HOME: state, XDG_CONFIG_HOME: state },
    LOOMS_SECRET_T: 'plugh-4477',
  };
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', cwd, '-c', 'user.name=ada', '-c', 'user.email=ada@example.com', ...args], {
      encoding: 'utf8',
    }).trim();
  const declare = (yaml: string) => writeFileSync(join(cwd, 'mcp.yaml'), yaml);
  const run = async (code: number, args: readonly string[], more = {}): Promise<string> => {
    const result = await project.run(args, { cwd, env: { ...env, ...more } });
    expect(result, args.join(' ')).toExit(code);
    return result.stdout + result.stderr;
  };
  const lines = async (...flags: string[]): Promise<Line[]> => {
    const { stdout } = await project.run(['audit', '--kind', 'change', '--json', ...flags], { cwd, env });
    const found = stdout.split('\n').filter((line) => line !== '');
    expect(found.flatMap((line) => schemaProblems('audit-change', JSON.parse(line)))).toEqual([]);
    return found.map((line) => JSON.parse(line) as Line);
  };
  /** `apply done: create fs (missing) done`, a line a change. */
  const told = (all: readonly Line[]): string[] =>
    all.map(({ command, result, servers, subject, code }) => {
      const what = servers.map((one) => `${one.action} ${one.server} (${one.reasons.join('; ')}) ${one.result}`);
      return `${command} ${result}${code === undefined ? '' : ` ${code}`}: ${subject ?? what.join(', ')}`;
    });
  const fs = tinySpec({ name: 'fs' });
  const web = tinySpec({ name: 'web', env: { T: '${secret:t}' } });
  afterAll(() => project.remove());

  test('who, what, from which commit and with which result, also of servers that are gone', async () => {
    git('init', '-q');
    declare(specs(fs, web));
    git('add', 'mcp.yaml');
    git('commit', '-qm', 'first');
    const commit = git('rev-parse', 'HEAD');
    await run(0, ['apply', '--yes']);
    await run(0, ['apply', '--yes']); // Nothing to do: nothing changed.
    await run(9, ['delete', '--all']);
    const script = "console.error('no license for ' + process.env.T); process.exit(3)";
    declare(specs(fs, changed(web, { args: ['-e', script], timeoutSeconds: 5 })));
    await run(4, ['apply', '--yes']);
    git('checkout', '-q', 'mcp.yaml');
    await run(77, ['apply', '--yes', '--replace', 'web'], { LOOMS_SECRET_T: '' });
    await run(0, ['mcp', 'stop', 'fs']);
    await run(0, ['mcp', 'start', 'fs']);
    await run(0, ['mcp', 'restart', 'web']);
    declare(specs(changed(fs, { timeoutSeconds: 31 }), web));
    await run(0, ['apply', '--yes']);
    await run(0, ['rollback', 'fs', '--yes']);
    await run(0, ['delete', '--all', '--yes']);

    const all = await lines();
    expect(told(all)).toEqual([
      'apply done: create fs (missing) done, create web (missing) done',
      'apply gate-failed: replace web (spec-changed mcp_server.args, mcp_server.timeout_seconds) gate-failed',
      'apply failed secret-missing: replace web (requested) undefined',
      'mcp stop done: stop fs (requested) done',
      'mcp start done: start fs (exited) done',
      'mcp restart done: replace web (requested) done',
      'apply done: replace fs (spec-changed mcp_server.timeout_seconds) done',
      expect.stringMatching(/^rollback done: replace fs \(requested: rollback to generation 1.*\) done$/),
      expect.stringMatching(/^delete done: remove fs \(requested\) done, remove web \(requested\) done$/),
    ]);
    expect(all[0]).toMatchObject({ project: project.name, user: expect.any(String), host: expect.any(String) });
    expect(all[0]?.servers.map((one) => one.commit)).toEqual([commit, commit]);
    expect(all[1]?.servers[0]).toMatchObject({
      commit: `${commit}+dirty`,
      code: 'server-exited',
      why: expect.stringMatching(/^web exited with code 3 .*; no license for \(secret\)$/),
    });
    expect(JSON.stringify(all)).not.toContain('plugh');

    expect(told(await lines('--server', 'web', '--result', 'gate-failed'))).toHaveLength(1);
    expect(await run(0, ['audit', '--kind', 'change', '--tail', '1'])).toMatch(
      / delete +remove fs +\S+ +\S+@\S+ +done\n/,
    );
    await run(64, ['audit', '--kind', 'change', '--tool', 'x']);
    await run(64, ['audit', '--kind', 'change', '--result', 'ok']);
    expect(await run(0, ['audit'])).toContain('No call is recorded that fits.');
  });

  test('of secrets and of locks, without values', async () => {
    const value = 'plugh-kept-9921';
    const config = async (code: number, args: readonly string[]) => {
      expect(await looms(['config', ...args], { cwd, env, stdin: `${value}\n` })).toExit(code);
    };
    await config(0, ['set-key', 'db.uri']);
    await config(0, ['delete-key', 'db.uri']);
    await config(77, ['delete-key', 'db.uri']);
    const { stdout } = await looms(['audit', '--kind', 'change', '--json', '--tail', '3'], { cwd, env });
    expect(
      told(
        stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Line),
      ),
    ).toEqual([
      'config set-key done: secret db.uri in the file store',
      'config delete-key done: secret db.uri in the file store',
      'config delete-key failed secret-missing: secret db.uri in the file store',
    ]);
    expect(stdout).not.toContain('plugh');
  });

  test('in the chain of the calls, so that one that is changed is found', async () => {
    const verify = () => project.run(['audit', 'verify'], { cwd, env });
    expect(await verify()).toExit(0);
    const database = new DatabaseSync(join(state, 'looms', 'ledger.sqlite'));
    database.exec(`UPDATE audit SET record = replace(record, '"apply"', '"delete"') WHERE seq = 1`);
    database.close();
    const broken = await verify();
    expect(broken).toExit(11);
    expect(broken.stdout).toContain('the trail is broken at record 1');
  });
});
