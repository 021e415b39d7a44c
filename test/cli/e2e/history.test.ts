import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countCalls } from '../../support/call-counter.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type Finished } from '../../support/looms.ts';
import { brokenSpec, changed, httpSpec } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { changesAsText, type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const skipped = withoutEngine();

type Generation = {
  readonly generation: number;
  readonly state: string;
  readonly imageId: string;
  readonly source: string;
  readonly until: string | null;
  readonly failure: string | null;
  readonly changes: readonly { path: string; from: string; to: string }[] | null;
};

const memory = (memoryMiB: number, env: Record<string, string> = {}): string =>
  tinySpec({ name: 'fs', memoryMiB, env });

const historyOf = async (project: TestProject, server = 'fs'): Promise<readonly Generation[]> => {
  const { code, stdout, stderr } = await project.run(['history', server, '--json']);
  expect(code, stderr).toBe(0);
  const generations = JSON.parse(stdout) as readonly Generation[];
  expect(schemaProblems('history', generations)).toEqual([]);
  return generations;
};

const statesOf = async (project: TestProject): Promise<string[]> =>
  (await historyOf(project)).map(({ generation, state }) => `${generation} ${state}`);

const applied = async (project: TestProject, yaml: string, flags: readonly string[] = []): Promise<void> => {
  const { code, stderr, stdout } = await project.apply(yaml, flags);
  expect(code, stderr + stdout).toBe(0);
};

const memoryOf = async (project: TestProject): Promise<number> =>
  ((await project.container('fs').inspect()).HostConfig.Memory ?? 0) / 2 ** 20;

const secret = { env: { LOOMS_SECRET_TOKEN: 'of-today' } };

describe.skipIf(skipped)('the history of a server', () => {
  const project = testProject('history');
  beforeAll(async () => {
    for (const yaml of [memory(128), memory(160), memory(192), memory(224, { API_TOKEN: '${secret:token}' })]) {
      const { code, stderr } = await project.apply(yaml, [], secret);
      expect(code, stderr).toBe(0);
    }
  });
  afterAll(() => project.remove());

  test('tells each generation, newest first, with what it changed and without any secret', async () => {
    const generations = await historyOf(project);
    expect(generations.map(({ generation, state }) => `${generation} ${state}`)).toEqual([
      '4 running',
      '3 replaced',
      '2 replaced',
      '1 replaced',
    ]);
    expect(generations.map(({ changes }) => changes)).toEqual([
      [
        { path: 'docker_backend.resource_limits.memory_mb', from: '192', to: '224' },
        { path: 'mcp_server.env.API_TOKEN', from: 'none', to: '(secret)' },
      ],
      [{ path: 'docker_backend.resource_limits.memory_mb', from: '160', to: '192' }],
      [{ path: 'docker_backend.resource_limits.memory_mb', from: '128', to: '160' }],
      null,
    ]);
    const { stdout } = await project.run(['history', 'fs']);
    expect(stdout).toMatch(/^GEN +STATE +SINCE/);
    expect(stdout).toContain('192 → 224');
    expect(stdout).not.toContain('of-today');
  });

  test('costs nothing that runs, and is no server to get, diff and mcp', async () => {
    expect(await project.names()).toEqual(['fs']);
    expect(await project.records()).toEqual(['fs.h1 replaced', 'fs.h2 replaced', 'fs.h3 replaced']);
    expect(JSON.parse((await project.run(['get', '--json'])).stdout)).toMatchObject([{ name: 'fs', others: 0 }]);
    expect(await project.diff(memory(224, { API_TOKEN: '${secret:token}' }))).toExit(0);
    const call = await project.run(['mcp', 'call', 'fs', 'secret'], secret);
    expect(call.stdout).toBe('token=(secret)\n');
  });

  test('is read from the one listing that everything is read from', async () => {
    const counter = await countCalls();
    try {
      await project.run(['history', 'fs'], { env: { DOCKER_HOST: counter.host } });
      const inspected = counter.calls().filter(({ path }) => /\/containers\/[0-9a-f]{64}\/json/.test(path));
      expect(inspected).toHaveLength(1);
      expect(counter.writes()).toEqual([]);
    } finally {
      await counter.close();
    }
  });

  test('of a server that nobody knows ends with 66', async () => {
    expect(await project.run(['history', 'fz'])).toExit(66);
  });

  test('is shortened to what --keep says, and by looms.yaml for all commands', async () => {
    const yaml = memory(224, { API_TOKEN: '${secret:token}' });
    const folder = emptyFolder();
    writeFileSync(join(folder, 'looms.yaml'), 'keep: 2\n');
    const shown = await project.run(['diff', '-f', '-'], { stdin: yaml, cwd: folder });
    expect(shown.code).toBe(2);
    expect(shown.stdout).toMatch(/record looms-.*-fs\.h1 +remove: older than the 2 that are kept/);
    await applied(project, yaml, ['--keep', '1']);
    expect(await project.records()).toEqual(['fs.h3 replaced']);
  });

  test('outlives the server: what was deleted is told, and a rollback brings it back as it was', async () => {
    expect(await project.run(['delete', 'fs', '--yes'])).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await statesOf(project)).toEqual(['4 deleted', '3 replaced']);
    const [deleted] = await historyOf(project);
    expect(Date.now() - Date.parse(deleted?.until ?? '')).toBeLessThan(600_000);
    const again = await project.run(['delete', 'fs', '--yes']);
    expect(again).toMatchObject({ code: 66, stderr: expect.stringContaining('was deleted') });
    expect(again.stderr).toContain('`looms rollback fs` brings it back');
    expect(await project.run(['mcp', 'restart', 'fs'])).toExit(66);

    expect(await project.run(['rollback', 'fs', '--yes'], secret)).toExit(0);
    expect(await statesOf(project)).toEqual(['5 running', '4 deleted', '3 replaced']);
    expect(await memoryOf(project)).toBe(224);
  });
});

describe.skipIf(skipped)('what ended a generation', () => {
  const project = testProject('ended');
  afterAll(() => project.remove());

  test('is told: a repair, and a gate that failed with its reason and without a secret', async () => {
    await applied(project, memory(128));
    await project.docker
      .getContainer((await project.idOf('fs')) ?? '')
      .update({ Memory: 2 ** 28, MemorySwap: 2 ** 28 });
    await applied(project, memory(128));
    const lines = ["console.error('no license\\u0007');", 'console.error(process.env.API_TOKEN);', 'process.exit(3)'];
    const broken = changed(memory(128, { API_TOKEN: '${secret:token}' }), {
      mcp: { args: ['-e', lines.join('')] },
    });
    expect(await project.apply(broken, [], secret)).toExit(4);
    expect(await statesOf(project)).toEqual(['3 gate-failed', '2 running', '1 repaired']);
    const [failed, ...served] = await historyOf(project);
    expect(failed?.failure).toMatch(/^server-exited: fs exited with code 3 /);
    expect(failed?.failure).toContain('(secret)');
    expect(served.map(({ failure }) => failure)).toEqual([null, null]);
    const record = (await project.docker.listContainers({ all: true })).find(({ Names }) =>
      Names.includes(`/looms-${project.name}-fs.h3`),
    );
    expect(JSON.stringify(record?.Labels)).not.toContain('of-today');
    const { stdout } = await project.run(['history', 'fs']);
    expect(stdout).toMatch(/^3 +gate failed .*\n {5}server-exited: fs exited with code 3 .*\n {7}│ no license\\x07\n/m);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe.skipIf(skipped)('a rollback', () => {
  const project = testProject('rollback');
  let back: Finished;
  beforeAll(async () => {
    for (const memoryMiB of [128, 160, 192]) await applied(project, memory(memoryMiB));
    back = await project.run(['rollback', 'fs', '--to', '1', '--yes']);
  });
  afterAll(() => project.remove());

  test('takes the server back through the plan and the gate, and says that the files say otherwise', async () => {
    expect(back.code, back.stderr).toBe(0);
    expect(back.stdout).toContain('+/- fs  replace without downtime: rollback to generation 1');
    expect(back.stderr).toContain('[fs] gate: ');
    expect(back.stdout).toContain('where the files of fs say otherwise');
    expect(await memoryOf(project)).toBe(128);
    expect(await statesOf(project)).toEqual(['4 running', '3 rolled-back', '2 replaced', '1 replaced']);
    const diff = await project.diff(memory(192));
    expect(diff.code).toBe(2);
    expect(changesAsText(diff.plan)).toEqual([
      'fs: replace start-first spec-changed(docker_backend.resource_limits.memory_mb)',
    ]);
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi'])).toMatchObject({ code: 0, stdout: 'hi\n' });
  });

  test('to what runs already has nothing to do', async () => {
    const id = await project.idOf('fs');
    const again = await project.run(['rollback', 'fs', '--to', '1', '--yes', '--json']);
    expect(again.code).toBe(0);
    expect(schemaProblems('apply', JSON.parse(again.stdout))).toEqual([]);
    expect(await project.idOf('fs')).toBe(id);
    const said = await project.run(['rollback', 'fs', '--to', '1']);
    expect(said).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^project .+\nNothing to do: fs runs as generation 1 did\.\n$/),
    });
  });

  test('without --to goes to what served before and was not rolled back', async () => {
    const plan = JSON.parse((await project.run(['rollback', 'fs', '--dry-run', '--json'])).stdout);
    expect(schemaProblems('apply', plan)).toEqual([]);
    expect(plan.changes[0].reasons[0]).toEqual({ kind: 'requested', detail: 'rollback to generation 2' });
    expect(await memoryOf(project)).toBe(128);
  });

  test('is not done (9) without --yes and a terminal, and ends with 66 for a generation that is not recorded', async () => {
    expect(await project.run(['rollback', 'fs'])).toExit(9);
    const unknown = await project.run(['rollback', 'fs', '--to', '99', '--yes']);
    expect(unknown.code).toBe(66);
    expect(unknown.stderr).toContain('error[generation-not-found]');
  });

  test('is refused (8) when a policy forbids by now what ran then', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'looms.yaml'), 'policy: { max_memory_mb: 150 }\n');
    const refused = await project.run(['rollback', 'fs', '--to', '2', '--yes'], { cwd: folder });
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain('max-memory-mb');
    expect(await memoryOf(project)).toBe(128);
  });

  test('that fails its gate leaves what runs, exit 4', async () => {
    // A generation that served then, and whose command is not there any more when it comes back: here by its arguments.
    const failed = await project.apply(brokenSpec('fs', 'exits'));
    expect(failed.code).toBe(4);
    const records = await project.records();
    const broken = records.find((record) => record.endsWith('gate-failed')) ?? '';
    const id = await project.idOf('fs');
    const number = /h(\d+)/.exec(broken)?.[1] ?? '';
    expect(await project.run(['rollback', 'fs', '--to', number, '--yes'])).toExit(4);
    expect(await project.idOf('fs')).toBe(id);
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=hi'])).toExit(0);
    // Tried twice, told once.
    expect((await project.records()).filter((record) => record.endsWith('gate-failed'))).toHaveLength(1);
  });

  test('starts a server again whose containers are all gone', async () => {
    await project.container('fs').remove({ force: true });
    expect(await project.run(['rollback', 'fs', '--to', '2', '--yes'])).toExit(0);
    expect(await memoryOf(project)).toBe(160);
  });
});

describe.skipIf(skipped)('a rollback after a tag moved on', () => {
  const project = testProject('moved');
  const tag = `${project.name}:v`;
  const addressed = changed(httpSpec('fs', { volume: 'pages' }), { backend: { base_image: tag } });
  const { docker } = project;
  beforeAll(async () => {
    await docker.getImage('node:24-slim').tag({ repo: project.name, tag: 'v' });
    await applied(project, addressed);
    const maker = await docker.createContainer({ Image: 'node:24-slim', Cmd: ['true'] });
    await maker.commit({ repo: project.name, tag: 'v', changes: ['LABEL moved=yes'] });
    await maker.remove();
    await applied(project, addressed);
  });
  afterAll(async () => {
    await project.remove();
    await docker.getImage(tag).remove({ force: true });
  });

  test('runs the image of then, and the next diff shows that the tag means another', async () => {
    const [now, then] = await historyOf(project);
    expect(then?.imageId).not.toBe(now?.imageId);
    expect(now?.changes).toMatchObject([{ path: 'image' }]);
    const back = await project.run(['rollback', 'fs', '--yes']);
    expect(back.code, back.stderr).toBe(0);
    expect((await project.container('fs').inspect()).Image).toBe(then?.imageId);
    const diff = await project.diff(addressed);
    expect(changesAsText(diff.plan)).toEqual(['fs: replace stop-first image-changed(image)']);
  });
});

describe.skipIf(skipped)('the images that looms built for a server', () => {
  const project = testProject('built');
  const { docker } = project;
  const built = (mark: string): string =>
    `${JSON.stringify({
      ...JSON.parse(tinySpec({ name: 'fs' })),
      docker_backend: {
        runtime_type: 'node',
        build_config: { from_image: 'node:24-slim', run_commands: [`echo ${project.name}-${mark} > /mark`] },
      },
    })}\n`;
  const there = async (refs: readonly string[]): Promise<boolean[]> => {
    const tags = (await docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []);
    return refs.map((ref) => tags.includes(ref));
  };
  afterAll(async () => {
    const refs = new Set((await historyOf(project)).map(({ imageId }) => imageId));
    await project.remove();
    for (const ref of refs) await docker.getImage(ref).remove({ force: true });
  });

  test('stay as long as they can be gone back to, and go with their record', async () => {
    const refs: string[] = [];
    for (const mark of ['1', '2', '3']) {
      await applied(project, built(mark), ['--keep', '1']);
      refs.push((await project.container('fs').inspect()).Config.Labels['looms.image'] ?? '');
    }
    expect(await there(refs)).toEqual([false, true, true]);
    expect(await project.records()).toEqual(['fs.h2 replaced']);
    await expect(docker.getImage(refs[1] ?? '').remove()).rejects.toMatchObject({ statusCode: 409 });
    expect(await project.run(['rollback', 'fs', '--yes', '--keep', '1'])).toExit(0);
    expect((await project.container('fs').inspect()).Config.Labels['looms.image']).toBe(refs[1]);
  });
});

describe.skipIf(skipped)('a rollback that is killed', () => {
  const project = testProject('killed');
  beforeAll(async () => {
    for (const memoryMiB of [128, 160]) await applied(project, memory(memoryMiB));
  });
  afterAll(() => project.remove());

  // Moments are told by what was said last, not by the clock.
  test.each([/\[fs] start /, /\[fs] gate: .*done/, /\[fs] rename .*\.g\d+ to .*done/, /\[fs] (drain|record) /])(
    'is completed by the same command: %s',
    async (moment) => {
      const target = (await historyOf(project)).find(({ state }) => state === 'replaced' || state === 'rolled-back');
      const command = ['rollback', 'fs', '--to', String(target?.generation), '--yes'];
      const before = await memoryOf(project);
      const run = project.start(command);
      let over = false;
      void run.finished.then(() => {
        over = true;
      });
      await eventually(() => expect(over || moment.test(run.stderr())).toBe(true), 60_000, 2);
      run.child.kill('SIGKILL');
      await run.finished;

      const again = await project.run(command);
      expect(again.code, again.stderr).toBe(0);
      expect(await project.names()).toEqual(['fs']);
      expect(await memoryOf(project)).toBe(before === 128 ? 160 : 128);
      const states = (await historyOf(project)).map(({ state }) => state);
      expect(states.filter((state) => state === 'running')).toHaveLength(1);
      expect(await project.diff(memory(await memoryOf(project)))).toExit(0);
    },
  );
});

describe.skipIf(skipped)('servers beside the one that is taken back', () => {
  const project = testProject('beside');
  afterAll(() => project.remove());

  test('are not touched, and neither is what stands behind them', async () => {
    const both = (memoryMiB: number) => specs(memory(memoryMiB), httpSpec('web'));
    await applied(project, both(128));
    await applied(project, both(160));
    const before = [await project.idOf('web'), (await project.names()).join(' ')];
    expect(await project.run(['rollback', 'fs', '--yes'])).toExit(0);
    expect([await project.idOf('web'), (await project.names()).join(' ')]).toEqual(before);
    expect(await memoryOf(project)).toBe(128);
  });
});
