import { createHash } from 'node:crypto';

/** What is kept of a client's token instead of the token: SHA-256, in hexadecimal digits. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex');
