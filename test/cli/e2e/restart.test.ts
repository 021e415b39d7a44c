import { type ChildProcess, spawn } from 'node:child_process';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePrivateEngine, noPrivateEngine, type PrivateEngine } from '../../../scripts/lib/private-engine.mjs';
import { attack } from '../../support/attacker.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { looms, startLooms } from '../../support/looms.ts';
import { brokenSpec, changed, httpSpec } from '../../support/odd-servers.ts';
import { routedTarget } from '../../support/routed-target.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const missing = withoutEngine() ? 'no engine' : noPrivateEngine();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const files = changed(tinySpec({ name: 'files' }), {
  backend: { volume_mounts: [{ source: 'files', target: '/data' }] },
});
const declared = specs(tinySpec({ name: 'a' }), files, httpSpec('web', { volume: 'pages' }));

describe.skipIf(missing !== undefined)('an engine that goes away and comes back', () => {
  let engine: PrivateEngine;
  let docker: Docker;
  const project = ['--project', 'restart'];
  const env = () => ({ DOCKER_HOST: engine.host });
  const run = (args: readonly string[], stdin = '') => looms([...args, ...project], { env: env(), stdin });
  const apply = (yaml: string) => run(['apply', '-f', '-', '--yes'], yaml);
  /** Names with their ids, and whether they run. */
  const containers = async () =>
    (await docker.listContainers({ all: true }))
      .map(({ Names, Id, State }) => `${Names[0] ?? ''} ${Id} ${State}`)
      .sort();
  const inSync = () =>
    eventually(async () => {
      const { code, stdout, stderr } = await run(['diff', '-f', '-'], declared);
      expect(code, stdout + stderr).toBe(0);
    }, 60_000);

  beforeAll(async () => {
    engine = await makePrivateEngine({
      images: ['node:24-slim', 'debian:bookworm-slim', 'haproxy:3.0'],
      from: process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock',
    });
    docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
    const applied = await apply(declared);
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(() => engine?.close());

  test.each([
    ['is restarted', () => engine.stop()],
    ['loses its power', () => engine.kill()],
  ])('and %s has the same containers, which serve, and nothing is to be done', async (_, goAway) => {
    const before = await containers();
    expect(before).toHaveLength(4);
    expect(await run(['mcp', 'call', 'web', 'add'])).toExit(0);
    const lines = (await run(['mcp', 'call', 'web', 'count'])).stdout;

    await goAway();
    expect(await run(['diff', '-f', '-'], declared)).toExit(69);
    await engine.start();

    await inSync();
    expect(await containers()).toEqual(before);
    expect(await run(['mcp', 'call', 'a', 'echo', 'text=here'])).toMatchObject({ code: 0, stdout: 'here\n' });
    expect(await run(['mcp', 'call', 'web', 'count'])).toMatchObject({ code: 0, stdout: lines });
    expect(await apply(declared)).toMatchObject({ code: 0, stdout: expect.stringContaining('In sync') });
    expect(await containers()).toEqual(before);
  });

  test('in the middle of an apply ends that with 69, and the next one completes it', async () => {
    const stdin = brokenSpec('a', 'silent', 60);
    const interrupted = startLooms(['apply', '-f', '-', '--yes', ...project], { env: env(), stdin });
    await eventually(() => expect(interrupted.stderr()).toContain('[a] gate: '), 60_000);
    await engine.kill();
    expect(await interrupted.finished).toExit(69);
    await engine.start();

    const next = await apply(declared);
    expect(next, next.stderr).toExit(0);
    await inSync();
    const names = (await docker.listContainers({ all: true })).map(({ Names }) => Names[0]).sort();
    expect(names).toEqual(['/looms-restart-a', '/looms-restart-files', '/looms-restart-web', '/looms-restart.relay']);
  });

  test('leaves a server with an allow-list its way out, and no other, however it went away', async () => {
    // The address of the engine's machine on its default network: outside of all that the project has.
    const [address, port] = ['172.17.0.1', 7001];
    let neighbour = await routedTarget(engine.enter());
    const led = changed(tinySpec({ name: 'led' }), {
      backend: { network: { egress: [{ host: 'db', address, port }, `${neighbour.address}:1025`] } },
    });
    const own = (...args: readonly string[]) =>
      looms([...args, '-f', '-', '--project', 'led'], { env: env(), stdin: led });
    const listener = (): ChildProcess => {
      const [program = '', ...args] = engine.enter();
      const script = `require('net').createServer((s) => s.end('here')).listen(${port})`;
      return spawn(program, [...args, process.execPath, '-e', script], { stdio: 'ignore' });
    };
    const tried = async (...attempt: readonly string[]) => attack(docker.getContainer('looms-led-led'), ...attempt);
    let target = listener();
    try {
      const applied = await own('apply', '--yes');
      expect(applied, applied.stderr).toExit(0);
      for (const goAway of [() => engine.stop(), () => engine.kill()]) {
        await goAway();
        target.kill();
        neighbour.close();
        await engine.start();
        target = listener();
        neighbour = await routedTarget(engine.enter(), neighbour.address);
        await eventually(async () => expect(await tried('tcp', 'db', String(port))).toBe('open: here'), 60_000);
        await eventually(async () => expect(await tried('tcp', neighbour.address, '1025')).toBe('open: you said 4'));
        expect(await tried('tcp', neighbour.address, '5432')).toMatch(/^closed: /);
        expect(await tried('tcp', address, String(port))).toMatch(/^closed: /);
        expect(await tried('tcp', '1.1.1.1', '443')).toMatch(/^closed: /);
        expect(await own('diff')).toExit(0);
      }
    } finally {
      target.kill();
      neighbour.close();
    }
  });
});
