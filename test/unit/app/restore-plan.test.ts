import { expect, test } from 'vitest';
import { restorePlan } from '../../../src/app/plan/restore-plan.ts';
import type { SavedPlan } from '../../../src/app/plan/saved-plan.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { EngineDescription } from '../../../src/model/engine.ts';
import { emptyEngine, project } from '../../support/planner-world.ts';

/** Engines of looms.yaml by their ids; null: it does not answer. */
function severalWith(ids: Readonly<Record<string, string | null>>): EngineDescription {
  const one = emptyEngine().engine;
  const all = Object.entries(ids);
  return {
    ...one,
    kind: 'several',
    id: 'several',
    engines: Object.fromEntries(all.flatMap(([name, id]) => (id === null ? [] : [[name, { ...one, id }]]))),
    away: Object.fromEntries(all.flatMap(([name, id]) => (id === null ? [[name, 'nothing listens']] : []))),
  } as EngineDescription;
}

/** Carries a plan that was made for engines `a` and `b` to others. */
const restored = (engine: EngineDescription) =>
  restorePlan(
    {
      managedBy: 'looms/1',
      orchestrator: async () => ({
        describe: async () => engine,
        plan: () => Promise.reject(new Error('planned again')),
      }),
      files: { readBuildCa: async () => undefined },
      workingDirectory: '/',
      now: () => 0,
    } as unknown as Ports,
    {
      madeBy: 'looms/1',
      plan: { project, engine: { id: 'several', name: 'a, b', engines: { a: 'A', b: 'B' } }, images: [] },
      servers: [],
      files: [],
      choices: {},
      policy: { sha256: '' },
    } as unknown as SavedPlan,
    { policies: [] },
  );

test('a plan for several engines is stale where one of their names is another engine, or none', async () => {
  await expect(restored(severalWith({ a: 'A2', c: 'C' }))).rejects.toMatchObject({
    code: 'plan-stale',
    message: 'the plan was made for other engines than those that looms.yaml names',
    detail: ['a: it was A, and is A2', 'b: it was B, and is no engine of looms.yaml'],
  });
});

test('one that does not answer, and one that is new, do not make it another one', async () => {
  const failure = await restored(severalWith({ a: 'A', b: null, c: 'C' })).catch((error: unknown) => error);
  // It got as far as the policy, of which this plan says nothing.
  expect(failure).toMatchObject({ message: expect.stringContaining('the plan was made without a looms.yaml') });
});
