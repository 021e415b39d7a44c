import { describe, expect, it } from 'vitest';
import { type FormField, formFields } from '../../../src/mcp/client/arguments/question-form.ts';
import { describeKind, readValue } from '../../../src/mcp/client/arguments/question-value.ts';

const field = (schema: object): FormField => {
  const [first] = formFields({ type: 'object', properties: { it: schema } });
  if (first === undefined) throw new Error('no field');
  return first;
};
/** What a text is read as: the value as JSON, or the problem. */
const read = (schema: object, text: string | readonly string[], numbered = false): string => {
  const result = readValue(field(schema), text, { numbered });
  return 'value' in result ? JSON.stringify(result.value) : result.problem;
};
const colours = { type: 'string', enum: ['red', 'green', 'blue'] };
const titled = {
  type: 'string',
  oneOf: [
    { const: 's', title: 'Small' },
    { const: 'l', title: 'Large' },
  ],
};
const several = { type: 'array', minItems: 1, maxItems: 2, items: { anyOf: titled.oneOf } };

describe('the form of a question', () => {
  it('has the fields in their order, with titles, defaults and what is required', () => {
    const fields = formFields({
      type: 'object',
      required: ['b'],
      properties: { b: { type: 'boolean', default: true }, a: { type: 'string', title: 'An a', description: 'the a' } },
    });
    expect(fields).toEqual([
      { name: 'b', title: 'b', required: true, fallback: true, kind: { type: 'yes-no' } },
      {
        name: 'a',
        title: 'An a',
        description: 'the a',
        required: false,
        kind: { type: 'text', minLength: 0, maxLength: Infinity },
      },
    ]);
  });

  it.each([
    ['a plain list', colours, 'red, green, blue'],
    ['titled ones', titled, 'Small, Large'],
    ['a list with names beside it', { enum: ['a', 'b'], enumNames: ['Apple', 'Bean'] }, 'Apple, Bean'],
    ['several of a list', { type: 'array', items: colours }, 'red, green, blue'],
    ['several titled ones', several, 'Small, Large'],
  ])('finds the choices of %s', (_, schema, titles) => {
    const { kind } = field(schema);
    expect('options' in kind ? kind.options.map(({ title }) => title).join(', ') : kind).toBe(titles);
  });

  it.each([
    [{ type: 'string' }, 'text'],
    [{ type: 'string', minLength: 2, maxLength: 5 }, 'text, 2 to 5 characters'],
    [{ type: 'string', format: 'email' }, 'e-mail address'],
    [{ type: 'integer', minimum: 1, maximum: 9 }, 'whole number, 1 to 9'],
    [{ type: 'number', minimum: 0 }, 'number, at least 0'],
    [{ type: 'boolean' }, 'yes or no'],
    [several, '1 to 2 of these, with commas between'],
  ])('says what %j takes', (schema, text) => {
    expect(describeKind(field(schema).kind)).toBe(text);
  });
});

describe('an answer', () => {
  it.each([
    [{ type: 'string' }, ' as it is ', '" as it is "'],
    [{ type: 'string', maxLength: 3 }, 'long', '4 characters, but it takes text, at most 3 characters'],
    [{ type: 'string', format: 'email' }, 'a@b.c', '"a@b.c"'],
    [{ type: 'string', format: 'email' }, 'nope', '"nope" is no e-mail address'],
    [{ type: 'string', format: 'uri' }, 'https://x.org/a?b', '"https://x.org/a?b"'],
    [{ type: 'string', format: 'uri' }, 'x.org', '"x.org" is no address, like https://example.com'],
    [{ type: 'string', format: 'date' }, '2026-02-28', '"2026-02-28"'],
    [{ type: 'string', format: 'date' }, '2026-02-30', '"2026-02-30" is no date, like 2026-03-31'],
    [{ type: 'string', format: 'date-time' }, '2026-02-28T10:00:00Z', '"2026-02-28T10:00:00Z"'],
    [{ type: 'string', format: 'date-time' }, '2026-02-28', expect.stringContaining('is no date and time')],
    [{ type: 'integer' }, '42', '42'],
    [{ type: 'integer' }, '4.5', '"4.5" is not what it takes: whole number'],
    [{ type: 'integer', maximum: 9 }, '10', '"10" is not what it takes: whole number, at most 9'],
    [{ type: 'number' }, '-2.5e1', '-2.5e1'],
    [{ type: 'number' }, '0x10', '"0x10" is not what it takes: number'],
    [{ type: 'number' }, 'Infinity', '"Infinity" is not what it takes: number'],
    [{ type: 'boolean' }, 'Yes', 'true'],
    [{ type: 'boolean' }, 'n', 'false'],
    [{ type: 'boolean' }, 'maybe', 'say yes or no'],
    [colours, 'green', '"green"'],
    [colours, 'gren', '"gren" is none of the choices; did you mean green?'],
    [titled, 'large', '"l"'],
    [several, 's, Large', '["s","l"]'],
    [several, 's,s', '["s"]'],
    [several, '', '0 chosen, but it takes 1 to 2 of these, with commas between'],
  ])('to %j, %j is %s', (schema, text, expected) => {
    expect(read(schema, text)).toEqual(expected);
  });

  it('takes the number of a choice only where choices were shown with numbers', () => {
    expect(read(colours, '2', true)).toBe('"green"');
    expect(read(colours, '2')).toBe('"2" is none of the choices; it takes red, green, blue');
    expect(read({ type: 'string', enum: ['2', '1'] }, '1', true)).toBe('"1"');
  });
});

describe('an answer to a list', () => {
  const words = { type: 'array', items: { type: 'string' } };

  it.each([
    [several, ['s', 'Large'], '["s","l"]'],
    [several, ['s,l', 's'], '["s","l"]'],
    [several, '["s", "Large"]', '["s","l"]'],
    [words, '["a, b", "c"]', '["a, b","c"]'],
    [words, ['["a"]', 'b'], '["a","b"]'],
    [words, '[draft], final', '["[draft]","final"]'],
    [words, '[1]', 'a list holds texts, as in ["a","b"]'],
    [several, ['s', 'medium'], '"medium" is none of the choices; it takes s, l'],
  ])('takes several texts, with commas between or as JSON (%#)', (schema, text, expected) => {
    expect(read(schema, text)).toBe(expected);
  });
});
