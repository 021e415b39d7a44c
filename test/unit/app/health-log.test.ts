import { expect, test } from 'vitest';
import { checkHealth } from '../../../src/app/inspect/check-health.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Observed, ObservedContainer } from '../../../src/docker/model/observed.ts';
import type { Engine } from '../../../src/docker/port.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, httpServer, plan, project } from '../../support/planner-world.ts';

const web = httpServer('web', {
  mcp: { env: { TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'token' }] } } },
});

/** What health tells of the log of an HTTP server that crashed, made with this value; `hunter2` is that of today. A print is the value itself. */
async function logOf(madeWith: string): Promise<unknown> {
  const { end } = simulate(plan([web], emptyEngine()), emptyEngine());
  const crashed = (one: ObservedContainer): ObservedContainer =>
    one.role === 'server'
      ? {
          ...one,
          state: { status: 'exited', exitCode: 1, finishedAt: 1, oomKilled: false },
          secretPrints: { key: 'ours', values: { TOKEN: madeWith } },
        }
      : one;
  const observed: Observed = { ...end, containers: end.containers.map(crashed) };
  const engine: Partial<Engine> = {
    observe: async () => observed,
    containerRunning: async () => ({ running: false, run: '', exitCode: 1, engineHealth: null }),
    tailLog: async () => [{ time: 0, stream: 'stderr', text: `refused: ${madeWith}` }],
  };
  const ports: Partial<Ports> = {
    secrets: async () => ({ found: true, value: 'hunter2', provider: 'test' }),
    secretPrints: { keyName: async () => 'ours', print: async (_, values) => ({ key: 'ours', values }) },
    countExecutions: async () => new Map(),
    recordHealth: async () => ({ recorded: true }),
    monotonicMs: () => 0,
    now: () => 0,
  };
  const { servers } = await checkHealth(portsOn(engine, ports), { project, servers: [] }, new AbortController().signal);
  return servers[0]?.failure?.detail;
}

test('the log of a server that crashed is told by its health, where its secrets are those that the mask knows', async () => {
  expect(await logOf('hunter2')).toEqual(['refused: hunter2']);
});

test('where it was made with another value than that of today, its log is left out and why is said', async () => {
  expect(await logOf('hunter1')).toEqual([
    '(its log is left out: the value of TOKEN that web was made with is not known any more, so it could not be masked)',
  ]);
});
