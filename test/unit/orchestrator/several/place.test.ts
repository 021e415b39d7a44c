import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeclaredServer } from '../../../../src/model/desired.ts';
import { asServerName, type ServerName } from '../../../../src/model/ids.ts';
import type { Place } from '../../../../src/model/place.ts';
import { type EngineSeen, placeServers } from '../../../../src/orchestrator/several/place.ts';
import { traits } from '../../../support/member-engines.ts';
import { server } from '../../../support/planner-world.ts';
import { forAll } from '../../../support/properties.ts';

const placed = (
  name: string,
  place: Partial<Place> = {},
  change: Parameters<typeof server>[1] = {},
): DeclaredServer => ({
  ...server(name, change),
  place: { labels: {}, prefer: 'spread', onLost: 'wait', ...place },
});
const withVolume = { mounts: [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] } as const;

const here = (name: string, has: readonly string[] = [], own: Parameters<typeof traits>[1] = {}): EngineSeen => ({
  ...traits(name, own),
  answers: true,
  servers: new Map(has.map((one, index) => [asServerName(one), index])),
});
const away = (name: string, more: Partial<Extract<EngineSeen, { answers: false }>> = {}): EngineSeen => ({
  ...traits(name),
  answers: false,
  isLost: false,
  servers: undefined,
  ...more,
});

/** `fs: a`, `fs: a from b`, `fs: nowhere`, a line a server. */
const shown = (servers: readonly DeclaredServer[], engines: readonly EngineSeen[]): readonly string[] => {
  const { placings, warnings } = placeServers(servers, engines);
  return [
    ...[...placings].map(([name, one]) => {
      if (one.kind === 'nowhere') return `${name}: nowhere, ${one.why}`;
      return `${name}: ${one.engine}${one.from === undefined ? '' : ` from ${one.from}`}`;
    }),
    ...warnings.map(({ server: of, message }) => `warning ${of}: ${message}`),
  ].sort();
};

test('servers are spread by the weights of engines, and one costs least', () => {
  const engines = [here('big', [], { weight: 3, cost: 2 }), here('small', [], { cost: 1 })];
  expect(
    shown(
      ['a', 'b', 'c', 'd'].map((one) => placed(one)),
      engines,
    ),
  ).toEqual(['a: big', 'b: big', 'c: big', 'd: small']);
  expect(shown([placed('a', { prefer: 'cost' }), placed('b', { prefer: 'cost' })], engines)).toEqual([
    'a: small',
    'b: small',
  ]);
});

test('an engine of weight 0 is for servers that name it', () => {
  const engines = [here('a', [], { weight: 0 }), here('b')];
  expect(shown([placed('x'), placed('y', { engines: ['a'] })], engines)).toEqual(['x: b', 'y: a']);
  expect(shown([placed('x')], [here('a', [], { weight: 0 })])).toEqual([
    'x: nowhere, a, where it may be, has weight 0',
  ]);
});

test('labels and names of engines are kept to; what is nowhere to be had is said', () => {
  const engines = [here('a', [], { labels: { gpu: 'true' } }), here('b', [], { labels: { zone: 'x' } })];
  expect(shown([placed('x', { labels: { gpu: 'true' } }), placed('y', { engines: ['b'] })], engines)).toEqual([
    'x: a',
    'y: b',
  ]);
  expect(shown([placed('x', { labels: { gpu: 'false' }, engines: ['a', 'c'] })], engines)).toEqual([
    'x: nowhere, no engine is as its place says: one of a, c and gpu: false',
  ]);
});

test('a server stays where it is, moves where its place says another engine, and not with its files', () => {
  const engines = [here('a', ['x', 'y', 'z']), here('b')];
  expect(
    shown([placed('x'), placed('y', { engines: ['b'] }), placed('z', { engines: ['b'] }, withVolume)], engines),
  ).toEqual([
    'warning z: it stays on a, where its files are, and not on one of b as its place says; to move it, bring its files there and `looms delete` it',
    'x: a',
    'y: b from a',
    'z: a',
  ]);
});

test('of a server on two engines the one that was made last stays', () => {
  const engines = [here('a', ['x']), here('b', ['other', 'x'])];
  const { placings, leaving } = placeServers([placed('x')], engines);
  expect(placings.get(asServerName('x'))).toEqual({ kind: 'on', engine: 'b' });
  expect([...leaving]).toEqual([['a', ['x']]]);
});

test('of a server with files on two engines nothing is taken away, and somebody is told', () => {
  const engines = [here('a', ['x']), here('b', ['other', 'x'])];
  for (const files of [withVolume, { lifecycle: { preserve: ['/data'] } }]) {
    const { placings, leaving, warnings } = placeServers([placed('x', {}, files)], engines);
    expect(placings.get(asServerName('x'))).toEqual({ kind: 'on', engine: 'b' });
    expect([...leaving]).toEqual([]);
    expect(warnings).toEqual([
      {
        code: 'files-on-two-engines',
        server: 'x',
        message:
          'it is on b, and on a as well, with files of its own on each: none is taken away; bring the files that count to one of them, and `looms delete x` it on the other, by the --host or --context of that engine',
      },
    ]);
  }
});

test('what an engine that does not answer may have is made nowhere else, but where it is lost and may move', () => {
  const both = [away('a'), here('b')];
  expect(shown([placed('x')], both)).toEqual(['x: nowhere, engine a, which may have it, does not answer']);
  expect(shown([placed('x', { engines: ['b'] })], both)).toEqual(['x: b']);
  const mayMove = placed('x', { onLost: 'move' });
  expect(shown([mayMove], both)).toEqual(['x: nowhere, engine a, which may have it, does not answer']);
  expect(shown([mayMove, placed('y')], [away('a', { isLost: true }), here('b')])).toEqual([
    'x: b',
    'y: nowhere, engine a, which may have it, does not answer',
  ]);
  // Where it was not when it was seen last, it is not now.
  expect(shown([placed('x')], [away('a', { servers: new Set() }), here('b')])).toEqual(['x: b']);
});

test('what waits for an engine that was not seen here is told the place that has it made on those that answer', () => {
  const hintOf = (server: DeclaredServer, engines: readonly EngineSeen[]): string => {
    const placing = placeServers([server], engines).placings.get(server.spec.name);
    return placing?.kind === 'nowhere' ? placing.hint : '';
  };
  const inZone = { labels: { zone: 'x' } };
  const engines = [away('a', inZone), here('b', [], inZone), here('c')];
  const named = '`place: { engines: [b, c] }` has it made now';
  expect(hintOf(placed('x'), engines)).toContain(named);
  expect(hintOf(placed('x', { onLost: 'move' }), engines)).toContain(named);
  expect(hintOf(placed('x', inZone), engines)).toContain('`place: { engines: [b] }` has it made now');
  // Its place would not help what is there, what has files, or what no other engine may have.
  for (const [server, seen] of [
    [placed('x'), [away('a', { servers: new Set([asServerName('x')]) }), here('b')]],
    [placed('x', {}, withVolume), engines],
    [placed('x', { engines: ['a'] }), engines],
  ] as const) {
    expect(hintOf(server, seen)).toMatch(/^(?!.*engines: \[)it waits for that engine/);
  }
});

test('a server with files is never made beside an engine that may have them, whatever its place says', () => {
  const engines = [away('a', { isLost: true }), here('b')];
  for (const place of [{ onLost: 'move' }, { engines: ['b'] }, {}] as const) {
    expect(shown([placed('x', place, withVolume)], engines)).toEqual([
      'x: nowhere, engine a, which may have it, does not answer',
    ]);
  }
});

test('a server is not taken from where it serves for a place that there is not', () => {
  expect(shown([placed('x', { labels: { gpu: 'true' } })], [here('a', ['x'])])).toEqual([
    'warning x: it stays on a: no engine is as its place says: gpu: true',
    'x: a',
  ]);
});

const serverNames = ['p', 'q', 'r', 's'].map(asServerName);
const engineNames = ['a', 'b', 'c'] as const;
// What moves from a lost engine is rare among all that can be: what it takes is drawn three times of four.
const mostly = <T>(often: T, seldom: T): fc.Arbitrary<T> => fc.constantFrom(often, often, often, seldom);
const anyServers = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...serverNames),
    files: mostly(false, true),
    engines: fc.option(fc.subarray([...engineNames], { minLength: 1 }), { nil: undefined }),
    labels: fc.constantFrom({}, { zone: 'x' }),
    prefer: fc.constantFrom('spread', 'cost'),
    onLost: mostly<Place['onLost']>('move', 'wait'),
  }),
  { selector: ({ name }) => name },
);
const anyEngines = fc.tuple(
  ...engineNames.map((name) =>
    fc.record({
      name: fc.constant(name),
      has: fc.subarray(serverNames),
      answers: fc.boolean(),
      isLost: mostly(true, false),
      isKnown: fc.boolean(),
      weight: fc.nat(3),
      cost: fc.nat(2),
      labels: fc.constantFrom({}, { zone: 'x' }),
    }),
  ),
);

test('wherever servers and engines are: none is lost, none is in two places but by a move, and it comes to rest', () => {
  forAll(
    fc.tuple(anyServers, anyEngines),
    ([asked, engines], saw: (occurred: 'moves' | 'waits' | 'moves from a lost engine' | 'stays in vain') => void) => {
      const declared = asked.map(({ name, files, engines: named, ...place }) =>
        placed(name, { ...place, ...(named === undefined ? {} : { engines: named }) }, files ? withVolume : {}),
      );
      const seen = engines.map(({ has, answers, isLost, isKnown, ...of }): EngineSeen => {
        const own = { ...traits(of.name), ...of };
        if (answers) return { ...own, answers, servers: new Map(has.map((one) => [one, 0])) };
        return { ...own, answers, isLost, servers: isKnown ? new Set(has) : undefined };
      });
      const holders = (name: ServerName, answering: boolean) =>
        engines.filter(({ has, answers }) => answers === answering && has.includes(name));
      const { placings, leaving } = placeServers(declared, seen);
      for (const { spec, place } of declared) {
        const placing = placings.get(spec.name);
        const at = holders(spec.name, true);
        const hidden = holders(spec.name, false);
        expect(placing).toBeDefined();
        if (placing?.kind !== 'on') {
          saw('waits');
          expect(at).toEqual([]);
          continue;
        }
        expect(seen.find(({ name }) => name === placing.engine)?.answers).toBe(true);
        if (placing.from !== undefined) {
          saw('moves');
          expect(spec.mounts).toEqual([]);
          expect(leaving.get(placing.from)).toContain(spec.name);
        }
        const isMade = !at.some(({ name }) => name === placing.engine);
        if (!isMade && place?.engines?.includes(placing.engine) === false) saw('stays in vain');
        // A server that is made while an engine has it in secret: only what may be lost, and never with files.
        if (isMade && at.length === 0) {
          for (const one of hidden.filter(({ isKnown }) => isKnown)) {
            saw('moves from a lost engine');
            expect([one.isLost, place?.onLost, spec.mounts.length]).toEqual([true, 'move', 0]);
          }
        }
      }
      // What was placed, placed again: nothing moves any more.
      const after = seen.map((engine): EngineSeen => {
        if (!engine.answers) return engine;
        const stays = [...engine.servers.keys()].filter((name) => !(leaving.get(engine.name)?.includes(name) ?? false));
        const comes = [...placings].flatMap(([name, one]) =>
          one.kind === 'on' && one.engine === engine.name ? [name] : [],
        );
        return { ...engine, servers: new Map([...stays, ...comes].map((name) => [name, 1])) };
      });
      const again = placeServers(declared, after);
      expect([...again.leaving]).toEqual([]);
      for (const [name, placing] of placings) {
        if (placing.kind === 'on') expect(again.placings.get(name)).toEqual({ kind: 'on', engine: placing.engine });
      }
    },
    { runs: 400, cases: ['moves', 'waits', 'moves from a lost engine', 'stays in vain'] },
  );
});
