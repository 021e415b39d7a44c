import { timingSafeEqual } from 'node:crypto';
import type { RecordMaker } from '../model/records.ts';
import { keySource } from './key-source.ts';

/** As `sign` writes it; those of earlier versions do not name their key. */
const signaturePattern = /^(?:([0-9a-f]{12}):)?([0-9a-f]{64})$/;

/** Signs records with the key of this machine, and knows them again. Without a key nothing counts as signed. */
export function recordSigner(environment: Readonly<Record<string, string | undefined>>): {
  /** What the key used here is called; undefined while there is none. Throws `ledger-unreadable` for a bad one. */
  readonly keyName: () => string | undefined;
  readonly sign: (text: string) => string | undefined;
  readonly makerOf: (text: string, signature: string) => RecordMaker;
} {
  const keys = keySource(environment, 'records');
  return {
    keyName: () => keys.require()?.name,
    sign: (text) => {
      const key = keys.make();
      return key && `${key.name}:${key.hash(text)}`;
    },
    makerOf: (text, signature) => {
      if (signature === '') return { kind: 'unsigned' };
      const [, signer, hash] = signaturePattern.exec(signature) ?? [];
      if (hash === undefined) return { kind: 'forged' };
      const other: RecordMaker = { kind: 'other-key', ...(signer === undefined ? {} : { key: signer }) };
      const key = keys.find();
      if (key === undefined) return other;
      if (timingSafeEqual(Buffer.from(key.hash(text)), Buffer.from(hash))) return { kind: 'here' };
      return signer === key.name ? { kind: 'forged' } : other;
    },
  };
}
