import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whether a person accepted exactly this record (its digest) before; a list that is not there or readable says no. */
export function isKnownRecord(path: string, digest: string): boolean {
  try {
    return readFileSync(path, 'utf8').split('\n').includes(digest);
  } catch {
    // Not knowing means asking, which is what a first use does as well.
    return false;
  }
}

/** Remembers an accepted record, as ssh does a host. Throws what the file system throws. */
export function rememberRecord(path: string, digest: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  appendFileSync(path, `${digest}\n`, { mode: 0o600 });
}
