import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePrivateEngine, noPrivateEngine, type PrivateEngine } from '../../../scripts/lib/private-engine.mjs';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type Finished } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, watchLoopWith } from '../../support/watch-loop.ts';

const missing = withoutEngine() ? 'no engine' : noPrivateEngine();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const placed = (name: string, place: object = {}) => changed(tinySpec({ name }), { place });
const onThere = { labels: { zone: 'b' } };

describe.skipIf(missing !== undefined)('a project on two engines', () => {
  const here = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  const cwd = emptyFolder();
  let there: PrivateEngine;
  let project: TestProject;
  const run = (...args: readonly string[]): Promise<Finished> => project.run(args, { cwd });
  const declare = (...texts: readonly string[]) => writeFileSync(join(cwd, 'mcp.yaml'), specs(...texts));
  const apply = async (...texts: readonly string[]): Promise<Finished> => {
    declare(...texts);
    return run('apply', '--yes');
  };
  /** `fs on here`, a line a server, as `get` tells it. */
  const places = async (): Promise<string[]> => {
    const { stdout } = await run('get', '--json');
    const got = JSON.parse(stdout);
    expect(schemaProblems('get', got)).toEqual([]);
    return got.map((one: { name: string; engine: string }) => `${one.name} on ${one.engine}`);
  };
  const says = async (server: string, text: string) =>
    expect(await run('mcp', 'call', server, 'echo', `text=${text}`)).toMatchObject({ code: 0, stdout: `${text}\n` });

  beforeAll(async () => {
    there = await makePrivateEngine({ images: ['node:24-slim'], from: here });
    project = testProject('several');
    const engines = {
      here: { host: here, labels: { zone: 'a' }, weight: 2 },
      there: { host: there.host, labels: { zone: 'b' }, lost_after_seconds: 10 },
    };
    writeFileSync(join(cwd, 'looms.yaml'), JSON.stringify({ engines }));
  });
  afterAll(async () => {
    await endLoops();
    await project?.remove();
    await there?.close();
  });

  test('has its servers where their places say, in one plan, one list, and one way to call them', async () => {
    declare(placed('a'), placed('b', onThere), placed('c'));
    const plan = JSON.parse((await run('diff', '--json')).stdout);
    expect(schemaProblems('plan', plan)).toEqual([]);
    expect(plan.changes.map((one: { server: string; engine: string }) => `${one.server} on ${one.engine}`)).toEqual([
      'a on here',
      'b on there',
      'c on here',
    ]);
    const applied = await run('apply', '--yes');
    expect(applied, applied.stderr).toExit(0);
    expect(await places()).toEqual(['a on here', 'b on there', 'c on here']);
    await says('a', 'from here');
    await says('b', 'from there');
    expect(await run('diff')).toExit(0);
    expect((await run('mcp', 'list')).stdout).toMatch(/^a .*\n(?:.*\n)*b .* 5 /m);
  });

  test('moves a server without a call that fails', async () => {
    const gateway = project.start(['serve', '--listen', '127.0.0.1:0', '--json'], { cwd });
    try {
      await eventually(() => expect(gateway.stdout()).toContain('http://'), soonMs);
      const moved = apply(placed('a', onThere), placed('b', onThere), placed('c'));
      let isMoved = false;
      moved.finally(() => {
        isMoved = true;
      });
      let calls = 0;
      do {
        await says('a', `call ${calls}`);
        calls += 1;
      } while (!isMoved);
      console.log(`${calls} calls while a server moved, none failed`);
      expect(await moved).toExit(0);
      await says('a', 'after');
      expect(await places()).toEqual(['a on there', 'b on there', 'c on here']);
      expect(await project.names()).toEqual(['c']);
      expect(await run('diff')).toExit(0);
    } finally {
      gateway.child.kill('SIGINT');
      await gateway.finished;
    }
  });

  test('has one of two with files only where they are', async () => {
    const files = { backend: { volume_mounts: [{ source: 'data', target: '/data' }] } };
    await apply(changed(placed('c'), files));
    const asked = await apply(changed(placed('c', onThere), files));
    expect(asked).toExit(0);
    expect(asked.stdout).toContain('warning[place-not-kept] c: it stays on here, where its files are');
    expect(await places()).toContain('c on here');
    const refused = await apply(changed(placed('c', { on_lost: 'move' }), files));
    expect(refused).toExit(65);
    expect(refused.stderr).toContain('error[place-with-files]');
  });

  test('loses an engine: the others go on, and a loop makes elsewhere what may move, until it is back', async () => {
    const declared = [placed('a', onThere), placed('b', { on_lost: 'move' }), placed('c')] as const;
    const applied = await apply(...declared);
    expect(applied, applied.stderr).toExit(0);
    expect(await places()).toEqual(['a on there', 'b on there', 'c on here']);
    const loop = watchLoopWith(project, { cwd }, 'watch');
    await loop.told('watching');
    await there.kill();

    await says('c', 'still here');
    const drift = await run('diff');
    expect(drift).toExit(2);
    expect(drift.stdout).toContain(
      '! a  blocked: engine there, which may have it, does not answer'.replace('! ', '!   '),
    );
    expect(drift.stdout).toContain('warning[engine-silent]');
    const lost = await run('mcp', 'call', 'a', 'echo', 'text=x');
    expect(lost).toExit(69);
    expect(lost.stderr).toContain('there does not answer');

    await eventually(async () => expect(await places()).toEqual(['b on here', 'c on here']), soonMs);
    await says('b', 'moved');
    await there.start();
    await eventually(async () => {
      expect(await places()).toEqual(['a on there', 'b on here', 'c on here']);
      expect(await run('diff')).toExit(0);
    }, soonMs);
    await says('a', 'back');
    expect(await loop.ended()).toBe(130);
  });

  test('ends an apply that is killed, wherever it was, in what the next one completes', async () => {
    const [before, after] = [
      [placed('a', { engines: ['here'] }), placed('b', { engines: ['there'] })],
      [placed('a', { engines: ['there'] }), placed('b', { engines: ['here'] })],
    ] as const;
    expect(await apply(...before)).toExit(0);
    for (const moment of ['create', 'gate:', 'rename', 'drain', 'remove']) {
      declare(...after);
      const killed = project.start(['apply', '--yes'], { cwd });
      await eventually(() => expect(killed.stderr()).toContain(`: ${moment} `), soonMs);
      killed.child.kill('SIGKILL');
      await killed.finished;
      // Whatever was there serves on, on one engine or the other.
      await says('a', moment);
      await says('b', moment);
      const completed = await run('apply', '--yes', '--lock-timeout', '120');
      expect(completed, completed.stderr).toExit(0);
      expect(await places()).toEqual(['a on there', 'b on here', 'c on here']);
      expect(await run('diff')).toExit(0);
      expect(await apply(...before)).toExit(0);
    }
  });

  test('says of a place that is nowhere what there is, and of one that is not looked at that', async () => {
    const nowhere = await apply(placed('z', { labels: { gpu: true } }), placed('a'), placed('b'));
    expect(nowhere.stdout).toContain('no engine is as its place says: gpu: true');
    expect(nowhere.stdout).toContain('hint: looms.yaml has here (zone: a), there (zone: b)');
    const alone = await project.run(['diff', '-f', '-'], { stdin: specs(placed('z', onThere)) });
    expect(alone.stdout).toContain('warning[place-unused]');
  });
});
