import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localFiles } from '../../../src/files/local-files.ts';
import { secretVariable } from '../../../src/model/secret-names.ts';
import { commandProvider } from '../../../src/secrets/command.ts';
import { findKeyring } from '../../../src/secrets/keyring.ts';
import type { SecretProvider } from '../../../src/secrets/provider.ts';
import {
  createSecretStore,
  defaultProviders,
  directoryProvider,
  environmentProvider,
} from '../../../src/secrets/store.ts';

const { readRegular } = localFiles({}, '/');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'looms-secrets-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function script(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('secrets from the environment', () => {
  it('are named by the secret in capitals', async () => {
    expect(secretVariable('teradata.uri-2')).toBe('LOOMS_SECRET_TERADATA_URI_2');
    const provider = environmentProvider({ LOOMS_SECRET_A_B: 'x' });
    expect(await provider.get('a-b')).toEqual({ found: true, value: 'x' });
  });

  it('are missing when the variable is unset or empty', async () => {
    const provider = environmentProvider({ LOOMS_SECRET_A: '' });
    expect(await provider.get('a')).toEqual({ found: false, why: 'LOOMS_SECRET_A is not set' });
  });
});

describe('secrets from a folder', () => {
  it('lose one newline at their end and nothing else', async () => {
    await writeFile(join(folder, 'token'), ' two\nlines \n\n');
    expect(await directoryProvider(folder, readRegular).get('token')).toEqual({ found: true, value: ' two\nlines \n' });
  });

  it.each(['../outside', '/etc/passwd', '..', '.', '', 'a/b'])('cannot be outside of it: %j', async (name) => {
    const inner = join(folder, 'inner');
    await mkdir(inner, { recursive: true });
    await writeFile(join(folder, 'outside'), 'x');
    expect(await directoryProvider(inner, readRegular).get(name)).toEqual({ found: false });
  });

  it('are an error when they cannot be read', async () => {
    await mkdir(join(folder, 'is-folder'), { recursive: true });
    await expect(directoryProvider(folder, readRegular).get('is-folder')).rejects.toMatchObject({
      code: 'secret-missing',
    });
    execFileSync('mkfifo', [join(folder, 'is-pipe')]);
    await expect(directoryProvider(folder, readRegular).get('is-pipe')).rejects.toMatchObject({
      message: expect.stringContaining('is no regular file'),
    });
    expect(await directoryProvider(join(folder, 'none'), readRegular).get('x')).toEqual({ found: false });
  });
});

describe('secrets from a command', () => {
  const get = async (text: string, name = 'db', timeoutMs = 5_000) =>
    commandProvider([await script('get-secret', text), 'show'], { PATH: process.env.PATH }, timeoutMs).get(name);

  it('are what it prints, called with their name last', async () => {
    expect(await get('echo "$1/$2"')).toEqual({ found: true, value: 'show/db' });
    expect(await get('printf "%s" "$2"', '$(id)')).toEqual({ found: true, value: '$(id)' });
  });

  it('are missing when it fails, with its own words but not with the value', async () => {
    const answer = await get('echo hunter2; echo "cannot unlock with hunter2" >&2; exit 4');
    expect(answer).toEqual({ found: false, why: 'exit code 4: cannot unlock with (secret)' });
    expect(await get('true')).toEqual({ found: false, why: 'it printed nothing' });
  });

  it('are waited for only so long, and nothing of the command stays', async () => {
    await expect(get('sleep 60 & sleep 60', 'db', 200)).rejects.toMatchObject({
      code: 'secret-missing',
      message: expect.stringMatching(/took more than 200ms for db/),
    });
  });

  it('need a command that exists, and a bounded answer', async () => {
    await expect(commandProvider(['/no/such/tool'], {}).get('db')).rejects.toMatchObject({ code: 'secret-missing' });
    await expect(get('head -c 3000000 /dev/zero')).rejects.toThrow(/more than 1 MiB/);
  });
});

describe("the operating system's keyring", () => {
  it('is used through secret-tool, with the value on its input only', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin, { recursive: true });
    await script(
      'bin/secret-tool',
      `
      file=${folder}/ring
      for word in "$@"; do name=$word; done
      echo "$*" >> ${folder}/calls
      case $1 in
        store) cat > "$file-$name" ;;
        lookup) [ -f "$file-$name" ] && cat "$file-$name" || exit 1 ;;
        clear) rm "$file-$name" ;;
      esac`,
    );
    const environment = { PATH: `${bin}:${process.env.PATH}`, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x' };
    const keyring = await findKeyring(environment, 'linux');
    if (keyring === undefined) throw new Error('not found');
    expect(await keyring.get('db')).toEqual({ found: false });
    await keyring.set('db', 'hunter2');
    expect(await keyring.get('db')).toEqual({ found: true, value: 'hunter2' });
    expect(await keyring.delete('db')).toBe(true);
    expect(await keyring.delete('db')).toBe(false);
    const { readFile } = await import('node:fs/promises');
    expect(await readFile(join(folder, 'calls'), 'utf8')).not.toContain('hunter2');
    await expect(keyring.set('no good', 'x')).rejects.toMatchObject({ code: 'usage' });
  });

  it('is left out without a desktop session or its tool', async () => {
    expect(await findKeyring({ PATH: join(folder, 'bin') }, 'linux')).toBeUndefined();
    expect(await findKeyring({ PATH: '/nowhere', DBUS_SESSION_BUS_ADDRESS: 'x' }, 'linux')).toBeUndefined();
  });
});

describe('the store', () => {
  const fake = (name: string, values: Record<string, string>, asked: string[] = []): SecretProvider => ({
    name,
    get: async (wanted) => {
      asked.push(`${name}:${wanted}`);
      const value = values[wanted];
      return value === undefined ? { found: false } : { found: true, value };
    },
  });

  it('asks the providers in order, and each name once', async () => {
    const asked: string[] = [];
    const store = createSecretStore({}, [fake('one', { a: '1' }, asked), fake('two', { a: '2', b: '3' }, asked)]);
    expect(await store({ from: 'provider', name: 'a' })).toEqual({ found: true, value: '1', provider: 'one' });
    expect(await store({ from: 'provider', name: 'b' })).toEqual({ found: true, value: '3', provider: 'two' });
    await store({ from: 'provider', name: 'b' });
    expect(asked).toEqual(['one:a', 'one:b', 'two:b']);
    expect(await store({ from: 'provider', name: 'c' })).toEqual({ found: false, tried: ['one', 'two'] });
  });

  it('takes references to the environment from there', async () => {
    const store = createSecretStore({ TOKEN: 't', EMPTY: '' }, []);
    expect(await store({ from: 'environment', name: 'TOKEN' })).toMatchObject({ found: true, value: 't' });
    expect(await store({ from: 'environment', name: 'EMPTY' })).toMatchObject({ found: false });
  });

  it('has environment, file store and configured providers, in this order', async () => {
    const configured = [
      { type: 'directory', path: '/run/secrets' },
      { type: 'command', argv: ['pass', 'show'] },
    ] as const;
    const providers = await defaultProviders({ HOME: folder, PATH: '/nowhere' }, configured, readRegular, 'linux');
    expect(providers.map((provider) => provider.name)).toEqual([
      'environment',
      'file store',
      'directory /run/secrets',
      'command pass show',
    ]);
  });
});
