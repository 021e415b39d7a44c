import { expect, it } from 'vitest';
import type { Observed } from '../../../src/docker/model/observed.ts';
import type { Engine } from '../../../src/docker/port.ts';
import type { RemovalIntent } from '../../../src/orchestrator/port.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, type SpecChange, server } from '../../support/planner-world.ts';

/** An engine with these servers, each made once. */
const engineWith = (...changes: readonly SpecChange[]): Observed => {
  const servers = changes.map((change, index) => server(['a', 'b'][index] ?? 'c', change));
  return simulate(plan(servers, emptyEngine()), emptyEngine()).end;
};

/** Codes of what the plan of a removal warns of. */
async function told(observed: Observed, servers: readonly string[] | 'all'): Promise<readonly string[]> {
  const engine: Partial<Engine> = { observe: async () => observed };
  const orchestrator = await portsOn(engine, {}).orchestrator();
  const intent = { kind: 'removal', project, servers, data: 'leave' } as RemovalIntent;
  return (await orchestrator.plan(intent)).plan.warnings.map(({ code }) => code);
}

it('what deletes the last server says that records and images stay, and what removes them', async () => {
  expect(await told(engineWith({}, {}), 'all')).toEqual(['history-stays']);
  expect(await told(engineWith({}, {}), ['a', 'b'])).toEqual(['history-stays']);
  expect(await told(engineWith({}, {}), ['a'])).toEqual([]);
  expect(await told(emptyEngine(), 'all')).toEqual([]);
});

it('it says so once: who is told of volumes has read of prune', async () => {
  const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
  expect(await told(engineWith({ mounts }), 'all')).toEqual(['volumes-stay']);
});
