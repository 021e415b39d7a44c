import { afterEach, expect, test, vi } from 'vitest';
import type { PageSample } from '../../../../src/model/page/state.ts';
import { createHub, type Viewer } from '../../../../src/serve/page/hub.ts';
import { madeUpSource } from '../../../support/page-source.ts';

afterEach(() => {
  vi.useRealTimers();
});

function viewer() {
  const told: { readonly event: string; readonly id: string }[] = [];
  const samples: PageSample[] = [];
  const looks: string[] = [];
  const one: Viewer = {
    look: ({ version }, id) => {
      looks.push(version);
      told.push({ event: 'state', id });
    },
    past: (_, id) => void told.push({ event: 'past', id }),
    entry: (entry, id) => {
      if (entry.event === 'sample') samples.push(entry.data);
      told.push({ event: entry.event, id });
    },
  };
  return { one, told, samples, looks };
}

test('what was looked at before all had left is not shown to whoever comes after', async () => {
  vi.useFakeTimers();
  const { source, change } = madeUpSource();
  const late: (() => void)[] = [];
  const { look } = source;
  const hub = createHub(source);
  const leave = await hub.join(viewer().one, undefined);
  Object.assign(source, {
    look: async () => {
      const found = await look();
      await new Promise<void>((resolve) => late.push(resolve));
      return found;
    },
  });
  change({ version: 'old' });
  await vi.advanceTimersByTimeAsync(300);
  expect(late).toHaveLength(1);
  leave();
  await vi.advanceTimersByTimeAsync(60_000);
  late.shift()?.();
  await vi.advanceTimersByTimeAsync(0);
  Object.assign(source, { look });
  change({ version: 'new' });
  expect((await hub.seen()).version).toBe('new');
  const second = viewer();
  await hub.join(second.one, undefined);
  expect(second.looks).toEqual(['new']);
  hub.close();
});

test('after the end nothing is watched for anybody', async () => {
  const { source, isWatched } = madeUpSource();
  const hub = createHub(source);
  hub.close();
  await expect(hub.join(viewer().one, undefined)).rejects.toMatchObject({ code: 'interrupted' });
  expect(isWatched()).toBe(false);
});

test('measurements are kept for an hour: whoever comes back after that begins anew', async () => {
  const { source, measure } = madeUpSource();
  const hub = createHub(source);
  const first = viewer();
  await hub.join(first.one, undefined);
  const begin = Date.UTC(2026, 10, 29, 6);
  const at = (minutes: number): string => new Date(begin + minutes * 60_000).toISOString();
  for (const minutes of [0, 1, 60, 61]) measure(at(minutes));
  const ids = first.told.filter(({ event }) => event === 'sample').map(({ id }) => id);
  const [early, late] = [viewer(), viewer()];
  await hub.join(early.one, first.told[0]?.id);
  expect(early.told.map(({ event }) => event)).toEqual(['state', 'past']);
  await hub.join(late.one, ids[0]);
  expect(late.samples.map((one) => one.at)).toEqual([at(1), at(60), at(61)]);
  hub.close();
});
