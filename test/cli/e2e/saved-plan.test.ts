import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { countCalls } from '../../support/call-counter.ts';
import { holdLock } from '../../support/hold-lock.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const projects: TestProject[] = [];
function newProject(label: string): { project: TestProject; cwd: string; write: (file: string, text: string) => void } {
  const project = testProject(label);
  projects.push(project);
  const cwd = emptyFolder();
  return { project, cwd, write: (file, text) => writeFileSync(join(cwd, file), text) };
}
const removeAll = async (): Promise<void> => {
  for (const project of projects.splice(0)) await project.remove();
};

const save = ['diff', '-f', 'mcp.yaml', '--out', 'plan.json'] as const;

describe.skipIf(withoutEngine())('a saved plan', () => {
  afterEach(removeAll);
  afterAll(removeAll);

  test('is carried out as it is, without a question and without its spec, and only once', async () => {
    const { project, cwd, write } = newProject('plan');
    write('mcp.yaml', specs(tinySpec({ name: 'a' }), tinySpec({ name: 'b' })));
    const saved = await project.run(save, { cwd });
    expect(saved).toMatchObject({ code: 2, stderr: expect.stringContaining('looms apply plan.json') });
    rmSync(join(cwd, 'mcp.yaml'));

    const applied = await project.run(['apply', 'plan.json'], { cwd });
    expect(applied, applied.stderr).toExit(0);
    expect(await project.names()).toEqual(['a', 'b']);

    const again = await project.run(['apply', 'plan.json'], { cwd });
    expect(again).toMatchObject({ code: 7, stdout: '' });
    expect(again.stderr).toContain(
      'error[plan-stale]: there is nothing left to do: the engine is as the plan would make it',
    );
  });

  test('fits its schema, names its engine, holds no secret, and is for its owner only', async () => {
    const { project, cwd, write } = newProject('plan-file');
    write('mcp.yaml', tinySpec({ name: 'a', env: { API_TOKEN: '${E2E_TOKEN}', OTHER: '${secret:other}' } }));
    write('plan.json', '{"kind":"looms-plan","schemaVersion":0}');
    chmodSync(join(cwd, 'plan.json'), 0o644);
    const env = { E2E_TOKEN: 'not-for-any-file', LOOMS_SECRET_OTHER: 'nor-this-one' };
    expect(await project.run(save, { cwd, env })).toExit(2);
    const text = readFileSync(join(cwd, 'plan.json'), 'utf8');
    const plan = JSON.parse(text);
    expect(schemaProblems('saved-plan', plan)).toEqual([]);
    expect(plan.plan.engine.id).toBe((await project.docker.info()).ID);
    for (const value of Object.values(env)) expect(text).not.toContain(value);
    expect(statSync(join(cwd, 'plan.json')).mode & 0o777).toBe(0o600);

    const applied = await project.run(['apply', 'plan.json', '--json'], { cwd, env });
    expect(applied, applied.stderr).toExit(0);
    expect(schemaProblems('apply', JSON.parse(applied.stdout))).toEqual([]);
    const secret = await project.run(['mcp', 'call', 'a', 'secret'], { cwd, env });
    expect(secret).toExit(0);
  });

  test('is stale (7) when its spec says something else now, also only in a comment', async () => {
    const { project, cwd, write } = newProject('plan-spec');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    write('mcp.yaml', `# later\n${tinySpec({ name: 'a' })}`);
    const stale = await project.run(['apply', 'plan.json', '--yes'], { cwd });
    expect(stale).toMatchObject({ code: 7, stderr: expect.stringContaining('mcp.yaml: it says something else') });
    expect(await project.names()).toEqual([]);
  });

  test('is stale (7) when someone changed what runs, and tells which field', async () => {
    const { project, cwd, write } = newProject('plan-drift');
    expect(await project.apply(tinySpec({ name: 'a' }))).toExit(0);
    write('mcp.yaml', tinySpec({ name: 'a', memoryMiB: 160 }));
    await project.run(save, { cwd });
    await project.container('a').update({ PidsLimit: 77 });
    const stale = await project.run(['apply', 'plan.json', '--yes'], { cwd });
    expect(stale.code).toBe(7);
    expect(stale.stderr).toMatch(
      /a: replace start-first, now also for live-drift: docker_backend\.resource_limits\.pids_limit 77 -> 256/,
    );
  });

  test('is stale (7) when what an image is built from changed or is gone, and says which server waits for it', async () => {
    const { project, cwd, write } = newProject('plan-build');
    const built = changed(tinySpec({ name: 'built' }), {
      backend: {
        base_image: undefined,
        build_config: { from_image: 'node:24-slim', copy_files: ['note.txt /note.txt'] },
      },
    });
    write('mcp.yaml', built);
    write('note.txt', `planned ${project.name}`);
    await project.run(save, { cwd });
    write('note.txt', `changed ${project.name}`);
    const other = await project.run(['apply', 'plan.json'], { cwd });
    expect(other).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/built: the files that looms\/build:\S+ is built/),
    });
    rmSync(join(cwd, 'note.txt'));
    const gone = await project.run(['apply', 'plan.json'], { cwd });
    expect(gone).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/built: .* has to be built, and .*note\.txt/),
    });
    write('note.txt', `planned ${project.name}`);
    const applied = await project.run(['apply', 'plan.json'], { cwd });
    expect(applied, applied.stderr).toExit(0);
    const { Image } = await project.container('built').inspect();
    await project.remove();
    await project.docker.getImage(Image).remove({ force: true });
  });

  test('is held against the policy of its specs, wherever it is carried out, and only against the same one', async () => {
    const { project, cwd, write } = newProject('plan-policy');
    const policy = (mebibytes: number): string => `policy:\n  max_memory_mb: ${mebibytes}\n`;
    mkdirSync(join(cwd, 'team'));
    write('team/mcp.yaml', tinySpec({ name: 'a', memoryMiB: 128 }));
    write('team/looms.yaml', policy(200));
    // Of another team: it applies to what is started here and names no files.
    write('looms.yaml', policy(100));
    const saved = await project.run(['diff', '-f', 'team/mcp.yaml', '--out', 'plan.json'], { cwd });
    expect(saved, saved.stderr).toExit(2);
    const plan = JSON.parse(readFileSync(join(cwd, 'plan.json'), 'utf8'));
    expect(plan.policy).toMatchObject({ file: 'team/looms.yaml' });
    expect(schemaProblems('saved-plan', plan)).toEqual([]);

    const apply = (folder = cwd) => project.run(['apply', 'plan.json'], { cwd: folder });
    for (const [text, code, words] of [
      [policy(300), 7, 'was made under the policy of team/looms.yaml, and team/looms.yaml applies here, with another'],
      [policy(100), 8, 'at most 100 is allowed'],
    ] as const) {
      write('team/looms.yaml', text);
      expect(await apply()).toMatchObject({ code, stderr: expect.stringContaining(words) });
    }
    rmSync(join(cwd, 'team/looms.yaml'));
    expect(await apply()).toExit(8);
    rmSync(join(cwd, 'looms.yaml'));
    expect(await apply()).toMatchObject({ code: 7, stderr: expect.stringContaining('no looms.yaml applies here') });

    // As an artefact of a pipeline, without its specs.
    const elsewhere = emptyFolder();
    copyFileSync(join(cwd, 'plan.json'), join(elsewhere, 'plan.json'));
    expect(await apply(elsewhere)).toMatchObject({ code: 7, stderr: expect.stringContaining('no looms.yaml applies') });
    // One that was changed to name a spec elsewhere gets no other policy by that.
    const lax = emptyFolder();
    writeFileSync(join(lax, 'mcp.yaml'), readFileSync(join(cwd, 'team/mcp.yaml')));
    writeFileSync(join(lax, 'looms.yaml'), policy(200));
    writeFileSync(join(elsewhere, 'looms.yaml'), policy(100));
    const forged = { ...plan, files: plan.files.map((one: object) => ({ ...one, file: join(lax, 'mcp.yaml') })) };
    writeFileSync(join(elsewhere, 'plan.json'), JSON.stringify(forged));
    expect(await apply(elsewhere)).toExit(8);
    expect(await project.names()).toEqual([]);

    copyFileSync(join(cwd, 'plan.json'), join(elsewhere, 'plan.json'));
    writeFileSync(join(elsewhere, 'looms.yaml'), policy(200));
    expect(await apply(elsewhere)).toExit(0);
    expect(await project.names()).toEqual(['a']);
  });

  test('is for one engine: another one is refused (7) by both names', async () => {
    const { project, cwd, write } = newProject('plan-engine');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    const text = readFileSync(join(cwd, 'plan.json'), 'utf8');
    const { engine } = JSON.parse(text).plan;
    write('plan.json', text.replace(engine.id, 'ELSEWHERE'));
    const refused = await project.run(['apply', 'plan.json'], { cwd });
    expect(refused.code).toBe(7);
    expect(refused.stderr).toContain(`${engine.name} (ELSEWHERE)`);
    expect(refused.stderr).toContain(`${engine.name} (${engine.id})`);
  });

  test('is looked at with --dry-run, which writes nothing', async () => {
    const { project, cwd, write } = newProject('plan-dry');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    const counter = await countCalls();
    try {
      const dry = await project.run(['apply', 'plan.json', '--dry-run'], { cwd, env: { DOCKER_HOST: counter.host } });
      expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('1 to create') });
      expect(counter.writes()).toEqual([]);
    } finally {
      await counter.close();
    }
  });

  test('waits its turn: while another run holds the lock it ends with 6', async () => {
    const { project, cwd, write } = newProject('plan-lock');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    await holdLock(project.name);
    const refused = await project.run(['apply', 'plan.json'], { cwd });
    expect(refused).toExit(6);
  });

  test('refuses (64) flags that would make it another plan, and a project that is not its own', async () => {
    const { project, cwd, write } = newProject('plan-flags');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    for (const flags of [['--prune'], ['--server', 'a'], ['-f', 'mcp.yaml'], ['--replace', 'a'], ['--keep-failed']]) {
      expect(await project.run(['apply', 'plan.json', ...flags], { cwd })).toMatchObject({ code: 64, stdout: '' });
    }
    const elsewhere = await testProject('other').run(['apply', 'plan.json'], { cwd });
    expect(elsewhere).toMatchObject({ code: 64, stderr: expect.stringContaining(project.name) });
  });

  test('that is none, of another version, or edited is invalid (65)', async () => {
    const { project, cwd, write } = newProject('plan-none');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    await project.run(save, { cwd });
    const text = readFileSync(join(cwd, 'plan.json'), 'utf8');
    const files = {
      'mcp.yaml': [tinySpec({ name: 'a' }), 'mcp.yaml is no saved plan'],
      'list.json': ['[]', 'list.json is no saved plan'],
      'next.json': [text.replace('"schemaVersion": 3', '"schemaVersion": 4'), 'schema version 4'],
      'half.json': ['{"kind":"looms-plan","schemaVersion":3}', 'parts missing'],
      'edited.json': [text.replace('"action": "create"', '"action": "remove"'), 'was changed after it was saved'],
    };
    for (const [file, [content = '', words = '']] of Object.entries(files)) {
      write(file, content);
      const refused = await project.run(['apply', file], { cwd });
      expect(refused, file).toMatchObject({ code: 65, stderr: expect.stringContaining(words) });
    }
  });

  test('is not written over a file that is no plan, nor into a folder that is not there (73)', async () => {
    const { project, cwd, write } = newProject('plan-over');
    write('mcp.yaml', tinySpec({ name: 'a' }));
    const over = await project.run(['diff', '-f', 'mcp.yaml', '--out', 'mcp.yaml'], { cwd });
    expect(over).toMatchObject({ code: 73, stderr: expect.stringContaining('mcp.yaml is there') });
    expect(readFileSync(join(cwd, 'mcp.yaml'), 'utf8')).toBe(tinySpec({ name: 'a' }));
    const nowhere = await project.run(['diff', '-f', 'mcp.yaml', '--out', 'none/plan.json'], { cwd });
    expect(nowhere).toExit(73);
  });
});
