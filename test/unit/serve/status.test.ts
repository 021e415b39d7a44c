import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type RunningStatus, runStatus } from '../../../src/serve/run.ts';
import { parsed } from '../../support/prometheus.ts';

describe('a loop without a gateway', () => {
  let running: RunningStatus | undefined;
  afterEach(() => running?.close());
  const loop = { alive: true, ready: true, engine: true };
  /** Looks at the engine that are under way, and the most that ever were; `free` lets them end. */
  const looks = { now: 0, most: 0, free: Promise.resolve() };
  const engineAnswers = async (): Promise<boolean> => {
    looks.now += 1;
    looks.most = Math.max(looks.most, looks.now);
    await looks.free;
    looks.now -= 1;
    return loop.engine;
  };
  const measured = async () => [
    { name: 'looms_y', type: 'gauge', help: 'Y.', samples: [{ labels: {}, value: 2 }] } as const,
  ];
  const begin = async (host = '127.0.0.1'): Promise<void> => {
    Object.assign(loop, { alive: true, ready: true, engine: true });
    running = await runStatus(
      {
        isAlive: () => loop.alive,
        isReady: () => loop.ready,
        families: () => [{ name: 'looms_x', type: 'gauge', help: 'X.', samples: [{ labels: {}, value: 1 }] }],
      },
      { host, port: 0, version: '1.2.3', engineAnswers, measured },
    );
  };
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<[number | undefined, string]>((resolve, reject) => {
      const { port } = new URL(running?.url ?? '');
      request({ host: '127.0.0.1', port, path, method, headers })
        .on('error', reject)
        .on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve([response.statusCode, text]));
        })
        .end();
    });

  test('tells whether it is stuck, whether it can work, and what it counted', async () => {
    await begin();
    expect(await get('/healthz')).toEqual([200, '{"watch":"alive"}']);
    expect(await get('/readyz')).toEqual([200, '{"ready":true}']);
    const [, text] = await get('/metrics?x=1');
    expect([...parsed(text).keys()]).toEqual(['looms_build_info', 'looms_engine_up', 'looms_y', 'looms_x']);
    loop.alive = false;
    expect(await get('/healthz')).toEqual([503, '{"watch":"stuck"}']);
    loop.ready = false;
    expect(await get('/readyz')).toEqual([503, '{"ready":false}']);
    Object.assign(loop, { ready: true, engine: false });
    expect(await get('/readyz')).toEqual([503, '{"ready":false}']);
    expect(parsed((await get('/metrics'))[1]).get('looms_engine_up')?.samples[0]?.value).toBe(0);
    expect((await get('/mcp'))[0]).toBe(404);
    expect((await get('/healthz', {}, 'POST'))[0]).toBe(405);
  });

  test('who asks without end makes one look at the engine at a time', async () => {
    await begin();
    const { promise, resolve } = Promise.withResolvers<void>();
    Object.assign(looks, { most: 0, free: promise });
    const asked = Array.from({ length: 40 }, (_, at) => get(at % 2 === 0 ? '/readyz' : '/metrics'));
    // Answered after all that came before it.
    await get('/healthz');
    resolve();
    expect((await Promise.all(asked)).map(([status]) => status)).toEqual(asked.map(() => 200));
    expect(looks.most).toBe(1);
  });

  test('a page of a foreign site does not read it on the machine that it is on', async () => {
    await begin();
    expect((await get('/metrics', { host: 'evil.example.com' }))[0]).toBe(403);
    expect((await get('/metrics', { origin: 'https://evil.example.com' }))[0]).toBe(403);
  });

  test('where others reach it, it is asked by any name', async () => {
    await begin('0.0.0.0');
    expect((await get('/metrics', { host: 'looms:9464' }))[0]).toBe(200);
  });
});
