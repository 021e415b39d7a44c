import type { FieldDifference } from '../../../model/plan.ts';
import { looksLikeConnectionUri, looksLikeCredential } from '../../../model/secrets/credentials.ts';
import { isAlike } from '../../../model/values/alike.ts';
import { type ContainerShape, type LiveField, liveFields } from '../../model/shape.ts';

const bytes = (value: number): string =>
  value > 0 && value % (1024 * 1024) === 0 ? `${value / (1024 * 1024)} MiB` : `${value} bytes`;

function scalarText(value: unknown, unit?: LiveField['unit']): string {
  if (value === undefined || value === null || value === '') return 'none';
  if (typeof value !== 'number' || unit === undefined) return typeof value === 'string' ? value : JSON.stringify(value);
  if (value <= 0) return 'unlimited';
  if (unit === 'bytes') return bytes(value);
  return unit === 'billionths' ? String(value / 1e9) : String(value);
}

/** Swap goes on from the memory, and is told where there is any. */
const memoryText = ({ memoryBytes, memorySwapBytes }: ContainerShape): string => {
  const memory = scalarText(memoryBytes, 'bytes');
  return memorySwapBytes === memoryBytes ? memory : `${memory}, with swap ${scalarText(memorySwapBytes, 'bytes')}`;
};

function entryText(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .filter(([, part]) => !(Array.isArray(part) && part.length === 0))
    .map(([key, part]) => {
      const unit = key === 'sizeBytes' ? 'bytes' : undefined;
      return `${key}=${Array.isArray(part) ? part.join(',') : scalarText(part, unit)}`;
    })
    .join(' ');
}

function compareMaps(path: string, wanted: ReadonlyMap<string, unknown>, live: ReadonlyMap<string, unknown>) {
  const secret = (key: string): boolean =>
    path === liveFields.env.path && (looksLikeCredential(key) || looksLikeConnectionUri(key));
  return [...new Set([...wanted.keys(), ...live.keys()])]
    .sort()
    .filter((key) => JSON.stringify(sorted(wanted.get(key))) !== JSON.stringify(sorted(live.get(key))))
    .map((key) => ({
      path: `${path}.${key}`,
      from: secret(key) && live.has(key) ? '(secret)' : entryText(live.get(key)),
      to: secret(key) && wanted.has(key) ? '(secret)' : entryText(wanted.get(key)),
    }));
}

/** Key order and the order of the aliases of a network mean nothing. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, Array.isArray(part) ? [...part].sort() : part]),
  );
}

const listText = (list: readonly unknown[]): string => (list.length === 0 ? 'none' : list.join(' '));

function compareField(field: keyof typeof liveFields, wanted: ContainerShape, live: ContainerShape): FieldDifference[] {
  const { path, keyOf, isSet, unit }: LiveField = liveFields[field];
  const [to, from]: readonly unknown[] = [wanted[field], live[field]];
  // Earlier versions named no name server. Their containers are as closed, by their options: with any of these an engine
  // asks from inside of the container too (test/cli/e2e/isolated-names.test.ts), so none is replaced for it.
  if (field === 'dns' && live.dns.length === 0 && live.dnsOptions.length > 0) return [];
  if (field === 'memoryBytes') {
    const [now, then] = [memoryText(live), memoryText(wanted)];
    return now === then ? [] : [{ path, from: now, to: then }];
  }
  if (isAlike(to, from)) return [];
  if (Array.isArray(to) && Array.isArray(from)) {
    if (keyOf !== undefined) {
      const keyed = (list: readonly unknown[]) =>
        new Map(list.map((entry) => [(keyOf as (entry: unknown) => string)(entry), entry]));
      return compareMaps(path, keyed(to), keyed(from));
    }
    const [a, b] = isSet ? [to.toSorted(), from.toSorted()] : [to, from];
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, from: listText(b), to: listText(a) }];
  }
  if (typeof to === 'object' && to !== null && typeof from === 'object' && from !== null) {
    return compareMaps(path, new Map(Object.entries(to)), new Map(Object.entries(from)));
  }
  return [{ path, from: scalarText(from, unit), to: scalarText(to, unit) }];
}

/** The fields that differ: `from` is live, `to` wanted. Without `imageKnown` none that follows from the image. */
export function compareShapes(wanted: ContainerShape, live: ContainerShape, imageKnown: boolean): FieldDifference[] {
  return (imageKnown ? allFields : withoutImage).flatMap((field) => compareField(field, wanted, live));
}

const allFields = Object.keys(liveFields) as (keyof typeof liveFields)[];
const withoutImage = allFields.filter((field) => (liveFields[field] as LiveField).ofImage !== true);
