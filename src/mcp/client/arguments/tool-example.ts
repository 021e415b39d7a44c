import { isExactNumber, numberOf, plainText } from '../../../model/values/exact-number.ts';
import { allowedValues, alternativesOf, isSchema, listOf, propertiesOf, requiredOf, type Schema } from './schema.ts';

/** Values inside values are made up this deep; deeper ones stay empty. */
const deepest = 5;

/** Texts that fit a format, by its name in JSON Schema. */
const texts: Readonly<Record<string, string>> = {
  date: '2026-01-31',
  'date-time': '2026-01-31T12:00:00Z',
  time: '12:00:00Z',
  duration: 'PT1H',
  email: 'someone@example.com',
  uri: 'https://example.com/',
  'uri-reference': '/path',
  url: 'https://example.com/',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/** Words of a call with what a tool requires, unquoted: defaults and examples, else made up (a text: its name). */
export function exampleWords(schema: Schema): readonly string[] {
  const properties = propertiesOf(schema, schema);
  return requiredOf(schema, schema).flatMap((name) => {
    const property = properties[name] ?? {};
    return wordsOf(name, sample(property, schema, name, 0), property, schema);
  });
}

function wordsOf(name: string, value: unknown, schema: Schema, root: Schema): readonly string[] {
  const isArray = alternativesOf(schema, root).every(({ type }) => type === 'array');
  if (isArray && Array.isArray(value) && value.length > 0 && value.every(isScalar)) {
    return value.map((element) => `${name}=${asText(element)}`);
  }
  return isScalar(value) ? [`${name}=${asText(value)}`] : [`${name}:=${JSON.stringify(value)}`];
}

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null || isExactNumber(value);

/** `@` in front would name a file. */
const asText = (value: unknown): string => plainText(typeof value === 'string' ? value.replace(/^@/, '@@') : value);

function sample(schema: Schema, root: Schema, name: string, depth: number): unknown {
  const given = ready(schema);
  if (given !== undefined) return given.value;
  const alternatives = alternativesOf(schema, root);
  const chosen = alternatives.find(({ type }) => type !== 'null') ?? alternatives[0] ?? {};
  const own = ready(chosen);
  if (own !== undefined) return own.value;
  switch (chosen.type) {
    case 'integer':
    case 'number':
      return sampleNumber(chosen);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return depth >= deepest ? [] : [sample(isSchema(chosen.items) ? chosen.items : {}, root, name, depth + 1)];
    case 'object':
      return sampleObject(chosen, root, depth);
    default:
      return isSchema(chosen.properties) ? sampleObject(chosen, root, depth) : sampleText(chosen, name);
  }
}

/** A value that the schema itself names. */
function ready(schema: Schema): { readonly value: unknown } | undefined {
  const allowed = allowedValues(schema)?.[0];
  if (allowed !== undefined) return { value: allowed };
  const [example] = listOf(schema.examples);
  if (example !== undefined) return { value: example };
  const { default: initial } = schema;
  return initial === undefined || initial === null || initial === '' ? undefined : { value: initial };
}

function sampleObject(schema: Schema, root: Schema, depth: number): unknown {
  if (depth >= deepest) return {};
  const properties = propertiesOf(schema, root);
  return Object.fromEntries(
    requiredOf(schema, root).map((name) => [name, sample(properties[name] ?? {}, root, name, depth + 1)]),
  );
}

function sampleNumber(schema: Schema): number {
  const step = numberOf(schema.multipleOf) ?? 1;
  const above = numberOf(schema.exclusiveMinimum);
  const least = numberOf(schema.minimum) ?? (above === undefined ? step : above + step);
  const most = numberOf(schema.maximum);
  return most !== undefined && most < least ? most : Math.max(least, Math.min(step, most ?? step));
}

const sampleText = ({ format }: Schema, name: string): string =>
  (typeof format === 'string' ? texts[format] : undefined) ??
  (name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase() ||
    'TEXT');
