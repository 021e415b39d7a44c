import { simulate } from '../../test/support/planner-simulation.ts';
import { emptyEngine, image, plan, server } from '../../test/support/planner-world.ts';
import { median } from './measure.mjs';

const images = { 'example:1': image('example:1'), 'example:2': image('example:2') };

/** An engine on which servers of these names run as declared; each is made alone, since a simulated step copies it all. */
function runningEngine(desired) {
  const ends = desired.map((one, index) => {
    const empty = { ...emptyEngine({ images }), next: 100 + index * 10 };
    return simulate(plan([one], empty), empty).end;
  });
  return { ...ends[0], containers: ends.flatMap(({ containers }) => containers) };
}

/**
 * How long planning takes for so many servers, as rows of a table.
 *
 * @param {readonly number[]} counts
 */
export function planRows(counts) {
  return counts.flatMap((count) => {
    const declare = (change) =>
      Array.from({ length: count }, (_, index) => server(`s${String(index).padStart(5, '0')}`, change));
    const desired = declare({});
    const running = runningEngine(desired);
    const newer = declare({ image: { kind: 'image', ref: 'example:2' } });
    const kinds = {
      'nothing to do': () => plan(desired, running),
      'all are new': () => plan(desired, emptyEngine({ images })),
      'all are replaced': () => plan(newer, running),
    };
    return Object.entries(kinds).map(([label, work]) => {
      const times = Array.from({ length: 3 }, () => {
        const started = performance.now();
        work();
        return performance.now() - started;
      });
      return [`${count} servers, ${label}`, { ms: median(times) }];
    });
  });
}
