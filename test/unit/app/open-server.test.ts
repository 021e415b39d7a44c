import { describe, expect, it } from 'vitest';
import { onServer, openServer } from '../../../src/app/talk/open-server.ts';
import type { Engine, LocatedContainer } from '../../../src/docker/port.ts';
import type { Session, SessionSource } from '../../../src/mcp/client/session.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { Orchestrator } from '../../../src/orchestrator/port.ts';
import { portsOn } from '../../support/docker-ports.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, type SpecChange, server } from '../../support/planner-world.ts';

const name = asServerName('a');
const keeps: SpecChange = { security: { readOnlyRoot: false }, lifecycle: { preserve: ['/state'] } };

/** What a run left that was killed in the gate of a successor: the old one stopped, the new one running. */
function cutInTheGate(change: SpecChange): LocatedContainer[] {
  const before = simulate(plan([server('a', change)], emptyEngine()), emptyEngine()).end;
  const [old] = before.containers;
  const recorded = old?.recorded;
  const common = { role: 'server', server: name, imageRef: 'example:1', hasShell: true, ...(recorded && { recorded }) };
  return [
    { ...common, id: asContainerId('old'), name: 'looms-test-a', generation: 1, running: false, status: 'stopped' },
    { ...common, id: asContainerId('new'), name: 'looms-test-a.g2', generation: 2, running: true, status: 'running' },
  ] as LocatedContainer[];
}

/** Opens a session to whatever is chosen, where each look at the engine finds the same. */
const open = (located: readonly LocatedContainer[]) => {
  const engine: Partial<Engine> = { locate: async () => located, findImage: async () => null };
  const ports = portsOn(engine, { openSession: async () => async () => ({}) as Session });
  return openServer(ports, project, name, {});
};

describe('a session to a server whose replacement was cut off in its gate', () => {
  it('is refused where files are preserved, and the hint says how to go on', async () => {
    await expect(open(cutInTheGate(keeps))).rejects.toMatchObject({
      code: 'server-not-running',
      message: 'server a is being replaced: looms-test-a.g2 has not passed its gate',
      hint: expect.stringContaining('`looms apply` completes it'),
    });
  });

  it('goes to the one that runs where nothing written to it can be lost', async () => {
    expect(await open(cutInTheGate({}))).toMatchObject({ container: 'new', generation: 2 });
  });
});

describe('a session that could not be opened', () => {
  /** A server with these pods, asleep where it has none, whose first one fails so. */
  const opened = async (pods: readonly string[], failure: LoomsError, wakes = true) => {
    const did: string[] = [];
    const { spec } = server('a');
    const serving: Orchestrator['serving'] = async (_project, _server, { ended } = {}) => {
      const [first, ...others] = pods.filter((pod) => pod !== ended);
      const isAsleep = first === undefined && !did.includes('wake');
      if (isAsleep) throw new LoomsError('server-asleep', 'a is asleep');
      const beside = others.map((pod) => ({ container: asContainerId(pod), run: '', generation: 1 }));
      const one = { container: asContainerId(first ?? 'woken'), containerName: 'pod', generation: 1, spec, project };
      return { ...one, imageRef: '', argv: [], hasShell: true, image: '', ...(beside.length === 0 ? {} : { beside }) };
    };
    const orchestrator = { serving, wake: async () => void did.push('wake'), sessions: {} };
    const openSession: SessionSource = async ({ container }) => {
      did.push(container);
      if (container === 'one') throw failure;
      return {} as Session;
    };
    const ports = portsOn({}, { openSession: async () => openSession });
    const all = { ...ports, orchestrator: async () => orchestrator as unknown as Orchestrator };
    const end = await openServer(all, project, name, { wakes }).then(
      ({ container }) => container,
      ({ code }: LoomsError) => code,
    );
    return [...did, end];
  };
  const ended = new LoomsError('server-exited', 'it ended');
  const full = new LoomsError('server-crowded', 'no room');

  it('is opened in another container where the first one ended, or has no room', async () => {
    expect(await opened(['one', 'two'], ended)).toEqual(['one', 'two', 'two']);
    expect(await opened(['one', 'two'], full)).toEqual(['one', 'two', 'two']);
    expect(await opened(['one'], full)).toEqual(['one', 'server-crowded']);
  });

  it('has its server woken where that fell asleep meanwhile, and fails where nobody wants it woken', async () => {
    expect(await opened(['one'], ended)).toEqual(['one', 'wake', 'woken', 'woken']);
    expect(await opened(['one'], ended, false)).toEqual(['one', 'server-exited']);
  });
});

describe('work whose server ended', () => {
  const failing = async (after: readonly LocatedContainer[]) => {
    let located = cutInTheGate({}).map((one) => ({ ...one, running: one.id === 'old' }));
    const session = { close: async () => {} } as Partial<Session> as Session;
    const engine: Partial<Engine> = { locate: async () => located, findImage: async () => null };
    const ports = portsOn(engine, { openSession: async () => async () => session, atEnd: () => () => {} });
    return onServer(ports, { project, server: name }, {}, async ({ container }) => {
      expect(container).toBe('old');
      located = [...after] as typeof located;
      throw new LoomsError('server-exited', 'it ended (killed)', { hint: 'it may need more memory' });
    });
  };

  it('is told that it was replaced, where another generation serves by now', async () => {
    const [old, next] = cutInTheGate({});
    await expect(failing(next === undefined ? [] : [next])).rejects.toMatchObject({
      code: 'server-exited',
      message: 'it ended (killed)',
      hint: 'a was replaced meanwhile, and generation 2 serves; what was asked may have been done',
    });
    await expect(failing(old === undefined ? [] : [{ ...old, running: true }])).rejects.toMatchObject({
      hint: 'it may need more memory',
    });
    await expect(failing([])).rejects.toMatchObject({ hint: 'it may need more memory' });
  });
});
