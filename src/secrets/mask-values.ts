import { looksLikeCredential } from '../model/secrets/credentials.ts';
import { isExactNumber } from '../model/values/exact-number.ts';
import { mask } from './redact.ts';

/** A JSON value with its texts, numbers and keys masked by `redact`, and what stands under a credential's name. */
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
