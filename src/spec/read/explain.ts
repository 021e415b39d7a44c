import { nearest } from '../../model/values/nearest.ts';
import type { Finding } from './findings.ts';
import type { Place, Prepared } from './prepare.ts';
import type { ScalarShape, SchemaError } from './shape.ts';
import { childPath } from './tree.ts';
import { describeScalar, lastName, shorten, wordsOf } from './words.ts';

/** A hint or another wording for one place, where the general words are not enough; `value` is undefined where it is missing. */
export type Wording = (
  path: string,
  value: unknown,
) => { readonly message: string; readonly hint?: string } | undefined;

/**
 * Turns a validator's errors into findings in words, one a place, and removes the wrong values from `prepared.value`
 * so that the rules across fields run on what is right. A wrong entry of a list leaves a hole, which forEach, map and
 * flatMap pass over: its neighbours are still checked, under their own indices.
 */
export function explainSchemaErrors(
  prepared: Prepared,
  errors: readonly SchemaError[],
  wording: Wording = () => undefined,
): readonly Finding[] {
  const findings = new Map<string, Finding>();
  const reported = new Set(prepared.findings.flatMap((one) => (one.severity === undefined ? [one.path] : [])));
  const remove: (() => void)[] = [];
  for (const error of errors) {
    // `propertyNames` repeats what was wrong with the key; the inner error says less.
    if (error.propertyName !== undefined) continue;
    const target = follow(prepared.value, error.instancePath);
    const key = error.keyword === 'propertyNames' ? String(error.params.propertyName) : undefined;
    const missing = error.keyword === 'required' ? String(error.params.missingProperty) : undefined;
    const path = key === undefined ? target.path : childPath(target.path, key);
    const place = prepared.places.get(path) ?? prepared.places.get(target.path);
    if (missing === undefined) remove.push(key === undefined ? target.remove : () => removeKey(target.value, key));
    if (place === undefined) continue;
    const id = missing === undefined ? path : childPath(path, missing);
    // What was reported while the document was walked needs no second finding.
    if (findings.has(id) || (missing !== undefined && prepared.places.has(id))) continue;
    if (reported.has(path)) continue;
    const owner = prepared.places.get(target.path);
    findings.set(id, describe({ error, path, place, value: target.value, key, owner, missing, wording }));
  }
  for (const run of remove) run();
  return [...findings.values()];
}

function describe(at: {
  error: SchemaError;
  path: string;
  place: Place;
  value: unknown;
  key: string | undefined;
  /** The map that a wrong key stands in. */
  owner: Place | undefined;
  missing: string | undefined;
  wording: Wording;
}): Finding {
  const { place, path, value } = at;
  const name = shorten(lastName(path));
  if (at.missing !== undefined) {
    const owner = path === '' ? 'the document' : name;
    const own = at.wording(childPath(path, at.missing), undefined);
    return { code: 'missing-key', span: place.keySpan, path, message: `${owner} needs ${at.missing}`, ...own };
  }
  if (at.key !== undefined) {
    const words = at.owner?.shape.kind === 'dictionary' ? at.owner.shape.nameWords : undefined;
    return {
      code: 'invalid-key',
      message: `${describeScalar(at.key)} is not ${words ?? 'a valid key'}`,
      span: place.keySpan,
      path,
    };
  }
  const own = at.wording(path, value);
  if (own !== undefined) return { code: 'invalid-value', span: place.span, path, ...own };
  const wrongType = at.error.keyword === 'type';
  const expected =
    at.error.keyword === 'minItems' || at.error.keyword === 'minLength'
      ? at.error.keyword === 'minItems'
        ? 'at least one entry'
        : 'text that is not empty'
      : wordsOf(place.shape);
  const got = Array.isArray(value) ? 'an empty list' : describeScalar(value);
  return {
    code: wrongType ? 'wrong-type' : 'invalid-value',
    message: `${name}: expected ${expected}, got ${got}`,
    span: place.span,
    path,
    hint: place.shape.kind === 'scalar' ? (hintFor(place.shape, value) ?? withoutUnit(name, value)) : undefined,
  };
}

function hintFor(shape: ScalarShape, value: unknown): string | undefined {
  if (shape.options !== undefined && typeof value === 'string') {
    const meant = nearest(value, shape.options);
    return meant === undefined ? undefined : `did you mean ${meant}?`;
  }
  if (shape.options !== undefined && !shape.options.includes(String(value))) return undefined;
  const textual = shape.types.includes('string');
  if (!textual && typeof value === 'string' && /^(?:[-+]?[0-9.]+|true|false)$/.test(value)) return 'remove the quotes';
  if (textual && (typeof value === 'number' || typeof value === 'boolean')) return `write "${value}" with quotes`;
  if (textual && shape.examples !== undefined) return `write it as ${shape.examples.join(' or ')}`;
  return undefined;
}

const seconds = {
  ms: 0.001,
  s: 1,
  sec: 1,
  second: 1,
  m: 60,
  min: 60,
  minute: 60,
  h: 3600,
  hour: 3600,
  d: 86_400,
  day: 86_400,
};
const mebibytes = { k: 1 / 1024, m: 1, g: 1024, t: 1024 ** 2 };

/** Units that fields have in their names: how they are called, and how many of them others are. */
const units: readonly (readonly [suffix: string, unit: string, others: Readonly<Record<string, number>>])[] = [
  ['_mb', 'MiB', mebibytes],
  ['_seconds', 'seconds', seconds],
  ['_hours', 'hours', Object.fromEntries(Object.entries(seconds).map(([name, each]) => [name, each / 3600]))],
  ['_cores', 'cores', { core: 1, cpu: 1, vcpu: 1, m: 0.001 }],
];

/** What to write for a number with a unit behind it, where the name of the field says which one it is in. */
function withoutUnit(name: string, value: unknown): string | undefined {
  const [, digits, word = ''] = (typeof value === 'string' && /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(value)) || [];
  const [suffix, unit, others] = units.find(([end]) => name.endsWith(end)) ?? [];
  if (digits === undefined || unit === undefined || others === undefined) return undefined;
  const singular = word.toLowerCase().replace(suffix === '_mb' ? /i?b?$/ : /(?<=..)s$/, '');
  const factor = Object.hasOwn(others, singular) ? others[singular] : undefined;
  if (factor === undefined) return `${name} is a number of ${unit}`;
  const number = Number((Number(digits) * factor).toFixed(3));
  // Fields in MiB and in seconds take whole numbers.
  const isWhole = suffix === '_mb' || suffix === '_seconds';
  return `write ${isWhole ? Math.ceil(number) : number}: ${name} is in ${unit}`;
}

/** Follows a JSON pointer, and remembers how to remove what it ends at. */
function follow(root: unknown, pointer: string): { value: unknown; path: string; remove: () => void } {
  let value = root;
  let path = '';
  let remove = (): void => {};
  for (const escaped of pointer.split('/').slice(1)) {
    const segment = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    const parent = value;
    if (Array.isArray(parent)) {
      path = childPath(path, Number(segment));
      value = parent[Number(segment)];
      remove = () => removeKey(parent, segment);
    } else {
      path = childPath(path, segment);
      value = (parent as Record<string, unknown> | undefined)?.[segment];
      remove = () => removeKey(parent, segment);
    }
  }
  return { value, path, remove };
}

function removeKey(parent: unknown, key: string): void {
  if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, key);
}
