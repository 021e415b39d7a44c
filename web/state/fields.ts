import {
  allowedValues,
  alternativesOf,
  isSchema,
  propertiesOf,
  requiredOf,
  type Schema,
} from '../../src/mcp/client/arguments/schema.ts';
import { assertNever } from '../../src/model/errors.ts';
import {
  isExactNumber,
  numberOf,
  parseExactly,
  plainText,
  readNumber,
  readWhole,
} from '../../src/model/values/exact-number.ts';
import { isRecord } from '../../src/model/values/is-record.ts';

/** What an argument is typed into. */
export type Widget =
  | { readonly kind: 'text'; readonly long: boolean; readonly least: number; readonly most: number | undefined }
  | {
      readonly kind: 'number';
      readonly whole: boolean;
      readonly minimum: number | undefined;
      readonly maximum: number | undefined;
    }
  | { readonly kind: 'choice'; readonly values: readonly unknown[] }
  /** One item a line; where items are chosen from values, those that are ticked. */
  | { readonly kind: 'list'; readonly item: Exclude<Widget, { readonly kind: 'list' | 'json' }> }
  | { readonly kind: 'json' };

/** One argument of a tool, as a form asks for it. */
export type Field = {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** What the server takes where nothing is given, as text; empty: it does not say. */
  readonly usual: string;
  readonly widget: Widget;
};

/** What was typed, by the name of the field. Items of a list that is chosen from values are texts of their own. */
export type Typed = ReadonlyMap<string, string | readonly string[]>;

/** Arguments that can be sent, or what is wrong with what was typed, by the name of the field. */
export type Read =
  | { readonly done: true; readonly args: Readonly<Record<string, unknown>> }
  | { readonly done: false; readonly problems: Readonly<Record<string, string>> };

/** A text that may be longer than this, or has no bound, is typed into a box of several lines. */
const longText = 200;
/** More values than this are chosen from a list that opens, not ticked one beside the other. */
const mostTicks = 24;

/**
 * The fields of an input schema, in its order, the required ones first; undefined where its properties alone do not say
 * what it takes (alternatives at its top, or none named and others allowed), so that the whole is typed as JSON.
 */
export function fieldsOf(schema: Schema): readonly Field[] | undefined {
  const properties = Object.entries(propertiesOf(schema, schema));
  const hasOthers = isSchema(schema.additionalProperties) || schema.additionalProperties === true;
  if (Array.isArray(schema.anyOf) || Array.isArray(schema.oneOf) || (properties.length === 0 && hasOthers)) {
    return undefined;
  }
  const required = new Set(requiredOf(schema, schema));
  const fields = properties.map(([name, property]): Field => {
    const [one = property] = alternativesOf(property, schema);
    return {
      name,
      description: textOf(property.description) || textOf(one.description),
      required: required.has(name),
      usual: property.default === undefined ? '' : plainText(property.default),
      widget: widgetOf(property, schema),
    };
  });
  return fields.toSorted((a, b) => Number(b.required) - Number(a.required));
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function widgetOf(schema: Schema, root: Schema): Widget {
  // `null` beside a type is what an argument that is left out means.
  const alternatives = alternativesOf(schema, root).filter(({ type }) => type !== 'null');
  const [one, ...others] = alternatives;
  if (one === undefined) return { kind: 'json' };
  if (others.length > 0) {
    const values = alternatives.map(allowedValues);
    return values.every((list) => list !== undefined) ? { kind: 'choice', values: values.flat() } : { kind: 'json' };
  }
  const values = allowedValues(one);
  if (values !== undefined) return { kind: 'choice', values };
  switch (one.type) {
    case 'string':
      return {
        kind: 'text',
        long: (numberOf(one.maxLength) ?? Number.POSITIVE_INFINITY) > longText && one.format === undefined,
        least: numberOf(one.minLength) ?? 0,
        most: numberOf(one.maxLength),
      };
    case 'integer':
    case 'number':
      return {
        kind: 'number',
        whole: one.type === 'integer',
        minimum: numberOf(one.minimum),
        maximum: numberOf(one.maximum),
      };
    case 'boolean':
      return { kind: 'choice', values: [true, false] };
    case 'array': {
      const item: Widget = isSchema(one.items) ? widgetOf(one.items, root) : { kind: 'json' };
      if (item.kind === 'list' || item.kind === 'json') return { kind: 'json' };
      return item.kind === 'choice' && item.values.length > mostTicks ? { kind: 'json' } : { kind: 'list', item };
    }
    default:
      return { kind: 'json' };
  }
}

/** What was typed into a form as arguments. A field without text is left out. */
export function readFields(fields: readonly Field[], typed: Typed): Read {
  const args: [string, unknown][] = [];
  const problems: [string, string][] = [];
  for (const { name, required, widget } of fields) {
    const given = typed.get(name) ?? '';
    if (given.length === 0) {
      if (required) problems.push([name, 'is needed']);
      continue;
    }
    const read = readWidget(widget, given);
    if ('problem' in read) problems.push([name, read.problem]);
    else args.push([name, read.value]);
  }
  // From entries: a property called __proto__ stays one.
  return problems.length > 0
    ? { done: false, problems: Object.fromEntries(problems) }
    : { done: true, args: Object.fromEntries(args) };
}

type Value = { readonly value: unknown } | { readonly problem: string };

function readWidget(widget: Widget, given: string | readonly string[]): Value {
  if (widget.kind === 'list') {
    const texts = typeof given === 'string' ? given.split('\n').filter((line) => line.trim() !== '') : given;
    const items = texts.map((text) => readWidget(widget.item, text));
    const at = items.findIndex((item) => 'problem' in item);
    const wrong = items[at];
    if (wrong !== undefined && 'problem' in wrong) return { problem: `line ${at + 1} ${wrong.problem}` };
    return { value: items.map((item) => ('value' in item ? item.value : undefined)) };
  }
  const text = typeof given === 'string' ? given : given.join('\n');
  switch (widget.kind) {
    case 'text':
      return readText(text, widget);
    case 'number':
      return readNumeric(text.trim(), widget);
    case 'choice': {
      const at = widget.values.findIndex((value) => plainText(value) === text);
      return at < 0 ? { problem: 'is none of its values' } : { value: widget.values[at] };
    }
    case 'json':
      return readJson(text);
    default:
      return assertNever(widget);
  }
}

function readText(text: string, { least, most }: Extract<Widget, { readonly kind: 'text' }>): Value {
  const length = [...text].length;
  if (length < least) return { problem: `must have at least ${least} characters` };
  return most !== undefined && length > most ? { problem: `must have at most ${most} characters` } : { value: text };
}

function readNumeric(text: string, { whole, minimum, maximum }: Extract<Widget, { readonly kind: 'number' }>): Value {
  const value = whole ? readWhole(text) : readNumber(text);
  if (value === undefined) return { problem: whole ? 'must be a whole number' : 'must be a number' };
  const number = isExactNumber(value) ? Number(value.rawJSON) : value;
  if (minimum !== undefined && number < minimum) return { problem: `must be at least ${minimum}` };
  return maximum !== undefined && number > maximum ? { problem: `must be at most ${maximum}` } : { value };
}

function readJson(text: string): Value {
  try {
    return { value: parseExactly(text) };
  } catch (error) {
    return { problem: `is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Arguments that were typed as one JSON text; the name of what is wrong is empty. */
export function readObject(text: string): Read {
  const read = readJson(text.trim() === '' ? '{}' : text);
  if ('problem' in read) return { done: false, problems: { '': read.problem } };
  return isRecord(read.value)
    ? { done: true, args: read.value }
    : { done: false, problems: { '': 'must be a JSON object' } };
}
