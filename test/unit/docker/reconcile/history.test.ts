import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import type { PlanInput } from '../../../../src/docker/reconcile/plan.ts';
import type { DeclaredServer } from '../../../../src/model/desired.ts';
import { asContainerId, asServerName } from '../../../../src/model/ids.ts';
import { format } from '../../../support/format-plan.ts';
import { simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, httpServer, image, plan, server } from '../../../support/planner-world.ts';

type Run = { readonly failGate?: readonly string[]; readonly limit?: number; readonly change?: Partial<PlanInput> };

/** The engine after one more apply. */
const apply = (
  observed: Observed,
  desired: readonly DeclaredServer[],
  { change = {}, ...options }: Run = {},
): Observed => simulate(plan(desired, observed, change), observed, options).end;

/** Server `a` with so much memory: each number is another revision. */
const revision = (memoryMiB: number, name = 'a'): DeclaredServer => server(name, { limits: { memoryMiB } });

/** The engine after these revisions of server `a` were applied one after another. */
const having = (...memory: readonly number[]): Observed =>
  memory.reduce((observed, memoryMiB) => apply(observed, [revision(memoryMiB)]), emptyEngine());

/** `h1 replaced 100 MiB`, a line a record. */
const history = (observed: Observed): string[] =>
  observed.history.map(
    ({ name, outcome, recorded }) =>
      `${name.replace('looms-test-', '')} ${outcome} ${recorded?.spec.limits.memoryMiB} MiB`,
  );

const names = (observed: Observed): string[] => observed.containers.map(({ name }) => name).sort();

describe('a generation that is replaced', () => {
  it('is recorded once its successor has the name, and only then removed', () => {
    expect(format(plan([revision(200)], having(100)))).toMatchInlineSnapshot(`
      "a: replace start-first (spec-changed)
      a/create: create looms-test-a.g2 from example:1
      a/start: start looms-test-a.g2 after a/create
      a/gate: gate: looms-test-a.g2 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g2 as looms-test-a.h2 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g2 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h1 (replaced) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g1 after a/gate
      a/rename: rename looms-test-a.g2 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g1 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g1 c10000000000 after a/drain:old
      a/remove:old: remove looms-test-a.g1 c10000000000 after a/stop:old, a/record:old"
    `);
  });

  it('is recorded once its successor has the name where both cannot live together, too', () => {
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const before = apply(emptyEngine(), [httpServer('a', { mounts })]);
    const made = plan([httpServer('a', { mounts, limits: { memoryMiB: 100 } })], before);
    expect(made.steps.filter((step) => step.op === 'record-generation').map(({ id, after }) => [id, after])).toEqual([
      ['a/record:failed', ['a/start', 'a/gate']],
      ['a/record:old', ['a/rename']],
    ]);
    expect(made.steps.find((step) => step.id === 'a/remove:old')?.after).toEqual(['a/rename', 'a/record:old']);
  });

  it('leaves the three newest revisions to go back to', () => {
    expect(history(having(1, 2, 3, 4, 5))).toEqual([
      'a.h2 replaced 2 MiB',
      'a.h3 replaced 3 MiB',
      'a.h4 replaced 4 MiB',
    ]);
  });

  it('is not recorded when no history is kept, and what there was goes', () => {
    const made = plan([revision(3)], having(1, 2), { keep: 0 });
    expect(made.steps.filter((step) => step.op === 'record-generation')).toEqual([]);
    expect(made.support).toEqual([
      {
        kind: 'record',
        name: 'looms-test-a.h1',
        action: 'remove',
        reasons: [{ kind: 'beyond-keep', keep: 0 }],
      },
    ]);
    expect(simulate(made, having(1, 2)).end.history).toEqual([]);
  });

  it('is not recorded when it is the first, and leaves nothing when it fails', () => {
    expect(history(having(1))).toEqual([]);
    expect(history(apply(emptyEngine(), [revision(1)], { failGate: ['a'] }))).toEqual([]);
  });

  it('cannot be recorded when nobody can read what it was made from', () => {
    const before = having(1);
    const unreadable = { ...before, containers: before.containers.map(({ recorded: _, ...one }) => one) };
    expect(history(apply(unreadable, [revision(2)]))).toEqual([]);
  });

  it('has a number that no later one gets, also when all containers are gone', () => {
    const gone = { ...having(1, 2), containers: [] };
    expect(names(simulate(plan([revision(3)], gone), gone, { limit: 1 }).end)).toEqual(['looms-test-a.g2']);
  });
});

describe('a rotation', () => {
  const rotate: Run = { change: { replace: new Set([asServerName('a')]) } };
  const rotated = (observed: Observed, times: number): Observed =>
    Array.from({ length: times }).reduce<Observed>(
      (now) => apply(now, [revision(observed.containers[0]?.recorded?.spec.limits.memoryMiB ?? 0)], rotate),
      observed,
    );

  it('is recorded as one, and a later one takes the place of its record', () => {
    expect(history(rotated(having(1), 1))).toEqual(['a.h1 rotated 1 MiB']);
    expect(history(rotated(having(1), 3))).toEqual(['a.h3 rotated 1 MiB']);
  });

  it('pushes out nothing that can be gone back to', () => {
    expect(history(rotated(having(1, 2, 3, 4), 5))).toEqual([
      'a.h1 replaced 1 MiB',
      'a.h2 replaced 2 MiB',
      'a.h3 replaced 3 MiB',
      'a.h8 rotated 4 MiB',
    ]);
  });
});

describe('a revision that comes again', () => {
  it('is kept once, by its newest record', () => {
    expect(history(having(1, 2, 1, 3))).toEqual(['a.h2 replaced 2 MiB', 'a.h3 replaced 1 MiB']);
  });
});

describe('a generation that fails its gate', () => {
  it('is recorded as failed before it is removed', () => {
    const failed = apply(having(1), [revision(2)], { failGate: ['a'] });
    expect(names(failed)).toEqual(['looms-test-a']);
    expect(history(failed)).toEqual(['a.h2 gate-failed 2 MiB']);
    expect(plan([revision(1)], failed).steps).toEqual([]);
  });

  it('is recorded once when it is tried again and again', () => {
    const failing = (observed: Observed): Observed => apply(observed, [revision(2)], { failGate: ['a'] });
    const tried = failing(failing(failing(having(1))));
    expect(history(tried)).toEqual(['a.h4 gate-failed 2 MiB']);
    expect(plan([revision(1)], tried).steps).toEqual([]);
  });

  it('pushes out nothing that served, and of many only the newest are told', () => {
    const tried = [11, 12, 13, 14].reduce(
      (now, memoryMiB) => apply(now, [revision(memoryMiB)], { failGate: ['a'] }),
      having(1, 2, 3, 4),
    );
    expect(history(tried)).toEqual([
      'a.h1 replaced 1 MiB',
      'a.h2 replaced 2 MiB',
      'a.h3 replaced 3 MiB',
      'a.h6 gate-failed 12 MiB',
      'a.h7 gate-failed 13 MiB',
      'a.h8 gate-failed 14 MiB',
    ]);
    expect(plan([revision(4)], tried).steps).toEqual([]);
  });

  it('is forgotten once all that can be gone back to is newer', () => {
    const failed = apply(having(1), [revision(9)], { failGate: ['a'] });
    const later = [2, 3, 4, 5].reduce((now, memoryMiB) => apply(now, [revision(memoryMiB)]), failed);
    expect(history(later)).toEqual(['a.h3 replaced 2 MiB', 'a.h4 replaced 3 MiB', 'a.h5 replaced 4 MiB']);
  });
});

describe('what a killed run left', () => {
  const before = having(1, 2, 3, 4);
  const made = plan([revision(5)], before);
  const whole = simulate(made, before);
  const cuts = Array.from({ length: whole.states.length }, (_, limit) => limit);

  it.each(cuts)('after step %i is completed by the next one, history included', (limit) => {
    const cut = simulate(made, before, { limit }).end;
    const end = apply(cut, [revision(5)]);
    expect(names(end)).toEqual(['looms-test-a']);
    // One that was made and never started is made anew, with the next number.
    expect(history(end)).toEqual(history(whole.end));
    expect(plan([revision(5)], end).steps).toEqual([]);
  });

  it.each(cuts)('after step %i can be given up: the spec of before is applied again', (limit) => {
    const cut = simulate(made, before, { limit }).end;
    const end = apply(cut, [revision(4)]);
    expect(names(end)).toEqual(['looms-test-a']);
    expect(end.containers[0]?.recorded?.spec.limits.memoryMiB).toBe(4);
    expect(end.history.map(({ generation }) => generation)).not.toContain(end.containers[0]?.generation);
    expect(plan([revision(4)], end).steps).toEqual([]);
  });

  const failing = simulate(made, before, { failGate: ['a'] });

  it.each(failing.states.map((_, limit) => limit))(
    'after step %i of a failure is completed by the next one',
    (limit) => {
      const cut = simulate(made, before, { failGate: ['a'], limit }).end;
      const end = apply(cut, [revision(5)]);
      expect(names(end)).toEqual(['looms-test-a']);
      expect(end.containers[0]?.recorded?.spec.limits.memoryMiB).toBe(5);
      expect(history(end).filter((record) => record.includes('replaced'))).toEqual(history(whole.end));
      expect(plan([revision(5)], end).steps).toEqual([]);
    },
  );

  it('beyond what is kept is cleaned up by the next plan, oldest first', () => {
    expect(format(plan([revision(4)], before, { keep: 1 }))).toMatchInlineSnapshot(`
      "a: unchanged
      record looms-test-a.h1: remove
      record looms-test-a.h2: remove
      record:a/h1-r10200: remove looms-test-a.h1 r10200000000
      record:a/h2-r10400: remove looms-test-a.h2 r10400000000"
    `);
  });

  it('of a server that is not looked at stays', () => {
    expect(plan([], before, { undesired: 'warn', keep: 0 }).steps).toEqual([]);
  });
});

describe('a server that is removed', () => {
  it('leaves its past, and what served last is part of it before its container is removed', () => {
    expect(format(plan([], having(1, 2, 3), { undesired: 'remove' }))).toMatchInlineSnapshot(`
      "a: remove (not-in-spec)
      network looms-test: remove
      a/stop:g3-c10300: stop looms-test-a c10300000000
      a/record: record looms-test-a as looms-test-a.h3 (deleted) after a/stop:g3-c10300
      a/remove:g3-c10300: remove looms-test-a c10300000000 after a/stop:g3-c10300, a/record
      network:isolated/remove: remove network looms-test after a/remove:g3-c10300"
    `);
    expect(history(apply(having(1, 2, 3), [], { change: { undesired: 'remove' } }))).toEqual([
      'a.h1 replaced 1 MiB',
      'a.h2 replaced 2 MiB',
      'a.h3 deleted 3 MiB',
    ]);
  });

  it('is nothing to remove any more when only its records are left', () => {
    const gone = apply(having(1, 2), [], { change: { undesired: 'remove' } });
    expect(plan([], gone, { undesired: 'remove' })).toMatchObject({ changes: [], steps: [] });
  });

  it('goes on in its numbers when it comes back, and forgets by the same rule', () => {
    const gone = apply(having(1, 2, 3), [], { change: { undesired: 'remove' } });
    const back = apply(gone, [revision(4)]);
    expect(back.containers.map(({ generation }) => generation)).toEqual([4]);
    expect(history(back)).toEqual(['a.h1 replaced 1 MiB', 'a.h2 replaced 2 MiB', 'a.h3 deleted 3 MiB']);
    expect(history(apply(back, [revision(5)]))).toEqual([
      'a.h2 replaced 2 MiB',
      'a.h3 deleted 3 MiB',
      'a.h4 replaced 4 MiB',
    ]);
  });

  it('is told once when it was deleted twice as the same', () => {
    const remove = { change: { undesired: 'remove' } } as const;
    const twice = apply(apply(apply(having(1, 2), [], remove), [revision(2)]), [], remove);
    expect(history(twice)).toEqual(['a.h1 replaced 1 MiB', 'a.h3 deleted 2 MiB']);
  });

  it('is told once, too, when a run that deletes it is cut off anywhere and the next one completes it', () => {
    const remove = { undesired: 'remove' } as const;
    const back = apply(apply(having(1, 2), [], { change: remove }), [revision(2)]);
    const steps = plan([], back, remove).steps.length;
    for (let limit = 0; limit <= steps; limit += 1) {
      const cut = apply(back, [], { change: remove, limit });
      expect(history(apply(cut, [], { change: remove })), `after ${limit} of ${steps} steps`).toEqual([
        'a.h1 replaced 1 MiB',
        'a.h3 deleted 2 MiB',
      ]);
    }
  });

  it('leaves nothing where no history is kept', () => {
    const gone = apply(apply(emptyEngine(), [revision(1)]), [], { change: { undesired: 'remove', keep: 0 } });
    expect(gone.history).toEqual([]);
  });

  it('is not told to be deleted when it was only begun', () => {
    const before = having(1, 2);
    const removal = plan([], before, { undesired: 'remove' });
    const limit = removal.steps.findIndex(({ op }) => op === 'record-generation') + 1;
    const cut = simulate(removal, before, { limit }).end;
    expect(history(cut)).toContain('a.h2 deleted 2 MiB');
    expect(history(apply(cut, [revision(2)]))).toEqual(['a.h1 replaced 1 MiB']);
    expect(history(apply(cut, [revision(3)]))).toEqual(['a.h1 replaced 1 MiB', 'a.h2 replaced 2 MiB']);
  });
});

describe('a server that was changed by hand', () => {
  it('is told to be repaired when what takes its place is the same', () => {
    const before = having(1);
    const drifted = {
      ...before,
      containers: before.containers.map((one) => ({
        ...one,
        shape: { ...one.shape, memoryBytes: 7 },
      })),
    };
    expect(history(apply(drifted, [revision(1)]))).toEqual(['a.h1 repaired 1 MiB']);
    expect(history(apply(drifted, [revision(2)]))).toEqual(['a.h1 replaced 1 MiB']);
  });
});

describe('the image that looms built for a generation', () => {
  const built = (packages: string): DeclaredServer => {
    const one = server('a', {
      image: { kind: 'node', base: 'example:1', packages: [packages], npmCache: true },
    });
    return { ...one, image: { kind: 'built', ref: `looms/node:${packages}`, base: 'example:1' }, hash: packages };
  };
  const images = { 'example:1': image('example:1'), 'relay:1': image('relay:1') };
  const removedImages = (observed: Observed, desired: readonly DeclaredServer[], change: Partial<PlanInput> = {}) =>
    plan(desired, observed, change).steps.flatMap((step) =>
      step.op === 'remove-image' ? [`${step.ref} after ${step.after.join(', ')}`] : [],
    );
  const history = ['1', '2', '3', '4', '5'].reduce(
    (now, version) => apply(now, [built(version)]),
    emptyEngine({ images }),
  );

  it('goes with the last record of it', () => {
    expect(Object.entries(history.images).flatMap(([ref, facts]) => (facts === null ? [] : [ref]))).toEqual([
      'example:1',
      'relay:1',
      'looms/node:2',
      'looms/node:3',
      'looms/node:4',
      'looms/node:5',
    ]);
    expect(removedImages(history, [built('6')])).toHaveLength(1);
  });

  it('stays while another server has it', () => {
    const other = { ...built('1'), spec: { ...built('1').spec, name: asServerName('b') } };
    const both = ['1', '2', '3', '4'].reduce(
      (now, version) => apply(now, [built(version), other]),
      emptyEngine({ images }),
    );
    expect(removedImages(both, [built('5'), other])).toEqual([]);
  });

  it('stays when it is wanted again', () => {
    expect(removedImages(history, [built('2')])).toEqual([]);
  });

  it('goes at once when no history is kept', () => {
    expect(removedImages(history, [built('5')], { keep: 0 })).toHaveLength(3);
    expect(removedImages(history, [built('6')], { keep: 0 })).toHaveLength(4);
  });

  it('stays when a removed server can go back to it, and where nothing is recorded when it ran it last', () => {
    expect(removedImages(history, [], { undesired: 'remove' })).toEqual([]);
    const unrecorded = apply(emptyEngine({ images }), [built('1')], { change: { keep: 0 } });
    expect(removedImages(unrecorded, [], { undesired: 'remove', keep: 0 })).toEqual([]);
  });

  it('goes when the first generation does not pass its gate, and nothing else wants it', () => {
    const absent = emptyEngine({ images });
    const failing = (desired: readonly DeclaredServer[], change: Partial<PlanInput> = {}) =>
      apply(absent, desired, { failGate: ['a'], change }).images['looms/node:1'];
    expect(failing([built('1')])).toBeNull();
    expect(failing([built('1')], { keepFailed: true })).not.toBeNull();
    const other = { ...built('1'), spec: { ...built('1').spec, name: asServerName('b') } };
    expect(failing([built('1'), other])).not.toBeNull();
    expect(apply(absent, [built('1')]).images['looms/node:1']).not.toBeNull();
  });

  it('is not built by looms when the spec only names it', () => {
    expect(removedImages(having(1, 2, 3), [revision(4)], { keep: 1 })).toEqual([]);
  });
});

describe('a rollback', () => {
  const before = having(1, 2, 3);
  const to = (generation: number): Partial<PlanInput> => ({ undesired: 'ignore', rollbackTo: generation });

  it('is a replacement that says what was asked for, with a number of its own', () => {
    expect(format(plan([revision(1)], before, to(1)))).toMatchInlineSnapshot(`
      "a: replace start-first (requested, spec-changed)
      a/create: create looms-test-a.g4 from example:1
      a/start: start looms-test-a.g4 after a/create
      a/gate: gate: looms-test-a.g4 answers MCP within 30s after a/start
      a/record:failed: record looms-test-a.g4 as looms-test-a.h4 (gate-failed) after a/start, a/gate only if a/start or a/gate fails
      a/discard: remove looms-test-a.g4 (a/create) after a/start, a/gate, a/record:failed only if a/start or a/gate fails
      a/record:old: record looms-test-a as looms-test-a.h3 (rolled-back) after a/rename
      a/rename:old: rename looms-test-a to looms-test-a.g3 after a/gate
      a/rename: rename looms-test-a.g4 to looms-test-a after a/rename:old
      a/drain:old: drain looms-test-a.g3 for at most 30s after a/rename
      a/stop:old: stop looms-test-a.g3 c10300000000 after a/drain:old
      a/remove:old: remove looms-test-a.g3 c10300000000 after a/stop:old, a/record:old"
    `);
    expect(plan([revision(1)], before, to(1)).changes[0]).toMatchObject({
      reasons: [{ kind: 'requested', detail: 'rollback to generation 1' }, { kind: 'spec-changed' }],
    });
  });

  it('says of what it replaced that it was rolled back', () => {
    expect(history(apply(before, [revision(1)], { change: to(1) }))).toEqual([
      'a.h1 replaced 1 MiB',
      'a.h2 replaced 2 MiB',
      'a.h3 rolled-back 3 MiB',
    ]);
  });

  it('that is done already has nothing to do', () => {
    const back = apply(before, [revision(1)], { change: to(1) });
    expect(plan([revision(1)], back, to(1)).steps).toEqual([]);
  });

  it('takes the image of then, also when its tag means another one now', () => {
    const moved = { ...before, images: { ...before.images, 'example:1': image('example:1', 'sha256:other') } };
    const made = plan([revision(1)], { ...moved, images: { ...moved.images, 'example:1': image('example:1') } }, to(1));
    expect(made.changes[0]).toMatchObject({ action: 'replace' });
  });

  it('leaves alone whoever else has the name of a record', () => {
    const foreign = [{ id: asContainerId('f'), name: 'looms-test-a.h3', image: 'nginx', owner: 'nobody' }];
    const made = plan([revision(1)], { ...before, foreign }, to(1));
    expect(made.steps.map(({ id }) => id)).not.toContain('a/record:old');
  });
});

describe('what a killed run left beside a generation that is replaced', () => {
  it('is not recorded where that would be more than is kept: the next plan would only remove the record', () => {
    const made = plan([revision(200)], having(100));
    const cut = simulate(made, having(100), { limit: made.steps.findIndex(({ id }) => id === 'a/drain:old') }).end;
    expect(names(cut)).toEqual(['looms-test-a', 'looms-test-a.g1']);
    const withoutRecords = { ...cut, history: [] };
    const end = apply(withoutRecords, [revision(300)], { change: { keep: 1 } });
    expect(history(end)).toEqual(['a.h2 replaced 200 MiB']);
    expect(plan([revision(300)], end, { keep: 1 }).steps).toEqual([]);
  });
});

describe('a generation that failed, was kept, and served when it was tried again', () => {
  it('is recorded as one that served when it is replaced, also where its failure is still told', () => {
    const failed = apply(having(100), [revision(200)], { failGate: ['a'], change: { keepFailed: true } });
    expect(history(failed)).toEqual(['a.h2 gate-failed 200 MiB']);
    const made = plan([revision(200)], failed);
    const limit = made.steps
      .filter(({ onFailureOf }) => onFailureOf === undefined)
      .findIndex(({ id }) => id === 'a/rename');
    const serving = apply(failed, [revision(200)], { limit: limit + 1 });
    expect(history(serving)).toContain('a.h2 gate-failed 200 MiB');
    const end = apply(serving, [revision(300)]);
    expect(history(end)).toContain('a.h2 replaced 200 MiB');
    expect(plan([revision(300)], end).steps).toEqual([]);
  });
});
