import { expect } from 'vitest';
import type { Finished } from './support/looms.ts';

declare module 'vitest' {
  // The parameters are vitest's own: declarations that merge have to agree.
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** That a program has ended with this code; the message holds the last lines that were printed. */
    toExit(this: Matchers<R, T>, code: number): R;
  }
}

/** As much as the summary of a run keeps of a failure (scripts/lib/run-vitest.mjs): lines. */
const shownLines = 8;

const lastLines = (text: string): string => text.trimEnd().split('\n').slice(-shownLines).join('\n');

expect.extend({
  toExit: ({ code, stdout = '', stderr = '' }: Partial<Finished>, expected: number) => ({
    pass: code === expected,
    message: () => `exit code ${code}, expected ${expected}\n${lastLines(`${stdout}\n${stderr}`)}`,
  }),
});
