import { LoomsError } from '../../../model/errors.ts';
import { messageOf } from '../../../model/failure.ts';
import {
  isExactNumber,
  parsedExactly,
  parseExactly,
  plainText,
  readNumber,
  readWhole,
} from '../../../model/values/exact-number.ts';
import { isRecord } from '../../../model/values/is-record.ts';
import { nearest } from '../../../model/values/nearest.ts';
import { allowedValues, alternativesOf, isSchema, propertiesOf, type Schema, typeText } from './schema.ts';

/** Reads the file of `key=@file`; throws `file-not-found` and the like. */
type FileReader = (path: string) => Promise<string>;

type Arguments = Record<string, unknown>;

/**
 * Turns the words after the tool's name into arguments: one JSON object, or any number of
 * - `key=value`, typed by the input schema; repeated for an array; `a.b=1` for a property of an object,
 * - `key:=json`, taken as it is,
 * - `key=@file`, the file's text, typed as a value; `key=@@x` is the text `@x`.
 * A key that the schema does not have is an error only when the schema allows no others; else it stays text.
 * Throws `arguments-invalid` naming key, expected type and allowed values.
 */
export async function parseArguments(
  words: readonly string[],
  schema: Schema,
  readFile: FileReader,
): Promise<Readonly<Record<string, unknown>>> {
  const [first] = words;
  if (words.length === 1 && first?.trimStart().startsWith('{')) return parseJsonArguments(first);

  const result: Arguments = {};
  const given = new Set<string>();
  for (const word of words) {
    const { key, mode, text } = splitWord(word);
    const known = findProperty(key, schema);
    const path = known?.path ?? [key];
    const target = known?.schema ?? schemaOfUnknownKey(key, mode, schema);
    const raw = mode === 'value' ? await valueText(text, readFile) : text;
    const value = mode === 'json' ? parseJson(key, raw) : typedValue(key, raw, target, schema, given.has(key));
    place(result, path, value, given.has(key) && mode === 'value' && isArrayOnly(target, schema), key);
    given.add(key);
  }
  return result;
}

/** The arguments from one JSON text (a word, a file, standard input). Throws `arguments-invalid`. */
export function parseJsonArguments(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson('the arguments', text);
  if (!isRecord(value)) {
    throw new LoomsError('arguments-invalid', `the arguments are ${kindOf(value)}, but a JSON object is needed`);
  }
  return value;
}

function splitWord(word: string): { key: string; mode: 'value' | 'json'; text: string } {
  const equals = word.indexOf('=');
  if (equals <= 0) {
    throw new LoomsError('arguments-invalid', `${JSON.stringify(word)} is no argument`, {
      hint: 'write key=value, key:=json, key=@file, or one JSON object',
    });
  }
  const isJson = word[equals - 1] === ':' && equals > 1;
  return {
    key: word.slice(0, isJson ? equals - 1 : equals),
    mode: isJson ? 'json' : 'value',
    text: word.slice(equals + 1),
  };
}

async function valueText(text: string, readFile: FileReader): Promise<string> {
  if (text.startsWith('@@')) return text.slice(1);
  return text.startsWith('@') ? readFile(text.slice(1)) : text;
}

/** A key as a property: by its whole name first (names may hold dots), else as a path into objects. */
function findProperty(key: string, root: Schema): { path: readonly string[]; schema: Schema } | undefined {
  const whole = propertiesOf(root, root);
  if (Object.hasOwn(whole, key)) return { path: [key], schema: whole[key] ?? {} };
  const path = key.split('.');
  let schema: Schema = root;
  for (const [depth, step] of path.entries()) {
    const alternatives = alternativesOf(schema, root);
    const next = alternatives
      .map((alternative) => propertiesOf(alternative, root))
      .find((properties) => Object.hasOwn(properties, step))?.[step];
    const isFree = alternatives.some(
      ({ type, additionalProperties }) => type === 'object' && additionalProperties !== false,
    );
    if (next === undefined && (depth === 0 || !isFree)) return undefined;
    schema = next ?? {};
  }
  return { path, schema };
}

/** The schema for a key that no property has; one that may not be, or looks mistyped (but for JSON), is refused. */
function schemaOfUnknownKey(key: string, mode: 'value' | 'json', root: Schema): Schema {
  const names = Object.keys(propertiesOf(root, root));
  const near = nearest(key, names);
  if (isSchema(root.additionalProperties)) return root.additionalProperties;
  const allowsOthers = root.additionalProperties !== false;
  if (allowsOthers && (mode === 'json' || near === undefined)) return {};
  const hints = [
    near === undefined ? undefined : `did you mean ${near}?`,
    names.length === 0 ? 'It takes no arguments.' : `Its arguments: ${names.join(', ')}.`,
    allowsOthers ? `To send it all the same, write ${key}:=json.` : undefined,
  ];
  throw new LoomsError('arguments-invalid', `there is no argument ${JSON.stringify(key)}`, {
    hint: hints.filter((hint) => hint !== undefined).join(' '),
  });
}

/** The value of a word by the first alternative of the schema that takes it; text comes last. */
function typedValue(key: string, text: string, schema: Schema, root: Schema, isRepeated: boolean): unknown {
  const alternatives = alternativesOf(schema, root);
  const ordered = [...alternatives].sort((a, b) => rank(a) - rank(b));
  for (const alternative of ordered) {
    const converted = convert(text, alternative, root, isRepeated);
    if (converted !== undefined) return converted.value;
  }
  const allowed = alternatives.flatMap((alternative) => allowedValues(alternative) ?? []);
  const near = nearest(text, allowed.map(plainText));
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  throw new LoomsError('arguments-invalid', `${key} is ${JSON.stringify(shown)}, but ${expected(schema, root)}`, {
    hint: near && `did you mean ${near}?`,
  });
}

function expected(schema: Schema, root: Schema): string {
  const text = typeText(schema, root);
  const isChoice = alternativesOf(schema, root).every((alternative) => allowedValues(alternative) !== undefined);
  return isChoice ? `must be one of ${text.replaceAll(' | ', ', ')}` : `must be of type ${text}`;
}

/** Narrow types are tried before text, which takes everything. */
const rank = (schema: Schema): number => (allowedValues(schema) !== undefined ? 0 : schema.type === 'string' ? 2 : 1);

/** The text as a value of one schema, or undefined when it is none. */
function convert(text: string, schema: Schema, root: Schema, isRepeated: boolean): { value: unknown } | undefined {
  const allowed = allowedValues(schema);
  if (allowed !== undefined) {
    const value = allowed.find((candidate) => plainText(candidate) === text);
    return value === undefined ? undefined : { value };
  }
  switch (schema.type) {
    case 'string':
      return { value: text };
    case 'integer':
      return given(readWhole(text.trim()));
    case 'number':
      return given(readNumber(text.trim()));
    case 'boolean':
      return /^(true|false)$/i.test(text) ? { value: text.toLowerCase() === 'true' } : undefined;
    case 'null':
      return text === 'null' ? { value: null } : undefined;
    case 'array':
      return convertArray(text, schema, root, isRepeated);
    case 'object': {
      const value = parsedExactly(text);
      return isRecord(value) ? { value } : undefined;
    }
    default:
      if (isSchema(schema.properties)) return convert(text, { ...schema, type: 'object' }, root, isRepeated);
      return { value: parsedExactly(text) ?? text };
  }
}

const given = (value: unknown): { value: unknown } | undefined => (value === undefined ? undefined : { value });

/** A JSON array, or one element of a repeated key. */
function convertArray(text: string, schema: Schema, root: Schema, isRepeated: boolean): { value: unknown } | undefined {
  const whole = text.trimStart().startsWith('[') ? parsedExactly(text) : undefined;
  if (Array.isArray(whole) && !isRepeated) return { value: whole };
  const item = isSchema(schema.items) ? schema.items : { type: 'string' };
  const ordered = [...alternativesOf(item, root)].sort((a, b) => rank(a) - rank(b));
  for (const alternative of ordered) {
    const element = convert(text, alternative, root, false);
    if (element !== undefined) return { value: [element.value] };
  }
  return undefined;
}

const isArrayOnly = (schema: Schema, root: Schema): boolean =>
  alternativesOf(schema, root).some((alternative) => alternative.type === 'array');

function place(result: Arguments, path: readonly string[], value: unknown, isNextElement: boolean, key: string): void {
  const [step = '', ...rest] = path;
  if (rest.length > 0) {
    const inner = Object.hasOwn(result, step) ? result[step] : {};
    if (!isRecord(inner)) throw new LoomsError('arguments-invalid', `${key} contradicts an earlier ${step}`);
    const copy = { ...inner };
    place(copy, rest, value, isNextElement, key);
    define(result, step, copy);
    return;
  }
  const before = result[step];
  if (Object.hasOwn(result, step)) {
    if (!(isNextElement && Array.isArray(before) && Array.isArray(value))) {
      throw new LoomsError('arguments-invalid', `${key} is given twice`);
    }
    define(result, step, [...before, ...value]);
    return;
  }
  define(result, step, value);
}

/** Sets an own property whatever its name is: `__proto__` too. */
function define(result: Arguments, key: string, value: unknown): void {
  Object.defineProperty(result, key, { value, enumerable: true, configurable: true, writable: true });
}

function parseJson(key: string, text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    const why = messageOf(error);
    throw new LoomsError('arguments-invalid', `${key}: this is no JSON: ${why}`, { cause: error });
  }
}

const kindOf = (value: unknown): string =>
  isExactNumber(value) ? 'a number' : value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
