import { expect, test } from 'vitest';
import type { Pod, ReplicaSet } from '../../../src/kubernetes/model/objects.ts';
import type { Observed, Workload } from '../../../src/kubernetes/model/observed.ts';
import { listingOf } from '../../../src/kubernetes/views/server-views.ts';
import { project, server } from '../../support/planner-world.ts';

const madeAt = '2026-11-28T11:00:00Z';

/** When a server was created whose Deployment is older, and whose generation has these pods. */
function createdAt(pods: readonly Pod[]): string {
  const { spec } = server('fs');
  const claim = { server: spec.name, generation: 2, recorded: { spec, image: 'a' }, specHash: '', managedBy: '' };
  const template = { spec: { containers: [{ name: 'server', image: 'a' }] } };
  const replicaSet: ReplicaSet = { metadata: { name: 'r', creationTimestamp: madeAt }, spec: { template } };
  const workload: Workload = {
    server: spec.name,
    deployment: { metadata: { name: 'looms-fs', creationTimestamp: '2026-11-01T08:00:00Z' }, spec: { template } },
    claim,
    generations: [{ claim, replicaSet, pods, isMeant: true }],
  };
  const observed = { project, servers: [workload], foreign: [], strays: [], support: new Map() } as unknown as Observed;
  return new Date(listingOf(observed).servers[0]?.createdAt ?? 0).toISOString().replace('.000', '');
}

test('a server is as old as its generation, also where a node was lost and its pod was made anew, or there is none', () => {
  const pod: Pod = {
    metadata: { name: 'p', creationTimestamp: '2026-11-28T19:00:00Z' },
    spec: { containers: [{ name: 'server', image: 'a' }] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  expect([createdAt([pod]), createdAt([])]).toEqual([madeAt, madeAt]);
});
