import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** A server that says something when a session begins, and a span of loom's trace library. */
function talking(name: string, words: string): string {
  const spec = JSON.parse(tinySpec({ name, env: { API_TOKEN: '${secret:kept_token}' } }));
  const span = { trace_id: 't', span_id: 's', parent_id: '', name: 'query', status: 'ok', attributes: { rows: 3 } };
  const say = [
    `${words} `,
    `__LOOM_TRACE__:${JSON.stringify({ ...span, start_time: '2026-11-29T01:00:00Z', end_time: '2026-11-29T01:00:01Z' })}`,
  ];
  const script = `console.error(${JSON.stringify(say[0])} + process.env.API_TOKEN); console.error(${JSON.stringify(say[1])});`;
  spec.mcp_server.args = ['-e', script + spec.mcp_server.args[1]];
  return `${JSON.stringify(spec)}\n`;
}

describe.skipIf(withoutEngine())('looms logs', () => {
  let project: TestProject;
  afterEach(() => project?.remove());

  const environment = () => ({ XDG_STATE_HOME: emptyFolder(), LOOMS_SECRET_KEPT_TOKEN: 'hunter2hunter2' });

  test('shows all servers, and what was kept of generations that were replaced and deleted, with secrets masked', async () => {
    project = testProject('logs');
    const env = environment();
    const run = (args: readonly string[]) => project.run(args, { env });
    expect(await project.apply(specs(talking('fs', 'first'), talking('db', 'data')), [], { env })).toExit(0);
    expect(await project.apply(specs(talking('fs', 'second'), talking('db', 'data')), [], { env })).toExit(0);

    const now = await run(['logs', '--traces', 'hide']);
    expect(now).toExit(0);
    expect(now.stdout.split('\n').sort()).toEqual(['', 'db │ data (secret)', 'fs │ second (secret)']);
    const past = await run(['logs', 'fs', '--grep', 'first|second']);
    expect(past.stdout).toBe('(gen 1, gone) first (secret)\nsecond (secret)\n');
    const traces = await run(['logs', 'fs', '-p', '--traces', 'only']);
    expect(traces.stdout).toBe('(gen 1, gone) ◇ query 1s rows=3\n◇ query 1s rows=3\n');

    expect(await run(['delete', '--all', '--yes'])).toExit(0);
    expect(await run(['logs', 'fs'])).toExit(66);
    const deleted = await run(['logs', 'fs', '-p', '--json']);
    expect(deleted).toExit(0);
    const lines = deleted.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    expect(lines.map(({ generation, gone, text, trace }) => [generation, gone, trace?.name ?? text])).toEqual([
      [1, true, 'first (secret)'],
      [1, true, 'query'],
      [2, true, 'second (secret)'],
      [2, true, 'query'],
    ]);
    for (const line of lines) expect(schemaProblems('mcp-logs', line)).toEqual([]);
  }, 120_000);

  test('the log of a generation that failed its gate is kept, and a log that cannot be kept stops no removal', async () => {
    project = testProject('logs-gate');
    const env = environment();
    expect(await project.apply(tinySpec({ name: 'fs' }), [], { env })).toExit(0);
    expect(await project.apply(tinySpec({ name: 'fs', kind: 'dies' }), [], { env })).toExit(4);
    const found = await project.run(['logs', '--grep', 'database'], { env });
    expect(found.stdout).toBe('(gen 2, gone) cannot reach the database\n');

    const path = join(env.XDG_STATE_HOME, 'looms', 'logs.sqlite');
    for (const more of ['', '-wal', '-shm']) rmSync(path + more, { force: true });
    mkdirSync(path);
    const failed = await project.apply(tinySpec({ name: 'fs', kind: 'dies' }), [], { env });
    expect(failed).toExit(4);
    expect(failed.stderr + failed.stdout).toContain('the log of generation 3 was not kept');
    expect(await project.names()).toEqual(['fs']);
    rmSync(path, { recursive: true });
  }, 120_000);

  test('a watch keeps the log of what others remove', async () => {
    project = testProject('logs-watch');
    const env = environment();
    const folder = emptyFolder();
    writeFileSync(join(folder, 'mcp.yaml'), talking('fs', 'watched'));
    const watch = project.start(['watch', '-f', folder, '--json', '--interval', '2s'], { env });
    try {
      await eventually(async () => expect(watch.stdout()).toContain('"in-sync"'), 60_000);
      await project.container('fs').stop({ t: 0 });
      const first = await project.idOf('fs').catch(() => '');
      await eventually(async () => {
        const kept = await project.run(['logs', '-p', '--json', '--grep', 'watched'], { env });
        expect(kept.stdout).toContain('watched (secret)');
      }, 60_000);
      await project.docker.getContainer(first).remove({ force: true });
      await eventually(async () => {
        const { stdout } = await project.run(['logs', '-p', '--json', '--grep', 'watched'], { env });
        expect(stdout).toContain('"gone":true');
        expect(stdout).not.toContain('hunter2');
      }, 60_000);
    } finally {
      watch.child.kill('SIGINT');
      await watch.finished;
    }
  }, 180_000);
});
