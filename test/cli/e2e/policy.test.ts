import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, looms } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

const projects: TestProject[] = [];
function newProject(label: string): TestProject {
  const project = testProject(label);
  projects.push(project);
  return project;
}

/** Writes files below a new folder, which a policy of the user can be in: `config/looms/policy.yaml`. */
function folderWith(files: Readonly<Record<string, string>>) {
  const root = emptyFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), text, { mode: 0o644 });
  }
  return { root, env: { XDG_CONFIG_HOME: join(root, 'config') } };
}

describe.skipIf(withoutEngine())('policies in several files', () => {
  afterEach(async () => {
    for (const project of projects.splice(0)) await project.remove();
  });

  test('find a breach from another folder, by the file and the line that forbid it', async () => {
    const { root, env } = folderWith({
      'repo/team/looms.yaml': 'policy:\n  max_cpu_cores: 0.5\n',
      'repo/team/specs/fs.yaml': tinySpec({ name: 'fs', memoryMiB: 200 }),
      'repo/.git/HEAD': '',
      'config/looms/policy.yaml': '# of this user\nmax_memory_mb: 100\n',
    });
    const found = await looms(['validate', '-f', join(root, 'repo/team/specs/fs.yaml')], { env });
    expect(found).toExit(8);
    expect(found.stderr).toContain(`${join(root, 'config/looms/policy.yaml')}:2 says so`);
    expect(found.stderr).toContain(`${join(root, 'repo/team/looms.yaml')}:2 says so`);
    expect(found.stderr).toMatch(
      /error\[policy-max-cpu-cores].*at most 0\.5.*error\[policy-max-memory-mb].*at most 100/s,
    );
  });

  test('hold for what is applied, what is saved, what is started from its record and what runs', async () => {
    const project = newProject('policies');
    const { root, env } = folderWith({
      'mcp.yaml': tinySpec({ name: 'fs', memoryMiB: 200 }),
      'other.yaml': tinySpec({ name: 'other', memoryMiB: 90 }),
      'config/looms/policy.yaml': 'max_memory_mb: 100\n',
    });
    const line = `at most 100 is allowed (${join(root, 'config/looms/policy.yaml')}:1)`;
    const in_ = { cwd: root };
    expect(await project.run(['apply', '-f', 'mcp.yaml', '--yes'], { ...in_, env })).toExit(8);
    expect(await project.run(['diff', '-f', 'mcp.yaml', '--out', 'plan.json'], in_)).toExit(2);
    const saved = await project.run(['apply', 'plan.json'], { ...in_, env });
    expect(saved).toMatchObject({ code: 8, stderr: expect.stringContaining(line) });
    expect(await project.names()).toEqual([]);
    expect(await project.run(['apply', 'plan.json'], in_)).toExit(0);

    const runs = await project.run(['diff', '-f', 'other.yaml', '--json'], { ...in_, env });
    expect(JSON.parse(runs.stdout).warnings).toContainEqual(
      expect.objectContaining({ code: 'policy-max-memory-mb', server: 'fs', message: expect.stringContaining(line) }),
    );
    const restarted = await project.run(['mcp', 'restart', 'fs'], { ...in_, env });
    expect(restarted).toMatchObject({ code: 8, stderr: expect.stringContaining(line) });
    expect(await project.run(['mcp', 'stop', 'fs'], { ...in_, env })).toExit(0);
  });

  test('hold for where a mount leads: a folder that became a link is in no saved plan and no record', async () => {
    const project = newProject('links');
    const { root, env } = folderWith({ 'data/shared/sub/x': '', 'private/x': '' });
    const spec = tinySpec({ name: 'fs', backend: { volume_mounts: [{ source: './data/shared/sub', target: '/x' }] } });
    writeFileSync(join(root, 'mcp.yaml'), spec);
    mkdirSync(join(root, 'config/looms'), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, 'config/looms/policy.yaml'), `allowed_mounts: [${join(root, 'data')}]\n`, { mode: 0o644 });
    const in_ = { cwd: root, env };
    expect(await project.run(['apply', '-f', 'mcp.yaml', '--yes'], in_)).toExit(0);
    writeFileSync(join(root, 'mcp.yaml'), spec.replace('/x', '/y'));
    expect(await project.run(['diff', '-f', 'mcp.yaml', '--out', 'plan.json'], in_)).toExit(2);
    expect(await project.run(['mcp', 'stop', 'fs'], in_)).toExit(0);

    // What a server that may write to data/shared can do.
    renameSync(join(root, 'data/shared/sub'), join(root, 'data/shared/was'));
    symlinkSync(join(root, 'private'), join(root, 'data/shared/sub'));
    const leads = `is not what was looked at: a link leads to ${join(root, 'private')} now`;
    const [saved, started] = [
      await project.run(['apply', 'plan.json'], in_),
      await project.run(['mcp', 'start', 'fs'], in_),
    ];
    expect(saved).toMatchObject({ code: 65, stderr: expect.stringContaining(leads) });
    expect(started).toMatchObject({ code: 65, stderr: expect.stringContaining(leads) });
    expect((await project.container('fs').inspect()).State.Running).toBe(false);
  });

  test('are an error where one cannot be read or others may write to it, whatever is done', async () => {
    const { root, env } = folderWith({
      'mcp.yaml': specs(tinySpec({ name: 'fs' })),
      'config/looms/policy.yaml': 'max_memory_mb: 100\n',
    });
    const policy = join(root, 'config/looms/policy.yaml');
    chmodSync(policy, 0o666);
    const open = await looms(['validate'], { cwd: root, env });
    expect(open).toMatchObject({ code: 8, stderr: expect.stringContaining(`hint: chmod go-w ${policy}`) });
    chmodSync(policy, 0o644);
    writeFileSync(policy, 'max_memory: 100\n');
    const wrong = await looms(['validate'], { cwd: root, env });
    expect(wrong).toMatchObject({ code: 65, stderr: expect.stringContaining('did you mean max_memory_mb?') });
  });

  test('hold from /etc/looms for everybody on a machine', async () => {
    const { root } = folderWith({
      'mcp.yaml': tinySpec({ name: 'fs', memoryMiB: 200 }),
      'etc/policy.yaml': 'max_memory_mb: 100\n',
    });
    const mounts = [`${repository}:/looms:ro`, `${root}/etc:/etc/looms:ro`, `${root}:/work:ro`];
    const there = await promisify(execFile)('docker', [
      ...['run', '--rm', '--network', 'none', '--workdir', '/work', ...mounts.flatMap((one) => ['--volume', one])],
      ...['node:24-slim', 'node', '/looms/bin/run.js', 'validate'],
    ]).catch((error: unknown) => error);
    expect(there).toMatchObject({ code: 8, stderr: expect.stringContaining('/etc/looms/policy.yaml:1 says so') });
  });

  test('find a user, a network and capabilities in what runs, and an exception lets them be for its time', async () => {
    const project = newProject('rules');
    const { root, env } = folderWith({
      'mcp.yaml': tinySpec({
        name: 'root',
        backend: { security: { user: '0:0', cap_add: ['CHOWN'] }, network: { mode: 'none' } },
      }),
      'other.yaml': tinySpec({ name: 'other' }),
    });
    expect(await project.run(['apply', '--yes'], { cwd: root })).toExit(0);
    const write = (until: string) => {
      mkdirSync(join(root, 'config/looms'), { recursive: true });
      const exceptions = `[{ server: root, until: ${until}, reason: old }]`;
      const text = `allowed_users: [non-root]
allowed_networks: [isolated]
allowed_capabilities: []
rules: { allowed_users: { exceptions: ${exceptions} } }
`;
      writeFileSync(join(root, 'config/looms/policy.yaml'), text, { mode: 0o644 });
    };
    const warnings = async (): Promise<string[]> => {
      const { stdout } = await project.run(['diff', '-f', 'other.yaml', '--json'], { cwd: root, env });
      return JSON.parse(stdout)
        .warnings.map(({ code }: { code: string }) => code)
        .filter((code: string) => code.startsWith('policy-'));
    };
    write('2099-12-31');
    expect(await warnings()).toEqual(['policy-allowed-networks', 'policy-allowed-capabilities']);
    expect(await project.run(['mcp', 'restart', 'root'], { cwd: root, env })).toExit(8);
    write('2020-12-31');
    expect(await warnings()).toContain('policy-allowed-users');
    const refused = await project.run(['mcp', 'restart', 'root'], { cwd: root, env });
    expect(refused.stderr).toContain('(its exception ended with 2020-12-31)');
  });
});

describe.skipIf(withoutEngine())('quotas of projects', () => {
  afterEach(async () => {
    for (const project of projects.splice(0)) await project.remove();
  });

  test('refuse what is too much with what runs already, and let a project that has too much have less', async () => {
    const project = newProject('quota');
    const { root, env } = folderWith({ 'a.yaml': tinySpec({ name: 'a' }), 'b.yaml': tinySpec({ name: 'b' }) });
    const write = (limits: string) => {
      mkdirSync(join(root, 'config/looms'), { recursive: true });
      const text = `projects:\n  "${project.name.slice(0, 8)}*": ${limits}\n`;
      writeFileSync(join(root, 'config/looms/policy.yaml'), text, { mode: 0o644 });
    };
    const apply = (file: string) => project.run(['apply', '-f', file, '--yes'], { cwd: root, env });
    write('{ max_servers: 1, calls_per_day: 1 }');
    expect(await apply('a.yaml')).toExit(0);
    const second = await apply('b.yaml');
    expect(second).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('would have 2 servers in all, at most 1'),
    });
    expect(second.stderr).toContain('config/looms/policy.yaml:2');
    expect(await project.run(['diff', '-f', 'b.yaml', '--out', 'plan.json'], { cwd: root })).toExit(2);
    expect(await project.run(['apply', 'plan.json'], { cwd: root, env })).toExit(8);

    expect(await project.run(['apply', 'plan.json'], { cwd: root })).toExit(0);
    write('{ max_total_memory_mb: 200 }');
    const declare = (memoryMiB: number) => writeFileSync(join(root, 'a.yaml'), tinySpec({ name: 'a', memoryMiB }));
    declare(150);
    expect(await apply('a.yaml')).toExit(8);
    declare(100);
    const less = await apply('a.yaml');
    expect(less).toMatchObject({ code: 0, stdout: expect.stringContaining('228 MiB of memory in all, at most 200') });
    write('{ max_total_memory_mb: 200, calls_per_day: 0, severity: warn }');
    declare(150);
    const more = await apply('a.yaml');
    expect(more).toMatchObject({ code: 0, stdout: expect.stringContaining('278 MiB of memory in all, at most 200') });
    const call = await project.run(['mcp', 'call', 'a', 'echo', 'text=x'], { cwd: root, env });
    expect(call).toMatchObject({ code: 0, stdout: 'x\n', stderr: expect.stringContaining('at most 0 are allowed') });
  });

  test('count what runs: a server that was stopped to make room is not started again beside what took it', async () => {
    const project = newProject('room');
    const { root, env } = folderWith({
      'config/looms/policy.yaml': `projects: { "${project.name}": { max_total_memory_mb: 256 } }\n`,
    });
    const disabled = tinySpec({ name: 'a' }).replace('"mcp_server":{', '"mcp_server":{"enabled":false,');
    const apply = (text: string) => project.run(['apply', '-f', '-', '--yes'], { cwd: root, env, stdin: text });
    expect(await apply(specs(tinySpec({ name: 'a' }), tinySpec({ name: 'b' })))).toExit(0);
    expect(await apply(disabled)).toExit(0);
    expect(await apply(tinySpec({ name: 'c' }))).toExit(0);
    const in_ = { cwd: root, env };
    expect(await project.run(['mcp', 'start', 'a'], in_)).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('would have 384 MiB of memory in all, at most 256'),
    });
    expect(await apply(tinySpec({ name: 'a' }))).toExit(8);
    const shown = await looms(['get', '--json', '--all-projects'], in_);
    expect(JSON.parse(shown.stdout).projects).toContainEqual(
      expect.objectContaining({ project: project.name, use: expect.objectContaining({ memoryMiB: 256, servers: 3 }) }),
    );
    expect(await project.run(['mcp', 'restart', 'b'], in_)).toExit(0);
    expect(await project.run(['mcp', 'stop', 'a', 'c'], in_)).toExit(0);
    expect(await project.run(['mcp', 'start', 'a'], in_)).toExit(0);
  });

  test('bound the calls of a day, and are shown with what is used', async () => {
    const project = newProject('calls');
    const { root, env: config } = folderWith({
      'mcp.yaml': tinySpec({ name: 'fs' }),
      'config/looms/policy.yaml': `projects: { "${project.name}": { max_servers: 4, calls_per_day: 1, reason: small } }\n`,
    });
    const env = { ...config, XDG_STATE_HOME: join(root, 'state') };
    const in_ = { cwd: root, env };
    expect(await project.run(['apply', '--yes'], in_)).toExit(0);
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=a'], in_)).toExit(0);
    const second = await project.run(['mcp', 'call', 'fs', 'echo', 'text=a'], in_);
    expect(second).toMatchObject({
      code: 8,
      stderr: expect.stringMatching(/made 1 call today, at most 1 is .*: small\)/),
    });
    const trail = await project.run(['audit', '--json'], in_);
    expect(
      trail.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).result),
    ).toEqual(['ok', 'refused']);

    // Who holds the ledger keeps others from writing it, and not from reading it.
    const limit = (limits: string) =>
      writeFileSync(join(root, 'config/looms/policy.yaml'), `projects: { "${project.name}": ${limits} }\n`);
    const ledger = new DatabaseSync(join(root, 'state/looms/ledger.sqlite'));
    ledger.exec('BEGIN IMMEDIATE');
    limit('{ calls_per_day: 100 }');
    const uncounted = await project.run(['mcp', 'call', 'fs', 'echo', 'text=a'], in_);
    expect(uncounted).toMatchObject({
      code: 8,
      stdout: '',
      stderr: expect.stringMatching(/cannot be counted.* at most 100 .*policy.yaml:1\).*ledger.sqlite locked/s),
    });
    limit('{ calls_per_day: 100, severity: warn }');
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=a'], in_)).toMatchObject({
      code: 0,
      stdout: 'a\n',
      stderr: expect.stringContaining('not in the audit trail'),
    });
    ledger.close();
    limit('{ max_servers: 4, calls_per_day: 1, reason: small }');

    const all = await looms(['get', '--all-projects', '--json'], in_);
    const report = JSON.parse(all.stdout);
    expect(schemaProblems('get-all-projects', report)).toEqual([]);
    expect(report.projects).toContainEqual({
      project: project.name,
      use: { servers: 1, memoryMiB: 128, cpuCores: 1, callsToday: 1 },
      quota: { maxServers: 4, callsPerDay: 1 },
    });
    const shown = await looms(['get', '-A'], in_);
    expect(shown.stdout).toMatch(new RegExp(`${project.name} +1 of 4 +128 +1 +1 of 1\\b`));
    expect(await looms(['get', '-A', 'fs'], in_)).toExit(64);
  });
});

describe('looms policy test', () => {
  const examples = `name: fine
docker_backend: { base_image: "debian:12" }
---
name: large
x-breaches: { max_memory_mb: error, forbid_latest: warn }
docker_backend: { base_image: debian, resource_limits: { memory_mb: 4096 } }
`;

  test('passes where policies find what the examples expect, and says what is not so where they do not', async () => {
    const { root } = folderWith({
      'examples.yaml': examples,
      'strict.yaml': 'max_memory_mb: 2048\nforbid_latest: warn\n',
      'other.yaml': 'allowed_registries: [ghcr.io]\nforbid_latest: warn\n',
    });
    const tried = (policy: string, ...more: readonly string[]) =>
      looms(['policy', 'test', '-f', 'examples.yaml', '--policy', policy, ...more], { cwd: root });
    expect(await tried('strict.yaml')).toMatchObject({ code: 0, stdout: expect.stringContaining('all as expected') });
    const failed = await tried('other.yaml', '--json');
    expect(failed).toExit(1);
    const report = JSON.parse(failed.stdout);
    expect(schemaProblems('policy-test', report)).toEqual([]);
    const [fine, large] = report.examples;
    expect(fine.unexpected).toEqual([expect.objectContaining({ rule: 'allowed_registries', from: 'other.yaml:1' })]);
    expect(large).toMatchObject({ passed: false, missing: [{ rule: 'max_memory_mb', severity: 'error' }] });
    expect((await tried('other.yaml')).stdout).toContain('max_memory_mb: error was expected, and no policy says so');
    expect(await tried('none.yaml')).toExit(66);
  });

  test('refuses an example that expects what no rule says', async () => {
    const { root } = folderWith({ 'mcp.yaml': examples.replace('max_memory_mb: error', 'max_memory: error') });
    const refused = await looms(['policy', 'test'], { cwd: root });
    expect(refused).toMatchObject({ code: 65, stderr: expect.stringContaining('there is no rule max_memory') });
  });
});
