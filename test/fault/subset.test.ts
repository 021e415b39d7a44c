import { describe, expect, test } from 'vitest';
import { withoutEngine } from '../support/images.ts';
import { isGood, randomFrom, runHarness, sample, subset, tallyTable } from './harness.ts';
import { transitionsHere } from './transitions.ts';

const skipped = withoutEngine();
const seed = Number(process.env.LOOMS_TEST_SEED);

describe.skipIf(skipped)('a run that is cut off at one of its writing calls', () => {
  test(`is completed by the next one, as if nothing had been (npm run test:fault -- --all cuts everywhere)`, async () => {
    const seen: string[] = [];
    const transitions = await transitionsHere();
    const tallies = await runHarness({
      transitions,
      parallelism: 2,
      choose: (points) => sample(points, subset.cuts, randomFrom(seed)),
      report: (line) => seen.push(line),
    });
    console.log(`seed ${seed}\n${tallyTable(tallies)}`);
    expect(
      seen.filter((line) => line.startsWith('FAILED')),
      `npm run test:fault -- --seed ${seed} repeats this\n${tallyTable(tallies)}`,
    ).toEqual([]);
    expect(tallies).toHaveLength(transitions.length);
    expect(isGood(tallies)).toBe(true);
  });
});
