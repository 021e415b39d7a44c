import { afterEach, expect, test, vi } from 'vitest';
import { LoomsError } from '../../../../src/model/errors.ts';
import type { ContainerId } from '../../../../src/model/ids.ts';
import { asContainerId } from '../../../../src/model/ids.ts';
import { createPlaces } from '../../../../src/serve/scaling/places.ts';
import type { Places, Upstream } from '../../../../src/serve/upstreams.ts';
import { fakeChannel, fs, spec } from '../fake-servers.ts';

const [one, two] = [asContainerId('1'), asContainerId('2')];

afterEach(() => vi.useRealTimers());

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

test('one may be in any container until it is known where it will be', async () => {
  const places = createPlaces();
  const { promise, resolve } = Promise.withResolvers<Upstream>();
  const opening = places.open(fs, ({ took }) => promise.finally(() => took(one)));
  expect([places.countIn(fs, one), places.countIn(fs, two)]).toEqual([1, 1]);
  resolve(opened(one));
  const { channel } = await opening;
  expect([places.countIn(fs, one), places.countIn(fs, two)]).toEqual([1, 0]);
  await channel.close();
  expect(places.countIn(fs, one)).toBe(0);
});

/** Opens one in the container with the fewest, of which the first one fails; which ones were tried. */
async function openedWhere(places: ReturnType<typeof createPlaces>, all: readonly ContainerId[], failure: LoomsError) {
  const tried: ContainerId[] = [];
  const open = places.open(fs, async ({ sessions, took }) => {
    const loadOf = (container: ContainerId): number => sessions.get(container) ?? 0;
    const [least = one] = all.toSorted((a, b) => loadOf(a) - loadOf(b));
    took(least);
    tried.push(least);
    if (least === one) throw failure;
    return opened(least);
  });
  const end = await open.then(
    ({ container }) => container,
    (error: LoomsError) => error.code,
  );
  return [...tried, end];
}

test('one that fails in a container is opened in another one, and the next ones go there as well for a while', async () => {
  vi.useFakeTimers();
  const places = createPlaces();
  const ended = new LoomsError('server-exited', 'it ended');
  expect(await openedWhere(places, [one, two], ended)).toEqual([one, two, two]);
  expect(await openedWhere(places, [one, two], ended)).toEqual([two, two]);
  vi.advanceTimersByTime(30_000);
  expect(await openedWhere(places, [one, two], new LoomsError('server-crowded', 'full'))).toEqual([one, two, two]);
  expect([places.countIn(fs, one), places.countIn(fs, two)]).toEqual([0, 3]);
});

test('one that fails where there is no other container is not opened there twice, nor one that would fail anywhere', async () => {
  const ended = new LoomsError('server-exited', 'it ended');
  expect(await openedWhere(createPlaces(), [one], ended)).toEqual([one, 'server-exited']);
  const lacking = new LoomsError('secret-missing', 'no secret');
  expect(await openedWhere(createPlaces(), [one, two], lacking)).toEqual([one, 'secret-missing']);
});

test('one that opens and then comes to nothing has the next one go elsewhere', async () => {
  const places = createPlaces();
  const first = await places.open(fs, async ({ took }) => {
    took(one);
    return opened(one);
  });
  first.avoid?.();
  await first.channel.close();
  let seen: Places['sessions'] = new Map();
  await places.open(fs, async ({ sessions, took }) => {
    seen = new Map(sessions);
    took(two);
    return opened(two);
  });
  expect(seen.get(one)).toBeGreaterThan(1000);
});
