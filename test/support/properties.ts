import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect } from 'vitest';

/** A case that a property speaks of must be that share of its values, or the property says nothing. */
const leastShare = 1 / 200;

/**
 * Where the random choices of the test that runs begin: follows from the run's seed, which `LOOMS_TEST_SEED` gives or
 * test/global-setup.ts draws and prints, and from the test's name, so that no two tests look at the same values.
 */
export function seedOfTest(): number {
  const { currentTestName = '' } = expect.getState();
  return createHash('sha256').update(`${process.env.LOOMS_TEST_SEED} ${currentTestName}`).digest().readInt32BE();
}

/** What a failure says first: how to meet it again. */
export const howToRepeat = (): string => `LOOMS_TEST_SEED=${process.env.LOOMS_TEST_SEED} repeats this`;

/**
 * Holds `check` against `runs` values. `check` calls `saw` with each case that a value was one of; each of `cases` must
 * be seen in one of two hundred values, else the property holds because what it speaks of never occurs.
 *
 * @throws when the property does not hold, with the smallest value found, or when one of `cases` occurs too rarely
 */
export function forAll<T, C extends string = never>(
  arbitrary: fc.Arbitrary<T>,
  check: (value: T, saw: (occurred: C) => void) => void,
  { runs = 100, cases = [] }: Bounds<C> = {},
): void {
  const counter = countCases<C>(runs);
  const property = fc.property(arbitrary, (value) => check(value, counter.next()));
  try {
    fc.assert(property, { numRuns: runs, seed: seedOfTest() });
  } catch (error) {
    throw repeatable(error);
  }
  counter.require(cases);
}

/** As `forAll`, for a check that waits. */
export async function forAllAsync<T, C extends string = never>(
  arbitrary: fc.Arbitrary<T>,
  check: (value: T, saw: (occurred: C) => void) => Promise<void>,
  { runs = 100, cases = [] }: Bounds<C> = {},
): Promise<void> {
  const counter = countCases<C>(runs);
  const property = fc.asyncProperty(arbitrary, (value) => check(value, counter.next()));
  await fc.assert(property, { numRuns: runs, seed: seedOfTest() }).catch((error: unknown) => {
    throw repeatable(error);
  });
  counter.require(cases);
}

type Bounds<C extends string> = { readonly runs?: number; readonly cases?: readonly C[] };

const repeatable = (error: unknown): Error =>
  new Error(`${howToRepeat()}\n${error instanceof Error ? error.message : String(error)}`, { cause: error });

/** Counts the values that were one of each case: `next` begins with another value. */
function countCases<C extends string>(runs: number) {
  const seen = new Map<C, number>();
  return {
    next: (): ((occurred: C) => void) => {
      const here = new Set<C>();
      return (occurred) => {
        if (here.has(occurred)) return;
        here.add(occurred);
        seen.set(occurred, (seen.get(occurred) ?? 0) + 1);
      };
    },
    require: (cases: readonly C[]): void => {
      for (const one of cases) {
        const count = seen.get(one) ?? 0;
        expect(count, `${howToRepeat()}: "${one}" in ${count} of ${runs} values`).toBeGreaterThanOrEqual(
          runs * leastShare,
        );
      }
    },
  };
}
