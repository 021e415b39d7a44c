import { expect, test } from 'vitest';
import { checkHealth } from '../../../src/app/inspect/check-health.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import type { ServerView } from '../../../src/model/server-view.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, server } from '../../support/planner-world.ts';

/** How a server is found that looks so, where whoever wants a session is answered with this. */
async function verdictOf(look: Partial<ServerView>, code: 'server-asleep' | 'server-not-running'): Promise<string> {
  const { end } = simulate(plan([server('fs')], emptyEngine()), emptyEngine());
  const around: Partial<Ports> = {
    countExecutions: async () => new Map(),
    recordHealth: async () => ({ recorded: true }),
    monotonicMs: () => 0,
    now: () => 0,
  };
  const ports = portsOn(
    {
      observe: async () => end,
      containerRunning: async () => ({ running: true, run: '', exitCode: 0, engineHealth: null }),
      tailLog: async () => [],
    },
    around,
  );
  const engine = await ports.orchestrator();
  const orchestrator: typeof engine = {
    ...engine,
    servers: async (...asked) => {
      const listing = await engine.servers(...asked);
      return { ...listing, servers: listing.servers.map((view) => ({ ...view, ...look }) as ServerView) };
    },
    serving: async () => {
      throw new LoomsError(code, 'no session');
    },
  };
  const { servers } = await checkHealth(
    { ...ports, orchestrator: async () => orchestrator },
    { project, servers: [] },
    new AbortController().signal,
  );
  return servers.map(({ verdict }) => verdict).join();
}

test('a server that is about to wake is asleep, and one that never comes up is not', async () => {
  const coming: Partial<ServerView> = { state: 'pending', status: { status: 'created' } };
  expect(await verdictOf(coming, 'server-asleep')).toBe('asleep');
  expect(await verdictOf(coming, 'server-not-running')).toBe('unhealthy');
});

test('one that falls asleep before its turn is asleep, too, also where its container is there by now', async () => {
  expect(await verdictOf({}, 'server-asleep')).toBe('asleep');
  expect(await verdictOf({ state: 'pending' }, 'server-asleep')).toBe('asleep');
  expect(await verdictOf({}, 'server-not-running')).toBe('unhealthy');
});
