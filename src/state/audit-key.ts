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

/** Makes the key, or takes the one that another program made a moment before. Throws what the file system throws. */
export const makeKeys = (path: string): AuditKeys => keysFrom(makeKeyFile(path, words));

const keysFrom = (secret: Buffer): AuditKeys => ({
  chain: keyedFor(secret, 'looms audit v1: chain'),
  arguments: keyedFor(secret, 'looms audit v1: arguments'),
});
