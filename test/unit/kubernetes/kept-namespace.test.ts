import { expect, it } from 'vitest';
import { label } from '../../../src/kubernetes/model/names.ts';
import type { KubeObject } from '../../../src/kubernetes/model/objects.ts';
import { keptNamespace } from '../../../src/kubernetes/plan/kept-namespace.ts';
import type { Cluster } from '../../../src/kubernetes/port.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { project } from '../../support/planner-world.ts';

const space: KubeObject = { metadata: { name: 'looms-a', labels: { [label.project]: project } } };
const wanted: KubeObject = {
  kind: 'Namespace',
  metadata: { name: 'looms-a', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
};
const refused = (status: number) =>
  new LoomsError('engine-rejected', 'no', {
    cause: Object.assign(new Error('no'), { refusal: { status, reason: '' } }),
  });

const kept = (error?: Error) => {
  const cluster = {
    async request() {
      if (error !== undefined) throw error;
    },
  } as unknown as Cluster;
  return keptNamespace(cluster, { space, project }, [wanted]);
};

it('is a project’s own where its labels may be set', async () => {
  expect(await kept()).toBe(space);
});

it.each([400, 403, 422])('is left to others where the dry run of that is answered %s', async (status) => {
  expect(await kept(refused(status))).toBeUndefined();
});

it.each([401, 500])('is an error where it is answered %s', async (status) => {
  await expect(kept(refused(status))).rejects.toThrow('no');
});
