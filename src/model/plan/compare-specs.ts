import { hashedOf, type RecordedSpec, serverFields } from '../desired.ts';
import { type Choice, type Field, type Fields, type Group, group } from '../fields.ts';
import type { FieldDifference } from '../plan.ts';
import { hasPasswordInUri, looksLikeCredential, looksLikeKey } from '../secrets/credentials.ts';
import { isAlike } from '../values/alike.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { isRecord } from '../values/is-record.ts';

/** The recorded shape of a value with secrets: what is shown is where it comes from, never the value. */
function isSecretValue(value: object): boolean {
  return 'kind' in value && value.kind === 'secret' && 'parts' in value;
}

const isLiteralValue = (value: object): value is { kind: 'literal'; value: string } =>
  'kind' in value && value.kind === 'literal' && 'value' in value;

/** What a field of the model is called in a file, where `at` is its group, and what stands below it. */
function step(at: Node, path: string, key: string, value: unknown): readonly [path: string, node: Node] {
  const fields = at?.kind === 'group' ? at.fields : at?.kind === 'choice' ? variantOf(at, value) : undefined;
  const node = fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : undefined;
  const name = at?.kind === 'choice' && key === at.tag ? at.tagPath : (node?.path ?? key);
  return [[path, name].filter((part) => part !== '').join('.'), node];
}

type Node = Field | Group | Choice | undefined;

function variantOf({ tag, variants }: Choice, value: unknown): Fields | undefined {
  const name = isRecord(value) ? value[tag] : undefined;
  return typeof name === 'string' && Object.hasOwn(variants, name) ? variants[name] : undefined;
}

/** A value as a plan shows it. Literal credentials are hidden: a plan goes further than its file, into logs. */
function text(key: string, value: unknown): string {
  if (value === undefined) return 'none';
  if (isRecord(value)) {
    if (isSecretValue(value)) return '(secret)';
    if (isLiteralValue(value)) return isCredential(key, value.value) ? '(secret)' : value.value;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const isCredential = (key: string, value: string): boolean =>
  looksLikeCredential(key) || hasPasswordInUri(value) || looksLikeKey(value);

const wasReadable = '(readable in the record)';

const isLiteral = (value: unknown): boolean => isRecord(value) && isLiteralValue(value);

const isLeaf = (value: unknown): boolean => !isRecord(value) || isSecretValue(value) || isLiteralValue(value);

const same = (a: unknown, b: unknown): boolean =>
  a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);

const isListOfParts = (value: unknown): value is readonly Record<string, unknown>[] =>
  Array.isArray(value) && value.every((part) => isRecord(part) && !isLeaf(part));

/** A mount, a copied file or a target as a plan shows it: with the words of a file, in one order. */
const partText = (part: object): string =>
  canonicalJson(Object.fromEntries(Object.entries(part).map(([key, value]) => [inFile(key), value])));

const inFile = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** By what a mount or a target is known, in brackets; '' for a part that has no such name. */
function nameOf({ target, host, port }: Record<string, unknown>): string {
  if (typeof target === 'string') return `[${target}]`;
  return typeof host === 'string' ? `[${host}:${port}]` : '';
}

/** What differs in a list of parts: those that are on both sides are not told, and one that changed is told by its fields. */
function walkParts(
  path: string,
  from: readonly Record<string, unknown>[],
  to: readonly Record<string, unknown>[],
): FieldDifference[] {
  const [before, after] = [from.map(partText), to.map(partText)];
  const gone = from.filter((_, index) => !after.includes(before[index] ?? ''));
  const come = to.filter((_, index) => !before.includes(after[index] ?? ''));
  // The same parts in another order.
  if (gone.length + come.length === 0) return [{ path, from: `[${before}]`, to: `[${after}]` }];
  return Array.from({ length: Math.max(gone.length, come.length) }, (_, index): readonly FieldDifference[] => {
    const [old, now] = [gone[index], come[index]];
    // The file has no place any more for what only went.
    const place = now === undefined ? `${path}${nameOf(old ?? {})}` : `${path}[${to.indexOf(now)}]`;
    if (old !== undefined && now !== undefined) {
      return [...new Set([...Object.keys(old), ...Object.keys(now)])]
        .sort()
        .flatMap((key) => walk(undefined, `${place}.${inFile(key)}`, key, old[key], now[key]));
    }
    return [
      { path: place, from: old === undefined ? 'none' : partText(old), to: now === undefined ? 'none' : partText(now) },
    ];
  }).flat();
}

/** What differs below `path`, which is the file's name for the field `key`. */
function walk(node: Node, path: string, key: string, from: unknown, to: unknown): FieldDifference[] {
  if (isAlike(from, to)) return [];
  if (isListOfParts(from) && isListOfParts(to)) return same(from, to) ? [] : walkParts(path, from, to);
  if (isLeaf(from) || isLeaf(to)) {
    // A whole group that came or went is shown by its own fields.
    if (isRecord(from) && to === undefined && !isLeaf(from)) return walk(node, path, key, from, {});
    if (isRecord(to) && from === undefined && !isLeaf(to)) return walk(node, path, key, {}, to);
    // The record was read from canonical text, the desired spec was not: the order of keys means nothing.
    if (same(from, to)) return [];
    // What counts as a secret now is not shown as the text that it was, also where only looms' own idea of it changed.
    const becameSecret = isLiteral(from) && isRecord(to) && isSecretValue(to);
    const difference = { path, from: becameSecret ? wasReadable : text(key, from), to: text(key, to) };
    if (difference.from !== difference.to) return [difference];
    const how = isLiteral(from) && isLiteral(to) ? 'another value' : 'from elsewhere';
    return [{ ...difference, to: `${difference.to} (${how})` }];
  }
  const before = from as Record<string, unknown>;
  const after = to as Record<string, unknown>;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((inner) => {
    const [at, below] = step(node, path, inner, Object.hasOwn(after, inner) ? after : before);
    return walk(below, at, inner, before[inner], after[inner]);
  });
}

/** Fields in which recorded specs differ, as a user wrote them, but for those that replace nothing (`hashedOf`). */
export function compareSpecs(recorded: RecordedSpec, desired: RecordedSpec): FieldDifference[] {
  const fields = walk(group('', serverFields), '', '', hashedOf(recorded.spec), hashedOf(desired.spec));
  if (recorded.image === desired.image) return fields;
  return [...fields, { path: 'image', from: recorded.image, to: desired.image }];
}
