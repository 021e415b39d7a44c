import { expect, test } from 'vitest';
import { linePattern } from '../../../src/cli/command-line/line-pattern.ts';

const tooLong = { code: 'usage', message: expect.stringMatching(/takes more than 2 s in a line of \d+ characters$/) };

test.each([
  ['error.*timeout', 'error'.repeat(200_000)],
  ['^(a+)+$', `${'a'.repeat(60)}!`],
  ['^(?:a|a)*$', `${'a'.repeat(60)}!`],
  ['".*".*".*".*x', '"'.repeat(400)],
  [`^${'a?'.repeat(50)}[ab]*b`, `${'a'.repeat(50)}c`],
])('a search that would take longer than anybody waits comes to an end: %s', (pattern, line) => {
  expect(() => linePattern(pattern).test(line)).toThrow(expect.objectContaining(tooLong));
});

test('what is found is the same, however long a line is', () => {
  const long = 'x'.repeat(100_000);
  for (const line of ['an error, then a timeout', `an error${long} timeout`]) {
    expect(linePattern('error.*timeout').test(line)).toBe(true);
    expect(linePattern('^(an? \\w+)').test(line)).toBe(true);
    expect(linePattern('(x|,)+ ').test(line)).toBe(true);
    expect(linePattern('timeout$').test(line)).toBe(true);
    expect(linePattern('Timeout').test(line)).toBe(false);
    expect(linePattern('(zz)+y').test(line)).toBe(false);
    expect(linePattern('a.*e.*a? timeout?').test(line)).toBe(true);
    expect(linePattern('colou?r').test(line)).toBe(false);
  }
});

test('what is no pattern is told', () => {
  expect(() => linePattern('(')).toThrow(expect.objectContaining({ code: 'usage' }));
});
