import { looksLikeCredential } from '../model/credentials.ts';
import { isExactNumber } from '../model/exact-number.ts';
import { mask } from './redact.ts';

/**
 * A JSON value with its secrets masked: every string, number and key that `redact` changes, and whatever stands under a
 * name that says it is a credential. Stays a JSON value of the same structure.
 */
export function maskValues(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'number' || isExactNumber(value)) {
    const text = JSON.stringify(value);
    return redact(text) === text ? value : mask;
  }
  if (Array.isArray(value)) return value.map((item) => maskValues(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      redact(key),
      looksLikeCredential(key) && inner !== null ? mask : maskValues(inner, redact),
    ]),
  );
}
