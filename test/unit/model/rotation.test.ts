import { expect, test } from 'vitest';
import { asContainerId } from '../../../src/model/ids.ts';
import { rotationTime } from '../../../src/model/plan/rotation.ts';
import { server } from '../../support/planner-world.ts';

const hourMs = 3_600_000;
const { lifecycle } = server('a', { lifecycle: { rotationIntervalHours: 24 } }).spec;
const dueHours = (id: string): number =>
  ((rotationTime(lifecycle, { id: asContainerId(id), createdAt: 1_000 }) ?? 0) - 1_000) / hourMs;

test('containers that were made at once are due in the last fifth of their interval, spread over it, each at its own moment', () => {
  const fleet = Array.from({ length: 1_000 }, (_, index) => dueHours(`container ${index}`));
  expect(Math.min(...fleet)).toBeGreaterThan(24 * 0.8);
  expect(Math.max(...fleet)).toBeLessThanOrEqual(24);
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const [from, to] = [24 * (0.8 + tenth * 0.02), 24 * (0.82 + tenth * 0.02)];
    const here = fleet.filter((hours) => hours >= from && hours < to).length;
    expect(here, `from ${from} to ${to}`).toBeGreaterThan(60);
    expect(here).toBeLessThan(140);
  }
  expect(dueHours('container 7')).toBe(dueHours('container 7'));
});
