import { describe, expect, it } from 'vitest';
import { validateArguments } from '../../../src/mcp/client/arguments/argument-validation.ts';
import { parseArguments } from '../../../src/mcp/client/arguments/arguments.ts';
import { type SchemaRow, schemaRows } from '../../../src/mcp/client/arguments/schema-rows.ts';
import { toolDetails } from '../../../src/mcp/client/arguments/tool-details.ts';
import { exampleWords } from '../../../src/mcp/client/arguments/tool-example.ts';

/** Rows as lines: `name*: type; note; note`, indented; `*` marks what is required. */
const asText = (rows: readonly SchemaRow[]): string[] =>
  rows.map((row) => {
    const indent = '  '.repeat(row.depth);
    if (row.kind === 'shape') return `${indent}${row.word}${row.title === undefined ? '' : ` ${row.title}`}`;
    return `${indent}${row.name}${row.required ? '*' : ''}: ${[row.type, ...row.notes].join('; ')}`;
  });

const schemas = {
  flat: {
    type: 'object',
    properties: {
      limit: { type: 'integer', minimum: 1, maximum: 10, default: 3 },
      mode: { enum: ['read', 'write', null] },
      when: { type: 'string', format: 'date', pattern: '^2', minLength: 1 },
      tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1 },
      sql: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
      size: { type: 'number', exclusiveMinimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      odd: true,
      path: { type: 'string' },
    },
    required: ['path', 'tags', 'size', 'when'],
  },
  nested: {
    type: 'object',
    properties: {
      edits: {
        type: 'array',
        items: {
          type: 'object',
          properties: { old: { type: 'string' }, new: { type: 'string' } },
          required: ['old', 'new'],
        },
      },
      options: { $ref: '#/$defs/Options' },
      env: { type: 'object', additionalProperties: { type: 'string' } },
    },
    required: ['edits', 'options', 'env'],
    $defs: { Options: { type: 'object', properties: { depth: { type: 'integer' } }, required: ['depth'] } },
  },
  shapes: {
    type: 'object',
    properties: {
      target: {
        oneOf: [
          { title: 'File', type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
          { type: 'object', properties: { url: { type: 'string', format: 'uri' } }, required: ['url'] },
        ],
      },
    },
    required: ['target'],
  },
  recursive: {
    type: 'object',
    properties: { node: { $ref: '#/$defs/Node' } },
    required: ['node'],
    $defs: {
      Node: {
        type: 'object',
        properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Node' } } },
        required: ['name'],
      },
    },
  },
  conditions: {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'integer', multipleOf: 5 } },
    anyOf: [{ required: ['a'] }, { required: ['b'] }],
    required: ['b'],
  },
  formats: {
    type: 'object',
    properties: {
      at: { type: 'string', examples: ['@home'] },
      id: { type: ['integer', 'string'] },
      yes: { type: 'boolean' },
      any: {},
      'with.dot': { type: 'integer', maximum: -3 },
      two: { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
    },
    required: ['at', 'id', 'yes', 'any', 'with.dot', 'two'],
  },
} as const;

describe('what a schema asks for, as rows', () => {
  it.each<[keyof typeof schemas, string[]]>([
    [
      'flat',
      [
        'when*: string; at least 1 character; format date; matches ^2',
        'tags*: string[]; one of: a, b; at least 1 item',
        'size*: number; above 0',
        'path*: string',
        'limit: integer; default 3; 1 to 10',
        'mode: string | null; one of: read, write, null',
        'sql: string | null; default null',
        'odd: any',
      ],
    ],
    [
      'nested',
      [
        'edits*: object[]',
        '  old*: string',
        '  new*: string',
        'options*: object',
        '  depth*: integer',
        'env*: object',
        '  (any name): string',
      ],
    ],
    ['shapes', ['target*: object', '  either File', '    path*: string', '  or', '    url*: string; format uri']],
    ['recursive', ['node*: object', '  name*: string', '  children: object[]']],
    ['conditions', ['b*: integer; a multiple of 5', 'a: string']],
  ])('%s', (name, expected) => {
    expect(asText(schemaRows(schemas[name]))).toEqual(expected);
  });

  it('is nothing for a tool without arguments, and for a schema that is none', () => {
    expect(schemaRows({ type: 'object' })).toEqual([]);
    expect(schemaRows({ $ref: '#' })).toEqual([]);
    expect(schemaRows({ properties: 7, anyOf: 'x', items: [] })).toEqual([]);
  });
});

describe('an example of a call', () => {
  it.each(Object.entries(schemas))('of the schema %s is one that the tool takes', async (_, schema) => {
    const args = await parseArguments(exampleWords(schema), schema, async (path) => {
      throw new Error(`read ${path}`);
    });
    expect(validateArguments(schema, args)).toEqual({ valid: true });
  });

  it('gives what is required, in words that say what belongs there', () => {
    expect(exampleWords(schemas.flat)).toEqual(['path=PATH', 'tags=a', 'size=1', 'when=2026-01-31']);
    expect(exampleWords(schemas.nested)).toEqual([
      'edits:=[{"old":"OLD","new":"NEW"}]',
      'options:={"depth":1}',
      'env:={}',
    ]);
    expect(exampleWords({ type: 'object', properties: { a: {} } })).toEqual([]);
  });
});

describe('what a server says a tool does', () => {
  const hints = (annotations: unknown) => toolDetails({ name: 't', inputSchema: {}, annotations }).hints;

  it('is told as far as it is said', () => {
    expect(hints({ readOnlyHint: true, destructiveHint: false, idempotentHint: true })).toEqual(['read-only']);
    expect(hints({ readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true })).toEqual([
      'destructive',
      'idempotent',
      'reaches the outside',
    ]);
    expect(hints({ readOnlyHint: false, destructiveHint: false })).toEqual(['not destructive']);
    expect(hints(undefined)).toEqual([]);
    expect(hints('x')).toEqual([]);
  });
});
