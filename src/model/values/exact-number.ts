import { isRecord } from './is-record.ts';

declare global {
  // In Node since 21 (ECMAScript proposal "JSON.parse source text access"); the standard types do not have it yet.
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): ExactNumber;
    isRawJSON(value: unknown): value is ExactNumber;
  }
}

/** A JSON number that JavaScript would write otherwise (`1e400`, `1.0`, `-0`); `JSON.stringify` leaves it as it is. */
export type ExactNumber = { readonly rawJSON: string };

export const isExactNumber = (value: unknown): value is ExactNumber => JSON.isRawJSON(value);

/** A JSON number by its text: a number where that is written the same. */
export function exactNumber(text: string): number | ExactNumber {
  const value = Number(text);
  return JSON.stringify(value) === text ? value : JSON.rawJSON(text);
}

/** A number as it was typed where JSON knows the spelling; else (`+5`, `.5`, `0x10`) the number that is meant. */
export function readNumber(text: string): number | ExactNumber | undefined {
  if (/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return exactNumber(text);
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

/** A whole number as it was typed; `+5` and `5.0` are 5, as who wants a whole number may take no other spelling. */
export function readWhole(text: string): number | ExactNumber | undefined {
  const digits = /^\+?(-?\d+)(\.0+)?$/.exec(text)?.[1];
  return digits === undefined ? undefined : readNumber(digits);
}

/** Where this is nowhere in a JSON text, each of its numbers is a whole one of at most 15 digits, which JavaScript writes the same. */
const unusual = /(?:^|[\s,:[])-?(?:\d+[.eE]|\d{16}|(?<=-)0)/;

/** The value of a JSON text with each number as it is written. Throws what `JSON.parse` does. */
export const parseExactly = (text: string): unknown =>
  // To hear of each value takes ten times as long, and few messages need it.
  unusual.test(text) ? parseSlowly(text) : JSON.parse(text);

const parseSlowly = (text: string): unknown =>
  JSON.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exactNumber(source) : value,
  );

/** The same; undefined, which no JSON says, for what is none, or is nested too deeply to be read. */
export function parsedExactly(text: string): unknown {
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
}

/** The number that is nearest, or undefined for what is none. */
export const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' ? value : isExactNumber(value) ? Number(value.rawJSON) : undefined;

/** The same with plain numbers, for what computes with them. */
export function withPlainNumbers(value: unknown): unknown {
  if (isExactNumber(value)) return numberOf(value);
  if (Array.isArray(value)) return value.map(withPlainNumbers);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withPlainNumbers(inner)]));
}

/** A number, a text without its quotes, or any other value, as JSON writes it. */
export const plainText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
