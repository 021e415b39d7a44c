import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { standInKeyrings, standInStores } from '../../support/stand-in-programs.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { startVault, type VaultServer } from '../../support/vault-server.ts';

const values = { vault: 'quux-of-vault-31', op: 'quux-of-op-32', keyring: 'quux-of-the-keyring-33' };

describe('several stores of secrets', () => {
  const cwd = emptyFolder();
  const bin = join(cwd, 'bin');
  const project = testProject('secret-stores');
  let vault: VaultServer;
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    vault = await startVault({
      entries: { 'secret/team': { shared: values.vault, 'in-vault': values.vault } },
      appRoles: { 'role-1': 'quux-secret-id' },
    });
    mkdirSync(bin);
    await Promise.all([standInKeyrings(bin), standInStores(bin)]);
    writeFileSync(join(bin, 'value-in_op'), values.op);
    writeFileSync(
      join(cwd, 'looms.yaml'),
      `secrets:
  providers:
    - type: vault
      address: ${vault.address}
      path: team
      auth: { method: approle, role_id: role-1 }
    - { type: keyring }
    - { type: 1password, vault: Team }
`,
    );
    env = {
      ...{ HOME: cwd, XDG_DATA_HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_STATE_HOME: cwd },
      PATH: `${bin}:${process.env.PATH}`,
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x',
      VAULT_SECRET_ID: 'quux-secret-id',
    };
  });
  afterAll(async () => {
    await vault.close();
    if (!withoutEngine()) await project.remove();
  });

  test('each name is listed with the one that it comes from', async () => {
    for (const [name, store] of [
      ['shared', 'keyring'],
      ['in-keyring', 'keyring'],
      ['in-file', 'file'],
    ] as const) {
      const args = ['config', 'set-key', name, '--store', store];
      expect(await looms(args, { cwd, env, stdin: `${values.keyring}\n` })).toExit(0);
    }
    const listed = await looms(['config', 'list-keys'], { cwd, env: { ...env, LOOMS_SECRET_IN_FILE: 'x' } });
    const rows = listed.stdout.replaceAll(vault.address, 'ADDRESS').trim().split('\n');
    expect(rows.map((row) => row.split(/ {2,}/).join(' | '))).toEqual([
      'NAME | STORE | ALSO IN',
      'in-file | environment | file store',
      'in-keyring | keyring (secret-tool)',
      'in-vault | vault ADDRESS',
      'shared | vault ADDRESS | keyring (secret-tool)',
    ]);
    expect(listed.stderr).toBe(
      'note[keys-not-listed]: not listed: 1password vault Team (op): it has no list of its names\n',
    );
    const json = JSON.parse((await looms(['config', 'list-keys', '--json'], { cwd, env })).stdout);
    expect(schemaProblems('config-list-keys', json)).toEqual([]);

    const got = await looms(['config', 'get-key', 'in-keyring', '--json'], { cwd, env });
    expect(JSON.parse(got.stdout)).toEqual({
      name: 'in-keyring',
      value: values.keyring,
      store: 'keyring (secret-tool)',
    });
    expect(await looms(['config', 'delete-key', 'in-file'], { cwd, env })).toExit(0);
    expect(await looms(['config', 'delete-key', 'in-keyring'], { cwd, env })).toExit(77);
    expect(readFileSync(join(bin, 'calls'), 'utf8')).not.toContain('quux');
  });

  describe.skipIf(withoutEngine())('of servers', () => {
    const yaml = specs(
      tinySpec({ name: 'one', env: { API_TOKEN: '${secret:shared}', B: '${secret:in_op}' } }),
      tinySpec({ name: 'two', env: { API_TOKEN: '${secret:in_op}', B: '${secret:shared}' } }),
    );
    test('come from the first that has each, looked up once a run, and stand in no argument and nowhere on the engine', async () => {
      vault.requests.length = 0;
      writeFileSync(join(bin, 'calls'), '');
      const run = await project.apply(yaml, [], { cwd, env });
      expect(run).toExit(0);
      expect(vault.requests.filter((one) => one.includes('login'))).toHaveLength(1);
      expect(vault.requests.filter((one) => one.includes('data/team'))).toHaveLength(2);
      const calls = readFileSync(join(bin, 'calls'), 'utf8');
      expect(calls.match(/^op read/gm)).toHaveLength(1);
      for (const [server, value] of [
        ['one', values.vault],
        ['two', values.op],
      ] as const) {
        const called = await project.run(['mcp', 'call', server, 'secret'], { cwd, env });
        expect(called.stdout).toBe('token=(secret)\n');
        expect(await placesThatTell(project.docker, project.name, value)).toEqual([]);
      }
      expect(calls + run.stdout + run.stderr).not.toContain('quux');
    });

    test.each([
      [
        'a Vault that is sealed',
        'sealed',
        {},
        /^error\[secret-source-failed\]: vault http\S+ is not ready: Vault is sealed$/m,
      ],
      [
        'a 1Password that is signed out',
        'ready',
        { STORE_STATE: 'signed-out' },
        /^error\[secret-source-failed\]: 1password vault Team \(op\) could not be asked for in_op: exit code 1: .*not signed in$/m,
      ],
    ] as const)('%s ends a run before anything is stopped, by its name (exit 69)', async (_what, state, more, said) => {
      const before = await project.idOf('one');
      vault.state = state;
      const options = { cwd, env: { ...env, ...more } };
      try {
        const run = await project.apply(yaml, ['--replace', 'one'], options);
        expect(run).toExit(69);
        expect(run.stderr).toMatch(said);
        expect(run.stdout + run.stderr).not.toMatch(/quux|not set/);
        expect(await project.idOf('one')).toBe(before);
        const called = await project.run(['mcp', 'call', 'two', 'secret'], options);
        expect(called).toExit(69);
        expect(called.stderr).toMatch(said);
      } finally {
        vault.state = 'ready';
      }
    });
  });
});
