import { isExactNumber, numberOf, plainText } from '../../../model/values/exact-number.ts';
import {
  allowedValues,
  alternativesOf,
  dereference,
  isSchema,
  propertiesOf,
  requiredOf,
  type Schema,
} from './schema.ts';

/** One property of an object schema, or the start of a choice between shapes, as a line of a table. */
export type SchemaRow =
  | {
      readonly kind: 'property';
      /** How far inside other objects it stands; 0 outside of any. */
      readonly depth: number;
      readonly name: string;
      readonly type: string;
      readonly required: boolean;
      readonly description?: string;
      /** What else the schema asks for: `default 3`, `1 to 10`, `one of: a, b`. */
      readonly notes: readonly string[];
    }
  /** What follows one level deeper is one shape of several: `either`, then `or`. */
  | { readonly kind: 'shape'; readonly depth: number; readonly word: 'either' | 'or'; readonly title?: string };

/** Objects inside objects are followed this far. */
const deepest = 6;

/**
 * The properties of an object schema as rows, required ones first, those of inner objects and of arrays of objects below
 * theirs. Schemas may refer to themselves: what is being shown already is not shown inside itself again.
 */
export const schemaRows = (root: Schema): readonly SchemaRow[] => inside(root, root, 0, []);

function inside(schema: Schema, root: Schema, depth: number, above: readonly Schema[]): readonly SchemaRow[] {
  if (depth > deepest) return [];
  // Conditions beside the properties (`anyOf` of `required`, say) are no shapes.
  const own = propertyRows(schema, root, depth, above);
  if (own.length > 0) return own;
  const shapes = shapesOf(schema, root).filter((shape) => !above.includes(shape));
  const [only] = shapes;
  if (only === undefined) return [];
  if (shapes.length === 1) return propertyRows(only, root, depth, above);
  return shapes.flatMap((shape, index) => [
    {
      kind: 'shape',
      depth,
      word: index === 0 ? 'either' : 'or',
      ...(typeof shape.title === 'string' ? { title: shape.title } : {}),
    } as const,
    ...propertyRows(shape, root, depth + 1, above),
  ]);
}

/** The objects among what a schema allows, and among the elements of an array that it allows. */
function shapesOf(schema: Schema, root: Schema): readonly Schema[] {
  return alternativesOf(schema, root).flatMap((one) => {
    if (isSchema(one.items)) return alternativesOf(one.items, root).filter((item) => hasProperties(item, root));
    return hasProperties(one, root) ? [one] : [];
  });
}

const hasProperties = (schema: Schema, root: Schema): boolean =>
  Object.keys(propertiesOf(schema, root)).length > 0 || isSchema(schema.additionalProperties);

function propertyRows(schema: Schema, root: Schema, depth: number, above: readonly Schema[]): readonly SchemaRow[] {
  const here = dereference(schema, root);
  const required = new Set(requiredOf(schema, root));
  const named = Object.entries(propertiesOf(schema, root));
  const ordered = [...named.filter(([name]) => required.has(name)), ...named.filter(([name]) => !required.has(name))];
  const others = isSchema(here.additionalProperties) ? [['(any name)', here.additionalProperties] as const] : [];
  return [...ordered, ...others].flatMap(([name, property]) => {
    const target = dereference(property, root);
    const description = descriptionOf(property) ?? descriptionOf(target);
    const row: SchemaRow = {
      kind: 'property',
      depth,
      name,
      type: plainType(property, root),
      required: required.has(name),
      ...(description === undefined ? {} : { description }),
      notes: notesOf({ ...target, ...property }, root),
    };
    return [row, ...inside(property, root, depth + 1, [...above, here])];
  });
}

const descriptionOf = ({ description }: Schema): string | undefined =>
  typeof description === 'string' && description.trim() !== '' ? description : undefined;

/** A type without the values it allows, which stand in a note: `string | null`, `object[]`. */
function plainType(schema: Schema, root: Schema): string {
  const names = alternativesOf(schema, root).map((one) => {
    if (one.type === 'array') {
      const items = isSchema(one.items) ? alternativesOf(one.items, root).map((item) => typeName(item)) : ['any'];
      const unique = [...new Set(items)];
      return unique.length > 1 ? `(${unique.join(' | ')})[]` : `${unique[0] ?? 'any'}[]`;
    }
    return typeName(one);
  });
  return [...new Set(names)].join(' | ') || 'any';
}

function typeName(schema: Schema): string {
  if (typeof schema.type === 'string') return schema.type;
  const allowed = allowedValues(schema);
  if (allowed !== undefined)
    return [
      ...new Set(allowed.map((value) => (value === null ? 'null' : isExactNumber(value) ? 'number' : typeof value))),
    ].join(' | ');
  return isSchema(schema.properties) ? 'object' : 'any';
}

function notesOf(schema: Schema, root: Schema): readonly string[] {
  const alternatives = alternativesOf(schema, root);
  const allowed = alternatives.flatMap((one) => allowedValues(one) ?? itemValues(one, root));
  const bounds = alternatives.flatMap(boundsOf);
  const notes = [
    allowed.length === 0 ? undefined : `one of: ${[...new Set(allowed.map(shown))].join(', ')}`,
    'default' in schema ? `default ${shownDefault(schema.default)}` : undefined,
    ...new Set(bounds),
    schema.deprecated === true ? 'deprecated' : undefined,
  ];
  return notes.filter((note) => note !== undefined);
}

const itemValues = (schema: Schema, root: Schema): readonly unknown[] =>
  isSchema(schema.items) ? alternativesOf(schema.items, root).flatMap((item) => allowedValues(item) ?? []) : [];

function boundsOf(schema: Schema): readonly string[] {
  const notes = [
    range(schema.minimum, schema.maximum),
    bound('above', schema.exclusiveMinimum),
    bound('below', schema.exclusiveMaximum),
    bound('a multiple of', schema.multipleOf),
    range(schema.minLength, schema.maxLength, 'character'),
    range(schema.minItems, schema.maxItems, 'item'),
    typeof schema.format === 'string' ? `format ${schema.format}` : undefined,
    typeof schema.pattern === 'string' ? `matches ${schema.pattern}` : undefined,
  ];
  return notes.filter((note) => note !== undefined);
}

const bound = (word: string, value: unknown): string | undefined =>
  numberOf(value) === undefined ? undefined : `${word} ${plainText(value)}`;

function range(least: unknown, most: unknown, noun?: string): string | undefined {
  // Generators write the largest number there is where they mean none.
  const from = (numberOf(least) ?? -Infinity) > -Number.MAX_SAFE_INTEGER ? plainText(least) : undefined;
  const to = (numberOf(most) ?? Infinity) < Number.MAX_SAFE_INTEGER ? plainText(most) : undefined;
  const of = noun === undefined ? '' : (to ?? from) === '1' ? ` ${noun}` : ` ${noun}s`;
  if (from !== undefined && to !== undefined) return from === to ? `exactly ${from}${of}` : `${from} to ${to}${of}`;
  if (from !== undefined) return `at least ${from}${of}`;
  return to === undefined ? undefined : `at most ${to}${of}`;
}

const shown = (value: unknown): string => (typeof value === 'string' && value !== '' ? value : JSON.stringify(value));

/** Longest default that is shown whole. */
const longestDefault = 60;

function shownDefault(value: unknown): string {
  const text = shown(value);
  return text.length > longestDefault ? `${text.slice(0, longestDefault)}…` : text;
}
