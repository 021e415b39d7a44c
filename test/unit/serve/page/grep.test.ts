import { expect, test } from 'vitest';
import { grepFor } from '../../../../src/serve/page/grep.ts';

test('an expression that takes a little too long again and again is given up, and an honest one is not', () => {
  const clock = { at: 0, stepMs: 0 };
  const found = (stepMs: number) => {
    clock.stepMs = stepMs;
    return grepFor('a', () => {
      clock.at += clock.stepMs;
      return clock.at;
    });
  };
  const honest = found(1);
  for (let batch = 0; batch < 1_000; batch += 1) expect(honest(['a', 'b'])).toEqual([true, false]);
  const slow = found(120);
  let batches = 0;
  expect(() => {
    for (; batches < 1_000; batches += 1) slow(['a']);
  }).toThrow(expect.objectContaining({ code: 'refused' }));
  expect(batches).toBeLessThan(25);
});
