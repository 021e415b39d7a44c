import { expect, test } from 'vitest';
import { lookAtPosture } from '../../../src/app/inspect/posture/posture.ts';
import { getAllProjects } from '../../../src/app/inspect/project-use.ts';
import { watchStats } from '../../../src/app/inspect/server-stats.ts';
import { describeServers, getServers, getSpecs } from '../../../src/app/inspect/servers.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { upstreamsOf } from '../../../src/app/serve/upstreams.ts';
import { asServerName } from '../../../src/model/ids.ts';
import type { Notice } from '../../../src/model/notices.ts';
import { noTracing } from '../../../src/model/trail/tracing.ts';
import { severalOrchestrator } from '../../../src/orchestrator/several/orchestrator.ts';
import { memberEngine, traits, type World } from '../../support/member-engines.ts';
import { project } from '../../support/planner-world.ts';

/** Longer than an engine of these tests takes to answer. */
async function aWhile(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Ports on two engines of which one does not answer, once `whenAway` is over, and the other has `has`; `warned` gets what is
 * warned of.
 */
function ports(
  has: readonly string[] = [],
  whenAway: () => Promise<void> | void = () => {},
): { readonly ports: Ports; readonly warned: Notice[] } {
  const world: World = { log: [], clock: 0 };
  const here = memberEngine(world, traits('here'), has.map(asServerName));
  const there = Object.assign(memberEngine(world, traits('there')), { isAway: true, whenAway });
  const orchestrator = severalOrchestrator([here.member, there.member], {
    pause: aWhile,
    monotonicMs: () => 0,
  });
  const warned: Notice[] = [];
  const given: Partial<Ports> = {
    orchestrator: async () => orchestrator,
    auditReader: { countCalls: async () => 0, calls: () => [] } as unknown as Ports['auditReader'],
    now: () => 0,
    monotonicMs: () => 0,
    pause: async () => {},
    warn: (notice) => void warned.push(notice),
  };
  return { ports: given as Ports, warned };
}

test('a gateway lists the servers of the engines that answer while another one hangs', async () => {
  const hanging = Promise.withResolvers<void>();
  const it = ports(['a'], () => hanging.promise);
  const upstreams = upstreamsOf(
    it.ports,
    {
      project,
      policies: [],
      readPolicies: async () => [],
      openLink: () => Promise.reject(new Error('nothing is opened')),
      tracing: noTracing,
    },
    () => {},
  );
  expect(await upstreams.servers()).toEqual(['a']);
  hanging.resolve();
});

const silent = [{ code: 'engine-silent', message: expect.stringContaining('engine there does not answer') }];
const all = { project, names: [] };

test('each list of servers says which engine is silent', async () => {
  const it = ports();
  const lists = [getServers, getSpecs, describeServers, lookAtPosture];
  for (const list of lists) expect(await list(it.ports, all)).toEqual({ servers: [], notices: silent });
  expect((await getAllProjects(it.ports, [])).notices).toEqual(silent);
  await watchStats(it.ports, all, new AbortController().signal).next();
  expect(it.warned).toContainEqual(silent[0]);
});

test('specs of several engines are noted to lack the place that no record has', async () => {
  const { notices } = await getSpecs(ports(['a']).ports, all);
  expect(notices).toMatchObject([...silent, { code: 'place-not-recorded' }]);
});

test('a server that no engine has is not called missing while one that may have it is silent', async () => {
  const request = { project, names: [asServerName('a')] };
  for (const list of [getServers, getSpecs, describeServers, lookAtPosture]) {
    await expect(list(ports().ports, request)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: 'no engine that answers has server a, and there does not answer',
      detail: [expect.stringMatching(/^there: /)],
    });
  }
});
