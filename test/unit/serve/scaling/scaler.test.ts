import { describe, expect, it } from 'vitest';
import type { Scale } from '../../../../src/model/desired.ts';
import { asContainerId, type ContainerId } from '../../../../src/model/ids.ts';
import type { Scaling } from '../../../../src/model/replicas.ts';
import { createScaler } from '../../../../src/serve/scaling/scaler.ts';
import type { Parkable } from '../../../../src/serve/sessions/room.ts';
import { fs } from '../fake-servers.ts';

const usual: Scale = { min: 0, max: 3, sessionsPerReplica: 2, idleSeconds: 10 };

const [here, there] = [asContainerId('here'), asContainerId('there')];

/** Lets all that is ready run. */
const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A server that is scaled, with so many conversations; each with how long nothing was asked of it, ms. */
function world({ asked = 1, scale = usual, most = (_: Scaling): number | undefined => undefined } = {}) {
  let nowMs = 0;
  let asks = asked;
  let open = 0;
  let spareIdleMs: number | undefined;
  let leaves: readonly ContainerId[] = [here];
  const idle: { ms: number; parked: boolean; at?: ContainerId }[] = [];
  const said: string[] = [];
  const calls: string[] = [];
  const conversations = (): readonly Parkable[] =>
    idle
      .filter(({ parked }) => !parked)
      .map((one) => ({
        isHeard: false,
        leg: {
          server: fs,
          idleMs: () => one.ms,
          parkable: () => one.at ?? here,
          park: async () => {
            one.parked = true;
            open -= 1;
          },
        },
      })) as unknown as readonly Parkable[];
  const scaler = createScaler(
    {
      scaled: async () => [{ server: fs, scale, asked: asks }],
      scale: async (_server, to) => {
        calls.push(`${to.kind} ${to.to}`);
        if (to.kind === 'down') await to.own?.endIdle(leaves);
        asks = most(to) ?? to.to;
        return asks;
      },
    },
    {
      openOf: () => open,
      openIn: () => open,
      conversations,
      spare: () =>
        spareIdleMs === undefined
          ? []
          : [
              {
                server: fs,
                idleMs: () => spareIdleMs ?? 0,
                endOldest: async () => {},
                countIn: (container) => Number(container === here),
                endIn: async (containers) => {
                  if (containers.includes(here)) spareIdleMs = undefined;
                },
              },
            ],
      log: (text) => said.push(text),
      now: () => nowMs,
    },
  );
  return {
    calls,
    said,
    idle,
    /** Which containers may go, of those that its sessions are in. */
    leaves: (containers: readonly ContainerId[]) => {
      leaves = containers;
    },
    /** Somebody else asks for so many. */
    byOthers: (count: number) => {
      asks = count;
    },
    open: (count: number) => {
      open = count;
    },
    spare: (idleMs: number) => {
      spareIdleMs = idleMs;
    },
    hasSpare: () => spareIdleMs !== undefined,
    /** So many seconds, of which each is a tick. */
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        scaler.tick();
        await settled();
        nowMs += 1000;
      }
    },
  };
}

describe('a server that is scaled', () => {
  it('has another container as soon as its sessions need one, and no more than it may', async () => {
    const one = world();
    await one.pass(1);
    one.open(2);
    await one.pass(2);
    expect(one.calls).toEqual([]);
    one.open(3);
    await one.pass(1);
    expect(one.calls).toEqual(['up 2']);
    one.open(40);
    await one.pass(5);
    expect(one.calls).toEqual(['up 2', 'up 3']);
    expect(one.said).toEqual(['fs is scaled from 1 to 2', 'fs is scaled from 2 to 3']);
  });

  it('has fewer only once that was enough for the whole of idle_seconds', async () => {
    const one = world({ asked: 3 });
    one.open(5);
    await one.pass(20);
    one.open(1);
    await one.pass(5);
    one.open(4);
    await one.pass(1);
    one.open(1);
    await one.pass(9);
    expect(one.calls).toEqual(['down 2']);
    await one.pass(3);
    expect(one.calls).toEqual(['down 2', 'down 1']);
  });

  it('falls asleep without sessions, where it may', async () => {
    const one = world();
    await one.pass(12);
    expect([one.calls, one.said]).toEqual([['down 0'], ['fs falls asleep: it has no sessions']]);
    const awake = world({ scale: { ...usual, min: 1 } });
    await awake.pass(30);
    expect(awake.calls).toEqual([]);
  });

  it('counts a session that nobody has used for so long as none, and ends its process where a container shall go', async () => {
    const one = world({ asked: 2 });
    one.open(3);
    one.idle.push({ ms: 10_000, parked: false }, { ms: 9_999, parked: false }, { ms: 60_000, parked: false });
    await one.pass(12);
    expect(one.calls).toEqual(['down 1']);
    expect(one.idle.map(({ parked }) => parked)).toEqual([true, false, true]);
  });

  it('ends nothing where no container goes, and of idle sessions those alone whose container does', async () => {
    const one = world({ asked: 2, most: ({ kind }) => (kind === 'down' ? 2 : undefined) });
    one.open(2);
    one.spare(10_000);
    one.idle.push({ ms: 60_000, parked: false }, { ms: 60_000, parked: false, at: there });
    one.leaves([]);
    await one.pass(12);
    expect([one.calls, one.idle.map(({ parked }) => parked), one.hasSpare()]).toEqual([
      ['down 0'],
      [false, false],
      true,
    ]);
    one.leaves([there]);
    await one.pass(12);
    expect([one.idle.map(({ parked }) => parked), one.hasSpare()]).toEqual([[false, true], true]);
  });

  it('keeps what no container has to go for', async () => {
    const one = world({ scale: { ...usual, min: 1 } });
    one.open(1);
    one.idle.push({ ms: 60_000, parked: false });
    await one.pass(30);
    expect(one.idle).toEqual([{ ms: 60_000, parked: false }]);
  });

  it('does not sleep while commands use what is kept for them, and ends that when they have not for so long', async () => {
    const one = world();
    one.spare(5_000);
    await one.pass(30);
    expect(one.calls).toEqual([]);
    one.spare(10_000);
    await one.pass(12);
    expect([one.calls, one.hasSpare()]).toEqual([['down 0'], false]);
  });

  it('lets be for so long what somebody else has just asked for', async () => {
    const one = world();
    await one.pass(12);
    one.byOthers(1);
    await one.pass(14);
    expect(one.calls).toEqual(['down 0']);
    await one.pass(4);
    expect(one.calls).toEqual(['down 0', 'down 0']);
  });

  it('asks again later where what the containers have keeps them', async () => {
    const one = world({ asked: 2, most: ({ kind }) => (kind === 'down' ? 2 : undefined) });
    await one.pass(12);
    expect(one.calls).toEqual(['down 0']);
    await one.pass(9);
    expect(one.calls).toEqual(['down 0']);
    await one.pass(3);
    expect(one.calls).toEqual(['down 0', 'down 0']);
  });
});
