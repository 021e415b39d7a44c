import { expect, test } from 'vitest';
import { exitCodeOfOutcome } from '../../../src/cli/exit-codes.ts';

test('the exit code of a failed gate tells whether anything serves', () => {
  expect(exitCodeOfOutcome('gate-failed', ['server-exited'], undefined)).toBe(4);
  expect(exitCodeOfOutcome('not-serving', ['server-exited'], undefined)).toBe(10);
});
