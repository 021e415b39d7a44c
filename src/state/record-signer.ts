import { createHash, timingSafeEqual } from 'node:crypto';
import type { RecordMaker } from '../model/claims.ts';
import { LoomsError } from '../model/errors.ts';
import { type Keyed, keyedFor } from './key-file.ts';
import { ledgerPlaces } from './ledger.ts';
import { findMachineKey, machineKey } from './machine-key.ts';

/** The name of a key in what it signs: no secret, and the same wherever the key is. */
const nameOf = (keyed: Keyed): string => keyed('name of this key').slice(0, 12);

/** As `sign` writes it; those of earlier versions do not name their key. */
const signaturePattern = /^(?:([0-9a-f]{12}):)?([0-9a-f]{64})$/;

/**
 * Signs the records of servers with the key of this machine, or with the one that a team shares (`LOOMS_RECORD_KEY`), and
 * knows what was signed with it. Without a usable key nothing is signed, and nothing counts as signed.
 */
export function recordSigner(environment: Readonly<Record<string, string | undefined>>): {
  /** What the key that is used here is called; undefined while there is none. */
  readonly keyName: () => string | undefined;
  readonly sign: (text: string) => string | undefined;
  readonly makerOf: (text: string, signature: string) => RecordMaker;
} {
  const shared = environment.LOOMS_RECORD_KEY;
  const path = ledgerPlaces(environment).machineKey;
  const usable = (load: () => Keyed | undefined): Keyed | undefined => {
    if (shared) return keyedFor(createHash('sha256').update(shared).digest(), 'looms shared v1: records');
    try {
      return load();
    } catch (error) {
      // A key that cannot be used must not keep anyone from stopping a server; secrets are asked about instead.
      if (error instanceof LoomsError) return undefined;
      throw error;
    }
  };
  let known: Keyed | undefined;
  return {
    keyName: () => {
      const key = known ?? usable(() => findMachineKey(path, 'records'));
      return key && nameOf(key);
    },
    sign: (text) => {
      known ??= usable(() => machineKey(path, 'records'));
      return known === undefined ? undefined : `${nameOf(known)}:${known(text)}`;
    },
    makerOf: (text, signature) => {
      if (signature === '') return { kind: 'unsigned' };
      const [, key, hash] = signaturePattern.exec(signature) ?? [];
      if (hash === undefined) return { kind: 'forged' };
      known ??= usable(() => findMachineKey(path, 'records'));
      if (known === undefined) return { kind: 'other-key', ...(key === undefined ? {} : { key }) };
      if (timingSafeEqual(Buffer.from(known(text)), Buffer.from(hash))) return { kind: 'here' };
      if (key === nameOf(known)) return { kind: 'forged' };
      return { kind: 'other-key', ...(key === undefined ? {} : { key }) };
    },
  };
}
