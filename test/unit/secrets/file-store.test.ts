import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore, fileStorePlaces } from '../../../src/secrets/file-store.ts';
import { eventually } from '../../support/eventually.ts';

let home: string;
const places = (more: Record<string, string> = {}) => fileStorePlaces({ HOME: home, ...more });
const storeModule = new URL('../../../src/secrets/file-store.ts', import.meta.url).href;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'looms-store-'));
});
afterEach(() => rm(home, { recursive: true }));

describe('the file store', () => {
  it('is in the home folder of the user where HOME is set to nothing, never below the working directory', () => {
    const { secretsFile, keyFile } = fileStorePlaces({ HOME: '' });
    expect([secretsFile, keyFile].map(isAbsolute)).toEqual([true, true]);
  });

  it('keeps, lists and deletes secrets', async () => {
    const store = createFileStore(places());
    expect(await store.get('a')).toEqual({ found: false });
    expect(await store.list()).toEqual([]);
    await store.set('b', 'zwei ü\n');
    await store.set('a', '');
    await store.set('b', 'neu');
    expect(await store.list()).toEqual(['a', 'b']);
    expect(await store.get('b')).toEqual({ found: true, value: 'neu' });
    expect(await store.get('a')).toEqual({ found: true, value: '' });
    expect(await store.delete('b')).toBe(true);
    expect(await store.delete('b')).toBe(false);
    expect(await store.list()).toEqual(['a']);
  });

  it('holds no value in the clear, and only its owner may read it', async () => {
    await createFileStore(places()).set('a', 'hunter2-hunter2');
    const { secretsFile, keyFile } = places();
    expect(await readFile(secretsFile, 'utf8')).not.toContain('hunter2');
    for (const path of [secretsFile, keyFile]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(keyFile))).mode & 0o777).toBe(0o700);
    expect(await readdir(dirname(secretsFile))).toEqual(['secrets.json']);
  });

  it('follows the XDG folders when they are absolute', () => {
    const found = places({ XDG_DATA_HOME: '/data', XDG_CONFIG_HOME: 'relative' });
    expect(found).toEqual({ secretsFile: '/data/looms/secrets.json', keyFile: join(home, '.config/looms/secret-key') });
  });

  it('opens with LOOMS_MASTER_KEY, and says so when it is missing or another', async () => {
    const store = createFileStore(places({ LOOMS_MASTER_KEY: 'correct horse' }));
    await store.set('a', 'x');
    expect(await store.get('a')).toEqual({ found: true, value: 'x' });
    await expect(createFileStore(places()).get('a')).rejects.toThrow('LOOMS_MASTER_KEY is not set');
    const other = createFileStore(places({ LOOMS_MASTER_KEY: 'wrong' }));
    await expect(other.get('a')).rejects.toMatchObject({ hint: expect.stringMatching(/LOOMS_MASTER_KEY/) });
    await expect(stat(places().keyFile)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('does not open an entry that was given another name', async () => {
    const store = createFileStore(places());
    await store.set('low', 'x');
    const text = await readFile(places().secretsFile, 'utf8');
    await writeFile(places().secretsFile, text.replace('"low"', '"high"'));
    await expect(store.get('high')).rejects.toThrow(/does not open with this key/);
  });

  it('refuses a key file that others may read', async () => {
    const store = createFileStore(places());
    await store.set('a', 'x');
    await chmod(places().keyFile, 0o644);
    await expect(store.get('a')).rejects.toMatchObject({ code: 'refused', hint: `chmod 600 ${places().keyFile}` });
  });

  it.each(['{', '[]', '{"version":2,"salt":"","entries":{}}', '{"version":1,"salt":"","entries":{"a":{}}}'])(
    'says that %j is no secrets file, and leaves it alone',
    async (text) => {
      const { secretsFile } = places();
      await mkdir(dirname(secretsFile), { recursive: true });
      await writeFile(secretsFile, text);
      await expect(createFileStore(places()).set('a', 'x')).rejects.toThrow(/is no secrets file/);
      expect(await readFile(secretsFile, 'utf8')).toBe(text);
    },
  );

  it('refuses names that no spec could use', async () => {
    await expect(createFileStore(places()).set('__proto__', 'x')).rejects.toMatchObject({ code: 'usage' });
  });

  it('loses nothing when several programs write at once', async () => {
    const script = `
      import { createFileStore, fileStorePlaces } from ${JSON.stringify(storeModule)};
      const store = createFileStore(fileStorePlaces({ HOME: ${JSON.stringify(home)} }));
      const [who] = process.argv.slice(1);
      for (let i = 0; i < 10; i++) await store.set(who + i, who);
    `;
    const exits = ['a', 'b', 'c', 'd'].map(async (who) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, who], { stdio: 'inherit' });
      const [code] = await once(child, 'exit');
      return code;
    });
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
    const store = createFileStore(places());
    expect(await store.list()).toHaveLength(40);
    expect(await store.get('d9')).toEqual({ found: true, value: 'd' });
  }, 20_000);

  it('is a source that cannot be asked, and not one without the secret, where its file or its key is not as it was', async () => {
    const store = createFileStore(places());
    const { secretsFile, keyFile } = places();
    await store.set('a', 'x');
    const failed = (message: RegExp) => ({ code: 'secret-source-failed', message: expect.stringMatching(message) });
    await writeFile(keyFile, Buffer.alloc(32).toString('base64'));
    await expect(store.get('a')).rejects.toMatchObject(failed(/does not open with this key/));
    await writeFile(keyFile, 'short');
    await expect(store.get('a')).rejects.toMatchObject(failed(/none of 32 bytes/));
    await rm(keyFile);
    await expect(store.get('a')).rejects.toMatchObject(failed(/its key file .* is missing/));
    await writeFile(secretsFile, '{');
    await expect(store.list()).rejects.toMatchObject(failed(/is no secrets file/));
    await rm(secretsFile);
    await mkdir(secretsFile);
    await expect(store.get('a')).rejects.toMatchObject(failed(/^file store cannot be read: EISDIR/));
    await expect(store.set('a', 'y')).rejects.toMatchObject(failed(/EISDIR/));
  });

  it('overwrites nothing that another program wrote while this one stood still', async () => {
    const store = createFileStore(places());
    const { secretsFile } = places();
    await store.set('before', 'x');
    // Whoever reads the store stands still until the pipe in its place is written to.
    const [text, pipe] = [await readFile(secretsFile, 'utf8'), `${secretsFile}.pipe`];
    execFileSync('mkfifo', [pipe]);
    await rename(pipe, secretsFile);
    const slow = store.set('mine', 'x');
    const failed = expect(slow).rejects.toMatchObject({ code: 'refused', hint: 'do it again' });
    await eventually(async () => void (await stat(`${secretsFile}.lock`)));
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(`${secretsFile}.lock`, longAgo, longAgo);
    await rename(secretsFile, pipe);
    await writeFile(secretsFile, text);
    await store.set('other', 'x');
    await writeFile(pipe, text);
    await failed;
    expect(await store.list()).toEqual(['before', 'other']);
    expect((await readdir(dirname(secretsFile))).sort()).toEqual(['secrets.json', 'secrets.json.pipe']);
  });

  it('goes on after a writer died with the lock', async () => {
    const { secretsFile } = places();
    await mkdir(dirname(secretsFile), { recursive: true });
    await writeFile(`${secretsFile}.lock`, 'someone dead');
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(`${secretsFile}.lock`, longAgo, longAgo);
    await createFileStore(places()).set('a', 'x');
    expect(await readdir(dirname(secretsFile))).toEqual(['secrets.json']);
  });
});
