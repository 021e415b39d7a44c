import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { expect, test } from 'vitest';
import { testLabel, withoutEngine } from '../support/images.ts';
import { emptyFolder, looms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';

test('a secret is stored from standard input, listed, printed and deleted', async () => {
  const home = emptyFolder();
  const env = { HOME: home, XDG_CONFIG_HOME: `${home}/config`, XDG_DATA_HOME: `${home}/data` };
  const config = (args: readonly string[], stdin = '') => looms(['config', ...args, '--json'], { env, stdin });

  expect(JSON.parse((await config(['list-keys'])).stdout)).toEqual([]);
  const set = await config(['set-key', 'db.uri'], 'teradata://u:p@h\n');
  expect(set.code).toBe(0);
  expect(schemaProblems('config-key', JSON.parse(set.stdout))).toEqual([]);

  const list = JSON.parse((await config(['list-keys'])).stdout);
  expect(schemaProblems('config-list-keys', list)).toEqual([]);
  expect(list).toEqual([{ name: 'db.uri', store: 'file store', alsoIn: [] }]);

  const get = JSON.parse((await config(['get-key', 'db.uri'])).stdout);
  expect(schemaProblems('config-get-key', get)).toEqual([]);
  expect(get.value).toBe('teradata://u:p@h');

  expect((await config(['delete-key', 'db.uri'])).code).toBe(0);
  for (const command of ['get-key', 'delete-key']) {
    const { code, stdout } = await config([command, 'db.uri']);
    expect({ code, stdout }).toEqual({ code: 77, stdout: '' });
  }
});

test('an empty secret and an impossible name are exit 64', async () => {
  const home = emptyFolder();
  const env = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
  expect((await looms(['config', 'set-key', 'a'], { env, stdin: '\n' })).code).toBe(64);
  expect((await looms(['config', 'set-key', '../a'], { env, stdin: 'x' })).code).toBe(64);
});

test.each(['', 'here', './here'])(
  'with HOME=%j nothing is kept in the folder that looms is started in',
  async (home) => {
    const cwd = emptyFolder();
    // The store's own folder is given, so that the one of whoever runs the tests stays as it is.
    const env = { HOME: home, XDG_STATE_HOME: '', XDG_DATA_HOME: emptyFolder(), XDG_CONFIG_HOME: '' };
    expect((await looms(['config', 'list-keys'], { env, cwd })).code).toBe(0);
    const set = await looms(['config', 'set-key', 'a'], { env: { ...env, LOOMS_MASTER_KEY: 'k' }, cwd, stdin: 'x\n' });
    expect(set.code).toBe(0);
    expect(readdirSync(cwd)).toEqual([]);
  },
);

test.skipIf(withoutEngine())(
  'on a full disk a secret is not kept, what is there stays, and that is exit 73',
  async () => {
    const docker = new Docker();
    const script = [
      'looms() { node /looms/bin/run.js config "$@" 2>&1; echo "exit $?"; }',
      'echo first | looms set-key a',
      'head -c 1m /dev/zero > "$HOME/filler" 2>/dev/null',
      'echo second | looms set-key b',
      'echo third | looms set-key a',
      'find "$HOME" -name "*.lock" -o -name "*.json.*"',
      'rm "$HOME/filler"; looms get-key a; echo second | looms set-key b',
    ];
    const container = await docker.createContainer({
      Image: 'node:24-slim',
      Cmd: ['sh', '-c', script.join('\n')],
      Tty: true,
      Env: ['HOME=/home/full', 'NO_COLOR=1', 'XDG_STATE_HOME=/tmp/state'],
      Labels: { 'looms.test': testLabel('config') },
      HostConfig: {
        Binds: [`${fileURLToPath(new URL('../..', import.meta.url))}:/looms:ro`],
        Tmpfs: { '/home/full': 'size=64k' },
      },
    });
    try {
      await container.start();
      await container.wait();
      const printed = (await container.logs({ stdout: true })).toString().replaceAll('\r', '');
      const full = [
        'error[file-not-writable]: /home/full/.local/share/looms/secrets.json cannot be written: the disk is full; nothing was changed',
        'hint: make room there, or set XDG_DATA_HOME',
        'exit 73',
      ];
      expect(printed.trim().split('\n')).toEqual([
        ...['Stored a in the file store.', 'exit 0'],
        ...full,
        ...full,
        ...['first', 'exit 0', 'Stored b in the file store.', 'exit 0'],
      ]);
    } finally {
      await container.remove({ force: true });
    }
  },
  60_000,
);
