import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('what containers take, on a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('usage');
  });
  afterAll(() => bench?.close());

  const usageOf = async (server: string) => {
    const found = (await bench.engine.usage(bench.project)).find((one) => one.server === server);
    if (found === undefined) throw new Error(`no usage of ${server}`);
    return found;
  };

  test('is counted beside its limits; throttling is told, and one that does not run takes nothing', async () => {
    await bench.run('busy', { command: ['-c', 'while :; do :; done'], entrypoint: ['sh'], nanoCpus: 100_000_000 });
    await bench.create('never');
    const before = await usageOf('busy');
    expect(before).toMatchObject({
      status: 'running',
      restarts: 0,
      image: expect.stringMatching(/./),
      limits: { cpuCores: 0.1, memoryBytes: 64 * 1024 * 1024, processes: 50 },
    });
    await eventually(async () => {
      const { sample } = await usageOf('busy');
      expect(sample?.cpuMs).toBeGreaterThan(before.sample?.cpuMs ?? Number.NaN);
      // docs/architecture.md, Podman
      if (!(await onPodman())) expect(sample?.throttledPeriods).toBeGreaterThan(0);
      expect(sample?.memoryBytes).toBeGreaterThan(0);
      expect(sample?.processes).toBeGreaterThan(0);
    }, 20_000);
    expect(await usageOf('never')).toMatchObject({ status: 'stopped', sample: null, sessions: 0 });
  });

  test('a session that runs out of memory is told, and the container lives on', async (context) => {
    await skipOnPodman(context, 'it tells of no process that the kernel ends for its memory');
    const id = await bench.run('hungry', { memoryBytes: 16 * 1024 * 1024, memorySwapBytes: 16 * 1024 * 1024 });
    const ended = await bench.exec(id, ['sh', '-c', 'head -c 100000000 /dev/zero | tail']);
    expect(ended.code).not.toBe(0);
    const told: string[] = [];
    await eventually(async () => {
      await bench.engine.events(bench.project, { since: { agoMs: 60_000 }, follow: false }, ({ type, container }) => {
        if (container === id) told.push(type);
      });
      expect(told).toContain('oom');
    }, 20_000);
    expect(await bench.engine.containerRunning(id)).toMatchObject({ running: true });
  });

  test('an open session is counted, whoever has it', async () => {
    const id = await bench.run('asked');
    const session = await bench.engine.exec(id, { argv: ['cat'] });
    await eventually(async () => expect((await usageOf('asked')).sessions).toBe(1), 20_000);
    session.stdin.end();
    await session.ended;
    await eventually(async () => expect((await usageOf('asked')).sessions).toBe(0), 20_000);
  });
});
