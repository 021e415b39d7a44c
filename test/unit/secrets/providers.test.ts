import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localFiles } from '../../../src/files/local-files.ts';
import { secretVariable } from '../../../src/model/secrets/secret-names.ts';
import type { SecretProviderConfig } from '../../../src/model/secrets/secret-providers.ts';
import { commandProvider, ownCommand } from '../../../src/secrets/command.ts';
import { findKeyring } from '../../../src/secrets/keyring.ts';
import { listKeys } from '../../../src/secrets/list-keys.ts';
import type { SecretProvider } from '../../../src/secrets/provider.ts';
import {
  configuredProviders,
  createSecretStore,
  directoryProvider,
  environmentProvider,
} from '../../../src/secrets/store.ts';
import { standInKeyrings } from '../../support/stand-in-programs.ts';

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
      code: 'secret-source-failed',
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
    commandProvider(
      ownCommand([await script('get-secret', text), 'show']),
      { PATH: process.env.PATH, OP_SESSION_TOKEN: 'sesame-1' },
      timeoutMs,
    ).get(name);

  it('are what it prints, called with their name last', async () => {
    expect(await get('echo "$1/$2"')).toEqual({ found: true, value: 'show/db' });
    expect(await get('printf "%s" "$2"', '$(id)')).toEqual({ found: true, value: '$(id)' });
  });

  it('are missing when it says so by exit code 1, or prints nothing', async () => {
    expect(await get('echo "db is not in the password store." >&2; exit 1')).toEqual({
      found: false,
      why: 'exit code 1: db is not in the password store.',
    });
    expect(await get('true')).toEqual({ found: false, why: 'it printed nothing' });
  });

  it('cannot be had when it fails otherwise, which is said in its words without the value or a credential', async () => {
    const text = 'echo hunter2; echo "cannot unlock with hunter2 and $OP_SESSION_TOKEN" >&2; exit 4';
    await expect(get(text)).rejects.toMatchObject({
      code: 'secret-source-failed',
      message: expect.stringMatching(
        /^command \S+get-secret show could not be asked for db: exit code 4: cannot unlock with \(secret\) and \(secret\)$/,
      ),
    });
    await expect(get('kill -9 $$')).rejects.toThrow('could not be asked for db: it was killed');
  });

  it('are waited for only so long, and nothing of the command stays', async () => {
    await expect(get('sleep 60 & sleep 60', 'db', 200)).rejects.toMatchObject({
      code: 'secret-source-failed',
      message: expect.stringMatching(/took more than 200ms for db/),
    });
  });

  it('need a command that exists, and a bounded answer', async () => {
    await expect(commandProvider(ownCommand(['/no/such/tool']), {}).get('db')).rejects.toMatchObject({
      code: 'secret-source-failed',
      message: expect.stringMatching(/^command \/no\/such\/tool cannot be started/),
    });
    await expect(get('head -c 3000000 /dev/zero')).rejects.toThrow(/more than 1 MiB/);
  });
});

describe("the operating system's keyring", () => {
  const session = async (bin: string) => ({
    PATH: `${await standInKeyrings(join(folder, bin))}:${process.env.PATH}`,
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x',
  });
  const keyringOn = async (platform: NodeJS.Platform, environment: Record<string, string>, timeoutMs?: number) => {
    const keyring = await findKeyring(environment, platform, timeoutMs);
    if ('missing' in keyring) throw new Error(keyring.missing);
    return keyring;
  };

  it.each(['linux', 'darwin'] as const)(
    'is used through its own program, with the value in no argument: %s',
    async (platform) => {
      const keyring = await keyringOn(platform, await session(platform));
      expect(await keyring.get('db')).toEqual({ found: false });
      expect(await keyring.list()).toEqual([]);
      await keyring.set('db', 'hunter2');
      await keyring.set('db.two', 'attribute.name = "hunter3"');
      expect(await keyring.get('db')).toEqual({ found: true, value: 'hunter2' });
      expect(await keyring.get('db.two')).toEqual({ found: true, value: 'attribute.name = "hunter3"' });
      expect((await keyring.list()).toSorted()).toEqual(['db', 'db.two']);
      expect(await keyring.delete('db')).toBe(true);
      expect(await keyring.delete('db')).toBe(false);
      const calls = await readFile(join(folder, platform, 'calls'), 'utf8');
      expect(calls).toContain('db');
      expect(calls).not.toMatch(/hunter|68756e74/);
      await expect(keyring.set('no good', 'x')).rejects.toMatchObject({ code: 'usage' });
    },
  );

  it('keeps texts of several lines to their last character, and refuses what it would cut off', async () => {
    const keyring = await keyringOn('linux', await session('long'));
    const value = `${'ä'.repeat(4_000)}\n`;
    await keyring.set('long', value);
    expect(await keyring.get('long')).toEqual({ found: true, value });
    await expect(keyring.set('long', 'x'.repeat(8_192))).rejects.toMatchObject({ code: 'usage' });
  });

  it('that is locked, or does not answer, is an error that names it', async () => {
    const locked = { ...(await session('locked')), KEYRING_STATE: 'locked' };
    const failure = {
      code: 'secret-source-failed',
      message: expect.stringMatching(/^keyring \((secret-tool|security)\) /),
    };
    await expect((await keyringOn('linux', locked)).get('db')).rejects.toMatchObject(failure);
    await expect((await keyringOn('darwin', locked)).get('db')).rejects.toMatchObject(failure);
    const hanging = await keyringOn('linux', { ...locked, KEYRING_STATE: 'hangs' }, 300);
    await expect(hanging.get('db')).rejects.toThrow('it did not answer in time');
  });

  it('is left out without a desktop session or its tool, unless looms.yaml names it', async () => {
    const { PATH } = await session('left-out');
    expect(await findKeyring({ PATH }, 'linux')).toEqual({
      missing: expect.stringContaining('DBUS_SESSION_BUS_ADDRESS'),
    });
    const environment = { HOME: folder, PATH: '/nowhere', DBUS_SESSION_BUS_ADDRESS: 'x' };
    expect(await findKeyring(environment, 'linux')).toEqual({ missing: 'secret-tool is not on the PATH' });
    const named = await configuredProviders(environment, [{ type: 'keyring' }], readRegular, 'linux');
    await expect(named.at(-1)?.get('db')).rejects.toThrow('keyring cannot be asked: secret-tool is not on the PATH');
  });

  it('that nobody named and cannot be asked does not keep a secret of the next store away', async () => {
    const environment = { ...(await session('unnamed')), HOME: folder, KEYRING_STATE: 'locked' };
    await writeFile(join(folder, 'next'), 'of the folder');
    const configured = [{ type: 'directory', path: folder }] as const;
    const store = createSecretStore(
      environment,
      await configuredProviders(environment, configured, readRegular, 'linux'),
    );
    expect(await store({ from: 'provider', name: 'next' })).toMatchObject({ value: 'of the folder' });
    await expect(store({ from: 'provider', name: 'nowhere' })).rejects.toMatchObject({ code: 'secret-source-failed' });
    const strict = createSecretStore(
      environment,
      await configuredProviders(environment, [{ type: 'keyring' }, ...configured], readRegular, 'linux'),
    );
    await expect(strict({ from: 'provider', name: 'next' })).rejects.toMatchObject({ code: 'secret-source-failed' });
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

  it('has environment, file store and configured providers, in this order, unless the list has another', async () => {
    const namesOf = async (configured: readonly SecretProviderConfig[]) => {
      const environment = { HOME: folder, PATH: '/nowhere' };
      return (await configuredProviders(environment, configured, readRegular, 'linux')).map(({ name }) => name);
    };
    const command = { type: 'command', argv: ['pass', 'show'] } as const;
    expect(await namesOf([{ type: 'directory', path: '/run/secrets' }, command])).toEqual([
      'environment',
      'file store',
      'directory /run/secrets',
      'command pass show',
    ]);
    expect(await namesOf([command, { type: 'file' }])).toEqual(['environment', 'command pass show', 'file store']);
  });

  it('does not go on behind a source that cannot be asked', async () => {
    const down = { name: 'down', get: () => Promise.reject(new Error('down')) };
    const store = createSecretStore({}, [fake('one', { a: '1' }), down, fake('two', { b: 'another value' })]);
    expect(await store({ from: 'provider', name: 'a' })).toMatchObject({ value: '1' });
    await expect(store({ from: 'provider', name: 'b' })).rejects.toThrow('down');
  });
});

describe('the names of all stores', () => {
  const listing = (name: string, names: readonly string[]): SecretProvider => ({
    name,
    get: async () => ({ found: false }),
    list: async () => names,
  });

  it('come with the first store that has each, and a variable stands for all names that are written as it is', async () => {
    const environment = environmentProvider({
      LOOMS_SECRET_DB_URI: 'x',
      LOOMS_SECRET_ONLY_HERE: 'y',
      LOOMS_SECRET_E: '',
    });
    const broken: SecretProvider = {
      ...listing('keyring', []),
      list: () => Promise.reject(new Error('locked')),
      optional: true,
    };
    const command: SecretProvider = { name: 'command', get: async () => ({ found: false }) };
    const file = listing('file store', ['db.uri', 'z']);
    expect(await listKeys([environment, broken, file, command, listing('vault', ['db-uri', 'z', 'a'])])).toEqual({
      keys: [
        { name: 'a', store: 'vault', alsoIn: [] },
        { name: 'db-uri', store: 'environment', alsoIn: ['vault'] },
        { name: 'db.uri', store: 'environment', alsoIn: ['file store'] },
        { name: 'only_here', store: 'environment', alsoIn: [] },
        { name: 'z', store: 'file store', alsoIn: ['vault'] },
      ],
      unlisted: [
        { store: 'keyring', why: 'locked' },
        { store: 'command', why: 'it has no list of its names' },
      ],
    });
  });

  it('are an error where a store that is asked for cannot be asked', async () => {
    const down: SecretProvider = { ...listing('vault', []), list: () => Promise.reject(new Error('vault is sealed')) };
    await expect(listKeys([down])).rejects.toThrow('vault is sealed');
  });
});
