import { describe, expect, test } from 'vitest';
import { withoutEngine } from '../support/images.ts';
import { isGood, randomFrom, runHarness, sample, subset, tallyTable } from './harness.ts';
import { transitions } from './transitions.ts';

const skipped = withoutEngine();

describe.skipIf(skipped)('a run that is cut off at one of its writing calls', () => {
  test(`is completed by the next one, as if nothing had been (seed ${subset.seed}; npm run test:fault -- --all cuts everywhere)`, async () => {
    const seen: string[] = [];
    const tallies = await runHarness({
      transitions,
      parallelism: 2,
      choose: (points) => sample(points, subset.cuts, randomFrom(subset.seed)),
      report: (line) => seen.push(line),
    });
    console.log(`seed ${subset.seed}\n${tallyTable(tallies)}`);
    expect(
      seen.filter((line) => line.startsWith('FAILED')),
      tallyTable(tallies),
    ).toEqual([]);
    expect(isGood(tallies)).toBe(true);
  });
});
