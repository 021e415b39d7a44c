import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseHost } from '../../src/docker/engine/connection/endpoint.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { label, lockName } from '../../src/docker/model/labels.ts';
import type { Engine, LockAttempt, LockHolder } from '../../src/docker/port.ts';
import { countCalls, type EngineCall } from '../support/call-counter.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { unsignedRecords } from '../support/unsigned-records.ts';

const request = (who: string, lifetimeMs = 60_000) => ({ who, host: 'here', pid: 1, command: 'apply', lifetimeMs });

describe.skipIf(withoutEngine())('the lock on a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('lock');
  });
  afterAll(() => bench?.close());
  afterEach(async () => {
    await bench.docker.getContainer(lockName(bench.project)).remove({ force: true }).catch(ignoreMissing);
  });

  const ignoreMissing = (error: { statusCode?: number }): void => {
    if (error.statusCode !== 404) throw error;
  };
  const acquire = (who: string, lifetimeMs?: number): Promise<LockAttempt> =>
    bench.engine.acquireLock(bench.project, request(who, lifetimeMs));
  const take = async (who: string, lifetimeMs?: number): Promise<LockHolder> => {
    const attempt = await acquire(who, lifetimeMs);
    if (attempt.result !== 'acquired') throw new Error(`held by ${attempt.holder.who}`);
    return attempt.lock;
  };

  test('is taken by one; the other learns who holds it, since when and until when', async () => {
    const lock = await take('anna');
    const other = await acquire('ben');
    expect(other).toEqual({ result: 'held', holder: lock, expired: false });
    expect(lock.expiresAt - lock.acquiredAt).toBe(60_000);
    await bench.engine.releaseLock(lock.id);
    expect(await acquire('ben')).toMatchObject({ result: 'acquired' });
  });

  test.each([
    { acquiredAt: 1e300 },
    { expiresAt: 9e15 },
    { expiresAt: 'soon' },
    { pid: -1 },
    { host: 7 },
    { command: null },
  ])('is none when its label says %j', async (forged) => {
    const held = { who: 'mallory', host: 'here', pid: 1, command: 'apply', acquiredAt: 1, expiresAt: 2, ...forged };
    await bench.docker.createContainer({
      name: lockName(bench.project),
      Image: bench.facts.id,
      Labels: {
        ...bench.labels,
        [label.role]: 'lock',
        [label.imageId]: bench.facts.id,
        'looms.lock': JSON.stringify(held),
      },
    });
    await expect(acquire('anna')).rejects.toMatchObject({ code: 'engine-conflict' });
    await expect(bench.engine.findLock(bench.project)).rejects.toMatchObject({ code: 'engine-conflict' });
  });

  test('is prolonged by its holder, for everyone to see', async () => {
    const lock = await take('anna', 1);
    const renewed = await bench.engine.renewLock(lock, 120_000);
    expect(renewed.expiresAt).toBeGreaterThan(lock.expiresAt + 100_000);
    const again = await bench.engine.renewLock(renewed, 60_000);
    expect(await acquire('ben')).toEqual({ result: 'held', holder: again, expired: false });
  });

  test('that was removed is lost to its holder, and releasing it does not hit its successor', async () => {
    const lost = await take('anna');
    await bench.docker.getContainer(lost.id).remove();
    await expect(bench.engine.checkLock(lost)).rejects.toMatchObject({ code: 'lock-lost' });
    await expect(bench.engine.renewLock(lost, 1)).rejects.toMatchObject({ code: 'lock-lost' });
    const successor = await take('ben');
    await bench.engine.releaseLock(lost.id);
    await bench.engine.checkLock(successor);
  });

  test('that ran out is taken over by exactly one of many takers', async () => {
    const stale = await take('anna', -1);
    expect(await acquire('ben')).toMatchObject({ result: 'held', expired: true });
    const takeOver = async (who: string): Promise<LockAttempt> => {
      await bench.engine.releaseLock(stale.id);
      return acquire(who);
    };
    const attempts = await Promise.all(Array.from({ length: 8 }, (_, index) => takeOver(`taker ${index}`)));
    expect(attempts.filter(({ result }) => result === 'acquired')).toHaveLength(1);
    await expect(bench.engine.checkLock(stale)).rejects.toMatchObject({ code: 'lock-lost' });
  });

  test('a container that is no lock but has its name is named as the reason', async () => {
    await bench.docker.createContainer({ name: lockName(bench.project), Image: bench.facts.id, Labels: bench.labels });
    await expect(acquire('anna')).rejects.toMatchObject({
      code: 'engine-conflict',
      hint: expect.stringContaining('rename or remove'),
    });
  });

  test('is never started and has an image of next to no bytes', async () => {
    const lock = await take('anna');
    const container = await bench.docker.getContainer(lock.id).inspect();
    const image = await bench.docker.getImage(container.Image).inspect();
    expect(container.State.Status).toBe('created');
    // The containerd image store counts the manifest too.
    expect(image.Size).toBeLessThan(8192);
  });

  describe('whose answer is lost on the way back', () => {
    const isLock = ({ method, path }: EngineCall): boolean => method === 'POST' && path.includes('containers/create');
    const through = async <T>(
      lose: (call: EngineCall) => boolean,
      work: (engine: Engine) => Promise<T>,
    ): Promise<T> => {
      const proxy = await countCalls(process.env.DOCKER_HOST, lose);
      const endpoint = parseHost(proxy.host, 'test');
      const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment: process.env });
      try {
        return await work(engine);
      } finally {
        await engine.close();
        await proxy.close();
      }
    };

    test('is known by its holder as its own, and held like any other', async () => {
      let lost = 0;
      const loseFirst = (call: EngineCall): boolean => isLock(call) && lost++ === 0;
      await through(loseFirst, async (engine) => {
        const attempt = await engine.acquireLock(bench.project, request('anna'));
        expect(lost).toBe(1);
        expect(attempt).toMatchObject({ result: 'acquired', lock: { who: 'anna' } });
        expect(await acquire('ben')).toMatchObject({ result: 'held', holder: { who: 'anna' } });
        if (attempt.result === 'acquired') await engine.checkLock(attempt.lock);
      });
    });

    test('is not taken for the own one when a second run of the same process holds it', async () => {
      const held = await take('anna');
      await through(isLock, async (engine) => {
        const attempt = await engine.acquireLock(bench.project, request('anna'));
        expect(attempt).toEqual({ result: 'held', holder: held, expired: false });
      });
    });
  });

  test('is held by one of eight wanting it in four processes, at any time', async () => {
    const script = fileURLToPath(new URL('../support/lock-contender.ts', import.meta.url));
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [script, bench.project, '2', '5'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const outputs = children.map(async (child) => {
      const chunks: Buffer[] = [];
      for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
      const code = child.exitCode ?? ((await once(child, 'exit')) as [number | null])[0];
      if (code !== 0) throw new Error(`a contender ended with ${code}`);
      return Buffer.concat(chunks).toString();
    });
    const turns = (
      await Promise.all(outputs).finally(() => {
        for (const child of children) child.kill();
      })
    )
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { from: number; to: number })
      .sort((a, b) => a.from - b.from);
    expect(turns).toHaveLength(40);
    for (const [index, turn] of turns.entries()) {
      const before = turns[index - 1];
      if (before !== undefined)
        expect(turn.from, `turn ${index} began before the one before it ended`).toBeGreaterThanOrEqual(before.to);
    }
  });
});
