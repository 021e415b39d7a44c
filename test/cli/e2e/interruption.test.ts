import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { historyOf, withoutEngine } from '../../support/images.ts';
import { deadEngine, emptyFolder, program } from '../../support/looms.ts';
import { brokenScripts, brokenSpec, changed, httpSpec } from '../../support/odd-servers.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const skipped = withoutEngine();
const fromStdin = ['apply', '-f', '-', '--yes'] as const;

const projects: TestProject[] = [];
function newProject(label: string): TestProject {
  const project = testProject(label);
  projects.push(project);
  return project;
}
const removeAll = async (): Promise<void> => {
  for (const project of projects.splice(0)) await project.remove();
};

/** A server whose image takes `seconds` to build; another `mark` makes a recipe that was never built. */
const slowBuild = (name: string, mark: string, seconds: number): string =>
  changed(tinySpec({ name }), {
    backend: {
      base_image: undefined,
      build_config: { from_image: 'node:24-slim', run_commands: [`echo ${mark} && sleep ${seconds}`] },
    },
  });

async function removeBuilt({ docker }: TestProject, mark: string): Promise<void> {
  for (const { Id } of await docker.listImages()) {
    const history = await historyOf(docker, Id);
    if (history.some(({ CreatedBy }) => CreatedBy.includes(mark))) await docker.getImage(Id).remove({ force: true });
  }
}

/** What every interrupted run owes: the next one brings about the whole, and nothing else is there. */
async function converges(project: TestProject, yaml: string, names: readonly string[]): Promise<void> {
  expect(await project.apply(yaml)).toExit(0);
  expect(await project.names()).toEqual(names);
  expect(await project.diff(yaml)).toExit(0);
}

describe.skipIf(skipped)('an apply that is interrupted', () => {
  afterEach(removeAll);
  afterAll(removeAll);

  test('is not one whose output cannot be written: it does all, leaves no lock, and says it in its exit code', async () => {
    const project = newProject('unwritten');
    const file = `${emptyFolder()}/mcp.yaml`;
    writeFileSync(file, tinySpec({ name: 'works' }));
    const full = openSync('/dev/full', 'w');
    const args = ['apply', '-f', file, '--yes', '--project', project.name];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', full, full] });
    expect(await once(child, 'exit')).toEqual([73, null]);
    closeSync(full);
    expect(await project.names()).toEqual(['works']);
    expect(await project.diff(tinySpec({ name: 'works' }))).toExit(0);
  });

  test('by a terminal that is gone ends as by Ctrl-C: what served before serves', async () => {
    const project = newProject('hung-up');
    expect(await project.apply(tinySpec({ name: 'fs' }))).toExit(0);
    const before = await project.idOf('fs');
    const { child, finished, stderr } = project.start([...fromStdin, '--grace', '1'], {
      stdin: brokenSpec('fs', 'silent', 60),
    });
    await eventually(() => expect(stderr()).toContain('gate:'));
    child.kill('SIGHUP');
    expect(await finished).toExit(129);
    expect(await project.idOf('fs')).toBe(before);
    await converges(project, tinySpec({ name: 'fs' }), ['fs']);
  });

  test('is not one whose reader went away: it does all, and leaves no lock', async () => {
    const project = newProject('unread');
    const { child } = project.start([...fromStdin], { stdin: tinySpec({ name: 'works' }) });
    const exit = once(child, 'exit');
    child.stdout?.destroy();
    child.stderr?.destroy();
    expect(await exit).toEqual([0, null]);
    expect(await project.names()).toEqual(['works']);
  });

  test('by Ctrl-C during a gate ends with 130, gives the lock back, and the next one goes on', async () => {
    const project = newProject('sigint');
    const yaml = specs(brokenSpec('slow', 'silent', 60), tinySpec({ name: 'works' }));
    const run = project.start([...fromStdin, '--grace', '1'], { stdin: yaml });
    await eventually(() => expect(run.stderr()).toContain('[slow] gate: '), 60_000);
    run.child.kill('SIGINT');
    const { code, stdout } = await run.finished;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^… slow +not finished/m);
    expect(await project.names()).not.toContain('.lock');
    await converges(project, specs(tinySpec({ name: 'slow' }), tinySpec({ name: 'works' })), ['slow', 'works']);
  });

  test('by Ctrl-C during a build ends with 130, gives the lock back, and the next one goes on', async () => {
    const project = newProject('build');
    const mark = randomBytes(8).toString('hex');
    const yaml = slowBuild('built', mark, 5);
    try {
      const run = project.start([...fromStdin, '--grace', '1'], { stdin: yaml });
      await eventually(() => expect(run.stderr()).toMatch(/build.*sleep|RUN/), 60_000);
      run.child.kill('SIGINT');
      expect(await run.finished).toExit(130);
      expect(await project.names()).toEqual([]);
      await converges(project, yaml, ['built']);
    } finally {
      await project.remove();
      await removeBuilt(project, mark);
    }
  });

  test('by SIGTERM while it replaces a server leaves the old one serving, ends with 143, and the next one goes on', async () => {
    const project = newProject('sigterm');
    expect(await project.apply(tinySpec({ name: 'fs' }))).toExit(0);
    const before = await project.idOf('fs');
    const run = project.start([...fromStdin, '--grace', '0'], { stdin: brokenSpec('fs', 'silent', 60) });
    await eventually(() => expect(run.stderr()).toContain('[fs] gate: '), 60_000);
    run.child.kill('SIGTERM');
    expect(await run.finished).toExit(143);
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=old'])).toMatchObject({ code: 0, stdout: 'old\n' });
    expect(await project.idOf('fs')).toBe(before);
    expect(await project.names()).not.toContain('.lock');
    await converges(project, tinySpec({ name: 'fs' }), ['fs']);
  });

  test.each([
    ['by Ctrl-C whose grace passes', ['--grace', '1'], 130],
    ['whose time is up', ['--timeout', '20'], 124],
  ] as const)(
    '%s while the successor is in its gate starts the server again that was stopped for it',
    async (_, flags, code) => {
      const project = newProject('stopped');
      const yaml = httpSpec('kept', { volume: 'kept' });
      expect(await project.apply(yaml)).toExit(0);
      const before = await project.idOf('kept');
      const silent = changed(yaml, { args: ['-e', brokenScripts.silent], timeoutSeconds: 120 });
      const run = project.start([...fromStdin, ...flags], { stdin: silent });
      await eventually(() => expect(run.stderr()).toContain('[kept] gate: '), 60_000);
      if (code === 130) run.child.kill('SIGINT');
      expect(await run.finished).toExit(code);
      expect(await project.names()).toEqual(['.relay', 'kept']);
      expect(await project.idOf('kept')).toBe(before);
      expect(await project.run(['mcp', 'call', 'kept', 'count'])).toMatchObject({ code: 0, stdout: '0\n' });
      await converges(project, yaml, ['.relay', 'kept']);
    },
  );

  test('by a second Ctrl-C stops at once, without waiting out the grace', async () => {
    const project = newProject('twice');
    const run = project.start([...fromStdin, '--grace', '600'], { stdin: brokenSpec('slow', 'silent', 600) });
    await eventually(() => expect(run.stderr()).toContain('[slow] gate: '), 60_000);
    run.child.kill('SIGINT');
    await eventually(() => expect(run.stderr()).toContain('stopping: '), 10_000);
    run.child.kill('SIGINT');
    expect(await run.finished).toExit(130);
    expect(await project.names()).not.toContain('.lock');
  });

  test('by kill -9 in the middle of everything is finished by the next one, with no temporary name left', async () => {
    const project = newProject('sigkill');
    const names = Array.from({ length: 8 }, (_, index) => `s${index}`);
    const first = specs(...names.map((name) => tinySpec({ name })));
    expect(await project.apply(first)).toExit(0);
    const second = specs(...names.map((name) => tinySpec({ name, memoryMiB: 160 })), tinySpec({ name: 'extra' }));
    const run = project.start(fromStdin, { stdin: second });
    await eventually(() => expect(run.stderr()).toMatch(/\[s\d] remove .*: done/), 60_000);
    run.child.kill('SIGKILL');
    await run.finished;
    const left = await project.names();
    expect(left).toContain('.lock');
    for (const name of names) expect(left.some((one) => one === name || one.startsWith(`${name}.g`))).toBe(true);

    // Its lock is that of a process of this machine which is gone: nobody has to wait for its minute to pass.
    await converges(project, second, ['extra', ...names]);
  });
});

describe.skipIf(skipped)('an apply that is killed at any moment', () => {
  const project = testProject('moments');
  afterAll(() => project.remove());
  const wanted = (memoryMiB: number): string =>
    specs(
      ...['a', 'b', 'c'].map((name) => tinySpec({ name, memoryMiB })),
      httpSpec('kept', { volume: 'kept', backend: { resource_limits: { memory_mb: memoryMiB } } }),
      httpSpec('web', { backend: { resource_limits: { memory_mb: memoryMiB } } }),
    );

  // Moments are told by what was said last, not by the clock, so that they are the same on a slow machine.
  test.each([
    [128, /create network/],
    [136, /\[a] create /],
    [144, /\[web] start /],
    [152, /\[kept] stop /],
    [160, /\[b] gate: /],
    [168, /\[c] rename .*\.g\d+ .*done/],
    [176, /\[a] drain /],
    [184, /\[kept] remove /],
  ])('leaves what the next one completes: %i MiB, %s', async (memoryMiB, moment) => {
    const yaml = wanted(memoryMiB);
    const run = project.start(fromStdin, { stdin: yaml });
    let over = false;
    void run.finished.then(() => {
      over = true;
    });
    await eventually(() => expect(over || moment.test(run.stderr())).toBe(true), 60_000, 2);
    run.child.kill('SIGKILL');
    await run.finished;
    await converges(project, yaml, ['.relay', 'a', 'b', 'c', 'kept', 'web']);
    expect(await project.networks()).toEqual([`looms-${project.name}`]);
  });
});

describe.skipIf(skipped)('an apply that may not run', () => {
  afterEach(removeAll);
  afterAll(removeAll);

  test('because another one runs ends with 6, and with --lock-timeout waits for it', async () => {
    const project = newProject('lock');
    const slow = project.start(fromStdin, { stdin: brokenSpec('slow', 'silent', 20) });
    await eventually(() => expect(slow.stderr()).toContain('[slow] gate: '), 60_000);
    const refused = await project.apply(tinySpec({ name: 'fs' }));
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain('--lock-timeout');
    const patient = await project.apply(tinySpec({ name: 'fs' }), ['--lock-timeout', '120']);
    expect(patient).toExit(0);
    expect(patient.stderr).toContain('waiting for the lock of ');
    expect(await slow.finished).toExit(10);
    expect(await project.names()).toEqual(['fs']);
  });

  test('at the same time as others waits for them, and together they make one whole state', async () => {
    const project = newProject('race');
    const yaml = specs(...['a', 'b', 'c', 'd'].map((name) => tinySpec({ name })));
    const runs = await Promise.all([1, 2, 3].map(() => project.apply(yaml, ['--lock-timeout', '120'])));
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await project.names()).toEqual(['a', 'b', 'c', 'd']);
    expect(await project.networks()).toEqual([`looms-${project.name}`]);
    const generations = await Promise.all(
      ['a', 'b', 'c', 'd'].map(
        async (name) => (await project.container(name).inspect()).Config.Labels['looms.generation'],
      ),
    );
    expect(generations).toEqual(['1', '1', '1', '1']);
    expect(await project.diff(yaml)).toExit(0);
  });

  test('at the same time as one of another file ends in one of the two states, whole', async () => {
    const project = newProject('rivals');
    const states = [128, 160].map((memoryMiB) =>
      specs(...['a', 'b', memoryMiB === 128 ? 'c' : 'd'].map((name) => tinySpec({ name, memoryMiB }))),
    );
    for (const flags of [['--lock-timeout', '120'], []]) {
      const runs = await Promise.all(states.map((yaml) => project.apply(yaml, ['--prune', ...flags])));
      const codes = runs.map(({ code }) => code).sort();
      expect(
        flags.length > 0
          ? [[0, 0]]
          : [
              [0, 0],
              [0, 6],
            ],
        runs.map(({ stderr }) => stderr).join(),
      ).toContainEqual(codes);
      const diffs = await Promise.all(states.map((yaml) => project.diff(yaml, ['--prune'])));
      expect(diffs.map(({ code }) => code).sort()).toEqual([0, 2]);
      expect(await project.names()).toEqual(['a', 'b', diffs[0]?.code === 0 ? 'c' : 'd']);
      expect(await project.networks()).toEqual([`looms-${project.name}`]);
    }
  });

  test('because a secret is missing ends with 77, and the server that runs is not touched', async () => {
    const project = newProject('secret');
    const before = tinySpec({ name: 'fs' });
    expect(await project.apply(before)).toExit(0);
    const id = await project.idOf('fs');
    const started = (await project.container('fs').inspect()).State.StartedAt;
    const wanting = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:e2e-missing}' } });
    const refused = await project.apply(specs(wanting, tinySpec({ name: 'other' })));
    expect(refused.code).toBe(77);
    expect(refused.stderr).toContain('LOOMS_SECRET_E2E_MISSING');
    expect(await project.idOf('fs')).toBe(id);
    expect((await project.container('fs').inspect()).State.StartedAt).toBe(started);
    expect(await project.names()).toEqual(['fs']);
    expect(await project.diff(before)).toExit(0);
  });

  test('because its time is up ends with 124, and leaves nothing behind that did not answer', async () => {
    const project = newProject('time');
    const late = await project.apply(brokenSpec('slow', 'silent', 60), ['--timeout', '3']);
    expect(late.code).toBe(124);
    expect(late.stdout).toContain('the same command goes on from what is there');
    expect(await project.apply(tinySpec({ name: 'slow' }))).toExit(0);
    expect(await project.names()).toEqual(['slow']);
  });

  test('because no engine answers ends with 69', async () => {
    const project = newProject('dead');
    const refused = await project.apply(tinySpec({ name: 'fs' }), [], { env: { DOCKER_HOST: deadEngine } });
    expect(refused).toMatchObject({ code: 69, stdout: '' });
  });
});
