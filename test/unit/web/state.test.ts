import { describe, expect, test } from 'vitest';
import type { PageHealth } from '../../../src/model/page/state.ts';
import { piecesOf } from '../../../web/state/ansi.ts';
import { extentOf, shapeOf } from '../../../web/state/chart.ts';
import { emptyRing, withMore } from '../../../web/state/ring.ts';
import { fragmentOf, type Route, routeOf } from '../../../web/state/route.ts';
import { healthMark, markOf, shortTotals } from '../../../web/state/words.ts';

describe('the address', () => {
  test.each<[string, Route]>([
    ['#/', { of: 'list' }],
    ['#/project', { of: 'project', tab: 'overview' }],
    ['#/project/plan', { of: 'project', tab: 'plan' }],
    ['#/servers/fs', { of: 'server', server: 'fs', tab: 'overview' }],
    ['#/servers/fs/log', { of: 'server', server: 'fs', tab: 'log' }],
  ])('%s says where on the page one is, both ways', (fragment, route) => {
    expect(routeOf(fragment)).toEqual(route);
    expect(fragmentOf(route)).toBe(fragment);
  });

  test.each(['', '#', '#c=code', '#/nothing', '#/servers/'])('%j is the list', (fragment) =>
    expect(routeOf(fragment)).toEqual({ of: 'list' }),
  );

  test('is never wrong enough to break the page', () => {
    expect(routeOf('#/servers/%E0%A4/nothing')).toEqual({ of: 'server', server: '%E0%A4', tab: 'overview' });
  });
});

test.each([
  ['0 to create, 1 to replace, 0 to remove, 4 unchanged', '1 to replace, 4 unchanged'],
  [
    '1 to create, 0 unchanged; behind them 1 network to create',
    '1 to create, 0 unchanged; behind them 1 network to create',
  ],
])('of %j what would be done is shown', (totals, shown) => expect(shortTotals(totals)).toBe(shown));

describe('how a server is, in one word', () => {
  const health = (state: PageHealth['state']): PageHealth => ({ state, detail: '', checkedAt: null });

  test('is its health, and where nobody knows that its state', () => {
    expect(markOf({ state: 'running', health: health('slow') }).word).toBe('slow');
    expect(markOf({ state: 'paused', health: health('unknown') }).word).toBe('paused');
    expect(markOf({ state: null, health: health('unknown') }).word).toBe('not there');
  });

  test('has a shape of its own among those that are told apart', () => {
    const states = [
      'healthy',
      'slow',
      'failing',
      'down',
      'repairing',
      'waiting',
      'stopped',
      'blocked',
      'unknown',
    ] as const;
    expect(new Set(states.map((state) => healthMark(health(state)).shape)).size).toBe(states.length);
  });
});

test('a ring keeps the last of what came, each with a number of its own', () => {
  const first = withMore(emptyRing, [{ a: 1 }, { a: 2 }], 3);
  const next = withMore<{ a: number }>(first, [{ a: 3 }, { a: 4 }], 3);
  expect(next).toEqual({
    items: [
      { a: 2, key: 1 },
      { a: 3, key: 2 },
      { a: 4, key: 3 },
    ],
    dropped: 1,
  });
});

describe('a small chart', () => {
  const frame = { from: 0, to: 100_000, width: 100, height: 10, limit: null };
  const points = [
    { at: 0, value: 1 },
    { at: 15_000, value: 3 },
    { at: 30_000, value: null },
    { at: 45_000, value: 2 },
  ];

  test('has a gap where nothing was measured', () => {
    expect(shapeOf(points, frame).lines).toEqual(['M0.0 6.9L15.0 0.7', 'M45.0 3.8h0']);
    const apart = (ms: number) => [0, ms].map((at) => ({ at, value: 1 }));
    // While nobody looks, there is one each minute.
    expect(shapeOf(apart(65_000), frame).lines).toHaveLength(1);
    expect(shapeOf(apart(150_000), frame).lines).toHaveLength(2);
    expect(extentOf(points)).toEqual({ least: 1, greatest: 3, last: 2 });
    expect(extentOf([])).toBeUndefined();
  });

  test('shows a limit that is near, and does not press the line to the ground for one that is not', () => {
    expect(shapeOf(points, { ...frame, limit: 6 }).limitAt).toBe(0.7);
    expect(shapeOf(points, { ...frame, limit: 100 }).limitAt).toBeUndefined();
  });
});

describe('a line of a log', () => {
  test('has the colours of a terminal as classes, and no escape of one', () => {
    expect(piecesOf('\u001b[1;31mred\u001b[0m plain')).toEqual([
      { text: 'red', style: 'ansi-red bold' },
      { text: ' plain', style: '' },
    ]);
    expect(piecesOf('\u001b[42mx\u001b[38;5;200my\u001b[38;2;1;2;3mz')).toEqual([
      { text: 'x', style: 'on-ansi-green' },
      { text: 'y', style: 'on-ansi-green' },
      { text: 'z', style: 'on-ansi-green' },
    ]);
  });

  test.each(['\u001b]8;;https://evil.example\u0007here', 'a\u0000b\u0007c', '\u202eabc', 'x\u001b[2J\u001b[Hy'])(
    'has nothing unseen left in it: %j',
    (line) => {
      const text = piecesOf(line)
        .map((piece) => piece.text)
        .join('');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    },
  );
});
