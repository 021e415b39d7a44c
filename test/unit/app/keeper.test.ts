import { expect, test } from 'vitest';
import type { Ports } from '../../../src/app/ports.ts';
import { createKeeper } from '../../../src/app/watch/keeper.ts';
import type { EngineEvent } from '../../../src/model/engine-events.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { project } from '../../support/planner-world.ts';

const told = (key: string): EngineEvent => ({
  key,
  time: 0 as EngineEvent['time'],
  server: asServerName('fs'),
  generation: 1,
  container: asContainerId('c1'),
  containerName: 'looms-p-fs',
  type: 'started',
});

test('what the engine told is kept once it can be written, and a first look that was not kept is one again', async () => {
  const disk = { isFull: true };
  const asked: number[] = [];
  const written: string[][] = [];
  const ports = {
    monotonicMs: () => 0,
    pause: (milliseconds: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
        if (milliseconds < 1_000 || signal.aborted) setImmediate(resolve);
      }),
    orchestrator: async () => ({
      describe: async () => ({ id: 'here' }),
      instances: async () => [],
      sessions: {},
      events: async (_: unknown, { since }: { since: { agoMs: number } }, hear: (event: EngineEvent) => void) => {
        asked.push(since.agoMs);
        hear(told('of the past'));
      },
    }),
    keptLogs: {
      keepEvents: async (_: unknown, events: readonly EngineEvent[]) => {
        written.push(events.map(({ key }) => key));
        if (disk.isFull) throw new Error('the disk is full');
      },
    },
    warn: () => {},
  } as unknown as Ports;
  const stop = new AbortController();
  const keeper = createKeeper(ports, project);
  const running = keeper.run(stop.signal);
  await eventually(async () => expect(written).toHaveLength(1));
  keeper.hear(told('heard'));
  await eventually(async () => expect(written).toHaveLength(2));
  disk.isFull = false;
  keeper.hear(told('heard later'));
  await eventually(async () => expect(written).toHaveLength(3));
  keeper.hear(told('last'));
  await eventually(async () => expect(written).toHaveLength(4));
  stop.abort();
  await running;
  const day = 86_400_000;
  expect(asked).toEqual([day, day, day, 120_000]);
  expect(written).toEqual([
    ['of the past'],
    ['of the past', 'heard'],
    ['of the past', 'heard', 'heard later'],
    ['last', 'of the past'],
  ]);
});
