import type { AnswerValue } from '../session.ts';
import { allowedValues, isSchema, listOf, propertiesOf, requiredOf, type Schema } from './schema.ts';

/** One value that a question wants, as far as its schema is one of those that questions may use. */
export type FormField = {
  readonly name: string;
  /** What people call it; the name where the server gives no title. */
  readonly title: string;
  readonly description?: string;
  readonly required: boolean;
  readonly fallback?: AnswerValue;
  readonly kind: FieldKind;
};

export type Option = { readonly value: string; readonly title: string };

export type FieldKind =
  | { readonly type: 'text'; readonly format?: TextFormat; readonly minLength: number; readonly maxLength: number }
  | { readonly type: 'number'; readonly whole: boolean; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'yes-no' }
  | { readonly type: 'one-of'; readonly options: readonly Option[] }
  | {
      readonly type: 'some-of';
      readonly options: readonly Option[];
      readonly minItems: number;
      readonly maxItems: number;
    };

export type TextFormat = 'email' | 'uri' | 'date' | 'date-time';

/** A question's fields, in order. A property of a type that questions may not have is text: the server judges it. */
export function formFields(schema: Schema): readonly FormField[] {
  const required = new Set(requiredOf(schema, schema));
  return Object.entries(propertiesOf(schema, schema)).map(([name, property]) => {
    const fallback = asValue(property.default);
    return {
      name,
      title: textOf(property.title) ?? name,
      ...(textOf(property.description) === undefined ? {} : { description: textOf(property.description) ?? '' }),
      required: required.has(name),
      ...(fallback === undefined ? {} : { fallback }),
      kind: kindOf(property),
    };
  });
}

function kindOf(schema: Schema): FieldKind {
  const options = optionsOf(schema);
  if (options.length > 0) return { type: 'one-of', options };
  switch (schema.type) {
    case 'boolean':
      return { type: 'yes-no' };
    case 'number':
    case 'integer':
      return {
        type: 'number',
        whole: schema.type === 'integer',
        minimum: numberOf(schema.minimum) ?? -Infinity,
        maximum: numberOf(schema.maximum) ?? Infinity,
      };
    case 'array':
      return {
        type: 'some-of',
        options: isSchema(schema.items) ? optionsOf(schema.items) : [],
        minItems: numberOf(schema.minItems) ?? 0,
        maxItems: numberOf(schema.maxItems) ?? Infinity,
      };
    default: {
      const format = textFormats.find((known) => known === schema.format);
      return {
        type: 'text',
        ...(format === undefined ? {} : { format }),
        minLength: numberOf(schema.minLength) ?? 0,
        maxLength: numberOf(schema.maxLength) ?? Infinity,
      };
    }
  }
}

const textFormats: readonly TextFormat[] = ['email', 'uri', 'date', 'date-time'];

/** The choices of a schema: titled ones (`oneOf`, `anyOf` with `const`), a plain `enum`, or one with `enumNames`. */
function optionsOf(schema: Schema): readonly Option[] {
  const titled = [...listOf(schema.oneOf), ...listOf(schema.anyOf)].filter(isSchema);
  if (titled.length > 0) {
    return titled.flatMap(({ const: value, title }) =>
      typeof value === 'string' ? [{ value, title: textOf(title) ?? value }] : [],
    );
  }
  const names = listOf(schema.enumNames);
  return (allowedValues(schema) ?? []).flatMap((value, index) =>
    typeof value === 'string' ? [{ value, title: textOf(names[index]) ?? value }] : [],
  );
}

function asValue(value: unknown): AnswerValue | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
