import { sha256 } from '../values/sha256.ts';

/** What is kept of a client's token instead of the token: SHA-256, in hexadecimal digits. */
export const tokenDigest = (token: string): string => sha256(token);
