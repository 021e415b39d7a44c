import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { brokenSpec, changed } from '../../support/odd-servers.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, specFolder, watchLoop, watchLoopWith } from '../../support/watch-loop.ts';

/** A loop over a folder of specs. */
const watching = (project: TestProject, folder: string, ...flags: readonly string[]) =>
  watchLoop(project, 'watch', '-f', folder, ...flags);

/** Asked each second instead of each minute; no session of it begins any more once somebody made /tmp/stuck. */
const stuckOnce = (name: string): string => {
  const spec = JSON.parse(tinySpec({ name, timeoutSeconds: 5 }));
  const [, script] = spec.mcp_server.args;
  return changed(tinySpec({ name, timeoutSeconds: 5 }), {
    args: ['-e', `if (require('fs').existsSync('/tmp/stuck')) process.exit(3);${script}`],
    backend: { lifecycle: { health_check_interval_seconds: 3 } },
  });
};

describe.skipIf(withoutEngine())('looms watch', () => {
  const projects: TestProject[] = [];
  const project = (): TestProject => {
    const one = testProject('watch');
    projects.push(one);
    return one;
  };
  afterEach(async () => {
    await endLoops();
    for (const one of projects.splice(0)) await one.remove();
  });
  const isRunning = async (one: TestProject, server: string): Promise<boolean> =>
    (await one.container(server).inspect()).State.Running;

  test('makes what is declared, and repairs what is stopped, killed, removed and changed by hand', async () => {
    const one = project();
    const yaml = specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }), tinySpec({ name: 'db' }));
    const folder = specFolder(yaml);
    const loop = watching(one, folder);
    await loop.told('changed');
    await one.container('fs').stop({ t: 0 });
    await one.container('web').remove({ force: true });
    await one.container('db').update({ Memory: 256 * 1024 ** 2, MemorySwap: 256 * 1024 ** 2 });
    await eventually(async () => expect((await one.diff(yaml)).code).toBe(0), soonMs);
    expect(await isRunning(one, 'fs')).toBe(true);
    const [, ...changes] = loop.of('changing').map((event) => event.changes);
    const reasonsOf = (server: string): readonly string[] =>
      changes
        .flat()
        .filter((change) => change.server === server)
        .flatMap((change) => ('reasons' in change ? change.reasons.map(({ kind }) => kind) : []));
    expect(reasonsOf('db')).toContain('live-drift');
    expect(reasonsOf('fs')).toContain('exited');
    // A busy machine may see one of the states that a container which is being removed goes through.
    expect(reasonsOf('web')).not.toEqual([]);
    // Also of what was found only when the lock was there.
    let told: readonly string[] = [];
    for (const event of loop.events()) {
      if (event.type === 'changing') told = [...told, ...event.changes.map(({ server }) => server)];
      if (event.type !== 'changed') continue;
      expect(told).toEqual(expect.arrayContaining(event.servers.map(({ server }) => server)));
      told = [];
    }
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a file that changes is applied at once; one that is broken or gone changes nothing, with --prune neither', async () => {
    const one = project();
    const folder = specFolder(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }));
    const loop = watching(one, folder, '--prune', '--interval', '1h');
    await loop.told('changed');
    const before = await one.names();

    writeFileSync(join(folder, 'mcp.yaml'), 'name: [');
    await loop.told('source-unusable');
    expect(loop.of('source-unusable')[0]).toMatchObject({
      keeps: 2,
      failure: { detail: [expect.stringMatching(/mcp\.yaml:1:7 /)] },
    });
    rmSync(join(folder, 'mcp.yaml'));
    await loop.told('source-unusable', 2);
    writeFileSync(join(folder, 'mcp.yaml'), '');
    await loop.told('source-unusable', 3);
    expect(await one.names()).toEqual(before);

    writeFileSync(join(folder, 'mcp.yaml'), specs(tinySpec({ name: 'fs', memoryMiB: 96 })));
    await eventually(async () => expect(await one.names()).toEqual(['fs']), soonMs);
    expect((await one.container('fs').inspect()).HostConfig.Memory).toBe(96 * 1024 ** 2);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('what somebody stopped with looms stays stopped, until somebody starts it', async () => {
    const one = project();
    const loop = watching(one, specFolder(tinySpec({ name: 'fs' })));
    await loop.told('in-sync');
    expect((await one.run(['mcp', 'stop', 'fs'])).code).toBe(0);
    await loop.told('left-alone');
    expect(loop.of('left-alone')[0]).toMatchObject({ server: 'fs', left: { why: 'stopped-by-person' } });
    expect(await isRunning(one, 'fs')).toBe(false);
    expect((await one.run(['mcp', 'start', 'fs'])).code).toBe(0);
    await loop.told('in-sync', 2);
    await one.container('fs').stop({ t: 0 });
    // The loop may have had a turn beside the start by hand too: what it told counts no turns.
    await eventually(async () => expect(await isRunning(one, 'fs')).toBe(true), soonMs);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('what somebody stopped with looms while it was down stays down', async () => {
    const one = project();
    const folder = specFolder(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }));
    expect((await one.run(['apply', '-f', folder, '--yes'])).code).toBe(0);
    await one.container('fs').stop({ t: 0 });
    expect(await one.run(['mcp', 'stop', 'fs', '--dry-run'])).toExit(0);
    await one.container('web').stop({ t: 0 });
    expect(await one.run(['mcp', 'stop', 'web'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('web is stopped already'),
    });
    const loop = watching(one, folder);
    await loop.told('changed');
    expect(loop.of('left-alone')).toMatchObject([{ server: 'web', left: { why: 'stopped-by-person' } }]);
    expect(await isRunning(one, 'fs')).toBe(true);
    expect(await isRunning(one, 'web')).toBe(false);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('what a file disabled is started again once a file enables it', async () => {
    const one = project();
    const folder = specFolder(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }));
    const write = (isEnabled: boolean): void =>
      writeFileSync(
        join(folder, 'mcp.yaml'),
        specs(changed(tinySpec({ name: 'fs' }), { mcp: { enabled: isEnabled } }), tinySpec({ name: 'web' })),
      );
    const loop = watching(one, folder);
    await loop.told('changed');
    write(false);
    await eventually(async () => expect(await isRunning(one, 'fs')).toBe(false), soonMs);
    write(true);
    await eventually(async () => expect(await isRunning(one, 'fs')).toBe(true), soonMs);
    expect(loop.of('left-alone')).toEqual([]);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a new generation that does not answer is tried later each time, also by the next loop, and what served still does', async () => {
    const one = project();
    const folder = specFolder(tinySpec({ name: 'fs' }));
    const loop = watching(one, folder);
    await loop.told('changed');
    const serving = await one.idOf('fs');
    writeFileSync(join(folder, 'mcp.yaml'), tinySpec({ name: 'fs', kind: 'dies' }));
    await loop.told('left-alone', 2);
    const repairs = loop.of('left-alone').map(({ left }) => (left.why === 'waiting' ? left.repairs : left.why));
    expect(repairs).toEqual([1, 2]);
    expect(await one.idOf('fs')).toBe(serving);
    expect(await loop.ended()).toBe(130);

    const next = watching(one, folder);
    await next.told('left-alone');
    expect(next.of('left-alone')[0]).toMatchObject({ left: { why: 'waiting' } });
    writeFileSync(join(folder, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB: 96 }));
    await eventually(async () => expect(await one.idOf('fs')).not.toBe(serving), soonMs);
    expect(await next.ended()).toBe(130);
  }, 180_000);

  test('a server that stalls until --timeout is made again later each time', async () => {
    const one = project();
    const loop = watching(one, specFolder(brokenSpec('fs', 'silent', 60)), '--timeout', '3s');
    await loop.told('left-alone', 2);
    const left = () => loop.of('left-alone').map((one) => one.left);
    expect(left().slice(0, 2), loop.stdout()).toMatchObject([
      { why: 'waiting', repairs: 1 },
      { why: 'waiting', repairs: 2 },
    ]);
    // On a busy machine the time may be over before there is a server that stalls.
    const stalled = expect.objectContaining({ after: 'it took longer than --timeout' });
    await eventually(async () => expect(left()).toContainEqual(stalled), soonMs);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a server that runs and does not answer is replaced after three failures, and the new one answers', async () => {
    const one = project();
    const loop = watching(one, specFolder(stuckOnce('fs')));
    await loop.told('changed');
    const before = await one.idOf('fs');
    await (await one.container('fs').exec({ Cmd: ['touch', '/tmp/stuck'] })).start({});
    await loop.told('changed', 2);
    expect(loop.of('failing').map(({ failures, isDown }) => [failures, isDown])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(await one.idOf('fs')).not.toBe(before);
    expect((await one.run(['mcp', 'call', 'fs', 'echo', 'text=hi'])).stdout).toBe('hi\n');
    const unhealthy = { kind: 'unhealthy', why: expect.stringMatching(/^did not answer 3 times: /) };
    expect(loop.of('changing').at(-1)?.changes).toMatchObject([{ server: 'fs', reasons: [unhealthy] }]);
    expect(loop.stdout()).not.toContain('requested');
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a server that is down stays so where its replacement fails, and is replaced once that can be', async () => {
    const one = project();
    const shared = emptyFolder();
    chmodSync(shared, 0o755);
    const stuck = JSON.parse(tinySpec({ name: 'fs', timeoutSeconds: 5 }));
    const [, script] = stuck.mcp_server.args;
    const fs = changed(JSON.stringify(stuck), {
      args: [
        '-e',
        `if (['/tmp', '/shared'].some((at) => require('fs').existsSync(at + '/stuck'))) process.exit(3);${script}`,
      ],
      backend: {
        lifecycle: { health_check_interval_seconds: 3 },
        volume_mounts: [{ source: shared, target: '/shared', read_only: true }],
      },
    });
    const loop = watching(one, specFolder(fs));
    await loop.told('changed');
    writeFileSync(join(shared, 'stuck'), '');
    const before = await one.idOf('fs');
    await (await one.container('fs').exec({ Cmd: ['touch', '/tmp/stuck'] })).start({});
    await loop.told('left-alone', 2);
    expect(loop.of('left-alone')).toMatchObject([
      { server: 'fs', left: { why: 'waiting', repairs: 2 } },
      { server: 'fs', left: { why: 'waiting', repairs: 3 } },
    ]);
    expect(loop.of('in-sync')).toHaveLength(1);
    expect(await one.idOf('fs')).toBe(before);
    rmSync(join(shared, 'stuck'));
    await eventually(async () => expect(await one.idOf('fs')).not.toBe(before), soonMs);
    expect((await one.run(['mcp', 'call', 'fs', 'echo', 'text=hi'])).stdout).toBe('hi\n');
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a server that takes its whole time to answer nothing holds up the repair of no other', async () => {
    const one = project();
    const silent = tinySpec({ name: 'fs', timeoutSeconds: 600 });
    const [, script] = JSON.parse(silent).mcp_server.args;
    const hang = "process.title = 'hung'; setInterval(() => {}, 1000);";
    const fs = changed(silent, {
      args: ['-e', `if (require('fs').existsSync('/tmp/stuck')) { ${hang} } else { ${script} }`],
      backend: { lifecycle: { health_check_interval_seconds: 3 } },
    });
    const loop = watching(one, specFolder(fs, tinySpec({ name: 'web' })));
    await loop.told('changed');
    await (await one.container('fs').exec({ Cmd: ['touch', '/tmp/stuck'] })).start({});
    await eventually(
      async () => expect(JSON.stringify((await one.container('fs').top()).Processes)).toContain('hung'),
      soonMs,
    );
    await one.container('web').stop({ t: 0 });
    await eventually(async () => expect(await isRunning(one, 'web')).toBe(true), soonMs);
    expect(loop.of('failing')).toEqual([]);
    expect(await loop.ended()).toBe(130);
  }, 240_000);

  test('a policy that is tightened is heard: what it forbids is not made again; one that is wrong changes nothing', async () => {
    const one = project();
    const config = emptyFolder();
    const write = (policy: string): void => {
      mkdirSync(join(config, 'looms'), { recursive: true });
      writeFileSync(join(config, 'looms/policy.yaml'), policy, { mode: 0o644 });
    };
    const words = ['watch', '-f', specFolder(tinySpec({ name: 'fs' }))];
    const loop = watchLoopWith(one, { env: { XDG_CONFIG_HOME: config } }, ...words);
    await loop.told('changed');
    write('max_memory_mb: 64\n');
    await loop.told('refused');
    expect(loop.of('source-unusable')[0]).toMatchObject({
      keeps: 1,
      failure: { code: 'refused', detail: [expect.stringMatching(/mcp\.yaml.* at most 64 /)] },
    });
    expect(loop.of('refused')[0]?.failure.detail).toEqual([expect.stringMatching(/fs: .*policy\.yaml:1/)]);
    await one.container('fs').remove({ force: true });
    write('max_memory_mb: 32\n');
    await loop.told('refused', 2);
    expect(await one.names()).toEqual([]);
    write('max_memory_mb: [');
    await loop.told('source-unusable', 3);
    expect(loop.of('changing')).toHaveLength(1);
    write('max_memory_mb: 512\n');
    await loop.told('changed', 2);
    expect(await isRunning(one, 'fs')).toBe(true);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a looms.yaml that is gone does not make room for what it forbids', async () => {
    const one = project();
    const folder = specFolder(tinySpec({ name: 'fs', memoryMiB: 64 }));
    const rules = join(folder, 'looms.yaml');
    writeFileSync(rules, 'policy: { max_memory_mb: 64 }\n');
    const loop = watching(one, folder);
    await loop.told('changed');
    rmSync(rules);
    await loop.told('source-unusable');
    expect(loop.of('source-unusable')[0]).toMatchObject({ keeps: 1, failure: { code: 'file-not-found' } });
    writeFileSync(join(folder, 'mcp.yaml'), specs(tinySpec({ name: 'fs', memoryMiB: 96 })));
    await one.container('fs').stop({ t: 0 });
    await eventually(async () => expect(await isRunning(one, 'fs')).toBe(true), soonMs);
    expect((await one.container('fs').inspect()).HostConfig.Memory).toBe(64 * 1024 ** 2);
    writeFileSync(rules, 'policy: { max_memory_mb: 96 }\n');
    await eventually(
      async () => expect((await one.container('fs').inspect()).HostConfig.Memory).toBe(96 * 1024 ** 2),
      soonMs,
    );
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('a secret that is missing is told once and keeps no other server from being repaired, nor does a rule', async () => {
    const one = project();
    const needy = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:nobody_has_it}' } });
    const [web, gone] = ['web', 'gone'].map((name) => tinySpec({ name }));
    const folder = specFolder(needy, web ?? '', gone ?? '');
    const write = (...texts: readonly string[]): void => writeFileSync(join(folder, 'mcp.yaml'), specs(...texts));
    const loop = watching(one, folder, '--prune', '--max-deletes', '0');
    await loop.told('changed');
    expect((await one.names()).length).toBe(2);
    await one.container('web').remove({ force: true });
    await eventually(async () => expect(await isRunning(one, 'web')).toBe(true), soonMs);
    expect(loop.of('left-alone')).toMatchObject([
      { level: 'error', server: 'fs', left: { why: 'without-secrets', failure: { code: 'secret-missing' } } },
    ]);
    write(tinySpec({ name: 'fs' }), web ?? '');
    await loop.told('refused');
    await eventually(async () => expect(await isRunning(one, 'fs')).toBe(true), soonMs);
    await one.container('web').stop({ t: 0 });
    await eventually(async () => expect(await isRunning(one, 'web')).toBe(true), soonMs);
    expect(await isRunning(one, 'gone')).toBe(true);
    expect(loop.of('refused')).toHaveLength(1);
    expect(loop.of('away')).toEqual([]);
    expect(await loop.ended()).toBe(130);
  }, 240_000);

  test('--dry-run tells of differences once, and changes nothing', async () => {
    const one = project();
    const yaml = specs(tinySpec({ name: 'fs' }));
    await one.apply(yaml);
    const loop = watching(one, specFolder(yaml), '--dry-run');
    await loop.told('watching');
    await one.container('fs').remove({ force: true });
    const missing = [{ server: 'fs', action: 'create', reasons: [{ kind: 'missing' }] }];
    await eventually(async () => expect(loop.of('drift').at(-1)?.changes).toMatchObject(missing), soonMs);
    expect(await one.names()).toEqual([]);
    await one.apply(yaml);
    await loop.told('in-sync');
    const bases = loop.of('drift').map(({ basis }) => basis);
    expect(bases).toEqual([...new Set(bases)]);
    expect(loop.of('changing')).toEqual([]);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('--on-drift tells a command, and a URL that fails at first, what differs', async () => {
    const one = project();
    const yaml = specs(tinySpec({ name: 'fs' }));
    await one.apply(yaml);
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      text(request).then((body) => {
        bodies.push(body);
        response.writeHead(bodies.length === 1 ? 503 : 204).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const file = join(emptyFolder(), 'drift.json');
    const both = [
      watching(one, specFolder(yaml), '--dry-run', '--on-drift', `cat > ${file}`),
      watching(one, specFolder(yaml), '--dry-run', '--on-drift', `http://127.0.0.1:${port}/`),
    ];
    for (const loop of both) await loop.told('watching');
    await one.container('fs').remove({ force: true });
    const drift = { type: 'drift', changes: [{ server: 'fs', action: 'create' }] };
    await eventually(async () => expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject(drift), soonMs);
    // A busy machine may see a container that is being removed while it has only ended: that is told first, and fails first.
    await eventually(async () => {
      expect(bodies.length).toBeGreaterThanOrEqual(2);
      expect(JSON.parse(bodies.at(-1) ?? '')).toMatchObject(drift);
    }, soonMs);
    expect(bodies[1]).toBe(bodies[0]);
    for (const loop of both) expect(await loop.ended()).toBe(130);
    server.close();
  }, 180_000);

  test('two loops over one project make nothing twice, and the second goes on when the first is killed', async () => {
    const one = project();
    const yaml = specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }));
    const folder = specFolder(yaml);
    const [first, second] = [watching(one, folder), watching(one, folder)];
    await Promise.all([first.told('in-sync'), second.told('watching')]);
    await eventually(async () => expect(await one.names()).toEqual(['fs', 'web']), soonMs);
    first.child.kill('SIGKILL');
    await first.finished;
    await one.container('fs').remove({ force: true });
    await eventually(async () => expect((await one.diff(yaml)).code).toBe(0), soonMs);
    expect(await second.ended()).toBe(130);
  }, 180_000);

  test('standard input is refused, as is a prune of the implicit project', async () => {
    const one = project();
    expect(await one.run(['watch', '-f', '-'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('standard input cannot be watched'),
    });
  });
});
