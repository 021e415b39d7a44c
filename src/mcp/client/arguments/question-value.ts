import { assertNever } from '../../../model/errors.ts';
import { isDay } from '../../../model/times.ts';
import { numberOf, plainText, readNumber, readWhole } from '../../../model/values/exact-number.ts';
import { nearest } from '../../../model/values/nearest.ts';
import { parsedJson } from '../../../model/values/parsed-json.ts';
import type { AnswerValue } from '../session.ts';
import type { FieldKind, FormField, Option, TextFormat } from './question-form.ts';

type ReadValue = { readonly value: AnswerValue } | { readonly problem: string };

/**
 * Reads what was typed for a field. Choices are taken by value or title, several of them with commas between; `numbered`
 * takes their numbers too, as they are listed from 1 on. A field that takes several (`takesSeveral`) is also given a JSON
 * array of texts, or more than one text; of any other field the first text counts. Says what is wrong instead of throwing.
 */
export function readValue(
  field: FormField,
  given: string | readonly string[],
  { numbered }: { numbered: boolean },
): ReadValue {
  const { kind } = field;
  const texts = typeof given === 'string' ? [given] : given;
  const text = texts[0] ?? '';
  const trimmed = text.trim();
  switch (kind.type) {
    case 'text':
      return readText(kind, text);
    case 'number':
      return readNumberOf(kind, trimmed);
    case 'yes-no':
      if (/^(y|yes|true)$/i.test(trimmed)) return { value: true };
      return /^(n|no|false)$/i.test(trimmed) ? { value: false } : { problem: 'say yes or no' };
    case 'one-of': {
      const option = findOption(kind.options, trimmed, numbered);
      return option === undefined ? notAmong(kind.options, trimmed) : { value: option.value };
    }
    case 'some-of':
      return readSeveral(kind, texts, numbered);
    default:
      return assertNever(kind);
  }
}

/** Whether a field holds a list, so that more than one answer to it adds up. */
export const takesSeveral = ({ kind }: FormField): boolean => kind.type === 'some-of';

/** What a field takes, in a few words: `whole number, 1 to 10`. */
export function describeKind(kind: FieldKind): string {
  switch (kind.type) {
    case 'text': {
      const what = kind.format === undefined ? 'text' : formatNames[kind.format];
      const length = describeRange(kind.minLength === 0 ? -Infinity : kind.minLength, kind.maxLength);
      return length === '' ? what : `${what}, ${length} characters`;
    }
    case 'number': {
      const range = describeRange(kind.minimum, kind.maximum);
      return `${kind.whole ? 'whole number' : 'number'}${range === '' ? '' : `, ${range}`}`;
    }
    case 'yes-no':
      return 'yes or no';
    case 'one-of':
      return 'one of these';
    case 'some-of': {
      const range = describeRange(kind.minItems === 0 ? -Infinity : kind.minItems, kind.maxItems);
      return `${range === '' ? 'any' : range} of these, with commas between`;
    }
    default:
      return assertNever(kind);
  }
}

/** A value as it is typed. */
export function valueText(value: AnswerValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return Array.isArray(value) ? value.join(', ') : plainText(value);
}

const formatNames: Readonly<Record<TextFormat, string>> = {
  email: 'e-mail address',
  uri: 'address, like https://example.com',
  date: 'date, like 2026-03-31',
  'date-time': 'date and time, like 2026-03-31T10:00:00Z',
};

function describeRange(from: number, to: number): string {
  if (from === to) return String(from);
  if (from !== -Infinity && to !== Infinity) return `${from} to ${to}`;
  if (from !== -Infinity) return `at least ${from}`;
  return to === Infinity ? '' : `at most ${to}`;
}

function readText(kind: Extract<FieldKind, { type: 'text' }>, text: string): ReadValue {
  const length = [...text].length;
  if (length < kind.minLength || length > kind.maxLength) {
    return { problem: `${length} characters, but it takes ${describeKind(kind)}` };
  }
  if (kind.format !== undefined && !isOfFormat(text, kind.format)) {
    return { problem: `${JSON.stringify(text)} is no ${formatNames[kind.format]}` };
  }
  return { value: text };
}

function isOfFormat(text: string, format: TextFormat): boolean {
  switch (format) {
    case 'email':
      return /^[^\s@]+@[^\s@]+$/.test(text);
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:\S+$/i.test(text) && URL.canParse(text);
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) && isDay(text);
    case 'date-time':
      return (
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) &&
        isDay(text.slice(0, 10)) &&
        !Number.isNaN(Date.parse(text))
      );
    default:
      return assertNever(format);
  }
}

/** Whether a day exists: JavaScript reads 30 February as a day in March. */
function readNumberOf(kind: Extract<FieldKind, { type: 'number' }>, text: string): ReadValue {
  const value = kind.whole
    ? readWhole(text)
    : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
      ? readNumber(text)
      : undefined;
  const size = numberOf(value) ?? Number.NaN;
  if (value !== undefined && size >= kind.minimum && size <= kind.maximum) return { value };
  return { problem: `${JSON.stringify(text)} is not what it takes: ${describeKind(kind)}` };
}

function readSeveral(
  kind: Extract<FieldKind, { type: 'some-of' }>,
  texts: readonly string[],
  numbered: boolean,
): ReadValue {
  const values: string[] = [];
  const words = texts.flatMap(listWords);
  for (const word of words) {
    if (typeof word !== 'string') return { problem: 'a list holds texts, as in ["a","b"]' };
    const option = kind.options.length === 0 ? { value: word } : findOption(kind.options, word, numbered);
    if (option === undefined) return notAmong(kind.options, word);
    if (!values.includes(option.value)) values.push(option.value);
  }
  if (values.length >= kind.minItems && values.length <= kind.maxItems) return { value: values };
  return { problem: `${values.length} chosen, but it takes ${describeKind(kind)}` };
}

/** The items of a JSON array as they are, or what stands between commas. */
function listWords(text: string): readonly unknown[] {
  const items = text.trim().startsWith('[') ? jsonArray(text) : undefined;
  return (
    items ??
    text
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '')
  );
}

function jsonArray(text: string): readonly unknown[] | undefined {
  const value = parsedJson(text);
  // A text may happen to begin with a bracket.
  return Array.isArray(value) ? value : undefined;
}

function findOption(options: readonly Option[], text: string, numbered: boolean): Option | undefined {
  const lower = text.toLowerCase();
  return (
    options.find(({ value }) => value === text) ??
    options.find(({ title }) => title.toLowerCase() === lower) ??
    options.find(({ value }) => value.toLowerCase() === lower) ??
    (numbered && /^\d+$/.test(text) ? options[Number(text) - 1] : undefined)
  );
}

function notAmong(options: readonly Option[], text: string): ReadValue {
  const near = nearest(
    text,
    options.flatMap(({ value, title }) => [value, title]),
  );
  const hint =
    near === undefined ? `it takes ${options.map(({ value }) => value).join(', ')}` : `did you mean ${near}?`;
  return { problem: `${JSON.stringify(text)} is none of the choices; ${hint}` };
}
