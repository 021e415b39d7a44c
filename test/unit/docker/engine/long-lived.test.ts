import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { EngineInfo } from '../../../../src/docker/engine/connection/connection.ts';
import { infoReader } from '../../../../src/docker/engine/connection/engine-clock.ts';
import { connectDocker } from '../../../../src/docker/engine/engine.ts';
import { unsignedRecords } from '../../../support/unsigned-records.ts';

/** An engine whose clock, and two clocks of this machine, stand where a test puts them, ms. */
function clocks() {
  const at = { engine: 1_000_000, steady: 5_000, wall: 2_000_000 };
  let asked = 0;
  let isDown = false;
  const ask = async (): Promise<EngineInfo> => {
    asked += 1;
    if (isDown) throw new Error('down');
    return { SystemTime: new Date(at.engine).toISOString() };
  };
  const reader = infoReader(ask, { steady: () => at.steady, wall: () => at.wall });
  return {
    at,
    now: () => reader.now({}),
    read: () => reader.read({}),
    asked: () => asked,
    setDown: (down: boolean) => {
      isDown = down;
    },
    pass: (ms: number, of: readonly (keyof typeof at)[] = ['engine', 'steady', 'wall']) => {
      for (const name of of) at[name] += ms;
    },
  };
}

describe('the engine’s clock in a process that lives long', () => {
  test('is asked once, and carried on by a clock that never jumps', async () => {
    const { now, pass, asked } = clocks();
    expect(await now()).toBe(1_000_000);
    pass(3_600_000);
    expect(await now()).toBe(4_600_000);
    expect(asked()).toBe(1);
  });

  test.each<[string, readonly ('engine' | 'wall')[]]>([
    ['slept, and the steady clock with it', ['engine', 'wall']],
    ['had its time set', ['wall']],
  ])('is read again when this machine %s, once', async (_, of) => {
    const { at, now, pass, asked } = clocks();
    await now();
    pass(600_000, of);
    expect(await now()).toBe(at.engine);
    pass(1_000);
    expect(await now()).toBe(at.engine);
    expect(asked()).toBe(2);
  });

  test('is taken as it is told next when the engine’s machine slept or had its time set', async () => {
    const { at, now, read, pass } = clocks();
    await now();
    pass(600_000, ['steady', 'wall']);
    await read();
    expect(await now()).toBe(at.engine);
  });

  test('keeps the first reading while the clocks agree, so that moments of one run compare', async () => {
    const { now, read, pass, at } = clocks();
    await now();
    pass(300, ['engine']);
    await read();
    expect(await now()).toBe(at.engine - 300);
  });

  test('that could not be read is read at the next call', async () => {
    const { now, setDown, at } = clocks();
    setDown(true);
    await expect(now()).rejects.toThrow('down');
    setDown(false);
    expect(await now()).toBe(at.engine);
  });
});

describe('an engine that goes down and comes back', () => {
  let folder = '';
  afterAll(() => rm(folder, { recursive: true, force: true }));

  type Installed = { readonly id: string; readonly version: string; readonly api: string; readonly oldest: string };
  const old: Installed = { id: 'first', version: '20.10.24', api: '1.41', oldest: '1.12' };

  /** What listens is an engine without projects. */
  const listen = async (path: string, { id, version, api, oldest }: Installed = old): Promise<Server> => {
    const server = createServer(({ url = '' }, response) => {
      const [, spoken = '', asked = url] = /^\/v([0-9.]+)(\/.*)$/.exec(url) ?? [];
      const answers: Record<string, unknown> = {
        '/version': { ApiVersion: api, MinAPIVersion: oldest, Version: version },
        '/info': { ID: id, SystemTime: new Date().toISOString() },
      };
      if (spoken !== '' && Number(spoken) < Number(oldest)) response.statusCode = 400;
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(answers[asked] ?? []));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return server;
  };
  const stop = async (server: Server): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };

  test('is used again over the connection that there was', async () => {
    folder = await mkdtemp(join(tmpdir(), 'looms-down-'));
    const path = join(folder, 'engine.sock');
    const endpoint = { kind: 'socket', path, origin: 'test' } as const;
    const connect = () => connectDocker(endpoint, { records: unsignedRecords(), environment: {} });
    await expect(connect()).rejects.toMatchObject({ code: 'engine-unreachable' });

    const first = await listen(path);
    const engine = await connect();
    expect(await engine.projects()).toEqual([]);
    await stop(first);
    await expect(engine.projects()).rejects.toMatchObject({ code: 'engine-unreachable' });

    const second = await listen(path);
    expect(await engine.projects()).toEqual([]);
    // Its kept connections are cut again, and unlike before nobody has noticed yet when the next call goes out.
    second.closeAllConnections();
    expect(await engine.projects()).toEqual([]);
    await engine.close();
    await stop(second);
  });

  test('is spoken to and described as what it is by then: upgraded, or another one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'looms-upgraded-'));
    const path = join(folder, 'engine.sock');
    const first = await listen(path);
    const endpoint = { kind: 'socket', path, origin: 'test' } as const;
    const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment: {} });
    expect(await engine.describe()).toMatchObject({ id: 'first', version: '20.10.24', apiVersion: '1.41' });
    await stop(first);

    const second = await listen(path, { id: 'second', version: '29.1.0', api: '1.52', oldest: '1.44' });
    expect(await engine.projects()).toEqual([]);
    expect(await engine.describe()).toMatchObject({ id: 'second', version: '29.1.0', apiVersion: '1.47' });
    await stop(second);
    await expect(engine.projects()).rejects.toMatchObject({ code: 'engine-unreachable' });

    const third = await listen(path, { id: 'third', version: '31.0.0', api: '1.60', oldest: '1.50' });
    expect(await Promise.all([engine.projects(), engine.projects()])).toEqual([[], []]);
    expect(await engine.describe()).toMatchObject({ id: 'third', version: '31.0.0', apiVersion: '1.50' });
    await engine.close();
    await stop(third);
    await rm(folder, { recursive: true });
  });
});
