import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { testLabel } from '../support/images.ts';
import { looms, startLooms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';

const skipped = process.env.LOOMS_TEST_NO_ENGINE;
if (skipped) console.warn(`engine tests of the command line are skipped: ${skipped}`);

const run = promisify(execFile);
const docker = async (...args: string[]): Promise<string> => (await run('docker', args)).stdout.trim();
/** One project a test, so that what one leaves behind is not what the next one finds. */
const projects: string[] = [];
function newProject(): string {
  const name = `cli-${randomBytes(4).toString('hex')}`;
  projects.push(name);
  return name;
}
async function removeProject(project: string): Promise<void> {
  const left = await docker('ps', '-aq', '--filter', `label=looms.project=${project}`);
  if (left !== '') await docker('rm', '-f', ...left.split('\n'));
  const networks = await docker('network', 'ls', '-q', '--filter', `label=looms.project=${project}`);
  if (networks !== '') await docker('network', 'rm', ...networks.split('\n'));
}
const inProject =
  (project: string) =>
  (stdin: string, ...args: string[]) =>
    looms([...args, '--project', project, ...(stdin === '' ? [] : ['-f', '-'])], { stdin });

describe.skipIf(skipped)('with an engine', () => {
  afterEach(async () => {
    for (const project of projects.splice(0)) await removeProject(project);
  });
  afterAll(async () => {
    for (const project of projects.splice(0)) await removeProject(project);
  });

  test('a server is planned (2), applied (0), in sync (0), described, called and removed', async () => {
    const project = newProject();
    const at = inProject(project);
    const fs = tinySpec({ name: 'fs' });

    const diff = await at(fs, 'diff', '--json');
    expect(diff.code).toBe(2);
    expect(schemaProblems('plan', JSON.parse(diff.stdout))).toEqual([]);

    const dryRun = await at(fs, 'apply', '--dry-run');
    expect(dryRun).toExit(0);
    expect(dryRun.stdout).toContain('1 to create, 0 to replace, 0 to remove, 0 unchanged');

    const apply = await at(fs, 'apply', '--yes', '--json');
    expect(apply).toExit(0);
    const applied = JSON.parse(apply.stdout);
    expect(schemaProblems('apply', applied)).toEqual([]);
    // Where its gate took long it has a note that says so.
    expect(applied.servers).toMatchObject([{ server: 'fs', outcome: 'done' }]);
    // Without a terminal progress is one plain line an event, on stderr.
    expect(apply.stderr).toMatch(/^\[fs] create looms-\S+\.g1 from \S+: done in [\d.]+m?s$/m);

    const again = await at(fs, 'apply');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(
      new RegExp(
        `^project ${project} on (Docker|Podman) \\S+ at \\S+ \\(.+\\)\\nIn sync: 1 server runs as declared\\.\\n$`,
      ),
    );
    expect((await at(fs, 'diff')).code).toBe(0);

    const get = await at('', 'get', '--json');
    expect(schemaProblems('get', JSON.parse(get.stdout))).toEqual([]);
    expect(JSON.parse(get.stdout)).toMatchObject([{ name: 'fs', state: 'running', generation: 1 }]);
    expect((await at('', 'get', '-o', 'wide')).stdout).toMatch(/^NAME +STATE .*\nfs +running +1 +stdio /);
    const yaml = (await at('', 'get', 'fs', '-o', 'yaml')).stdout;
    expect((await at(yaml, 'diff')).code).toBe(0);

    const describe = await at('', 'describe', 'fs', '--json');
    expect(schemaProblems('describe', JSON.parse(describe.stdout))).toEqual([]);

    const tools = await at('', 'mcp', 'tools', 'fs', '--json');
    expect(schemaProblems('mcp-tools', JSON.parse(tools.stdout))).toEqual([]);
    expect((await at('', 'mcp', 'tools', 'fs')).stdout).toContain('echo(text: string, times?: integer)');

    expect(await at('', 'mcp', 'call', 'fs', 'echo', 'text=hello world', 'times=2')).toMatchObject({
      code: 0,
      stdout: 'hello world hello world\n',
    });
    const call = await at('', 'mcp', 'call', 'fs', 'echo', '{"text":"hi"}', '--json');
    expect(schemaProblems('mcp-call', JSON.parse(call.stdout))).toEqual([]);
    expect(JSON.parse(call.stdout)).toMatchObject({ content: [{ type: 'text', text: 'hi' }] });

    const deleted = await at('', 'delete', 'fs', '--yes', '--json');
    expect(deleted.code).toBe(0);
    expect(schemaProblems('apply', JSON.parse(deleted.stdout))).toEqual([]);
    expect(JSON.parse((await at('', 'get', '--json')).stdout)).toEqual([]);
  });

  test('an answer that is an error, of a tool or in JSON-RPC, is exit 5; an unknown tool or server is exit 66', async () => {
    const at = inProject(newProject());
    await at(tinySpec({ name: 'fs' }), 'apply', '--yes');
    expect(await at('', 'mcp', 'call', 'fs', 'fail')).toMatchObject({ code: 5, stdout: 'it went wrong\n' });
    const broken = await at('', 'mcp', 'call', 'fs', 'break');
    expect(broken).toMatchObject({ code: 5, stdout: '' });
    expect(broken.stderr).toContain('broken inside');
    const unknown = await at('', 'mcp', 'call', 'fs', 'ecko', 'text=x');
    expect(unknown).toMatchObject({ code: 66, stdout: '' });
    expect(unknown.stderr).toContain('did you mean echo?');
    // What is wrong about the arguments is the caller's, before anything is called.
    expect((await at('', 'mcp', 'call', 'fs', 'echo', 'text=x', 'times=soon')).code).toBe(64);
    expect((await at('', 'mcp', 'call', 'nowhere', 'echo')).code).toBe(66);
  });

  test('drift made by hand is exit 2, told the way it happened', async () => {
    const project = newProject();
    const at = inProject(project);
    const fs = tinySpec({ name: 'fs' });
    await at(fs, 'apply', '--yes');
    await docker('update', '--memory', '256m', '--memory-swap', '256m', `looms-${project}-fs`);
    const { code, stdout } = await at(fs, 'diff');
    expect(code).toBe(2);
    expect(stdout).toMatch(
      /^project .+\n\nchanged outside looms\n {2}fs [0-9a-f]{12}\n {6}docker_backend\.resource_limits\.memory_mb +128 MiB → 256 MiB\n/,
    );
    expect((await at(fs, 'diff', '-o', 'junit')).stdout).toContain('<failure type="drift"');
    expect((await at(fs, 'apply', '--yes')).code).toBe(0);
    expect((await at(fs, 'diff')).code).toBe(0);
  });

  test('a server that was renamed by hand runs, and a network that was added by hand is told as such', async () => {
    const project = newProject();
    const at = inProject(project);
    const fs = tinySpec({ name: 'fs' });
    await at(fs, 'apply', '--yes');
    await docker('rename', `looms-${project}-fs`, `by-hand-${project}`);
    expect((await at('', 'get')).stdout).toContain(`running as by-hand-${project}`);
    expect(JSON.parse((await at('', 'get', '--json')).stdout)).toMatchObject([{ state: 'running' }]);
    await docker('rename', `by-hand-${project}`, `looms-${project}-fs`);

    const network = `extra-${project}`;
    await docker('network', 'create', '--label', `looms.test=${testLabel('cli')}`, network);
    try {
      await docker('network', 'connect', network, `looms-${project}-fs`);
      expect((await at(fs, 'diff')).stdout).toMatch(
        new RegExp(`docker_backend\\.network\\.${network} +not connected → connected`),
      );
      expect((await at(fs, 'diff', '-o', 'github')).stdout).toContain('declared not connected, found connected');
    } finally {
      await docker('network', 'disconnect', '-f', network, `looms-${project}-fs`);
      await docker('network', 'rm', network);
    }
  });

  test('a disabled server is counted apart, and what is asked of one says how to start it', async () => {
    const at = inProject(newProject());
    const fs = tinySpec({ name: 'fs' });
    const disabled = fs.replace('"command":"node"', '"enabled":false,"command":"node"');
    expect(disabled).not.toBe(fs);
    await at(fs, 'apply', '--yes');
    expect((await at(disabled, 'apply', '--yes')).code).toBe(0);
    const both = specs(disabled, tinySpec({ name: 'works' }));
    await at(both, 'apply', '--yes');
    expect((await at(both, 'diff')).stdout).toMatch(
      /^project .+\nIn sync: 1 server runs as declared, 1 is disabled\.\n$/,
    );
    const call = await at('', 'mcp', 'call', 'fs', 'echo', 'text=x');
    expect(call.code).toBe(69);
    expect(call.stderr).toContain('mcp_server.enabled: false');
  });

  test('standard input is read for arguments and files where it is asked for, and for nothing else', async () => {
    const project = newProject();
    const at = inProject(project);
    const fs = tinySpec({ name: 'fs' });
    await at(fs, 'apply', '--yes');
    const call = (stdin: string, ...args: string[]) =>
      looms(['mcp', 'call', 'fs', 'echo', ...args, '--project', project], { stdin });
    expect((await call('{"text":"from a pipe"}', '--args', '-')).stdout).toBe('from a pipe\n');
    expect((await call('{"text":"from a pipe"}', '-')).stdout).toBe('from a pipe\n');
    expect((await call('text=piped', 'text=given')).stdout).toBe('given\n');
    const wrong = await call('text=piped');
    expect(wrong.code).toBe(64);
    expect(wrong.stderr).toContain('looms mcp tools fs echo');
    const deleted = await looms(['delete', '-f', '-', '--yes', '--project', project], { stdin: fs });
    expect(deleted).toExit(0);
    expect(deleted.stdout).toContain('✓ fs  removed');
  });

  test('without a terminal and without --yes nothing is changed and the exit code is 9', async () => {
    const at = inProject(newProject());
    const { code, stderr } = await at(tinySpec({ name: 'fs' }), 'apply');
    expect(code).toBe(9);
    expect(stderr).toContain('--yes');
    expect(JSON.parse((await at('', 'get', '--json')).stdout)).toEqual([]);
  });

  test('pruning the implicit project is exit 8, and so is pruning more than --max-deletes', async () => {
    const fs = tinySpec({ name: 'fs' });
    const implicit = await looms(['apply', '-f', '-', '--prune', '--yes'], { stdin: fs });
    expect(implicit).toMatchObject({ code: 8, stdout: '' });
    const at = inProject(newProject());
    await at(specs(fs, tinySpec({ name: 'old' })), 'apply', '--yes');
    expect((await at(fs, 'apply', '--prune', '--max-deletes', '0', '--yes')).code).toBe(8);
    expect((await at(fs, 'apply', '--prune', '--max-deletes', '1', '--yes')).code).toBe(0);
    expect(JSON.parse((await at('', 'get', '--json')).stdout)).toMatchObject([{ name: 'fs' }]);
  });

  test('a container of someone else under our name is exit 8 and stays untouched', async () => {
    const project = newProject();
    const at = inProject(project);
    const name = `looms-${project}-fs`;
    const id = await docker(
      'create',
      '--name',
      name,
      '--label',
      `looms.test=${testLabel('cli')}`,
      'node:24-slim',
      'true',
    );
    try {
      const diff = await at(tinySpec({ name: 'fs' }), 'diff');
      expect(diff.code).toBe(2);
      expect(diff.stdout).toMatch(/^! {3}fs {2}blocked: /m);
      expect((await at(tinySpec({ name: 'fs' }), 'apply', '--yes')).code).toBe(8);
      expect(await docker('inspect', '-f', '{{.Id}}', name)).toBe(id);
    } finally {
      await docker('rm', '-f', id);
    }
  });

  test('a first gate that fails is exit 10 with the log, and one server that fails beside one that works is exit 3', async () => {
    const at = inProject(newProject());
    const dies = tinySpec({ name: 'dies', kind: 'dies' });
    const alone = await at(dies, 'apply', '--yes');
    expect(alone.code).toBe(10);
    expect(alone.stdout).toMatch(/^✗ dies +did not pass its gate; nothing serves/m);
    expect(alone.stdout).toContain('cannot reach the database');
    expect(alone.stdout).toContain('hint: ');
    expect(JSON.parse((await at('', 'get', '--json')).stdout)).toEqual([]);
    const both = await at(specs(dies, tinySpec({ name: 'works' })), 'apply', '--yes');
    expect(both.code).toBe(3);
    expect(both.stdout).toMatch(/^✓ works .*created/m);
    expect(both.stdout).toMatch(/1 done, 1 failed its gate in /);
  });

  test('a failure that has no code of its own is exit 1', async () => {
    const at = inProject(newProject());
    const { code, stdout } = await at(tinySpec({ name: 'fs', image: '127.0.0.1:9/none/such:1' }), 'apply', '--yes');
    expect(code).toBe(1);
    expect(stdout).toMatch(/error\[image-(pull-failed|not-found)]/);
    expect(stdout).toMatch(/^pull 127\.0\.0\.1:9\/none\/such:1, for fs \(<stdin>:1\)$/m);
  });

  test('a secret that is missing is exit 77 before anything is made; one that is there is never printed', async () => {
    const project = newProject();
    const fs = tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:cli-token}' } });
    const missing = await looms(['apply', '-f', '-', '--yes', '--project', project], { stdin: fs });
    expect(missing.code).toBe(77);
    expect(missing.stderr).toContain('of server fs (<stdin>:1) is not set');
    expect(missing.stderr).toContain('`looms config set-key cli-token`');
    expect(missing.stderr).toContain('LOOMS_SECRET_CLI_TOKEN');
    expect((await inProject(project)('', 'get')).stdout).toBe('');

    const env = { LOOMS_SECRET_CLI_TOKEN: 'plugh-98765' };
    expect((await looms(['apply', '-f', '-', '--yes', '--project', project], { stdin: fs, env })).code).toBe(0);
    const told = await looms(['mcp', 'call', 'fs', 'secret', '--project', project], { env });
    expect(told).toMatchObject({ code: 0, stdout: 'token=(secret)\n' });
    const described = await inProject(project)('', 'describe', 'fs');
    expect(described.stdout).toContain('API_TOKEN from ${secret:cli-token}');
  });

  test('a second apply while one runs is exit 6; Ctrl-C ends the first with 130 and gives the lock back', async () => {
    const project = newProject();
    const slow = tinySpec({ name: 'slow', kind: 'hangs', timeoutSeconds: 60 });
    const args = ['apply', '-f', '-', '--yes', '--project', project];
    const first = startLooms([...args, '--grace', '1'], { stdin: slow });
    await eventually(() => expect(first.stderr()).toContain('gate: '), 60_000);
    const second = await looms(args, { stdin: slow });
    expect(second.code).toBe(6);
    expect(second.stderr).toContain('error[lock-held]');

    first.child.kill('SIGINT');
    const { code, stdout, stderr } = await first.finished;
    expect(code).toBe(130);
    expect(stderr).toContain('stopping: ');
    expect(stdout).toContain('not finished');
    expect(await docker('ps', '-aq', '--filter', `name=^/looms-${project}\\.lock$`)).toBe('');
  });

  test('SIGTERM ends an apply with 143, and a call with 143 too', async () => {
    const project = newProject();
    const slow = tinySpec({ name: 'slow', kind: 'hangs', timeoutSeconds: 60 });
    const apply = startLooms(['apply', '-f', '-', '--yes', '--grace', '1', '--project', project], { stdin: slow });
    await eventually(() => expect(apply.stderr()).toContain('gate: '), 60_000);
    apply.child.kill('SIGTERM');
    expect((await apply.finished).code).toBe(143);

    await inProject(project)(tinySpec({ name: 'fs' }), 'apply', '--yes', '--server', 'fs');
    const call = startLooms(['mcp', 'call', 'fs', 'wait', '--project', project]);
    await eventually(async () => expect(await docker('top', `looms-${project}-fs`)).toContain('node -e'), 30_000);
    call.child.kill('SIGTERM');
    const { code, stderr } = await call.finished;
    expect({ code, stderr }).toEqual({ code: 143, stderr: expect.stringContaining('error[interrupted]') });
  });
});
