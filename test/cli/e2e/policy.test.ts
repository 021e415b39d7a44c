import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
