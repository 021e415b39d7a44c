import { describe, expect, it } from 'vitest';
import { onServer, openServer } from '../../../src/app/talk/open-server.ts';
import type { Engine, LocatedContainer } from '../../../src/docker/port.ts';
import type { Session } from '../../../src/mcp/client/session.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
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
