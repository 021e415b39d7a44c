import { canonicalJson } from '../model/canonical-json.ts';
import type { RecordedSpec } from '../model/desired.ts';
import { isRecord } from '../model/is-record.ts';
import type { FieldDifference } from '../model/plan.ts';

/** The recorded shape of a value with secrets: what is shown is where it comes from, never the value. */
function isSecretValue(value: object): boolean {
  return 'kind' in value && value.kind === 'secret' && 'parts' in value;
}

const isLiteralValue = (value: object): value is { kind: 'literal'; value: string } =>
  'kind' in value && value.kind === 'literal' && 'value' in value;

/** Names of the model → names a user wrote, where they differ by more than the spelling. */
const userPaths: readonly (readonly [RegExp, string])[] = [
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

function text(value: unknown): string {
  if (value === undefined) return 'none';
  if (isRecord(value)) {
    if (isSecretValue(value)) return '(secret)';
    if (isLiteralValue(value)) return value.value;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

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
    const difference = { path: userPath(path), from: text(from), to: text(to) };
    const other =
      difference.from === difference.to ? { ...difference, to: `${difference.to} (from elsewhere)` } : difference;
    return [other];
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
