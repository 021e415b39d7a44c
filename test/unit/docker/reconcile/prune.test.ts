import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../../src/docker/model/observed.ts';
import { type PruneInput, prunePlan } from '../../../../src/docker/reconcile/prune.ts';
import { asContainerId, asImageId, asProjectName } from '../../../../src/model/ids.ts';
import { simulate } from '../../../support/planner-simulation.ts';
import { emptyEngine, plan, server } from '../../../support/planner-world.ts';

const withVolume = (name: string) =>
  server(name, { mounts: [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] });
const applied = (observed: Observed, ...names: string[]): Observed =>
  simulate(plan(names.map(withVolume), observed, { undesired: 'remove' }), observed).end;

const volume = { name: 'looms-test-data', ours: true };
const foreign = { name: 'looms-test-theirs', ours: false };
const deleted = { ...applied(applied(emptyEngine(), 'a')), volumes: [volume, foreign] };
const serving = { ...applied(emptyEngine(), 'a'), volumes: [volume] };

const nothing: PruneInput['built'] = { images: [], locked: [] };
const prune = (observed: Observed, change: Partial<PruneInput> = {}) =>
  prunePlan({ observed, built: nothing, scope: { volumes: false, history: false }, ...change });
const all = { volumes: true, history: true };
const steps = (...args: Parameters<typeof prune>): string[] =>
  prune(...args).steps.map((step) => `${step.op} ${'name' in step ? step.name : 'ref' in step ? step.ref : ''}`);

describe('what prune removes', () => {
  it('is neither volumes nor history unless they are named, and is told what stays', () => {
    expect(steps(deleted)).toEqual([]);
    expect(prune(deleted).warnings.map(({ message }) => message)).toEqual([
      'volumes that no server has stay: looms-test-data; --volumes removes them',
      'records of deleted servers stay: looms-test-a.h1; --history removes them',
    ]);
    expect(steps(deleted, { scope: all })).toEqual([
      'remove-container looms-test-a.h1',
      'remove-volume looms-test-data',
    ]);
    expect(simulate(prune(deleted, { scope: all }), deleted).end).toMatchObject({ history: [], volumes: [foreign] });
  });

  it('are the records of a deleted server also where files of it were kept', () => {
    const [record] = deleted.history;
    const kept = {
      ...serving.containers[0],
      role: 'data',
      name: 'looms-test-a.data',
    } as Observed['containers'][number];
    const withKept = { ...deleted, containers: [kept] };
    expect(record).toBeDefined();
    expect(steps(withKept, { scope: { volumes: false, history: true } })).toEqual(['remove-container looms-test-a.h1']);
  });

  it('is nothing that a server has, and no record of its past', () => {
    expect(steps(serving, { scope: all })).toEqual([]);
    const twice = applied(serving, 'a');
    expect(steps(twice, { scope: all })).toEqual([]);
  });

  it('are images that nothing is made of, also those of the records that go with it', () => {
    const [record] = deleted.history;
    const image = (ref: string, ...users: string[]) => ({
      id: asImageId(`sha256:${ref}`),
      ref,
      users: users.map(asContainerId),
    });
    const built = {
      images: [image('looms/node:1'), image('looms/node:2', record?.id ?? ''), image('looms/node:3', 'someone')],
      locked: [asProjectName('test')],
    };
    expect(steps(deleted, { built })).toEqual(['remove-image looms/node:1']);
    const whole = prune(deleted, { built, scope: all });
    expect(whole.steps.map(({ id, after }) => `${id} after ${after.join(', ')}`)).toEqual([
      'record:looms-test-a.h1/remove after ',
      'volume:looms-test-data/remove after ',
      'image:looms/node:1/remove after ',
      'image:looms/node:2/remove after record:looms-test-a.h1/remove',
    ]);
  });

  it('is no image while a run works on another project', () => {
    const images = [{ id: asImageId('sha256:1'), ref: 'looms/node:1', users: [] }];
    const busy = prune(emptyEngine(), { built: { images, locked: [asProjectName('other')] } });
    expect(busy.steps).toEqual([]);
    expect(busy.warnings).toEqual([{ code: 'images-stay', message: 'images stay while a run works on project other' }]);
  });
});
