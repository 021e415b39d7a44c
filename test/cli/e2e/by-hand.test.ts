import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const skipped = process.env.LOOMS_TEST_NO_ENGINE;
if (skipped) console.warn(`tests of servers by hand are skipped: ${skipped}`);

const run = promisify(execFile);
const docker = (...args: string[]) => run('docker', args);

describe.skipIf(skipped)('one server by hand', () => {
  const projects: TestProject[] = [];
  const newProject = (): TestProject => {
    const project = testProject('by-hand');
    projects.push(project);
    return project;
  };
  afterEach(async () => {
    for (const project of projects.splice(0)) await project.remove();
  });

  /** Writes a line where PID 1 writes, as a session's stderr does. */
  const write = (project: TestProject, server: string, text: string, stream: 1 | 2 = 1) =>
    docker('exec', `looms-${project.name}-${server}`, 'sh', '-c', `echo '${text}' > /proc/1/fd/${stream}`);

  const fileWith = (text: string): string => {
    const path = join(emptyFolder(), 'servers.yaml');
    writeFileSync(path, text);
    return path;
  };

  test('is started from a file under the name given, stopped, seen as stopped, and started from its record', async () => {
    const project = newProject();
    const { run } = project;
    const config = fileWith(tinySpec({ name: 'fs' }));
    const started = await run(['mcp', 'start', 'teradata', '--config', config]);
    expect(started).toExit(0);
    expect(started.stdout).toMatch(/^✓ teradata {2}created .* 5 tools in [\d.]+m?s\n\n1 done in /m);
    expect(await project.names()).toEqual(['teradata']);
    const again = await run(['mcp', 'start', 'teradata', '--config', config]);
    // Below the line that names project and engine.
    const only = (text: string) => expect.stringMatching(new RegExp(`^project \\S+ on Docker .+\n${text}\n$`));
    expect(again).toMatchObject({ code: 0, stdout: only('teradata runs already, as declared\\.'), stderr: '' });
    const id = await project.idOf('teradata');

    const stopped = await run(['mcp', 'stop', 'teradata', '--json']);
    expect(stopped.code).toBe(0);
    expect(schemaProblems('apply', JSON.parse(stopped.stdout))).toEqual([]);
    expect(JSON.parse(stopped.stdout)).toMatchObject({
      changes: [{ action: 'stop', reasons: [{ kind: 'requested' }] }],
    });
    const stop = await run(['mcp', 'stop', 'teradata']);
    expect(stop).toMatchObject({ code: 0, stdout: only('teradata is stopped already\\.') });
    const call = await run(['mcp', 'call', 'teradata', 'echo', 'text=x']);
    expect(call.code).toBe(69);
    expect(call.stderr).toContain('server teradata is stopped');
    expect(call.stderr).toContain('`looms mcp start teradata` starts it');
    const { code, plan } = await project.diff(tinySpec({ name: 'teradata' }));
    expect({ code, actions: plan.changes.map(({ action }) => action) }).toEqual({ code: 2, actions: ['start'] });

    expect((await run(['mcp', 'start', 'teradata'])).stdout).toMatch(/^✓ teradata {2}started /m);
    expect(await project.idOf('teradata')).toBe(id);
  });

  test('of a file with several is the one of that name; another name is exit 66 and lists them', async () => {
    const project = newProject();
    const config = fileWith(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'memory' })));
    expect((await project.run(['mcp', 'start', 'memory', '--config', config])).code).toBe(0);
    expect(await project.names()).toEqual(['memory']);
    const wrong = await project.run(['mcp', 'start', 'memroy', '--config', config]);
    expect(wrong.code).toBe(66);
    expect(wrong.stderr).toMatch(/hint: did you mean memory\? \S+ declares fs, memory/);
    // Without a file and without a container, the specs of the folder count.
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'fs' }));
    expect((await project.run(['mcp', 'start', 'fs'], { cwd })).code).toBe(0);
    const nowhere = await project.run(['mcp', 'start', 'other'], { cwd });
    expect(nowhere.code).toBe(66);
    expect(nowhere.stderr).toContain('none in mcp.yaml');
    expect(nowhere.stderr).toContain('--config FILE');
  });

  test('is replaced by a different one only when somebody agrees', async () => {
    const project = newProject();
    await project.run(['mcp', 'start', 'fs', '--config', fileWith(tinySpec({ name: 'fs' }))]);
    const id = await project.idOf('fs');
    const bigger = fileWith(tinySpec({ name: 'fs', memoryMiB: 192 }));
    const refused = await project.run(['mcp', 'start', 'fs', '--config', bigger]);
    expect(refused.code).toBe(9);
    expect(refused.stdout).toContain('memory_mb  128 → 192');
    expect(refused.stderr).toContain('--yes');
    expect(await project.idOf('fs')).toBe(id);
    const agreed = await project.run(['mcp', 'start', 'fs', '--config', bigger, '--yes']);
    expect(agreed).toExit(0);
    expect(agreed.stdout).toContain('✓ fs  replaced');
  });

  test('is restarted as a new container, with its source kept', async () => {
    const project = newProject();
    await project.apply(tinySpec({ name: 'fs' }));
    const restarted = await project.run(['mcp', 'restart', 'fs', '--json']);
    expect(restarted.code).toBe(0);
    expect(schemaProblems('apply', JSON.parse(restarted.stdout))).toEqual([]);
    expect(JSON.parse(restarted.stdout)).toMatchObject({
      changes: [{ action: 'replace', order: 'start-first', reasons: [{ kind: 'requested' }] }],
    });
    const info = JSON.parse((await project.run(['mcp', 'info', 'fs', '--json'])).stdout);
    expect(info).toMatchObject({ generation: 2, source: '-:1', state: 'running' });
    expect((await project.diff(tinySpec({ name: 'fs' }))).code).toBe(0);
    expect((await project.run(['mcp', 'restart', 'sf'])).code).toBe(66);
  });

  test('tells of its calls, its rotation and its health', async () => {
    const project = newProject();
    const spec = JSON.parse(tinySpec({ name: 'fs' }));
    spec.docker_backend.lifecycle = { max_executions: 10, rotation_interval_hours: 24 };
    await project.apply(JSON.stringify(spec));
    await project.run(['mcp', 'call', 'fs', 'echo', 'text=x']);
    const info = await project.run(['mcp', 'info', 'fs', '--json']);
    expect(info.code).toBe(0);
    expect(schemaProblems('mcp-info', JSON.parse(info.stdout))).toEqual([]);
    expect(JSON.parse(info.stdout)).toMatchObject({
      executions: 1,
      rotation: { byExecutions: { limit: 10, left: 9 }, byAge: { leftMs: expect.any(Number) } },
      health: { verdict: 'healthy', tools: 5, about: 'current' },
    });
    expect((await project.run(['mcp', 'info', 'fs'])).stdout).toMatch(
      /rotation +in (?:1d|19h|2[0-3]h)(?:\d+m)? \(\S+\), or after 9 more calls of 10/,
    );
    const list = await project.run(['mcp', 'list', '--json']);
    expect(schemaProblems('mcp-list', JSON.parse(list.stdout))).toEqual([]);
    expect(JSON.parse(list.stdout)).toMatchObject([
      { name: 'fs', tools: 5, executions: 1, health: { verdict: 'healthy' } },
    ]);
    expect((await project.run(['mcp', 'list'])).stdout).toMatch(
      /^NAME +STATE +HEALTH +RESTARTS +TRANSPORT +TOOLS +CALLS +GEN +AGE\nfs +running +healthy \d+s ago +0 +stdio +5 +1 +1 /,
    );
    expect((await project.run(['mcp', 'info', 'sf'])).stderr).toContain('did you mean fs?');
  });

  test('is asked for its health: 0 when all answer, 10 when one does not, with its log', async () => {
    const project = newProject();
    const { run } = project;
    await project.apply(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'memory' })));
    const all = await run(['mcp', 'health', '--json']);
    expect(all.code).toBe(0);
    expect(schemaProblems('mcp-health', JSON.parse(all.stdout))).toEqual([]);
    expect(JSON.parse(all.stdout)).toMatchObject([
      { name: 'fs', verdict: 'healthy', tools: 5, server: { name: 'tiny' }, failure: null },
      { name: 'memory', verdict: 'healthy' },
    ]);

    await run(['mcp', 'stop', 'memory']);
    const withStopped = await run(['mcp', 'health']);
    expect(withStopped).toExit(0);
    expect(withStopped.stdout).toContain('1 healthy, 1 stopped');
    const named = await run(['mcp', 'health', 'memory']);
    expect(named.code).toBe(10);
    expect(named.stdout).toContain('`looms mcp start memory` starts it');

    await docker('pause', `looms-${project.name}-fs`);
    const paused = await run(['mcp', 'health', '--json']);
    expect(paused.code).toBe(10);
    expect(JSON.parse(paused.stdout)).toMatchObject([{ verdict: 'unhealthy' }, { verdict: 'stopped' }]);
    expect((await run(['mcp', 'start', 'fs'])).code).toBe(0);
    expect((await run(['mcp', 'health', 'fs'])).code).toBe(0);
    expect((await run(['mcp', 'health', 'sf'])).code).toBe(66);
  });

  test('that ends during the handshake is exit 10 with the end of its log; a missing secret here is exit 77', async () => {
    const project = newProject();
    const { run } = project;
    const secret = tinySpec({ name: 'secret', env: { API_TOKEN: '${secret:by-hand}' } });
    await project.apply(secret, [], { env: { LOOMS_SECRET_BY_HAND: 'plugh' } });
    const unknown = await run(['mcp', 'health', 'secret', '--json']);
    expect(unknown.code).toBe(77);
    expect(JSON.parse(unknown.stdout)).toMatchObject([{ verdict: 'unknown', failure: { code: 'secret-missing' } }]);

    const touchy = JSON.parse(tinySpec({ name: 'touchy' }));
    const [, script] = touchy.mcp_server.args;
    const guard = `if (require('node:fs').existsSync('/tmp/broken')) { console.error('the disk is full'); process.exit(3); }`;
    touchy.mcp_server.args = ['-e', `${guard}${script}`];
    await project.apply(JSON.stringify(touchy));
    await docker('exec', `looms-${project.name}-touchy`, 'touch', '/tmp/broken');
    const broken = await run(['mcp', 'health', 'touchy']);
    expect(broken.code).toBe(10);
    expect(broken.stdout).toMatch(/^touchy +unhealthy .*✗ [\d.]+m?s/m);
    expect(broken.stdout).toContain('error[server-exited]');
    expect(broken.stdout).toContain('the disk is full');
  });

  test('shows its log, merged with that of another', async () => {
    const project = newProject();
    const { run } = project;
    await project.apply(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'memory' })));
    await write(project, 'fs', 'one');
    await write(project, 'memory', 'two', 2);
    await write(project, 'fs', 'three');
    const both = await run(['mcp', 'logs', 'memory', 'fs']);
    expect(both).toMatchObject({ code: 0, stdout: 'fs     │ one\nmemory │ two\nfs     │ three\n' });
    expect((await run(['mcp', 'logs', 'fs', '--tail', '1'])).stdout).toBe('three\n');
    expect((await run(['mcp', 'logs', 'fs', '--grep', '^o'])).stdout).toBe('one\n');
    expect((await run(['mcp', 'logs', 'memory', '--stream', 'stdout'])).stdout).toBe('');
    expect((await run(['mcp', 'logs', 'fs', '--until', '1h'])).stdout).toBe('');
    const json = (await run(['mcp', 'logs', 'fs', 'memory', '--json', '--since', '1h'])).stdout.trim().split('\n');
    expect(json.flatMap((line) => schemaProblems('mcp-logs', JSON.parse(line)))).toEqual([]);
    expect(json.map((line) => JSON.parse(line).text)).toEqual(['one', 'two', 'three']);
    expect((await run(['mcp', 'logs', 'fs', '--since', 'soon'])).code).toBe(64);
    expect((await run(['mcp', 'logs', 'fs', '-F', '--until', '1h'])).code).toBe(64);
    expect((await run(['mcp', 'logs', 'sf'])).code).toBe(66);
  });

  test('is followed in its log across a replacement, until Ctrl-C (130)', async () => {
    const project = newProject();
    await project.apply(tinySpec({ name: 'fs' }));
    await write(project, 'fs', 'before');
    const following = project.start(['mcp', 'logs', 'fs', '-F', '--json'], {});
    let seen = '';
    following.child.stdout?.on('data', (chunk: string) => {
      seen += chunk;
    });
    await eventually(() => expect(seen).toContain('before'), 30_000);
    expect((await project.run(['mcp', 'restart', 'fs'])).code).toBe(0);
    await write(project, 'fs', 'after');
    await eventually(() => expect(seen).toContain('after'), 30_000);
    following.child.kill('SIGINT');
    const { code, stdout, stderr } = await following.finished;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ text, generation }) => [text, generation])).toEqual([
      ['before', 1],
      ['after', 2],
    ]);
  });
});
