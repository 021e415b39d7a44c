import { isRecord } from '../../../model/values/is-record.ts';
/** A JSON Schema as a server sent it: anything may be missing or odd. */
export type Schema = Readonly<Record<string, unknown>>;

/** Whether a value can be read as a schema: `true` and `false`, which are schemas too, are told apart by the caller. */
export const isSchema = (value: unknown): value is Schema => isRecord(value);

/** Follows `#/…` references inside the document; anything else, and a circle, ends where it is. */
export function dereference(schema: Schema, root: Schema): Schema {
  let current = schema;
  for (let hops = 0; hops < 20; hops++) {
    const ref = current.$ref;
    if (typeof ref !== 'string' || !ref.startsWith('#')) return current;
    const target = resolvePointer(root, ref.slice(1));
    if (target === undefined) return current;
    current = target;
  }
  return current;
}

function resolvePointer(root: Schema, pointer: string): Schema | undefined {
  let current: unknown = root;
  for (const step of pointer.split('/').slice(1)) {
    const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(current)) current = current[Number(key)];
    else if (isSchema(current) && Object.hasOwn(current, key)) current = current[key];
    else return undefined;
  }
  return isSchema(current) ? current : undefined;
}

/** The properties of an object schema, references followed, those of its `allOf` included. */
export function propertiesOf(schema: Schema, root: Schema): Readonly<Record<string, Schema>> {
  const resolved = dereference(schema, root);
  const parts = listOf(resolved.allOf)
    .filter(isSchema)
    .filter((part) => part !== schema)
    .map((part) => dereference(part, root));
  // From entries: a property called __proto__ stays one.
  return Object.fromEntries([...parts, resolved].flatMap((part) => Object.entries(ownProperties(part))));
}

function ownProperties(schema: Schema): Record<string, Schema> {
  if (!isSchema(schema.properties)) return {};
  // `true` as a schema allows anything, as `{}` does.
  return Object.fromEntries(
    Object.entries(schema.properties).map(([key, value]) => [key, isSchema(value) ? value : {}]),
  );
}

/** Names of the properties that must be given. */
export const requiredOf = (schema: Schema, root: Schema): readonly string[] =>
  listOf(dereference(schema, root).required).filter((name) => typeof name === 'string');

/** A schema that offers itself again and again offers no more than this. */
const mostAlternatives = 1_000;

/** What an `anyOf`, `oneOf` or a list of types offers, flat, references followed; the schema itself when it offers one. */
export function alternativesOf(schema: Schema, root: Schema, depth = 0): readonly Schema[] {
  const resolved = dereference(schema, root);
  const branches = [...listOf(resolved.anyOf), ...listOf(resolved.oneOf)].filter(isSchema);
  if (branches.length > 0 && depth < 5) {
    const found: Schema[] = [];
    for (const branch of branches) {
      if (found.length < mostAlternatives) found.push(...alternativesOf(branch, root, depth + 1));
    }
    return found.slice(0, mostAlternatives);
  }
  if (Array.isArray(resolved.type)) return resolved.type.map((type: unknown) => ({ ...resolved, type }));
  return [resolved];
}

/** The values that `enum` or `const` allow, or undefined when any is. */
export function allowedValues(schema: Schema): readonly unknown[] | undefined {
  if (Array.isArray(schema.enum)) return schema.enum;
  return 'const' in schema ? [schema.const] : undefined;
}

/** A list, or an empty one in place of anything else. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A schema's type in a few characters, as signatures and messages show it: `string`, `integer[]`, `"a" | "b"`. */
export function typeText(schema: Schema, root: Schema): string {
  const texts = alternativesOf(schema, root).map((alternative) => singleType(alternative, root));
  return [...new Set(texts)].join(' | ') || 'any';
}

/** Longer lists of allowed values are cut in signatures. */
const shownValues = 6;

function singleType(schema: Schema, root: Schema): string {
  const allowed = allowedValues(schema);
  if (allowed !== undefined) {
    const shown = allowed.slice(0, shownValues).map((value) => JSON.stringify(value));
    return [...shown, ...(allowed.length > shownValues ? ['…'] : [])].join(' | ');
  }
  if (schema.type === 'array') {
    const item = isSchema(schema.items) ? schema.items : {};
    // One level: a signature is one line, and schemas may refer to themselves.
    const inner = alternativesOf(item, root).map((part) => (typeof part.type === 'string' ? part.type : 'any'));
    const text = [...new Set(inner)].join(' | ');
    return inner.length > 1 ? `(${text})[]` : `${text}[]`;
  }
  if (typeof schema.type === 'string') return schema.type;
  return isSchema(schema.properties) ? 'object' : 'any';
}
