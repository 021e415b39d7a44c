import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { isRecord } from '../../model/values/is-record.ts';
import type { Fields } from '../messages/protocol.ts';

/** What a thing is given to a client for: one that was given for something else opens nothing. */
type Purpose = 'session' | 'terms' | 'stream' | 'call';

/** Things that clients keep for the gateway: they can neither read them nor make or change one. */
export type Seal = {
  /** As text of letters, digits, `-` and `_`. */
  readonly close: (purpose: Purpose, content: Fields) => string;
  /** Undefined for what was not closed here for this purpose, or is older than the bound. */
  readonly open: (purpose: Purpose, text: string) => Fields | undefined;
};

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
/** How old what comes back may be, ms: a client that was away for longer begins anew. */
export const maxAgeMs = 7 * 24 * 60 * 60_000;

/** A seal of 32 secret bytes, for the gateway of one project; `now` in ms since the epoch, as it counts over restarts. */
export function createSeal(key: Buffer, project: string, now: () => number = Date.now): Seal {
  const bound = (purpose: Purpose): Buffer => Buffer.from(JSON.stringify([project, purpose]), 'utf8');
  return {
    close(purpose, content) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(bound(purpose));
      const closed = [cipher.update(JSON.stringify({ at: now(), content }), 'utf8'), cipher.final()];
      return Buffer.concat([nonce, ...closed, cipher.getAuthTag()]).toString('base64url');
    },
    open(purpose, text) {
      const all = Buffer.from(text, 'base64url');
      if (all.length < nonceBytes + tagBytes) return undefined;
      const nonce = all.subarray(0, nonceBytes);
      const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(bound(purpose));
      decipher.setAuthTag(all.subarray(-tagBytes));
      let opened: unknown;
      try {
        const plain = [decipher.update(all.subarray(nonceBytes, -tagBytes)), decipher.final()];
        opened = JSON.parse(Buffer.concat(plain).toString('utf8'));
      } catch {
        return undefined;
      }
      if (!isRecord(opened) || typeof opened.at !== 'number' || now() - opened.at > maxAgeMs) return undefined;
      return isRecord(opened.content) ? opened.content : undefined;
    },
  };
}
