import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { codeOf } from '../model/failure.ts';

/** HMAC-SHA-256 of a text, in hex. */
export type Keyed = (text: string) => string;

/** A key that cannot be used; the message says why, the hint what to do. */
export class KeyFault extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'KeyFault';
    this.hint = hint;
  }
}

/** What the file is called when it is no key, and what to do then. */
export type KeyWords = { readonly what: string; readonly notTheKey: string };

const keyBytes = 32;
const keyPattern = /^[0-9a-f]{64}\n?$/;

/** Reads a file that is its owner's alone; undefined when there is none. Throws `KeyFault` for one that others may read. */
export function readOwnFile(path: string, notTheKey: string): string | undefined {
  try {
    const status = statSync(path);
    // Reading a pipe would wait for ever, and what reading a folder throws does not name it.
    if (!status.isFile()) throw new KeyFault(`${path} is no regular file`, notTheKey);
    // Windows has no such modes: its user folders are private by their access lists.
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      throw new KeyFault(`others may read ${path}`, `chmod 600 ${path}`);
    }
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads a key; undefined when there is none. Throws `KeyFault` for one that others may read, or that is no key. */
export function readKeyFile(path: string, { what, notTheKey }: KeyWords): Buffer | undefined {
  const text = readOwnFile(path, notTheKey);
  if (text === undefined) return undefined;
  if (!keyPattern.test(text)) throw new KeyFault(`${path} is no ${what}`, notTheKey);
  return Buffer.from(text.trim(), 'hex');
}

/** Makes a key for its owner only, whole and at once; of two makers the first wins. Throws what files throw. */
export function makeKeyFile(path: string, words: KeyWords): Buffer {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${randomBytes(keyBytes).toString('hex')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const key = readKeyFile(path, words);
  if (key === undefined) throw new KeyFault(`${path} went away`, 'call again');
  return key;
}

/** A key for one use, derived (HKDF-SHA-256), so that what one use shows never stands for what another does. */
export function keyedFor(secret: Buffer, use: string): Keyed {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', use, keyBytes)));
  return (text) => createHmac('sha256', key).update(text, 'utf8').digest('hex');
}
