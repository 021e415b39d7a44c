import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';

/** The keys of this machine's trail. One for each use, so that a hash of arguments never stands for one of the chain. */
export type AuditKeys = {
  /** HMAC-SHA-256 in hex, for records and marks. */
  readonly chain: (text: string) => string;
  /** The same for arguments. */
  readonly arguments: (text: string) => string;
};

/** A key that cannot be used; the message says why, the hint what to do. */
export class KeyFault extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'KeyFault';
    this.hint = hint;
  }
}

const keyBytes = 32;
const notTheKey = 'put the right file back, or move the trail away with it';
const keyPattern = /^[0-9a-f]{64}\n?$/;

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Reads the key; undefined when there is none. Throws `KeyFault` for one that others may read, or that is no key. */
export function readKeys(path: string): AuditKeys | undefined {
  let text: string;
  try {
    const status = statSync(path);
    // Reading a pipe would wait for ever, and what reading a folder throws does not name it.
    if (!status.isFile()) throw new KeyFault(`${path} is no regular file`, notTheKey);
    // Windows has no such modes: its user folders are private by their access lists.
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      throw new KeyFault(`others may read ${path}`, `chmod 600 ${path}`);
    }
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (!keyPattern.test(text)) {
    throw new KeyFault(`${path} is no key of an audit trail`, notTheKey);
  }
  return keysFrom(Buffer.from(text.trim(), 'hex'));
}

/**
 * Makes the key, readable by its owner only. It appears under its name whole and at once; where two programs make one,
 * the first stays and both use it. Throws what the file system throws.
 */
export function makeKeys(path: string): AuditKeys {
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
  const keys = readKeys(path);
  if (keys === undefined) throw new KeyFault(`${path} went away`, 'call again');
  return keys;
}

function keysFrom(secret: Buffer): AuditKeys {
  const keyed = (use: string) => {
    const key = Buffer.from(hkdfSync('sha256', secret, '', `looms audit v1: ${use}`, keyBytes));
    return (text: string) => createHmac('sha256', key).update(text, 'utf8').digest('hex');
  };
  return { chain: keyed('chain'), arguments: keyed('arguments') };
}
