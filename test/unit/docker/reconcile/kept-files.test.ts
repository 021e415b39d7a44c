import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import type { RemoveNamed } from '../../../../src/docker/reconcile/removal.ts';
import { asContainerId, asServerName } from '../../../../src/model/ids.ts';
import { format } from '../../../support/format-plan.ts';
import { type SimulatedEngine, simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, plan, type SpecChange, server } from '../../../support/planner-world.ts';

const keeps: SpecChange = { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } };
const later = (observed: Observed): Observed => ({ ...observed, now: observed.now + 1000 });
const apply = (declared: ReturnType<typeof server>, observed: Observed): Observed =>
  later(simulate(plan([declared], observed), observed).end);
const removal = (observed: Observed, data: RemoveNamed['data']) =>
  plan([], observed, { undesired: { remove: [asServerName('a')], data } });
const names = (observed: Observed): string[] => observed.containers.map(({ name }) => name).sort();

/** What the only container that is there holds at preserved paths. */
const files = ({ containers: [only], files: all }: SimulatedEngine) => [
  ...(all.get(only?.id ?? asContainerId('none')) ?? []),
];

const running = apply(server('a', keeps), emptyEngine());
const kept = later(simulate(removal(running, 'keep'), running).end);

describe('deleting a server and keeping its files', () => {
  it('copies them when nothing writes any more, and removes the server only when they were copied', () => {
    expect(format(removal(running, 'keep'))).toMatchInlineSnapshot(`
      "a: remove (requested)
      network looms-test: remove
      data looms-test-a.data: create
      a/keep: create looms-test-a.data from sha256:example:1
      a/stop: stop looms-test-a c10000000000 after a/keep
      a/carry: carry /state over to looms-test-a.data after a/stop
      a/discard: remove looms-test-a.data (a/keep) after a/stop, a/carry only if a/stop or a/carry fails
      a/record: record looms-test-a as looms-test-a.h1 (deleted) after a/carry
      a/remove: remove looms-test-a c10000000000 after a/carry, a/record
      a/start:again: start looms-test-a after a/stop, a/carry, a/remove, a/discard only if a/stop or a/carry or a/remove fails
      network:isolated/remove: remove network looms-test after a/remove
      warning a: data-kept"
    `);
    expect(names(kept)).toEqual(['looms-test-a.data']);
  });

  it('has the files in the server or in the copy after every step', () => {
    for (const { files: all } of simulate(removal(running, 'keep'), running).states) {
      expect([...all.values()].flatMap((written) => [...written.values()])).toContain('written by c10000000000');
    }
  });

  it('begins again where a run ended in the middle: the server has all its files still', () => {
    const made = removal(running, 'keep');
    for (let limit = 1; limit < made.steps.length; limit += 1) {
      const left = later(simulate(made, running, { limit }).end);
      if (!left.containers.some(({ role }) => role === 'server')) continue;
      const end = simulate(removal(left, 'keep'), left).end;
      expect(names(end)).toEqual(['looms-test-a.data']);
      const applied = apply(server('a', keeps), left);
      expect(names(applied)).toEqual(['looms-test-a']);
      expect(plan([server('a', keeps)], applied).steps).toEqual([]);
    }
  });

  it('gives them up when the server is deleted by name, and not otherwise', () => {
    expect(format(removal(kept, 'give-up'))).toMatchInlineSnapshot(`
      "data looms-test-a.data: remove
      a/forget: remove looms-test-a.data c10100000000"
    `);
    expect(removal(kept, 'leave').steps).toEqual([]);
    expect(plan([], kept, { undesired: 'remove' }).steps).toEqual([]);
  });

  it('is blocked when nobody knows what to keep', () => {
    const [container] = running.containers.filter(({ role }) => role === 'server');
    if (container === undefined) throw new Error('no server');
    const { recorded: _, ...unreadable } = container;
    expect(format(removal({ ...running, containers: [unreadable] }, 'keep'))).toContain('a: blocked (unsupported)');
  });
});

describe('a deletion that would lose what an earlier one kept', () => {
  it('is blocked, and leaves the network that the server is on', () => {
    const other = server('a', { ...keeps, lifecycle: { preserve: ['/other'] } });
    const beside = apply(other, kept);
    expect(format(removal(beside, 'keep'))).toMatchInlineSnapshot(`"a: blocked (unsupported)"`);
  });
});

describe('a deletion of a server with another generation beside it', () => {
  const old = apply(server('a', keeps), emptyEngine());
  // Killed when the new one has passed its gate, and the old one is stopped and still there.
  const made = plan([server('a', { ...keeps, limits: { memoryMiB: 256 } })], old);
  const forward = made.steps.filter(({ onFailureOf }) => onFailureOf === undefined).map(({ id }) => `${id}`);
  const both = simulate(made, old, { limit: forward.indexOf('a/gate') + 1 }).end;

  it('removes the one that was copied last, so that it is copied again after every cut', () => {
    expect(names(both)).toEqual(['looms-test-a', 'looms-test-a.g2']);
    const steps = removal(both, 'keep').steps;
    const removes = steps.filter(({ op, onFailureOf }) => op === 'remove-container' && !onFailureOf);
    expect(removes.map(({ id }) => id)).toEqual(['a/remove:g2-c10100', 'a/remove']);
    for (let limit = 1; limit <= steps.length; limit += 1) {
      const left = simulate(removal(both, 'keep'), both, { limit }).end;
      const { end } = simulate(removal(left, 'keep'), left);
      expect(names(end)).toEqual(['looms-test-a.data']);
      expect(files(end)).toEqual([['/state', 'written by c10000000000']]);
    }
  });
});

describe('a deletion of a server none of whose generations has its name', () => {
  const [first, second] = ['looms-test-a.g1', 'looms-test-a.g2'].map((name, index) => {
    const [made] = apply(server('a', index === 0 ? keeps : {}), emptyEngine()).containers;
    if (made === undefined) throw new Error('no server');
    return { ...made, name, id: asContainerId(`c${index}`.padEnd(13, '0')), generation: index + 1 };
  });
  if (first === undefined || second === undefined) throw new Error('no servers');
  const ended = { status: 'exited', exitCode: 0, finishedAt: 0, oomKilled: false } as const;
  const engine: SimulatedEngine = {
    ...running,
    containers: [first, { ...second, state: ended }],
    files: new Map([[first.id, new Map([['/state', 'of the first']])]]),
    next: 100,
  };

  it('goes on with the one that it stopped for the copy, also where another one ran later', () => {
    const made = removal(engine, 'keep');
    for (let limit = 0; limit <= made.steps.length; limit += 1) {
      const left = later(simulate(made, engine, { limit }).end);
      const { end } = simulate(removal(left, 'keep'), left);
      expect([limit, names(end)]).toEqual([limit, ['looms-test-a.data']]);
      expect(files(end)).toEqual([['/state', 'of the first']]);
    }
  });

  it.each([
    ['as it is', {}],
    ['with another spec', { limits: { memoryMiB: 256 } }],
  ])('gives its files to the server that is applied after all, %s, wherever that ends', (_, change) => {
    const wanted = server('a', { ...keeps, ...change });
    const begun = later(simulate(removal(engine, 'keep'), engine, { limit: 2 }).end);
    expect(begun.containers.map(({ name, state }) => [name, state.status])).toContainEqual([
      'looms-test-a.g1',
      'exited',
    ]);
    const made = plan([wanted], begun);
    for (const failGate of [[], ['a']]) {
      for (let limit = 0; limit <= made.steps.length; limit += 1) {
        const left = later(simulate(made, begun, { limit, failGate }).end);
        const { end } = simulate(plan([wanted], left), left);
        expect([limit, names(end)]).toEqual([limit, ['looms-test-a']]);
        expect(files(end)).toEqual([['/state', 'of the first']]);
      }
    }
  });
});

describe('a copy of which a server took over a part', () => {
  const preserving = (...preserve: string[]) => server('a', { ...keeps, lifecycle: { preserve } });
  const both = apply(preserving('/s', '/t'), emptyEngine());
  const copied = later(simulate(removal(both, 'keep'), both).end);
  const part = apply(preserving('/s'), copied);

  it('stays, whatever later servers of the name preserve', () => {
    expect(names(part)).toEqual(['looms-test-a', 'looms-test-a.data']);
    const all = apply(preserving('/s', '/t'), part);
    expect(names(all)).toEqual(['looms-test-a', 'looms-test-a.data']);
    expect(plan([preserving('/s', '/t')], all)).toMatchObject({ steps: [], warnings: [{ code: 'data-not-restored' }] });
    const again = apply(preserving('/s'), all);
    expect(names(again)).toEqual(['looms-test-a', 'looms-test-a.data']);
  });

  it('is told by what is not restored, and by nothing else', () => {
    expect(plan([preserving('/s')], part).warnings).toMatchObject([
      { message: expect.stringMatching(/^\/t of an earlier a is not restored/) },
    ]);
  });
});

describe('a server whose deletion did not come to its end', () => {
  it('keeps its files when a prune takes it away: the copy is completed first', () => {
    for (const limit of [1, 2, 3]) {
      const cut = later(simulate(removal(running, 'keep'), running, { limit }).end);
      const { end } = simulate(plan([], cut, { undesired: 'remove' }), cut);
      expect(names(end)).toEqual(['looms-test-a.data']);
      expect(files(end)).toEqual([['/state', 'written by c10000000000']]);
    }
  });

  it('is copied anew when it ran on: what it removed since does not come back', () => {
    const { end: cut } = simulate(removal(running, 'keep'), running, { limit: 3 });
    const ranOn = later({
      ...cut,
      containers: cut.containers.map((one) =>
        one.role === 'server' ? { ...one, state: running.containers[0]?.state ?? one.state } : one,
      ),
    });
    const made = removal(ranOn, 'keep');
    expect(format(made)).toMatchInlineSnapshot(`
      "a: remove (requested)
      network looms-test: remove
      data looms-test-a.data: create
      name:c10100000000/free: rename looms-test-a.data to looms-test-a.aside-c10100
      a/keep: create looms-test-a.data from sha256:example:1 after name:c10100000000/free
      a/stop: stop looms-test-a c10000000000 after a/keep
      a/carry: carry /state over to looms-test-a.data after a/stop
      a/discard: remove looms-test-a.data (a/keep) after a/stop, a/carry only if a/stop or a/carry fails
      a/forget: remove looms-test-a.data c10100000000 after a/carry, name:c10100000000/free
      a/record: record looms-test-a as looms-test-a.h1 (deleted) after a/carry, a/forget
      a/remove: remove looms-test-a c10000000000 after a/carry, a/forget, a/record
      a/start:again: start looms-test-a after a/stop, a/carry, a/forget, a/remove, a/discard only if a/stop or a/carry or a/forget or a/remove fails
      network:isolated/remove: remove network looms-test after a/remove
      warning a: data-kept"
    `);
    // Somebody wants these files: that is known until they are copied, wherever the next run ends.
    for (let limit = 0; limit <= made.steps.length; limit += 1) {
      const left = later(simulate(made, ranOn, { limit }).end);
      const { end } = simulate(plan([], left, { undesired: 'remove' }), left);
      expect([limit, names(end)]).toEqual([limit, ['looms-test-a.data']]);
      expect(files(end)).toEqual([['/state', 'written by c10000000000']]);
    }
  });

  it('loses the copy before what the copy was made of, when it is replaced', () => {
    const cut = later(simulate(removal(running, 'keep'), running, { limit: 3 }).end);
    expect(names(cut)).toEqual(['looms-test-a', 'looms-test-a.data']);
    const made = plan([server('a', { ...keeps, limits: { memoryMiB: 256 } })], cut);
    expect(made.steps.find(({ id }) => id === 'a/remove:old')?.after).toContain('a/forget');
  });
});

describe('a server whose files were kept', () => {
  it('gets them back before its first start, and they go once it serves', () => {
    expect(format(plan([server('a', keeps)], kept))).toMatchInlineSnapshot(`
      "a: create (missing)
      network looms-test: create
      data looms-test-a.data: restore
      network:isolated/create: create network looms-test
      a/create: create looms-test-a.g2 from example:1 after network:isolated/create
      a/restore: carry /state over to looms-test-a.g2 after a/create
      a/start: start looms-test-a.g2 after a/restore
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start
      a/discard: remove looms-test-a.g2 (a/create) after a/restore, a/start, a/gate only if a/restore or a/start or a/gate fails
      a/rename: rename looms-test-a.g2 to looms-test-a after a/gate
      a/forget: remove looms-test-a.data c10100000000 after a/rename"
    `);
    expect(names(apply(server('a', keeps), kept))).toEqual(['looms-test-a']);
  });

  it('converges from wherever a run ended, and keeps the files until it serves', () => {
    const made = plan([server('a', keeps)], kept);
    for (let limit = 1; limit <= made.steps.length; limit += 1) {
      const left = later(simulate(made, kept, { limit }).end);
      const settled = left.containers.some(({ name }) => name === 'looms-test-a');
      if (!settled) expect(names(left)).toContain('looms-test-a.data');
      const end = apply(server('a', keeps), left);
      expect(names(end)).toEqual(['looms-test-a']);
      expect(plan([server('a', keeps)], end).steps).toEqual([]);
    }
  });

  it('converges with another spec after its gate failed and it was kept for a look', () => {
    const failed = later(
      simulate(plan([server('a', keeps)], kept, { keepFailed: true }), kept, { failGate: ['a'] }).end,
    );
    expect(names(failed)).toEqual(['looms-test-a.data', 'looms-test-a.g2']);
    const other = server('a', { ...keeps, limits: { memoryMiB: 256 } });
    const end = apply(other, failed);
    expect(names(end)).toEqual(['looms-test-a']);
    expect(plan([other], end).steps).toEqual([]);
  });

  it('leaves them where they are when the container that has them, too, is dead', () => {
    const restored = simulate(plan([server('a', keeps)], kept), kept, { limit: 6 }).end;
    const dead = later({
      ...restored,
      containers: restored.containers.map((one) =>
        one.role === 'server' ? { ...one, state: { status: 'dead' } } : one,
      ),
    });
    expect(names(dead)).toEqual(['looms-test-a', 'looms-test-a.data']);
    const made = plan([server('a', keeps)], dead);
    expect(made.warnings.map(({ code }) => code)).toEqual(['data-not-restored']);
    expect(names(simulate(made, dead).end)).toEqual(['looms-test-a', 'looms-test-a.data']);
  });

  it('loses them before the server goes, when it is pruned before they were forgotten', () => {
    const restored = later(simulate(plan([server('a', keeps)], kept), kept, { limit: 6 }).end);
    const made = plan([], restored, { undesired: 'remove' });
    for (let limit = 0; limit <= made.steps.length; limit += 1) {
      const left = later(simulate(made, restored, { limit }).end);
      expect(names(simulate(plan([], left, { undesired: 'remove' }), left).end)).toEqual([]);
    }
  });

  it('loses them before it is replaced by one that preserves nothing, wherever that ends', () => {
    const restored = later(simulate(plan([server('a', keeps)], kept), kept, { limit: 6 }).end);
    expect(names(restored)).toEqual(['looms-test-a', 'looms-test-a.data']);
    const other = server('a');
    const made = plan([other], restored);
    for (let limit = 0; limit <= made.steps.length; limit += 1) {
      const left = later(simulate(made, restored, { limit }).end);
      expect([limit, names(apply(other, left))]).toEqual([limit, ['looms-test-a']]);
    }
  });

  it('leaves what it does not preserve where it is, and says so', () => {
    const other = server('a', { ...keeps, lifecycle: { preserve: ['/other'] } });
    const end = apply(other, kept);
    expect(names(end)).toEqual(['looms-test-a', 'looms-test-a.data']);
    expect(plan([other], end)).toMatchObject({ steps: [], warnings: [{ code: 'data-not-restored' }] });
    expect(format(removal(end, 'keep'))).toContain('a: blocked (unsupported)');
  });

  it('waits for them while it is disabled', () => {
    expect(plan([server('a', { ...keeps, enabled: false })], kept)).toMatchObject({ steps: [], warnings: [] });
  });
});

describe('files that were kept and whose record cannot be read', () => {
  const unreadable: Observed = {
    ...kept,
    containers: kept.containers.map(({ recorded: _, ...container }) => container),
  };

  it('stay, with a warning, when the next server of the name is created', () => {
    const made = plan([server('a', keeps)], unreadable);
    expect(names(simulate(made, unreadable).end)).toContain('looms-test-a.data');
    expect(made.warnings.map(({ code }) => code)).toEqual(['data-not-restored']);
  });

  it('stay beside a server that runs, and nothing is left to do', () => {
    const applied = apply(server('a', keeps), unreadable);
    const again = plan([server('a', keeps)], applied);
    expect(again.steps).toEqual([]);
    expect(again.warnings.map(({ code }) => code)).toEqual(['data-not-restored']);
  });
});
