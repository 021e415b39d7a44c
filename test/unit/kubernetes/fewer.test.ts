import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fewerPods } from '../../../src/kubernetes/model/fewer.ts';
import { forAll } from '../../support/properties.ts';

const bounds = { least: 0, most: 9 };

test('a server keeps a pod for each that has sessions, and as many as all of them need', () => {
  const of = (sessions: readonly number[], to = 0, sessionsPerReplica = 2) =>
    fewerPods({ asked: sessions.length, to, bounds, sessionsPerReplica, sessions });
  expect(of([0, 0, 0])).toBe(0);
  expect(of([0, 1, 0])).toBe(1);
  expect(of([1, 1, 0])).toBe(2);
  expect(of([5, 0, 0])).toBe(3);
  expect(of([0, 0, 0], 2)).toBe(2);
});

test('it never ends a pod with a session, nor goes below its bounds, nor asks for more', () => {
  const pods = fc.array(fc.nat(12), { maxLength: 9 });
  const given = fc.record({ sessions: pods, to: fc.nat(9), least: fc.nat(4), per: fc.integer({ min: 1, max: 9 }) });
  forAll(given, ({ sessions, to, least, per }) => {
    const asked = Math.max(least, sessions.length);
    const left = fewerPods({ asked, to, bounds: { least, most: 9 }, sessionsPerReplica: per, sessions });
    expect(left).toBeLessThanOrEqual(asked);
    expect(left).toBeGreaterThanOrEqual(Math.min(asked, least));
    expect(left).toBeGreaterThanOrEqual(sessions.filter((count) => count > 0).length);
  });
});
