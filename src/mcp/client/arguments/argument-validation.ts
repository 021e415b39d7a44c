import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { messageOf } from '../../../model/failure.ts';
import { withPlainNumbers } from '../../../model/values/exact-number.ts';
import { nearest } from '../../../model/values/nearest.ts';
import { isSchema } from '../generated/schema-check.mjs';
import { propertiesOf, type Schema, typeText } from './schema.ts';

export type ArgumentCheck =
  | { readonly valid: true }
  | {
      readonly valid: false;
      readonly problems: readonly string[];
      /** The first of them for each argument by its name; empty: for the arguments as a whole. */
      readonly fields: Readonly<Record<string, string>>;
    }
  /** The server's schema itself cannot be used: worth a warning, never a reason not to call. */
  | { readonly valid: 'unknown'; readonly warning: string };

const settings = {
  strict: false,
  allErrors: true,
  validateFormats: false,
  logger: false,
  // `1e400` is a number, though none of JavaScript's.
  strictNumbers: false,
  addUsedSchema: false,
} as const;

/** Checks arguments against a tool's schema, read as JSON Schema 2020-12; unknown words pass, nothing is fetched. */
export function validateArguments(schema: Schema, args: Readonly<Record<string, unknown>>): ArgumentCheck {
  // One of its own: it keeps what it has compiled, and a schema is a stranger's.
  const ajv = new Ajv2020({ ...settings, validateSchema: false });
  const { $schema: _draft, $id: _id, ...usable } = upgradeDraft7(withPlainNumbers(schema));
  let validate: ReturnType<typeof ajv.compile>;
  try {
    // Made when looms is built: ajv would compile as much for it as for ten tools' schemas.
    if (!isSchema(usable)) throw new Error(`schema is invalid: ${ajv.errorsText(isSchema.errors)}`);
    validate = ajv.compile(usable);
  } catch (error) {
    const why = messageOf(error);
    return { valid: 'unknown', warning: `the tool's input schema cannot be used to check the arguments: ${why}` };
  }
  if (validate(withPlainNumbers(args))) return { valid: true };
  const errors = validate.errors ?? [];
  const telling = errors.filter((error) => !summary.has(error.keyword));
  const described = (telling.length > 0 ? telling : errors).map((error) => ({
    field: fieldOf(error),
    text: describe(error, schema),
  }));
  const missing = errors.filter(({ keyword, instancePath }) => keyword === 'required' && instancePath === '');
  const problems = [...described, ...unknownBeside(missing.map(fieldOf), schema, args)];
  return {
    valid: false,
    problems: [...new Set(problems.map(({ text }) => text))],
    // The first one stands: of those with the same name, the last entry counts.
    fields: Object.fromEntries(problems.toReversed().map(({ field, text }) => [field, text])),
  };
}

/** The argument that an error is about. */
function fieldOf({ instancePath, keyword, params }: ErrorObject): string {
  const [, name] = instancePath.split('/');
  if (name !== undefined) return name.replaceAll('~1', '/').replaceAll('~0', '~');
  return keyword === 'required' ? String(params.missingProperty) : '';
}

/**
 * The arguments that a schema has no word of, where others are missing: a name that was written otherwise. A schema that
 * allows no others has refused them itself, and one with rules for others may mean them.
 */
function unknownBeside(
  missing: readonly string[],
  schema: Schema,
  args: Readonly<Record<string, unknown>>,
): readonly { readonly field: string; readonly text: string }[] {
  const { additionalProperties, patternProperties } = schema;
  const isOpen = additionalProperties === undefined || additionalProperties === true;
  if (missing.length === 0 || !isOpen || patternProperties !== undefined) return [];
  const known = Object.keys(propertiesOf(schema, schema));
  const unknown = Object.keys(args).filter((name) => !known.includes(name));
  const only = missing.length === 1 && unknown.length === 1 ? missing[0] : undefined;
  return unknown.map((name) => {
    const near = only ?? nearest(name, missing);
    const meant = near === undefined ? '' : `; did you mean ${near}?`;
    return { field: '', text: `there is no argument ${JSON.stringify(name)}${meant}` };
  });
}

/** Keywords whose errors only repeat those of their branches. */
const summary = new Set(['anyOf', 'oneOf', 'allOf', 'if']);

/** Keywords that hold values and no schemas. */
const values = new Set(['enum', 'const', 'default', 'examples']);

/** Draft 7 and older write tuples as a list in `items`, which 2020-12 calls `prefixItems`. */
function upgradeDraft7(schema: unknown): Schema {
  const upgrade = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(upgrade);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(
      ([key, inner]) => [key, values.has(key) ? inner : upgrade(inner)] as const,
    );
    const copy: Record<string, unknown> = Object.fromEntries(entries);
    if (!Array.isArray(copy.items)) return copy;
    const { items, additionalItems, ...rest } = copy;
    return { ...rest, prefixItems: items, ...(additionalItems === undefined ? {} : { items: additionalItems }) };
  };
  const upgraded = upgrade(schema);
  return typeof upgraded === 'object' && upgraded !== null ? { ...upgraded } : {};
}

function describe(error: ErrorObject, root: Schema): string {
  const path = error.instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  const where = path === '' ? 'the arguments' : path;
  const params: Record<string, unknown> = error.params;
  switch (error.keyword) {
    case 'required': {
      const name = String(params.missingProperty);
      const property = path === '' ? propertiesOf(root, root)[name] : undefined;
      const type = property === undefined ? '' : ` (${typeText(property, root)})`;
      return `${path === '' ? '' : `${path}.`}${name}${type} is missing`;
    }
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const near = path === '' ? nearest(name, Object.keys(propertiesOf(root, root))) : undefined;
      return `${where} may not have ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`;
    }
    case 'enum': {
      const allowed = Array.isArray(params.allowedValues) ? params.allowedValues : [];
      return `${where} must be one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}`;
    }
    case 'const':
      return `${where} must be ${JSON.stringify(params.allowedValue)}`;
    case 'type':
      return `${where} must be of type ${String(params.type).replaceAll(',', ' or ')}`;
    default:
      return `${where} ${error.message ?? `fails ${error.keyword}`}`;
  }
}
