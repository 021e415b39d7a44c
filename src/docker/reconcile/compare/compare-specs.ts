import { canonicalJson } from '../../../model/canonical-json.ts';
import { hasPasswordInUri, looksLikeCredential, looksLikeKey } from '../../../model/credentials.ts';
import type { RecordedSpec } from '../../../model/desired.ts';
import { isRecord } from '../../../model/is-record.ts';
import type { FieldDifference } from '../../../model/plan.ts';

/** The recorded shape of a value with secrets: what is shown is where it comes from, never the value. */
function isSecretValue(value: object): boolean {
  return 'kind' in value && value.kind === 'secret' && 'parts' in value;
}

const isLiteralValue = (value: object): value is { kind: 'literal'; value: string } =>
  'kind' in value && value.kind === 'literal' && 'value' in value;

/** Names of the model → names a user wrote, where they differ by more than the spelling. */
const userPaths: readonly (readonly [RegExp, string])[] = [
  [/^mcp\.transport\.kind$/, 'mcp_server.transport'],
  [/^mcp\.transport\b/, 'mcp_server'],
  [/^mcp\b/, 'mcp_server'],
  [/^limits\.memoryMiB$/, 'docker_backend.resource_limits.memory_mb'],
  [/^limits\.storageMiB$/, 'docker_backend.resource_limits.storage_mb'],
  [/^limits\b/, 'docker_backend.resource_limits'],
  [/^mounts\b/, 'docker_backend.volume_mounts'],
  [/^entrypoint\b/, 'docker_backend.custom.entrypoint_cmd'],
  [/^labels\b/, 'docker_backend.custom.labels'],
  [/^(environment|security|network|lifecycle|image|pullPolicy|platform|workingDir|description)\b/, 'docker_backend.$1'],
];

/** A path of the model as a user knows it: `limits.cpuCores` → `docker_backend.resource_limits.cpu_cores`. */
function userPath(path: string): string {
  const rule = userPaths.find(([pattern]) => pattern.test(path));
  const named = rule === undefined ? path : path.replace(rule[0], rule[1]);
  // Keys of env are the user's own and keep their case.
  const [settings, env] = splitEnv(named);
  return settings.replace(/[a-z][A-Z]/g, (pair) => `${pair[0]}_${pair[1]?.toLowerCase()}`) + env;
}

function splitEnv(path: string): [string, string] {
  const match = /^(docker_backend\.environment|mcp_server\.env|docker_backend\.custom\.labels)(\..*)$/.exec(path);
  return match === null ? [path, ''] : [match[1] ?? '', match[2] ?? ''];
}

/**
 * A value as a plan shows it. A literal that is a credential by its name or form stands in the file all the same, which
 * is what `validate` warns of; a plan goes further, into logs and pull requests.
 */
function text(path: string, value: unknown): string {
  if (value === undefined) return 'none';
  if (isRecord(value)) {
    if (isSecretValue(value)) return '(secret)';
    if (isLiteralValue(value)) return isCredential(path, value.value) ? '(secret)' : value.value;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const isCredential = (path: string, value: string): boolean =>
  looksLikeCredential(splitEnv(path)[1].slice(1)) || hasPasswordInUri(value) || looksLikeKey(value);

const wasReadable = '(readable in the record)';

const isLiteral = (value: unknown): boolean => isRecord(value) && isLiteralValue(value);

const isLeaf = (value: unknown): boolean => !isRecord(value) || isSecretValue(value) || isLiteralValue(value);

const same = (a: unknown, b: unknown): boolean =>
  a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);

function walk(path: string, from: unknown, to: unknown): FieldDifference[] {
  if (isLeaf(from) || isLeaf(to)) {
    // A whole group that came or went is shown by its own fields.
    if (isRecord(from) && to === undefined && !isLeaf(from)) return walk(path, from, {});
    if (isRecord(to) && from === undefined && !isLeaf(to)) return walk(path, {}, to);
    // The record was read from canonical text, the desired spec was not: the order of keys means nothing.
    if (same(from, to)) return [];
    const named = userPath(path);
    // What counts as a secret now is not shown as the text that it was, also where only looms' own idea of it changed.
    const becameSecret = isLiteral(from) && isRecord(to) && isSecretValue(to);
    const difference = { path: named, from: becameSecret ? wasReadable : text(named, from), to: text(named, to) };
    if (difference.from !== difference.to) return [difference];
    const how = isLiteral(from) && isLiteral(to) ? 'another value' : 'from elsewhere';
    return [{ ...difference, to: `${difference.to} (${how})` }];
  }
  const before = from as Record<string, unknown>;
  const after = to as Record<string, unknown>;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .flatMap((key) => walk(path === '' ? key : `${path}.${key}`, before[key], after[key]));
}

/**
 * The fields in which two recorded specs differ, under the names a user wrote; `enabled` is left out, because it starts
 * or stops a container instead of replacing it.
 */
export function compareSpecs(recorded: RecordedSpec, desired: RecordedSpec): FieldDifference[] {
  const { enabled: _before, ...before } = recorded.spec;
  const { enabled: _after, ...after } = desired.spec;
  const fields = walk('', before, after);
  if (recorded.image === desired.image) return fields;
  return [...fields, { path: 'image', from: recorded.image, to: desired.image }];
}
