import type { FieldDifference } from '../../model/plan.ts';
import {
  hasPasswordInUri,
  isNoCredential,
  looksLikeCredential,
  looksLikeKey,
} from '../../model/secrets/credentials.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { ownPrefix } from '../model/names.ts';
import {
  type KubeObject,
  type ManagedFields,
  type Pod,
  type PodSpec,
  type PodTemplate,
  revisionKey,
  timeOf,
} from '../model/objects.ts';

/** One step into an object: a field, or the entry of a list that has this value in this field. */
type Segment = string | { readonly field: string; readonly value: unknown };

/** By which field the API server tells entries of a list apart, as its types say (`patchMergeKey`). */
const listKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  ports: ['containerPort', 'port'],
  hostAliases: ['ip'],
  httpHeaders: ['name'],
};

/** What the API server and its controllers write by themselves. */
const ofTheServer = new Set([
  'managedFields',
  'resourceVersion',
  'uid',
  'creationTimestamp',
  'generation',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]);
/** What others hang on an object itself, and each write leaves as it is (`asHeld`). */
const ofOthers = new Set(['finalizers', 'ownerReferences']);
const noteKeys = new Set([
  revisionKey,
  // What kubectl keeps for itself, and how it makes pods anew: a restart is no drift.
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubectl.kubernetes.io/restartedAt',
]);

/** An object without what nobody asked for. */
export function comparable({ status: _, ...object }: KubeObject): object {
  const { metadata, ...rest } = object;
  const own = Object.fromEntries(Object.entries(metadata).filter(([key]) => !ofOthers.has(key)));
  return { ...rest, metadata: comparableMetadata(own), ...templateOf(rest) };
}

function comparableMetadata(metadata: Readonly<Record<string, unknown>>): object {
  const kept = Object.entries(metadata).filter(([key]) => !ofTheServer.has(key));
  const { annotations, ...others } = Object.fromEntries(kept);
  const notes = isRecord(annotations) ? Object.entries(annotations).filter(([key]) => !noteKeys.has(key)) : [];
  return { ...others, ...(notes.length === 0 ? {} : { annotations: Object.fromEntries(notes) }) };
}

function templateOf({ spec }: Readonly<Record<string, unknown>>): object {
  if (!isRecord(spec) || !isRecord(spec.template) || !isRecord(spec.template.metadata)) return {};
  const { template } = spec;
  return { spec: { ...spec, template: { ...template, metadata: comparableMetadata(template.metadata as never) } } };
}

/** A field that is another, and whether pods are made from it: setting it back replaces them. */
export type ObjectDifference = { readonly field: FieldDifference; readonly ofPods: boolean };

/**
 * What of an object is another than it would be had looms alone written it, with who set it and when at the latest.
 * `wanted` is the API server's answer to a dry run, so that defaults and what admission adds are in it.
 */
export function compareObjects(live: KubeObject, wanted: KubeObject): readonly ObjectDifference[] {
  return walk([], comparable(live), comparable(wanted)).map(({ path, from, to }) => ({
    field: differenceOf({ path, from, to }, live.metadata.managedFields ?? []),
    ofPods: path[0] === 'spec' && path[1] === 'template',
  }));
}

/**
 * What somebody has changed of a pod itself: its resources in place, its images, containers that were added to it, and labels,
 * by which policies and Services tell pods apart. What admission made otherwise than the template says, as the pod was
 * made, is no change of anybody's: a container beside the server, other resources.
 */
export function comparePod(pod: Pod, template: PodTemplate): readonly FieldDifference[] {
  const managed = pod.metadata.managedFields ?? [];
  const shared = ({ containers, ephemeralContainers = [] }: PodSpec): object => ({
    containers: containers.map(({ name, image, resources }) => ({ name, image, resources: resources ?? {} })),
    ephemeralContainers: ephemeralContainers.map(({ name, image }) => ({ name, image })),
  });
  const labels = template.metadata?.labels ?? {};
  const isOurs = (key: string): boolean => key in labels || key.startsWith(ownPrefix);
  const ofPod = Object.entries(pod.metadata.labels ?? {}).filter(([key]) => isOurs(key));
  const found = [
    ...walk(['metadata', 'labels'], Object.fromEntries(ofPod), labels),
    ...walk(['spec'], shared(pod.spec), shared(template.spec)).filter(isChangedSince(pod)),
  ];
  return found.map((one) => {
    const field = differenceOf(one, managed);
    return { ...field, path: `pod ${field.path}` };
  });
}

/** Which differences came about after a pod was made, as the cluster keeps it; all, where it keeps nothing of the pod. */
function isChangedSince({ metadata }: Pod): (difference: Difference) => boolean {
  const { managedFields = [], creationTimestamp } = metadata;
  if (managedFields.every(({ fieldsV1 }) => fieldsV1 === undefined)) return () => true;
  const made = timeOf(creationTimestamp);
  const later = managedFields.filter(
    ({ subresource, time }) =>
      subresource === 'resize' ||
      subresource === 'ephemeralcontainers' ||
      (subresource === undefined && timeOf(time) > made),
  );
  // What was taken away nobody owns, but what it stood in.
  return ({ path, from }) =>
    later.some(({ fieldsV1 }) => owns(fieldsV1, path) || (from === undefined && owns(fieldsV1, path.slice(0, -1))));
}

function differenceOf({ path, from, to }: Difference, managed: readonly ManagedFields[]): FieldDifference {
  const setBy = whoSet(path, managed);
  return {
    path: pathText(path),
    from: valueText(path, from),
    to: valueText(path, to),
    ...(setBy === undefined ? {} : { setBy }),
  };
}

type Difference = { readonly path: readonly Segment[]; readonly from: unknown; readonly to: unknown };

function walk(path: readonly Segment[], from: unknown, to: unknown): readonly Difference[] {
  if (from === to) return [];
  if (isRecord(from) && isRecord(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])]
      .sort()
      .flatMap((key) => walk([...path, key], from[key], to[key]));
  }
  if (Array.isArray(from) && Array.isArray(to)) return walkList(path, from, to);
  // A group or list that came or went is told by its own fields, so that it is seen who set each.
  if (isGroup(from) && to === undefined) return walk(path, from, {});
  if (isGroup(to) && from === undefined) return walk(path, {}, to);
  if (isList(from) && to === undefined) return walkList(path, from, undefined);
  if (isList(to) && from === undefined) return walkList(path, undefined, to);
  if (canonicalJson(from ?? null) === canonicalJson(to ?? null)) return [];
  return [{ path, from, to }];
}

const isGroup = (value: unknown): boolean => isRecord(value) && Object.keys(value).length > 0;

type List = readonly unknown[];
const isList = (value: unknown): value is List => Array.isArray(value) && value.length > 0;

function walkList(path: readonly Segment[], from: List | undefined, to: List | undefined): readonly Difference[] {
  const list = path.at(-1);
  const keys = typeof list === 'string' ? (listKeys[list] ?? []) : [];
  const all = [...(from ?? []), ...(to ?? [])];
  const key = keys.find((one) => all.every((entry) => isRecord(entry) && entry[one] !== undefined));
  if (key === undefined) return canonicalJson(from ?? null) === canonicalJson(to ?? null) ? [] : [{ path, from, to }];
  const named = (entries: List = []) => new Map(entries.filter(isRecord).map((entry) => [entry[key], entry]));
  const [before, after] = [named(from), named(to)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((value) =>
    walk([...path, { field: key, value }], before.get(value), after.get(value)),
  );
}

/** Shortened to what a person looks for: a Deployment has little but its template. */
function pathText(path: readonly Segment[]): string {
  const text = path.map((one) => (typeof one === 'string' ? `.${one}` : `[${String(one.value)}]`)).join('');
  return text
    .slice(1)
    .replace(/^spec\.template\.(?:spec\.)?/, '')
    .replace(/^spec\./, '');
}

/** Maps whose keys are anybody's: a key that says credential has one. */
const freeMaps: ReadonlySet<unknown> = new Set(['annotations', 'labels', 'data', 'stringData']);

/** Whether what a value is called says that it is a credential: a variable, a header, an annotation. */
function isNamedSecret(path: readonly Segment[]): boolean {
  const [before, last] = path.slice(-2);
  if (typeof last !== 'string') return false;
  if (freeMaps.has(before)) return looksLikeCredential(last);
  const isEntry = typeof before === 'object' && before.field === 'name';
  return last === 'value' && isEntry && looksLikeCredential(String(before.value));
}

/** All texts in a value, those in lists and groups too. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return isRecord(value) ? Object.values(value).flatMap(textsIn) : [];
}

/** Whether a text has a credential in it, whatever it is called. */
const hasCredential = (text: string): boolean =>
  looksLikeKey(text) || text.split(/[\s=,;"'`()[\]{}<>|]+/).some(hasPasswordInUri);

/** Whether words of a command have a credential behind the one that names it: `--token VALUE`. */
const namesCredential = (words: readonly unknown[]): boolean =>
  words.some(
    (word, at) =>
      typeof word === 'string' &&
      /^--?[\w.-]+$/.test(word) &&
      looksLikeCredential(word) &&
      typeof words[at + 1] === 'string' &&
      !isNoCredential(String(words[at + 1])),
  );

/** Whether a value holds what nobody may read, as an entry of a list without keys may. */
function holdsSecret(value: unknown): boolean {
  if (Array.isArray(value)) return namesCredential(value) || value.some(holdsSecret);
  if (!isRecord(value)) return false;
  const isSecret = looksLikeCredential(String(value.name ?? '')) && typeof value.value === 'string';
  return isSecret || Object.values(value).some(holdsSecret);
}

function valueText(path: readonly Segment[], value: unknown): string {
  if (value === undefined || value === null) return 'none';
  if (isNamedSecret(path) || holdsSecret(value) || textsIn(value).some(hasCredential)) return '(secret)';
  return typeof value === 'string' ? value : canonicalJson(value);
}

/** Who owns a field of an object, as the API server keeps it; undefined for what nobody owns any more. */
function whoSet(path: readonly Segment[], managed: readonly ManagedFields[]): FieldDifference['setBy'] {
  const owners = managed.filter(({ fieldsV1 }) => owns(fieldsV1, path));
  const last = owners.toSorted((a, b) => (a.time ?? '').localeCompare(b.time ?? '')).at(-1);
  if (last === undefined || last.manager === undefined || last.manager === fieldManager) return undefined;
  return { manager: last.manager, ...(last.time === undefined ? {} : { at: last.time }) };
}

function owns(fields: unknown, [segment, ...rest]: readonly Segment[]): boolean {
  if (!isRecord(fields)) return false;
  if (segment === undefined) return true;
  if (typeof segment === 'string') {
    const below = fields[`f:${segment}`];
    // A list or map that is owned whole has no fields of its own below.
    return isRecord(below) && (Object.keys(below).length === 0 || rest.length === 0 || owns(below, rest));
  }
  return Object.entries(fields).some(([key, below]) => isEntry(key, segment) && owns(below, rest));
}

function isEntry(key: string, { field, value }: Exclude<Segment, string>): boolean {
  if (!key.startsWith('k:')) return false;
  const entry: unknown = JSON.parse(key.slice(2));
  return isRecord(entry) && entry[field] === value;
}

/** The name under which looms writes to a cluster (`metadata.managedFields`). */
export const fieldManager = 'looms';
