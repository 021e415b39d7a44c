import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { codeOf, messageOf } from '../model/failure.ts';
import { requireSecretName } from '../model/secrets/secret-names.ts';
import { isRecord } from '../model/values/is-record.ts';
import { type RequireMine, withFileLock } from './file-lock.ts';
import { sourceFailed, type WritableProvider } from './provider.ts';
import { keyBytes, keyFromPassphrase, type SealedSecret, type StoreKey, seal, unseal } from './secret-cipher.ts';

type Environment = Readonly<Record<string, string | undefined>>;

type FileStorePlaces = {
  readonly secretsFile: string;
  readonly keyFile: string;
  /** A passphrase instead of the key file (`LOOMS_MASTER_KEY`). */
  readonly passphrase?: string;
};

type Content = {
  readonly version: 1;
  /** Of the passphrase, base64. */
  readonly salt: string;
  readonly entries: Readonly<Record<string, SealedSecret>>;
};

/** Where the store is, by the XDG rules: secrets and their key in two folders, so that one alone is worthless. */
export function fileStorePlaces(environment: Environment): FileStorePlaces {
  const home = environment.HOME || homedir();
  const folder = (variable: string, fallback: string): string => {
    const value = environment[variable];
    return join(value !== undefined && isAbsolute(value) ? value : join(home, fallback), 'looms');
  };
  const passphrase = environment.LOOMS_MASTER_KEY;
  return {
    secretsFile: join(folder('XDG_DATA_HOME', '.local/share'), 'secrets.json'),
    keyFile: join(folder('XDG_CONFIG_HOME', '.config'), 'secret-key'),
    ...(passphrase === undefined || passphrase === '' ? {} : { passphrase }),
  };
}

/**
 * Secrets in one file, each sealed with AES-256-GCM. The key is a random one in a file that only its owner may read,
 * made by the first `set`, or comes from a passphrase. Changes are written aside and renamed, one writer at a time, so
 * that a crash or two writers at once lose nothing. Throws `secret-source-failed` when the file cannot be read or opened,
 * `file-not-writable` when it or its key cannot be written, `refused` when another writer took this one for dead; what was
 * kept until then stays.
 */
export function createFileStore(places: FileStorePlaces): WritableProvider {
  const { secretsFile, keyFile, passphrase } = places;

  const keyFor = async (kind: SealedSecret['key'], salt: string): Promise<StoreKey | undefined> => {
    if (kind === 'file') return readKeyFile(keyFile);
    return passphrase === undefined ? undefined : keyFromPassphrase(passphrase, Buffer.from(salt, 'base64'));
  };

  const change = async <T>(
    work: (content: Content, requireMine: RequireMine) => Promise<{ next: Content | undefined; result: T }>,
  ): Promise<T> => {
    try {
      await mkdir(dirname(secretsFile), { recursive: true, mode: 0o700 });
      return await withFileLock(secretsFile, async (requireMine) => {
        const { next, result } = await work(await readContent(secretsFile), requireMine);
        if (next !== undefined) await replaceFile(secretsFile, `${JSON.stringify(next, undefined, 2)}\n`, requireMine);
        return result;
      });
    } catch (error) {
      throw error instanceof LoomsError ? error : notWritten(secretsFile, error);
    }
  };

  return {
    name: 'file store',
    async get(name) {
      const content = await readContent(secretsFile);
      const sealed = Object.hasOwn(content.entries, name) ? content.entries[name] : undefined;
      if (sealed === undefined) return { found: false };
      const key = await keyFor(sealed.key, content.salt);
      if (key === undefined) {
        const missing = sealed.key === 'file' ? `its key file ${keyFile} is missing` : 'LOOMS_MASTER_KEY is not set';
        throw sourceFailed('file store', `has a secret ${name}, but ${missing}`);
      }
      const value = unseal(name, sealed, key);
      if (value !== undefined) return { found: true, value };
      const hint = `Is ${sealed.key === 'file' ? keyFile : 'LOOMS_MASTER_KEY'} the one it was stored with?`;
      throw sourceFailed('file store', `has a secret ${name} in ${secretsFile} that does not open with this key`, hint);
    },
    set: (name, value) =>
      change(async (content, requireMine) => {
        requireSecretName(name);
        const kind = passphrase === undefined ? 'file' : 'master';
        if (kind === 'file') await makeKeyFile(keyFile, requireMine);
        const key = await keyFor(kind, content.salt);
        if (key === undefined) throw sourceFailed('file store', `has no key any more: ${keyFile} went away`);
        return {
          next: { ...content, entries: { ...content.entries, [name]: seal(name, value, key) } },
          result: undefined,
        };
      }),
    delete: (name) =>
      change(async (content) => {
        if (!Object.hasOwn(content.entries, name)) return { next: undefined, result: false };
        const { [name]: _gone, ...entries } = content.entries;
        return { next: { ...content, entries }, result: true };
      }),
    // Names are readable without the key.
    list: async () => Object.keys((await readContent(secretsFile)).entries).sort(),
  };
}

function notWritten(path: string, error: unknown): LoomsError {
  const isFull = codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
  const why = isFull ? 'the disk is full' : messageOf(error);
  return new LoomsError('file-not-writable', `${path} cannot be written: ${why}; nothing was changed`, {
    hint: isFull ? 'make room there, or set XDG_DATA_HOME' : `make ${dirname(path)} writable, or set XDG_DATA_HOME`,
    cause: error,
  });
}

async function readContent(path: string): Promise<Content> {
  const text = await readIfThere(path);
  if (text === undefined) return { version: 1, salt: randomBytes(16).toString('base64'), entries: {} };
  const broken = (cause?: unknown) =>
    sourceFailed('file store', `cannot be read: ${path} is no secrets file of this looms`, undefined, cause);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw broken(error);
  }
  if (!isContent(value)) throw broken();
  return value;
}

function isContent(value: unknown): value is Content {
  if (!isRecord(value) || value.version !== 1 || typeof value.salt !== 'string' || !isRecord(value.entries))
    return false;
  return Object.values(value.entries).every(
    (entry) =>
      isRecord(entry) &&
      (entry.key === 'file' || entry.key === 'master') &&
      [entry.iv, entry.tag, entry.data].every((part) => typeof part === 'string'),
  );
}

/** The key, or undefined without a file. Refuses one that others may read, as ssh does. */
async function readKeyFile(path: string): Promise<StoreKey | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new LoomsError('refused', `others may read the key file ${path}`, { hint: `chmod 600 ${path}` });
  }
  const bytes = Buffer.from(text.trim(), 'base64');
  if (bytes.length !== keyBytes)
    throw sourceFailed('file store', `has no key: ${path} holds none of ${keyBytes} bytes`);
  return { kind: 'file', bytes };
}

/** Makes the key file unless there is one. Called under the store's lock. */
async function makeKeyFile(path: string, requireMine: RequireMine): Promise<void> {
  if ((await readIfThere(path)) !== undefined) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, `${randomBytes(keyBytes).toString('base64')}\n`, requireMine);
}

/** Writes aside, flushes, renames: a reader sees the old content or the new one. */
async function replaceFile(path: string, text: string, requireMine: RequireMine): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    const file = await open(aside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(aside, 0o600);
    await requireMine();
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw sourceFailed('file store', `cannot be read: ${messageOf(error)}`, `is ${path} a file of this user?`, error);
  }
}
