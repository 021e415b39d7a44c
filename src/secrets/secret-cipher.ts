import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';

/** One secret as the file store keeps it; the three parts are base64. */
export type SealedSecret = {
  readonly key: 'file' | 'master';
  readonly iv: string;
  readonly tag: string;
  readonly data: string;
};

/** The key of the store, and where it comes from. 32 bytes. */
export type StoreKey = { readonly kind: SealedSecret['key']; readonly bytes: Buffer };

const cipher = 'aes-256-gcm';
export const keyBytes = 32;
/** 96 bits, as NIST SP 800-38D 8.2.2 asks for with random ones. */
const ivBytes = 12;
const tagBytes = 16;

/** Encrypts a secret. Its name is authenticated too: an entry that was renamed in the file does not open. */
export function seal(name: string, value: string, key: StoreKey): SealedSecret {
  const iv = randomBytes(ivBytes);
  const sealing = createCipheriv(cipher, key.bytes, iv, { authTagLength: tagBytes });
  sealing.setAAD(Buffer.from(name, 'utf8'));
  const data = Buffer.concat([sealing.update(value, 'utf8'), sealing.final()]);
  return {
    key: key.kind,
    iv: iv.toString('base64'),
    tag: sealing.getAuthTag().toString('base64'),
    data: data.toString('base64'),
  };
}

/** Decrypts a secret; undefined when the key is another one or the entry was changed. */
export function unseal(name: string, sealed: SealedSecret, key: StoreKey): string | undefined {
  try {
    const opening = createDecipheriv(cipher, key.bytes, Buffer.from(sealed.iv, 'base64'), { authTagLength: tagBytes });
    opening.setAAD(Buffer.from(name, 'utf8'));
    opening.setAuthTag(Buffer.from(sealed.tag, 'base64'));
    return Buffer.concat([opening.update(Buffer.from(sealed.data, 'base64')), opening.final()]).toString('utf8');
  } catch {
    return undefined; // GCM says only that something does not fit, and so do we.
  }
}

/** The key that a passphrase stands for. scrypt with N 2^15, r 8, p 1: about 32 MiB and a tenth of a second. */
export function keyFromPassphrase(passphrase: string, salt: Buffer): Promise<StoreKey> {
  return new Promise((resolve, reject) => {
    const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
    scrypt(passphrase, salt, keyBytes, cost, (error, bytes) => {
      if (error === null) resolve({ kind: 'master', bytes });
      else reject(error);
    });
  });
}
