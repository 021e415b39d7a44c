import { describe, expect, test } from 'vitest';
import { tellingLines } from '../../../src/model/values/telling-lines.ts';

const frames = Array.from({ length: 9 }, (_, index) => `    at frame${index} (node:internal:${index})`);
const crash = [
  'node:internal/modules/cjs/loader:1423',
  '  throw err;',
  '  ^',
  '',
  "Error: Cannot find module '/srv/nothere.mjs'",
  ...frames,
  "  code: 'MODULE_NOT_FOUND',",
  '}',
  'Node.js v24.21.0',
];

describe('the lines of a log that tell most', () => {
  test('are the end, and what went wrong where that stands above a stack', () => {
    expect(tellingLines(crash, 5)).toEqual([
      "Error: Cannot find module '/srv/nothere.mjs'",
      '… 9 more lines',
      "  code: 'MODULE_NOT_FOUND',",
      '}',
      'Node.js v24.21.0',
    ]);
  });

  test('are the end alone where that says it, or where nothing does', () => {
    const python = ['Traceback (most recent call last):', '  File "x.py", line 1', 'KeyError: 7'];
    expect(tellingLines(['begins', ...python], 3)).toEqual(python);
    expect(tellingLines(['a', 'b', 'c', 'd'], 3)).toEqual(['b', 'c', 'd']);
    expect(tellingLines(['panic: x', 'a', 'b', 'c'], 3)).toEqual(['panic: x', '… 2 more lines', 'c']);
    expect(tellingLines([], 3)).toEqual([]);
  });
});
