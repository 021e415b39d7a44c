import { createHash } from 'node:crypto';
import type { DesiredServer } from '../model/desired.ts';

/** JSON with sorted keys and without undefined values: the same content gives the same text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`);
  return `{${entries.join(',')}}`;
}

/**
 * `v1:<sha256 hex>` of a spec and of its image's reference. `enabled` is left out: toggling it starts or stops, it
 * never replaces. The version changes with the meaning of the text that is hashed, never silently (facts.md).
 */
export function specHash(spec: DesiredServer, imageRef: string): string {
  const { enabled: _, ...hashed } = spec;
  const text = canonicalJson({ image: imageRef, spec: hashed });
  return `v1:${createHash('sha256').update(text).digest('hex')}`;
}
