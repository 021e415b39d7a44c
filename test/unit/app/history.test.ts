import { describe, expect, it } from 'vitest';
import { getHistory } from '../../../src/app/inspect/get-history.ts';
import { planWork } from '../../../src/app/plan/plan-work.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Observed } from '../../../src/docker/model/observed.ts';
import type { Engine, ObserveQuery } from '../../../src/docker/port.ts';
import type { DockerPlan } from '../../../src/docker/steps.ts';
import type { DeclaredServer } from '../../../src/model/desired.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { noRules, type Policies } from '../../../src/model/policy.ts';
import type { RollbackIntent } from '../../../src/orchestrator/port.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, image, plan, project, server } from '../../support/planner-world.ts';

const name = asServerName('a');
/** The n-th revision; a spec may not ask for less than a few MiB. */
const revision = (n: number): DeclaredServer => server('a', { limits: { memoryMiB: 100 + n } });

const apply = (observed: Observed, memoryMiB: number, failGate: readonly string[] = []): Observed =>
  simulate(plan([revision(memoryMiB)], observed), observed, { failGate }).end;
const having = (...memory: readonly number[]): Observed => memory.reduce((now, one) => apply(now, one), emptyEngine());

/** Ports around an engine that has exactly this; images are found by their id. */
function portsOf(observed: Observed, images: readonly ReturnType<typeof image>[] = [image('example:1')]): Ports {
  const engine: Partial<Engine> = {
    observe: async ({ images: refs }: ObserveQuery) => ({
      ...observed,
      images: Object.fromEntries(refs.map((ref) => [ref, images.find(({ id }) => id === ref) ?? null])),
    }),
  };
  return portsOn(engine, { now: () => 0 });
}

const statesOf = async (observed: Observed): Promise<string[]> =>
  (await getHistory(portsOf(observed), { project, name })).map(({ generation, state }) => `${generation} ${state}`);

const rollback = async (observed: Observed, change: Partial<RollbackIntent> = {}, policies: Policies = []) => {
  const made = await planWork(portsOf(observed), { kind: 'rollback', project, server: name, ...change }, { policies });
  return {
    ...made,
    // Of the orchestrator of these tests.
    plan: made.plan as DockerPlan,
    to: made.intent.kind === 'rollback' ? made.intent.to : undefined,
  };
};

describe('the history of a server', () => {
  it('is told newest first, what never served included', async () => {
    expect(await statesOf(apply(having(1, 2), 3, ['a']))).toEqual(['3 gate-failed', '2 running', '1 replaced']);
  });

  it('tells what a generation changed of what served before it, not of what failed', async () => {
    const observed = apply(apply(having(1), 9, ['a']), 2);
    const [newest] = await getHistory(portsOf(observed), { project, name });
    expect(newest?.changes).toEqual([{ path: 'docker_backend.resource_limits.memory_mb', from: '101', to: '102' }]);
  });

  it('says of one that failed and was kept for a look at it that it failed', async () => {
    const before = having(1);
    const kept = simulate(plan([revision(2)], before, { keepFailed: true }), before, { failGate: ['a'] }).end;
    expect(await statesOf(kept)).toEqual(['2 gate-failed', '1 running']);
  });

  it('is there when all containers of a server are gone', async () => {
    expect(await statesOf({ ...having(1, 2), containers: [] })).toEqual(['1 replaced']);
  });

  it('says which generations can be gone back to no more, and why; going back to one is refused before anything', async () => {
    const observed = having(1, 2, 3);
    const [first, second] = observed.history;
    if (first?.recorded === undefined || second === undefined) throw new Error('there are no records');
    const mounts = [{ type: 'bind', source: '/', target: '/host', readOnly: false }] as const;
    const { spec, image: ref } = first.recorded;
    const { recorded: _, ...unreadable } = second;
    const forged = { ...first, recorded: { image: ref, spec: { ...spec, mounts } } };
    const now = { ...observed, history: [forged, unreadable] };
    const told = await getHistory(portsOf(now), { project, name });
    expect(told.map(({ generation, unusable }) => [generation, unusable])).toEqual([
      [3, null],
      [2, 'its record cannot be read'],
      [1, expect.stringContaining('the root of the host is never mounted')],
    ]);
    await expect(rollback(now, { to: 1 })).rejects.toMatchObject({
      code: 'spec-invalid',
      detail: [expect.stringContaining('the root of the host is never mounted')],
    });
    await expect(rollback(now, { to: 2 })).rejects.toMatchObject({ code: 'refused' });
  });

  it('of a server that nobody knows says the nearest name', async () => {
    const asked = getHistory(portsOf(having(1)), { project, name: asServerName('b') });
    await expect(asked).rejects.toMatchObject({ code: 'server-not-found', hint: expect.stringContaining('has a') });
  });
});

describe('the generation that a rollback goes to', () => {
  it('is the last one that served and was something else', async () => {
    const { plan: made, to } = await rollback(having(1, 2, 3));
    expect(made.changes).toMatchObject([{ reasons: [{ detail: 'rollback to generation 2' }, {}] }]);
    expect(to).toBe(2);
  });

  it('is one that a run that was cut off left before it was recorded, too; its past stays what it was', async () => {
    const before = having(1, 2);
    const cut = simulate(plan([revision(3)], before), before, { limit: 5 }).end;
    expect(cut.containers.map((one) => one.name)).toEqual(['looms-test-a.g2', 'looms-test-a']);
    expect(cut.history.map(({ generation }) => generation)).toEqual([1]);
    const { plan: back, to } = await rollback(cut);
    expect(to).toBe(2);
    const { history, containers } = simulate(back, cut).end;
    expect(history.map(({ generation, outcome }) => `${generation} ${outcome}`)).toEqual([
      '1 replaced',
      '3 rolled-back',
    ]);
    expect(containers.map((one) => `${one.name} g${one.generation}`)).toEqual(['looms-test-a g4']);
  });

  it('stands for what was looked at: that another generation serves by now makes the plan stale', async () => {
    const before = having(1, 2);
    const { intent } = await rollback(before);
    const again = async (now: Observed) => (await portsOf(now).orchestrator()).plan(intent);
    expect((await again(before)).plan.steps).not.toEqual([]);
    await expect(again(apply(before, 3))).rejects.toMatchObject({ code: 'plan-stale' });
  });

  it('is none that failed its gate, and none that somebody rolled back', async () => {
    const before = apply(having(1, 2, 3), 9, ['a']);
    const back = simulate((await rollback(before)).plan, before).end;
    expect(await statesOf(back)).toEqual(['5 running', '4 gate-failed', '3 rolled-back', '2 replaced', '1 replaced']);
    const again = await rollback(back);
    expect(again.plan.changes).toMatchObject([{ reasons: [{ detail: 'rollback to generation 1' }, {}] }]);
  });

  it('is not one that was only rotated', async () => {
    const before = having(1);
    const rotated = simulate(plan([revision(1)], before, { replace: new Set([name]) }), before).end;
    await expect(rollback(rotated)).rejects.toMatchObject({
      code: 'generation-not-found',
      message: 'server a has no earlier generation to go back to',
    });
    expect((await rollback(rotated, { to: 1 })).plan.steps).toEqual([]);
  });

  it('is one that is recorded', async () => {
    await expect(rollback(having(1, 2), { to: 7 })).rejects.toMatchObject({
      code: 'generation-not-found',
      hint: '`looms history a` shows what there is: 1',
    });
    await expect(rollback(having(1))).rejects.toMatchObject({ code: 'generation-not-found' });
  });

  it('is one whose record can be read', async () => {
    const before = having(1, 2);
    const history = before.history.map(({ recorded: _, ...record }) => record);
    await expect(rollback({ ...before, history })).rejects.toMatchObject({ code: 'refused' });
  });

  it('is one whose image nobody took away by force', async () => {
    const asked = (await portsOf(having(1, 2), []).orchestrator()).plan({ kind: 'rollback', project, server: name });
    await expect(asked).rejects.toMatchObject({ code: 'image-not-found' });
  });

  it('is one that the policy allows', async () => {
    const asked = rollback(having(300, 2), {}, [
      { rules: { ...noRules, maxMemoryMiB: 256 }, file: 'looms.yaml', lines: { max_memory_mb: 3 } },
    ]);
    await expect(asked).rejects.toMatchObject({ code: 'refused', detail: [expect.stringContaining('max-memory-mb')] });
  });
});
