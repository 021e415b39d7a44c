import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { type Keyed, KeyFault, type KeyWords, keyedFor, makeKeyFile, readKeyFile } from './key-file.ts';

/** What this machine's key is used for: one derived key each. */
export type MachineKeyUse = 'records' | 'secrets';

const words: KeyWords = {
  what: 'key of looms',
  notTheKey: 'put the right file back, or remove it: then what it signed counts as made by somebody else',
};

/** A failure of the key file, in our terms. */
function keyError(path: string, error: unknown): LoomsError {
  if (error instanceof KeyFault) {
    return new LoomsError('ledger-unreadable', error.message, { hint: error.hint, cause: error });
  }
  const hint = `looms keeps a key in ${dirname(path)}: make that folder writable, or set XDG_STATE_HOME`;
  return new LoomsError('ledger-unreadable', `the key of this machine cannot be used: ${messageOf(error)}`, {
    hint,
    cause: error,
  });
}

/** A keyed hash for one use (HMAC-SHA-256, hex), if its key was made. Throws `ledger-unreadable` for a bad file. */
export function findMachineKey(path: string, use: MachineKeyUse): Keyed | undefined {
  try {
    const secret = readKeyFile(path, words);
    return secret === undefined ? undefined : keyedFor(secret, `looms machine v1: ${use}`);
  } catch (error) {
    throw keyError(path, error);
  }
}

/** The same, made on first use (mode 0600; of two makers the first wins). Throws `ledger-unreadable`. */
export function machineKey(path: string, use: MachineKeyUse): Keyed {
  const found = findMachineKey(path, use);
  if (found !== undefined) return found;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return keyedFor(makeKeyFile(path, words), `looms machine v1: ${use}`);
  } catch (error) {
    throw keyError(path, error);
  }
}
