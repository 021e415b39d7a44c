import { statSync } from 'node:fs';
import { type Keyed, type KeyWords, keyedFor, makeKeyFile, readKeyFile } from './key-file.ts';

/** The keys of this machine's trail. One for each use, so that a hash of arguments never stands for one of the chain. */
export type AuditKeys = {
  /** HMAC-SHA-256 in hex, for records and marks. */
  readonly chain: Keyed;
  /** The same for arguments. */
  readonly arguments: Keyed;
};

const words: KeyWords = {
  what: 'key of an audit trail',
  notTheKey: 'put the right file back, or move the trail away with it',
};

/** Reads the key; undefined when there is none. Throws `KeyFault` for one that others may read, or that is no key. */
export function readKeys(path: string): AuditKeys | undefined {
  const secret = readKeyFile(path, words);
  return secret === undefined ? undefined : keysFrom(secret);
}

/** Reads the key as `readKeys`, and no file whose content and mode are as they were: for who needs it for each record. */
export function keyReader(path: string): () => AuditKeys | undefined {
  let known: { readonly of: string; readonly keys: AuditKeys } | undefined;
  return () => {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return undefined;
    // Whatever changes of a file, its mode included, changes this time.
    const of = `${found.dev} ${found.ino} ${found.ctimeNs}`;
    if (known?.of === of) return known.keys;
    known = undefined;
    const keys = readKeys(path);
    if (keys !== undefined) known = { of, keys };
    return keys;
  };
}

/** Makes the key, or takes the one that another program made a moment before. Throws what the file system throws. */
export const makeKeys = (path: string): AuditKeys => keysFrom(makeKeyFile(path, words));

const keysFrom = (secret: Buffer): AuditKeys => ({
  chain: keyedFor(secret, 'looms audit v1: chain'),
  arguments: keyedFor(secret, 'looms audit v1: arguments'),
});
