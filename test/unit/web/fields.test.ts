import { describe, expect, test } from 'vitest';
import { fieldsOf, readFields, readObject } from '../../../web/state/fields.ts';

const fields = (properties: object, more: object = {}) => fieldsOf({ type: 'object', properties, ...more }) ?? [];
const widget = (property: object) => fields({ one: property })[0]?.widget;
const read = (properties: object, typed: object, more: object = {}) =>
  readFields(fields(properties, more), new Map(Object.entries(typed)));

describe('a schema as fields', () => {
  test('has the required ones first, and what a server takes where nothing is given', () => {
    const found = fields({ a: { type: 'integer', default: 5 }, b: { type: 'string' } }, { required: ['b'] });
    expect(found.map(({ name, required, usual }) => ({ name, required, usual }))).toEqual([
      { name: 'b', required: true, usual: '' },
      { name: 'a', required: false, usual: '5' },
    ]);
  });

  test.each([
    [
      { type: 'string', maxLength: 80 },
      { kind: 'text', long: false, least: 0, most: 80 },
    ],
    [{ type: 'string' }, { kind: 'text', long: true, least: 0, most: undefined }],
    [
      { type: 'string', format: 'uri' },
      { kind: 'text', long: false, least: 0, most: undefined },
    ],
    [
      { type: 'integer', minimum: 1 },
      { kind: 'number', whole: true, minimum: 1, maximum: undefined },
    ],
    [{ type: ['number', 'null'] }, { kind: 'number', whole: false, minimum: undefined, maximum: undefined }],
    [{ type: 'boolean' }, { kind: 'choice', values: [true, false] }],
    [{ anyOf: [{ const: 'a' }, { enum: ['b', 2] }] }, { kind: 'choice', values: ['a', 'b', 2] }],
    [
      { type: 'array', items: { enum: ['x'] } },
      { kind: 'list', item: { kind: 'choice', values: ['x'] } },
    ],
    [{ type: 'array', items: { type: 'array' } }, { kind: 'json' }],
    [{ type: 'object', properties: {} }, { kind: 'json' }],
    [{ anyOf: [{ type: 'string' }, { type: 'integer' }] }, { kind: 'json' }],
    [{}, { kind: 'json' }],
  ])('%j is typed into its own kind of field', (property, expected) => expect(widget(property)).toEqual(expected));

  test('is one box of JSON where its properties alone do not say what it takes', () => {
    expect(fieldsOf({ type: 'object', anyOf: [{ required: ['a'] }], properties: { a: {} } })).toBeUndefined();
    expect(fieldsOf({ type: 'object', additionalProperties: true })).toBeUndefined();
    expect(fieldsOf({})).toEqual([]);
  });
});

describe('what was typed', () => {
  test('becomes arguments of the types of the schema; what is empty is left out', () => {
    const properties = {
      text: { type: 'string' },
      count: { type: 'integer' },
      big: { type: 'integer' },
      flag: { type: 'boolean' },
      level: { enum: ['1', 1] },
      lines: { type: 'array', items: { type: 'number' } },
      ticks: { type: 'array', items: { enum: ['a', 'b'] } },
      json: { type: 'object' },
      none: { type: 'string' },
    };
    const typed = {
      text: ' two\nlines ',
      count: ' 7 ',
      big: '12345678901234567890',
      flag: 'false',
      level: '1',
      lines: '1\n\n2.5\n',
      ticks: ['b'],
      json: '{"a": 1.0}',
      none: '',
    };
    const found = read(properties, typed);
    expect(found.done && JSON.stringify(found.args)).toBe(
      '{"text":" two\\nlines ","count":7,"big":12345678901234567890,"flag":false,"level":"1","lines":[1,2.5],' +
        '"ticks":["b"],"json":{"a":1.0}}',
    );
  });

  test('says what is wrong beside each field, all at once', () => {
    const properties = {
      needed: { type: 'string' },
      whole: { type: 'integer' },
      small: { type: 'number', maximum: 3 },
      large: { type: 'integer', minimum: 3 },
      short: { type: 'string', minLength: 3 },
      long: { type: 'string', maxLength: 2 },
      list: { type: 'array', items: { type: 'integer' } },
      json: {},
    };
    const typed = { whole: '1.5', small: '4', large: '2', short: 'ab', long: 'abc', list: '1\nx', json: '{' };
    const found = read(properties, typed, { required: ['needed'] });
    expect(found.done ? found : { ...found.problems, json: found.problems.json?.slice(0, 11) }).toEqual({
      needed: 'is needed',
      whole: 'must be a whole number',
      small: 'must be at most 3',
      large: 'must be at least 3',
      short: 'must have at least 3 characters',
      long: 'must have at most 2 characters',
      list: 'line 2 must be a whole number',
      json: 'is no JSON:',
    });
  });

  test('keeps a field that is called like something of JavaScript', () => {
    const properties = JSON.parse('{"__proto__": {"type": "string"}, "constructor": {"type": "string"}}');
    const found = readFields(fields(properties), new Map([['__proto__', 'x']]));
    expect(found.done && JSON.stringify(found.args)).toBe('{"__proto__":"x"}');
  });

  test('as one JSON text has to be an object', () => {
    expect(readObject('')).toEqual({ done: true, args: {} });
    expect(readObject('{"a": [1]}')).toEqual({ done: true, args: { a: [1] } });
    expect(readObject('[1]')).toEqual({ done: false, problems: { '': 'must be a JSON object' } });
  });
});
