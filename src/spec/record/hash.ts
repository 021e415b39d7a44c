import { createHash } from 'node:crypto';
import { canonicalJson } from '../../model/canonical-json.ts';
import type { DesiredServer } from '../../model/desired.ts';

/**
 * `v1:<sha256 hex>` of a spec and of its image's reference. `enabled` is left out: toggling it starts or stops, it
 * never replaces. The version changes with the meaning of the text that is hashed, never silently: Compose
 * recreated everything on upgrades of which two hashed one spec differently.
 */
export function specHash(spec: DesiredServer, imageRef: string): string {
  const { enabled: _, ...hashed } = spec;
  const text = canonicalJson({ image: imageRef, spec: hashed });
  return `v1:${createHash('sha256').update(text).digest('hex')}`;
}
