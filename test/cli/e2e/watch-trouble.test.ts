import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, specFolder, watchLoop, watchLoopWith } from '../../support/watch-loop.ts';

const scriptOf = (spec: string): string => JSON.parse(spec).mcp_server.args[1];

/** A way to the engine that can be taken away and given back. */
async function wayToEngine() {
  const path = join(emptyFolder(), 'engine.sock');
  const engine = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const open = new Set<Socket>();
  let refused: number | undefined;
  const server = createServer((from) => {
    if (refused !== undefined) {
      refused += 1;
      from.destroy();
      return;
    }
    const to = connect(engine);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const take = (): void => {
    refused = 0;
    for (const one of open) one.destroy();
  };
  return {
    host: `unix://${path}`,
    take,
    /** How often somebody wanted to go there since it was taken. */
    refused: () => refused ?? 0,
    give: () => {
      refused = undefined;
    },
    close: () => {
      take();
      server.close();
    },
  };
}

describe.skipIf(withoutEngine())('looms watch in trouble', () => {
  const projects: TestProject[] = [];
  const ways: Awaited<ReturnType<typeof wayToEngine>>[] = [];
  const project = (): TestProject => {
    const one = testProject('trouble');
    projects.push(one);
    return one;
  };
  afterEach(async () => {
    await endLoops();
    for (const way of ways.splice(0)) way.close();
    for (const one of projects.splice(0)) await one.remove();
  });

  test('tells once that the engine is away, changes nothing for it, and repairs once it is there again', async () => {
    const one = project();
    const way = await wayToEngine();
    ways.push(way);
    const words = ['watch', '-f', specFolder(tinySpec({ name: 'fs' }))];
    const loop = watchLoopWith(one, { env: { DOCKER_HOST: way.host } }, ...words);
    await loop.told('in-sync');
    way.take();
    await loop.told('away');
    await one.container('fs').stop({ t: 0 });
    await eventually(async () => expect(way.refused()).toBeGreaterThan(8), soonMs);
    way.give();
    await loop.told('back');
    await eventually(async () => expect((await one.container('fs').inspect()).State.Running).toBe(true), soonMs);
    const messages = loop.of('away').map(({ what, failure }) => `${what} ${failure.code} ${failure.message}`);
    expect(new Set(messages).size, messages.join('\n')).toBe(messages.length);
    expect(loop.of('away').every(({ what }) => what === 'engine')).toBe(true);
    expect(await loop.ended()).toBe(130);
  }, 240_000);

  test('a loop that stands by goes on where the other was killed in a gate, with the same generation', async () => {
    const one = project();
    const shared = emptyFolder();
    chmodSync(shared, 0o755);
    const spec = tinySpec({ name: 'fs', timeoutSeconds: 120, backend: { volume_mounts: [] } });
    const fs = changed(spec, {
      args: [
        '-e',
        // Watched before the look, so that no moment is missed.
        `const fs = require('fs');
const serve = () => {${scriptOf(spec)}};
const watcher = fs.watch('/shared', look);
function look() { if (fs.existsSync('/shared/go')) { watcher.close(); serve(); } }
look();`,
      ],
      backend: { volume_mounts: [{ source: shared, target: '/shared', read_only: true }] },
    });
    const folder = specFolder(fs);
    const first = watchLoop(one, 'watch', '-f', folder);
    await first.told('changing');
    await eventually(async () => expect((await one.container('fs.g1').inspect()).State.Running).toBe(true), soonMs);
    const second = watchLoop(one, 'watch', '-f', folder);
    await second.told('away');
    expect(second.of('away')[0]).toMatchObject({ what: 'lock' });
    first.child.kill('SIGKILL');
    await first.finished;
    writeFileSync(join(shared, 'go'), '');
    await second.told('changed');
    await second.told('in-sync');
    const { stdout } = await one.run(['get', '--json']);
    expect(JSON.parse(stdout).servers ?? JSON.parse(stdout)).toMatchObject([{ name: 'fs', generation: 1 }]);
    expect(second.of('away')).toHaveLength(1);
    expect(await second.ended()).toBe(130);
    rmSync(shared, { recursive: true });
  }, 240_000);

  test('a server that answers slowly is told of, and never repaired', async () => {
    const one = project();
    const spec = tinySpec({ name: 'fs', timeoutSeconds: 60 });
    const fs = changed(spec, {
      args: ['-e', `setTimeout(() => {${scriptOf(spec)}}, require('fs').existsSync('/tmp/slow') ? 6000 : 0);`],
      backend: { lifecycle: { health_check_interval_seconds: 3 } },
    });
    const loop = watchLoop(one, 'watch', '-f', specFolder(fs, tinySpec({ name: 'web' })));
    await loop.told('in-sync');
    const before = await one.idOf('fs');
    await (await one.container('fs').exec({ Cmd: ['touch', '/tmp/slow'] })).start({});
    await loop.told('slow');
    expect(loop.of('slow')[0]).toMatchObject({ server: 'fs' });
    await one.container('web').stop({ t: 0 });
    await loop.told('changed', 2);
    await loop.told('in-sync', 2);
    expect(loop.of('failing')).toEqual([]);
    expect(await one.idOf('fs')).toBe(before);
    expect(loop.of('changing').slice(1)).toMatchObject([{ changes: [{ server: 'web' }] }]);
    expect(await loop.ended()).toBe(130);
  }, 240_000);
});
