import { expect, test } from 'vitest';
import type { ContainerId } from '../../../../src/model/ids.ts';
import { asContainerId } from '../../../../src/model/ids.ts';
import { createPlaces } from '../../../../src/serve/scaling/places.ts';
import type { Places, Upstream } from '../../../../src/serve/upstreams.ts';
import { fakeChannel, fs, spec } from '../fake-servers.ts';

const [one, two] = [asContainerId('1'), asContainerId('2')];

const opened = (container: ContainerId): Upstream => ({
  channel: fakeChannel(() => undefined),
  container,
  generation: 1,
  spec,
});

test('conversations count where they are, from when that is known until they are closed', async () => {
  const places = createPlaces();
  let seen: Places['sessions'] = new Map();
  const at = (container: ContainerId) =>
    places.open(fs, async ({ sessions, took }) => {
      seen = sessions;
      took(container);
      return opened(container);
    });
  const [first] = [await at(one), await at(one), await at(two)];
  expect([places.countOf(fs), [...seen]]).toEqual([
    3,
    [
      [one, 2],
      [two, 1],
    ],
  ]);
  await first?.channel.close();
  await first?.channel.close();
  expect([places.countOf(fs), [...seen]]).toEqual([
    2,
    [
      [one, 1],
      [two, 1],
    ],
  ]);
});

test('one that is being opened counts for its server, and one that could not be opened does not', async () => {
  const places = createPlaces();
  const { promise, reject } = Promise.withResolvers<Upstream>();
  const opening = places.open(fs, ({ took }) => {
    took(one);
    return promise;
  });
  expect(places.countOf(fs)).toBe(1);
  reject(new Error('no'));
  await expect(opening).rejects.toThrow('no');
  expect(places.countOf(fs)).toBe(0);
});
