import { createHash, timingSafeEqual } from 'node:crypto';
import { LoomsError } from '../model/errors.ts';
import { type Keyed, keyedFor } from './key-file.ts';
import { ledgerPlaces } from './ledger.ts';
import { findMachineKey, machineKey } from './machine-key.ts';

/**
 * Signs the records of servers with the key of this machine, or with the one that a team shares (`LOOMS_RECORD_KEY`), and
 * knows what was signed with it. Without a usable key nothing is signed, and nothing counts as signed.
 */
export function recordSigner(environment: Readonly<Record<string, string | undefined>>): {
  readonly sign: (text: string) => string | undefined;
  readonly isSigned: (text: string, signature: string) => boolean;
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
    sign: (text) => {
      known ??= usable(() => machineKey(path, 'records'));
      return known?.(text);
    },
    isSigned: (text, signature) => {
      known ??= usable(() => findMachineKey(path, 'records'));
      const expected = Buffer.from(known?.(text) ?? '');
      const given = Buffer.from(signature);
      return expected.length > 0 && expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}
