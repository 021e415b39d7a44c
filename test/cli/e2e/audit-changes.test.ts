import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holdLock } from '../../support/hold-lock.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

type Line = {
  readonly command: string;
  readonly result: string;
  readonly servers?: readonly { readonly server: string; readonly action: string; readonly source?: string }[];
  readonly outcomes?: readonly { readonly server: string; readonly outcome: string; readonly message?: string }[];
};

describe.skipIf(withoutEngine())('changes and their trail', () => {
  const project = testProject('changes');
  afterAll(() => project.remove());
  const state = emptyFolder();
  const env = { XDG_STATE_HOME: state, XDG_DATA_HOME: state, XDG_CONFIG_HOME: join(state, 'config') };
  const changes = async (...flags: readonly string[]): Promise<Line[]> => {
    const { stdout, code } = await project.run(['audit', '--kind', 'change', '--json', ...flags], { env });
    expect(code).toBe(0);
    const lines = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    expect(lines.flatMap((line) => schemaProblems('audit-change', line))).toEqual([]);
    return lines;
  };

  test('has who changed what, from which commit and with which result, also why a gate failed, and outlives the server', async () => {
    const cwd = emptyFolder();
    const git = (...args: readonly string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...args], { cwd, encoding: 'utf8' });
    const write = (text: string) => writeFileSync(join(cwd, 'mcp.yaml'), text);
    write(specs(tinySpec({ name: 'a' }), tinySpec({ name: 'b' })));
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'one');
    const commit = git('rev-parse', 'HEAD').trim();
    const run = (...args: readonly string[]) => project.run(args, { cwd, env });
    expect(await run('apply', '--yes')).toExit(0);
    // Nothing to do is no change.
    expect(await run('apply', '--yes')).toExit(0);
    expect(await run('apply', '--yes', '--dry-run', '--replace', 'a')).toExit(0);
    write(specs(tinySpec({ name: 'a', kind: 'dies', timeoutSeconds: 5 }), tinySpec({ name: 'b' })));
    expect(await run('apply', '--yes')).toExit(4);
    expect(await run('mcp', 'stop', 'b')).toExit(0);
    expect(await run('mcp', 'start', 'b')).toExit(0);
    expect(await run('mcp', 'restart', 'b')).toExit(0);
    expect(await run('delete', 'a', '--yes')).toExit(0);
    expect(await run('rollback', 'a', '--yes')).toExit(0);
    expect(await run('delete', '--all', '--yes')).toExit(0);

    const lines = await changes();
    const told = lines.map(({ command, servers = [], result }) => [
      command.replace('looms ', ''),
      servers.map(({ server, action }) => `${action} ${server}`).join(', '),
      result,
    ]);
    expect(told).toEqual([
      ['apply', 'create a, create b', 'done'],
      ['apply', 'replace a', 'gate-failed'],
      ['mcp stop', 'stop b', 'done'],
      ['mcp start', 'start b', 'done'],
      ['mcp restart', 'replace b', 'done'],
      ['delete', 'remove a', 'done'],
      ['rollback', 'create a', 'done'],
      ['delete', 'remove a, remove b', 'done'],
    ]);
    expect(lines[0]?.servers?.[0]?.source).toBe(`mcp.yaml:1@${commit}`);
    expect(lines[1]?.servers?.[0]?.source).toBe(`mcp.yaml:1@${commit}+dirty`);
    expect(lines[1]?.outcomes).toEqual([
      expect.objectContaining({ server: 'a', outcome: 'gate-failed', message: expect.stringMatching(/./) }),
    ]);
    expect(await changes('--server', 'b', '--result', 'done')).toHaveLength(5);
    expect((await run('audit', '--kind', 'change')).stdout).toMatch(
      new RegExp(`apply +create a +mcp\\.yaml:1@${commit.slice(0, 12)} +\\S+ +\\S+ +done`),
    );
    expect(await run('audit', '--kind', 'change', '--tool', 'x')).toExit(64);
    expect(await run('audit', '--kind', 'change', '--result', 'ok')).toExit(64);
    // Calls are apart, and all is one chain.
    expect((await run('audit', '--json')).stdout).toBe('');
    const verified = await looms(['audit', 'verify', '--json'], { env });
    expect(JSON.parse(verified.stdout)).toMatchObject({ intact: true, records: 2 * lines.length });
  });

  test('has a lock that was taken away by its id, and none where that was refused', async () => {
    const own = { ...env, XDG_STATE_HOME: emptyFolder() };
    const unlock = (...words: readonly string[]) => project.run(['unlock', ...words, '--yes'], { env: own });
    const lock = (await holdLock(project.name)).id.slice(0, 12);
    expect(await unlock()).toExit(0);
    expect(await unlock('0123456789ab')).toExit(8);
    expect(await unlock(lock)).toExit(0);
    expect(await unlock(lock)).toExit(0);
    const { stdout } = await project.run(['audit', '--kind', 'change', '--json'], { env: own });
    const line = JSON.parse(stdout);
    expect(schemaProblems('audit-change', line)).toEqual([]);
    expect(line).toMatchObject({ command: 'looms unlock', project: project.name, lock, result: 'done' });
    const shown = await project.run(['audit', '--kind', 'change'], { env: own });
    expect(shown.stdout).toMatch(new RegExp(`unlock .*${lock}`));
  });

  test('has a secret that was stored and forgotten by its name, and never its value', async () => {
    const home = mkdtempSync(join(state, 'home-'));
    const own = { XDG_STATE_HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home };
    expect(await looms(['config', 'set-key', 'token'], { env: own, stdin: 'plugh-98765\n' })).toExit(0);
    expect(await looms(['config', 'delete-key', 'token'], { env: own })).toExit(0);
    expect(await looms(['config', 'delete-key', 'token'], { env: own })).toExit(77);
    const { stdout } = await looms(['audit', '--kind', 'change', '--json'], { env: own });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ command, secret, result, code }) => [command, secret, result, code])).toEqual([
      ['looms config set-key', 'token', 'done', undefined],
      ['looms config delete-key', 'token', 'done', undefined],
      ['looms config delete-key', 'token', 'failed', 'secret-missing'],
    ]);
    expect(stdout).not.toContain('plugh');
  });
});
