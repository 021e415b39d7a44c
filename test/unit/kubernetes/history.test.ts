import { expect, test } from 'vitest';
import { annotation } from '../../../src/kubernetes/model/names.ts';
import type { Observed } from '../../../src/kubernetes/model/observed.ts';
import { historyOf } from '../../../src/kubernetes/views/history.ts';
import { project, server } from '../../support/planner-world.ts';

const served = { [annotation.served]: '2026-11-28T10:00:00Z' };

/** A server with these notes on its ReplicaSets, the last of which is meant. */
function observed(...notes: readonly Readonly<Record<string, string>>[]): Observed {
  const generations = notes.map((annotations, index) => {
    const { spec, image, hash } = server('fs', { mcp: { args: [String(index)] } });
    return {
      claim: {
        server: spec.name,
        generation: index + 1,
        recorded: { spec, image: image.ref },
        specHash: hash,
        managedBy: 'looms/1.0.0',
      },
      replicaSet: {
        metadata: { name: `set-${index}`, uid: `set-${index}`, annotations },
        spec: { template: { spec: { containers: [] } } },
      },
      pods: [],
      isMeant: index === notes.length - 1,
    };
  });
  const deployment = {
    metadata: { name: 'looms-fs', uid: 'deployment' },
    spec: { replicas: 1, template: { spec: { containers: [] } } },
  };
  const { claim } = generations.at(-1) ?? {};
  return { project, servers: [{ server: claim?.server, deployment, claim, generations }] } as unknown as Observed;
}

const told = (...notes: readonly Readonly<Record<string, string>>[]) =>
  historyOf(observed(...notes), server('fs').spec.name).map(({ generation, state, failure, changes }) => ({
    generation,
    state,
    failure,
    from: changes?.map(({ from }) => from),
  }));

test('a generation that no run saw pass its gate did not serve, and nothing is compared with it', () => {
  const failed = { [annotation.outcome]: 'gate-failed', [annotation.failure]: 'server-unhealthy: no' };
  expect(told(served, failed, {}, { ...served, [annotation.outcome]: 'rolled-back' }, {})).toEqual([
    { generation: 5, state: 'pending', failure: null, from: ['["3"]'] },
    { generation: 4, state: 'rolled-back', failure: null, from: ['["0"]'] },
    { generation: 3, state: 'gate-failed', failure: 'interrupted: no run saw it pass its gate', from: ['["0"]'] },
    { generation: 2, state: 'gate-failed', failure: 'server-unhealthy: no', from: ['["0"]'] },
    { generation: 1, state: 'replaced', failure: null, from: undefined },
  ]);
});

test('what is meant counts as it is, noted or not', () => {
  expect(told({})).toMatchObject([{ state: 'pending', failure: null }]);
});
