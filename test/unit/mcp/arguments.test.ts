import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { validateArguments } from '../../../src/mcp/client/arguments/argument-validation.ts';
import { parseArguments, parseJsonArguments } from '../../../src/mcp/client/arguments/arguments.ts';
import { isSchema } from '../../../src/mcp/client/generated/schema-check.mjs';
import { LoomsError } from '../../../src/model/errors.ts';
import { messageOf } from '../../../src/model/failure.ts';

const schema = {
  type: 'object',
  properties: {
    path: { type: 'string' },
    head: { type: 'integer' },
    ratio: { type: 'number' },
    deep: { type: 'boolean' },
    tags: { type: 'array', items: { type: 'string' } },
    ids: { type: 'array', items: { type: 'integer' } },
    mode: { enum: ['read', 'write'] },
    level: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    either: { type: ['integer', 'string'] },
    options: { $ref: '#/$defs/Options' },
    free: { type: 'object' },
    any: {},
    'dotted.name': { type: 'integer' },
  },
  required: ['path'],
  $defs: { Options: { type: 'object', properties: { depth: { type: 'integer' }, name: { type: 'string' } } } },
};

const noFiles = async (path: string): Promise<string> => {
  throw new Error(`read ${path}`);
};
const parse = (...words: string[]) => parseArguments(words, schema, noFiles);

async function complaint(words: string[], against: Readonly<Record<string, unknown>> = schema): Promise<string> {
  try {
    await parseArguments(words, against, noFiles);
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    expect(error.code).toBe('arguments-invalid');
    return error.hint === undefined ? error.message : `${error.message} | ${error.hint}`;
  }
  throw new Error('expected a complaint');
}

describe('arguments from words', () => {
  it.each([
    [['path=42'], { path: '42' }],
    [['path=a=b'], { path: 'a=b' }],
    [['path='], { path: '' }],
    [['head=42'], { head: 42 }],
    [['ratio=1500'], { ratio: 1500 }],
    [['deep=true'], { deep: true }],
    [['tags=one'], { tags: ['one'] }],
    [['tags=one', 'tags=two'], { tags: ['one', 'two'] }],
    [['tags=["a","b"]'], { tags: ['a', 'b'] }],
    [['ids=1', 'ids=2'], { ids: [1, 2] }],
    [['mode=read'], { mode: 'read' }],
    [['level=3'], { level: 3 }],
    [['level=null'], { level: null }],
    [['either=3'], { either: 3 }],
    [['either=x'], { either: 'x' }],
    [['options={"depth":1}'], { options: { depth: 1 } }],
    [['options.depth=2', 'options.name=3'], { options: { depth: 2, name: '3' } }],
    [['free.x=1'], { free: { x: 1 } }],
    [['any=[1]'], { any: [1] }],
    [['any=text'], { any: 'text' }],
    [['dotted.name=7'], { 'dotted.name': 7 }],
    [['path:=17'], { path: 17 }],
    [['zzzzzz=1'], { zzzzzz: 1 }],
    [['pat:={"a":1}'], { pat: { a: 1 } }],
    [['{"path":"x"}'], { path: 'x' }],
    [[], {}],
  ])('%j', async (words, expected) => {
    expect(await parseArguments(words, schema, noFiles)).toEqual(expected);
  });

  it('reads a file, and takes @@ for an @', async () => {
    const read = async (path: string) => `text of ${path}`;
    expect(await parseArguments(['path=@notes.txt'], schema, read)).toEqual({ path: 'text of notes.txt' });
    expect(await parse('path=@@home')).toEqual({ path: '@home' });
  });

  it('takes __proto__ for a name like any other', async () => {
    const args = await parse('__proto__:={"polluted":true}');
    expect(Object.keys(args)).toEqual(['__proto__']);
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    [['head=ten'], 'head is "ten", but must be of type integer'],
    [['head=1.5'], 'head is "1.5", but must be of type integer'],
    [['deep=yes'], 'deep is "yes", but must be of type boolean'],
    [['mode=raed'], 'mode is "raed", but must be one of "read", "write" | did you mean read?'],
    [['path=a', 'path=b'], 'path is given twice'],
    [['readme.md'], '"readme.md" is no argument | write key=value, key:=json, key=@file, or one JSON object'],
  ])('%j is refused', async (words, expected) => {
    expect(await complaint(words)).toBe(expected);
  });

  it('suggests the nearest key, and says how to send it all the same', async () => {
    expect(await complaint(['paht=x'])).toMatch(
      /^there is no argument "paht" \| did you mean path\? .* write paht:=json\.$/,
    );
  });

  it('refuses keys that the schema does not allow, and says so for a tool without arguments', async () => {
    const closed = { type: 'object', properties: {}, additionalProperties: false };
    expect(await complaint(['x=1'], closed)).toBe('there is no argument "x" | It takes no arguments.');
  });

  it('says where JSON is broken', async () => {
    expect(await complaint(['{"path":'])).toMatch(/^the arguments: this is no JSON:/);
    expect(await complaint(['path:={'])).toMatch(/^path: this is no JSON:/);
    expect(() => parseJsonArguments('[1]')).toThrow('the arguments are an array, but a JSON object is needed');
  });
});

describe('checking arguments', () => {
  const problems = (args: Record<string, unknown>, against: Readonly<Record<string, unknown>> = schema) => {
    const check = validateArguments(against, args);
    return check.valid === false ? check.problems : check.valid;
  };

  it('passes what fits', () => {
    expect(problems({ path: 'x', head: 1 })).toBe(true);
  });

  it('names all that does not', () => {
    expect(problems({ head: 'x', mode: 'no', options: { depth: 'x' } })).toEqual([
      'path (string) is missing',
      'head must be of type integer',
      'mode must be one of "read", "write"',
      'options.depth must be of type integer',
    ]);
  });

  it('says which argument each is about, the first one of several', () => {
    const closed = { ...schema, additionalProperties: false };
    const check = validateArguments(closed, { head: 'x', options: { depth: 'x' }, haed: 1 });
    expect(check.valid === false && check.fields).toEqual({
      '': 'the arguments may not have "haed"; did you mean head?',
      path: 'path (string) is missing',
      head: 'head must be of type integer',
      options: 'options.depth must be of type integer',
    });
  });

  it('suggests the key that was meant', () => {
    const closed = { ...schema, additionalProperties: false };
    expect(problems({ path: 'x', haed: 1 }, closed)).toEqual(['the arguments may not have "haed"; did you mean head?']);
  });

  it('names what is not known beside what is missing, and what it was meant for', () => {
    const two = { ...schema, required: ['path', 'head'] };
    expect(problems({ file: 'x', deep: true })).toEqual([
      'path (string) is missing',
      'there is no argument "file"; did you mean path?',
    ]);
    expect(problems({ paths: 'x', first: 1 }, two)).toEqual([
      'path (string) is missing',
      'head (integer) is missing',
      'there is no argument "paths"; did you mean path?',
      'there is no argument "first"',
    ]);
    const typed = { ...schema, additionalProperties: { type: 'string' } };
    const patterned = { ...schema, patternProperties: { '^f': {} } };
    for (const open of [typed, patterned]) expect(problems({ file: 'x' }, open)).toEqual(['path (string) is missing']);
    // Where nothing is missing an open schema takes it.
    expect(problems({ path: 'x', file: 'x' })).toBe(true);
  });

  it('reads schemas of draft 7', () => {
    const draft7 = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: 'https://example.invalid/x',
      type: 'object',
      properties: { pair: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }] } },
      definitions: {},
    };
    expect(problems({ pair: ['a', 1] }, draft7)).toBe(true);
    expect(problems({ pair: ['a', 'b'] }, draft7)).toEqual(['pair.1 must be of type integer']);
  });

  it('warns of a schema that cannot be used, and fetches nothing', () => {
    expect(validateArguments({ $ref: 'https://schemas.invalid/x.json' }, {})).toMatchObject({ valid: 'unknown' });
    expect(validateArguments({ type: 'object', properties: { a: { type: 'strnig' } } }, {})).toMatchObject({
      valid: 'unknown',
    });
  });
});

const ajv = new Ajv2020({
  strict: false,
  allErrors: true,
  validateFormats: false,
  logger: false,
  strictNumbers: false,
});

it.each([
  {},
  { type: 'object', properties: { a: { type: 'string' }, b: { $ref: '#/$defs/c' } }, $defs: { c: { minLength: 1 } } },
  { type: 'objekt' },
  { type: 'object', properties: { a: { type: 'strin' }, b: { minLength: -1, items: 3 } } },
  { $defs: { x: { pattern: 5 }, y: { type: ['a', 'object'] } } },
  { required: 'a', properties: [] },
  { allOf: [], anyOf: [{ type: 1 }], not: { type: 'x' } },
  { prefixItems: [{ type: 'x' }], unevaluatedItems: { type: 5 }, contains: 1 },
  { $ref: 5, $anchor: '1', $dynamicRef: '#a', $dynamicAnchor: 'a' },
  { definitions: { a: { type: 3 } }, dependentSchemas: { a: { type: 5 } }, dependencies: { a: 1 } },
  { enum: 5, format: 5, contentSchema: { type: 5 }, deprecated: 'x', $vocabulary: { a: 1 } },
])('the check of schemas that is built in says what ajv says: %j', (schema) => {
  expect(isSchema(schema)).toBe(ajv.validateSchema(schema));
  expect(isSchema.errors ?? null).toEqual(ajv.errors ?? null);
});

it('what is no schema is told with the reason', () => {
  expect(validateArguments({ type: 'objekt' }, {})).toEqual({
    valid: 'unknown',
    warning: `the tool's input schema cannot be used to check the arguments: ${reasonOf({ type: 'objekt' })}`,
  });
});

function reasonOf(schema: object): string {
  try {
    ajv.validateSchema(schema, true);
    return '';
  } catch (error) {
    return messageOf(error);
  }
}
