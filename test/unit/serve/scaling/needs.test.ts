import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostNeeded, type Needs, needOf, noted } from '../../../../src/serve/scaling/needs.ts';
import { forAll } from '../../../support/properties.ts';

const lookBackMs = 100;

test('so many sessions need one container for each so many of them', () => {
  expect([0, 1, 8, 9, 16, 17].map((sessions) => needOf(sessions, 8))).toEqual([0, 1, 1, 2, 2, 3]);
});

test('what is known for less than the time that is looked back at says nothing', () => {
  const needs = noted([], 0, 2, lookBackMs);
  expect([
    mostNeeded([], 0, lookBackMs),
    mostNeeded(needs, 99, lookBackMs),
    mostNeeded(needs, 100, lookBackMs),
  ]).toEqual([undefined, undefined, 2]);
});

test('a peak counts until it is so long ago', () => {
  let needs: Needs = [];
  for (const [at, need] of [
    [0, 1],
    [50, 4],
    [60, 1],
  ] as const)
    needs = noted(needs, at, need, lookBackMs);
  expect([110, 159, 160].map((now) => mostNeeded(needs, now, lookBackMs))).toEqual([4, 4, 1]);
});

test('is the most of all that was needed meanwhile, and forgets no more than it may', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(5)), { minLength: 1, maxLength: 40 });
  forAll(steps, (given) => {
    let at = 0;
    let needs: Needs = [];
    const all: { at: number; need: number }[] = [];
    for (const [pass, need] of given) {
      at += pass;
      needs = noted(needs, at, need, lookBackMs);
      all.push({ at, need });
      const from = at - lookBackMs;
      const before = all.findLastIndex((one) => one.at <= from);
      const expected = before < 0 ? undefined : Math.max(...all.slice(before).map((one) => one.need));
      expect(mostNeeded(needs, at, lookBackMs)).toBe(expected);
    }
    expect(needs.length).toBeLessThanOrEqual(lookBackMs + 2);
  });
});
