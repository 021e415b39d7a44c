import { looksLikeConnectionUri, looksLikeCredential } from '../../../model/credentials.ts';
import type { FieldDifference } from '../../../model/plan.ts';
import type { ContainerShape } from '../../../model/shape.ts';

/** Fields that follow from the image; comparing them against another image's would name consequences as causes. */
const decidedByImage: readonly (keyof ContainerShape)[] = [
  'imageId',
  'entrypoint',
  'command',
  'env',
  'workingDir',
  'tmpfs',
  'openStdin',
];

const bytes = (value: number): string =>
  value > 0 && value % (1024 * 1024) === 0 ? `${value / (1024 * 1024)} MiB` : `${value} bytes`;

const byteFields: ReadonlySet<string> = new Set(['memoryBytes', 'memorySwapBytes', 'storageBytes', 'sizeBytes']);

function scalarText(field: string, value: unknown): string {
  if (value === undefined || value === null || value === '') return 'none';
  if (typeof value === 'number' && byteFields.has(field)) return value <= 0 ? 'unlimited' : bytes(value);
  if (field === 'nanoCpus') return value === 0 ? 'unlimited' : `${Number(value) / 1e9} cpus`;
  if (field === 'pidsLimit') return Number(value) <= 0 ? 'unlimited' : String(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** How list entries are matched between both sides; argv is compared as a whole, in order. */
const listKeys: Readonly<Record<string, (entry: never) => string>> = {
  mounts: (mount: { target: string }) => mount.target,
  networks: (network: { name: string }) => network.name,
  ports: (port: { container: string; host: string }) => `${port.host}:${port.container}`,
};

const unordered: ReadonlySet<string> = new Set([
  'capAdd',
  'capDrop',
  'securityOptions',
  'devices',
  'extraHosts',
  'otherSettings',
  'dnsOptions',
  'aliases',
]);

function entryText(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .filter(([, part]) => !(Array.isArray(part) && part.length === 0))
    .map(([key, part]) => `${key}=${Array.isArray(part) ? part.join(',') : scalarText(key, part)}`)
    .join(' ');
}

const keyed = (field: string, list: readonly unknown[]): Map<string, unknown> =>
  new Map(list.map((entry) => [(listKeys[field] as (entry: unknown) => string)(entry), entry]));

function compareMaps(field: string, wanted: Map<string, unknown>, live: Map<string, unknown>): FieldDifference[] {
  const secret = (key: string): boolean => field === 'env' && (looksLikeCredential(key) || looksLikeConnectionUri(key));
  return [...new Set([...wanted.keys(), ...live.keys()])]
    .sort()
    .filter((key) => JSON.stringify(sorted(wanted.get(key))) !== JSON.stringify(sorted(live.get(key))))
    .map((key) => ({
      path: `${field}.${key}`,
      from: secret(key) && live.has(key) ? '(secret)' : entryText(live.get(key)),
      to: secret(key) && wanted.has(key) ? '(secret)' : entryText(wanted.get(key)),
    }));
}

/** Key order and the order of sets mean nothing. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, unordered.has(key) && Array.isArray(part) ? [...part].sort() : part]),
  );
}

const listText = (list: readonly string[]): string => (list.length === 0 ? 'none' : list.join(' '));

function compareField(field: keyof ContainerShape, wanted: ContainerShape, live: ContainerShape): FieldDifference[] {
  const to = wanted[field];
  const from = live[field];
  // Earlier versions named no name server. Their containers are as closed, by their options: with any of these an engine
  // asks from inside of the container too (test/cli/e2e/isolated-names.test.ts), so none is replaced for it.
  if (field === 'dns' && live.dns.length === 0 && live.dnsOptions.length > 0) return [];
  if (Array.isArray(to) && Array.isArray(from)) {
    if (field in listKeys) return compareMaps(field, keyed(field, to), keyed(field, from));
    const [a, b] = unordered.has(field) ? [[...to].sort(), [...from].sort()] : [to, from];
    if (JSON.stringify(a) === JSON.stringify(b)) return [];
    return [{ path: field, from: listText(b as string[]), to: listText(a as string[]) }];
  }
  if (typeof to === 'object' && to !== null && typeof from === 'object' && from !== null) {
    return compareMaps(field, new Map(Object.entries(to)), new Map(Object.entries(from)));
  }
  if (to === from) return [];
  return [{ path: field, from: scalarText(field, from), to: scalarText(field, to) }];
}

/**
 * Every field that we set and that the live container has otherwise: `from` is live, `to` is wanted.
 * `imageKnown` false (another image runs, or the wanted one is not here yet) leaves out what follows from the image.
 */
export function compareShapes(wanted: ContainerShape, live: ContainerShape, imageKnown: boolean): FieldDifference[] {
  const fields = (Object.keys(wanted) as (keyof ContainerShape)[]).sort();
  return fields
    .filter((field) => field !== 'imageId' && (imageKnown || !decidedByImage.includes(field)))
    .flatMap((field) => compareField(field, wanted, live));
}
