import { describe, expect, it } from 'vitest';
import { planDifferences } from '../../../../src/model/plan/compare-plans.ts';
import { basisOf } from '../../../../src/model/plan/plan-basis.ts';
import { simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, plan, server } from '../../../support/planner-world.ts';

const applied = simulate(plan([server('a')], emptyEngine()), emptyEngine()).end;

describe('two plans', () => {
  it('of one basis do not differ', () => {
    expect(planDifferences(plan([server('a')], emptyEngine()), plan([server('a')], emptyEngine()))).toEqual([]);
  });

  it('are told apart by server, with fields where the same thing happens for another reason', () => {
    const changed = (memoryMiB: number) => [server('a', { limits: { memoryMiB } }), server('b')];
    expect(planDifferences(plan(changed(256), applied), plan(changed(128), emptyEngine()))).toEqual([
      'a: planned replace start-first (spec-changed: docker_backend.resource_limits.memory_mb 512 -> 256), now create (missing)',
    ]);
    expect(planDifferences(plan(changed(256), applied), plan([server('a')], applied))).toEqual([
      'a: planned replace start-first (spec-changed: docker_backend.resource_limits.memory_mb 512 -> 256), now unchanged',
      'b: planned create (missing), now not looked at',
    ]);
  });

  it('that change the same are told apart by their steps', () => {
    const absent = emptyEngine({ images: { ...emptyEngine().images, 'example:1': null } });
    expect(planDifferences(plan([server('a')], emptyEngine()), plan([server('a')], absent))).toEqual([
      'planned: a/create: create looms-test-a.g1 from example:1 after network:isolated/create',
      'now: image:example:1: pull example:1',
      'now: a/create: create looms-test-a.g1 from example:1 after image:example:1, network:isolated/create',
    ]);
  });

  it('have one basis when only the age of a container that is due went on', () => {
    const due = server('a', { lifecycle: { rotationIntervalHours: 1 } });
    const world = simulate(plan([due], emptyEngine()), emptyEngine()).end;
    const later = (hours: number) => plan([due], { ...world, now: world.now + hours * 3_600_000 });
    expect(later(2).changes).not.toEqual(later(3).changes);
    expect(later(2).basis).toBe(later(3).basis);
    expect(basisOf(later(2))).toBe(later(2).basis);
  });
});
