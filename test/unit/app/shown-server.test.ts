import { describe, expect, it } from 'vitest';
import { checkHealth } from '../../../src/app/inspect/check-health.ts';
import { listMcpServers } from '../../../src/app/inspect/list-mcp-servers.ts';
import { serverInfo } from '../../../src/app/inspect/server-info.ts';
import { describeServers, getServers } from '../../../src/app/inspect/servers.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Observed, ObservedContainer } from '../../../src/docker/model/observed.ts';
import type { Engine, LocatedContainer } from '../../../src/docker/port.ts';
import type { Session } from '../../../src/mcp/client/session.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, type SpecChange, server } from '../../support/planner-world.ts';

const name = asServerName('a');

/** The settled generation stopped, its successor running: what a run leaves that was cut in the gate. */
function world(change: SpecChange = {}, swap = false): Observed {
  const end = simulate(plan([server('a', change)], emptyEngine()), emptyEngine()).end;
  const [first] = end.containers.filter((one) => one.server === name);
  if (first === undefined) throw new Error('the simulation made no server');
  const exited = { status: 'exited', exitCode: 0, finishedAt: 1, oomKilled: false } as const;
  const old: ObservedContainer = { ...first, id: asContainerId('old'), state: exited };
  const next = { ...first, id: asContainerId('new'), name: `${first.name}.g2`, generation: 2 };
  return { ...end, containers: swap ? [next, old] : [old, next] };
}

const located = ({ containers }: Observed): LocatedContainer[] =>
  containers.map((one) => ({
    ...one,
    running: one.state.status === 'running',
    status: one.state.status,
    hasShell: true,
  })) as unknown as LocatedContainer[];

/** Ports on an engine that has these containers; `asked` gets each container that a session is opened to. */
function portsOf(observed: Observed, later = observed): { ports: Ports; asked: string[] } {
  const asked: string[] = [];
  const engine: Partial<Engine> = {
    observe: async () => observed,
    locate: async () => located(later),
    findImage: async () => null,
    containerRunning: async (id) => ({ running: id === 'new', run: '', exitCode: 0, engineHealth: null }),
    tailLog: async () => [],
  };
  const session = {
    listTools: async () => ({ tools: [], unknownFilterNames: [] }),
    close: async () => undefined,
    server: { name: 'a', version: '1' },
    protocolVersion: '2025-06-18',
  } as unknown as Session;
  const ports: Partial<Ports> = {
    openSession: async () => async (target) => {
      asked.push(target.container);
      return session;
    },
    countExecutions: async () => new Map(),
    readHealth: async () => new Map(),
    recordHealth: async () => ({ recorded: true }),
    monotonicMs: () => 0,
    now: () => 0,
  };
  return { ports: portsOn(engine, ports), asked };
}

const request = { project, name };
const never = new AbortController().signal;

describe.each([
  ['the settled one first', false],
  ['its successor first', true],
])('a server whose settled generation is stopped and whose successor serves, %s', (_, swap) => {
  const { ports, asked } = portsOf(world({}, swap));

  it('is told of by the one that its sessions meet, everywhere', async () => {
    const told = [
      (await listMcpServers(ports, { project })).servers[0],
      (await serverInfo(ports, request)).info,
      (await describeServers(ports, { project, names: [name] })).servers[0]?.server,
      (await getServers(ports, { project, names: [] })).servers[0],
    ];
    for (const one of told) expect(one).toMatchObject({ container: 'new', generation: 2, state: 'pending' });
  });

  it('is healthy by the one that was asked', async () => {
    const { servers } = await checkHealth(ports, { project, servers: [] }, never);
    expect(servers).toMatchObject([{ verdict: 'healthy', container: 'new', generation: 2 }]);
    expect(asked).toEqual(['new']);
  });
});

it('a server that gets no sessions, because its files are preserved, is told of by its settled generation', async () => {
  const { ports } = portsOf(world({ security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } }));
  expect((await listMcpServers(ports, { project })).servers).toMatchObject([{ container: 'old', state: 'stopped' }]);
  const { servers } = await checkHealth(ports, { project, servers: [] }, never);
  expect(servers).toMatchObject([{ verdict: 'stopped', container: 'old' }]);
});

it('what health finds is about the container that answered, also when another took over since the look', async () => {
  const before = world();
  const settledRuns: Observed = {
    ...before,
    containers: before.containers.map((one) =>
      one.id === 'old'
        ? { ...one, state: { status: 'running', startedAt: 0, paused: false } as ObservedContainer['state'] }
        : one,
    ),
  };
  const { ports } = portsOf(settledRuns, before);
  const { servers } = await checkHealth(ports, { project, servers: [] }, never);
  expect(servers).toMatchObject([{ verdict: 'healthy', container: 'new', generation: 2 }]);
});
