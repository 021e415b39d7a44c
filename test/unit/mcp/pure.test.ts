import { describe, expect, it } from 'vitest';
import { toolSignature } from '../../../src/mcp/client/arguments/tool-details.ts';
import { filterTools, isAllowed, unknownFilterNames } from '../../../src/mcp/client/filter.ts';
import { createLineSplitter } from '../../../src/mcp/link/line-splitter.ts';
import { nearest } from '../../../src/model/values/nearest.ts';

describe('the tool filter', () => {
  const tools = ['a', 'b', 'c'].map((name) => ({ name }));
  const names = (filter: Parameters<typeof filterTools>[0]) => filterTools(filter, tools).map((tool) => tool.name);

  it('lets all pass without an include', () => {
    expect(names({ exclude: [] })).toEqual(['a', 'b', 'c']);
  });

  it('lets only included ones pass, and exclude wins', () => {
    expect(names({ include: ['a', 'b'], exclude: ['b'] })).toEqual(['a']);
    expect(names({ include: [], exclude: [] })).toEqual([]);
    expect(isAllowed({ exclude: ['a'] }, 'a')).toBe(false);
  });

  it('names what the server does not have, sorted and once', () => {
    expect(unknownFilterNames({ include: ['z', 'a', 'y'], exclude: ['z'] }, tools)).toEqual(['y', 'z']);
  });
});

describe('a signature', () => {
  it.each([
    [{ type: 'object' }, 't()'],
    [
      { type: 'object', properties: { head: { type: 'number' }, path: { type: 'string' } }, required: ['path'] },
      't(path: string, head?: number)',
    ],
    [
      { properties: { a: { type: 'array', items: { type: 'string' } }, b: { enum: ['x', 'y'] } } },
      't(a?: string[], b?: "x" | "y")',
    ],
    [
      { properties: { a: { anyOf: [{ type: 'integer' }, { type: 'null' }] }, b: true } },
      't(a?: integer | null, b?: any)',
    ],
    [{ properties: { a: { $ref: '#/$defs/A' } }, $defs: { A: { type: 'object' } } }, 't(a?: object)'],
    [{ properties: { a: { $ref: '#/properties/a' } } }, 't(a?: any)'],
    [{ properties: { a: { $ref: 'https://schemas.invalid/x' } } }, 't(a?: any)'],
  ])('%j', (inputSchema, expected) => {
    expect(toolSignature({ name: 't', inputSchema })).toBe(expected);
  });
});

describe('the line splitter', () => {
  const split = (chunks: readonly Buffer[], max = 100) => {
    const splitter = createLineSplitter(max);
    const results = chunks.map((chunk) => splitter.push(chunk));
    return {
      lines: results.flatMap((result) => result.lines.map(String)),
      overflow: results.some((result) => result.overflow),
      rest: String(splitter.rest()),
    };
  };

  it('gives the same lines however the bytes arrive', () => {
    const bytes = Buffer.from('eins\nzwei ü €\n\ndrei');
    for (let size = 1; size <= bytes.length; size++) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, i * size + size),
      );
      expect(split(chunks)).toEqual({
        lines: ['eins', 'zwei ü €', '', 'drei'].slice(0, 3),
        overflow: false,
        rest: 'drei',
      });
    }
  });

  it('gives up a line beyond the limit, with or without its end', () => {
    expect(split([Buffer.from('x'.repeat(60)), Buffer.from('x'.repeat(60))]).overflow).toBe(true);
    expect(split([Buffer.from(`ok\n${'x'.repeat(101)}\n`)])).toMatchObject({ lines: ['ok'], overflow: true });
    expect(split([Buffer.from(`${'x'.repeat(100)}\n`)]).overflow).toBe(false);
  });

  it('takes ten megabytes in small pieces in linear time', () => {
    const splitter = createLineSplitter(20_000_000);
    const piece = Buffer.alloc(100, 'x');
    for (let i = 0; i < 100_000; i++) splitter.push(piece);
    expect(splitter.push(Buffer.from('\n')).lines[0]?.length).toBe(10_000_000);
    // A quadratic one takes minutes for this.
  }, 60_000);
});

describe('the nearest name', () => {
  it.each([
    ['raed_file', 'read_file'],
    ['read-file', 'read_file'],
    ['READ_FILE', 'read_file'],
    ['directory', 'list_directory'],
    ['xyz', undefined],
    ['', undefined],
  ])('%s', (name, expected) => {
    expect(nearest(name, ['write_file', 'read_file', 'list_directory'])).toBe(expected);
  });
});
