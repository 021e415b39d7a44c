import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const spec = changed(tinySpec({ name: 'a' }), { backend: { lifecycle: { max_executions: 5 } } });

describe.skipIf(withoutEngine())('a ledger that cannot be read', () => {
  const project = testProject('ledger');
  const state = mkdtempSync(join(tmpdir(), 'looms-ledger-'));
  const database = join(state, 'looms', 'ledger.sqlite');
  const env = { XDG_STATE_HOME: state };

  beforeAll(async () => {
    expect(await project.apply(spec)).toExit(0);
    mkdirSync(join(state, 'looms'));
  });
  afterAll(async () => {
    await project.remove();
    rmSync(state, { recursive: true });
  });

  test.each([
    ['garbage', () => writeFileSync(database, 'no database '.repeat(500))],
    ['a folder', () => mkdirSync(database)],
    ['a pipe', () => void execFileSync('mkfifo', [database])],
  ])('hides no server and breaks no command: %s', async (_, make) => {
    rmSync(database, { recursive: true, force: true });
    make();
    const list = await project.run(['mcp', 'list'], { env });
    expect(list).toMatchObject({ code: 0, stdout: expect.stringMatching(/a +running +- +0 +stdio +- +- +1 /) });
    expect(list.stderr).toMatch(
      /^note\[calls-unknown\]: calls and health are not known: the ledger cannot be read: .+\n$/,
    );
    const info = await project.run(['mcp', 'info', 'a', '--json'], { env });
    expect(info.code).toBe(0);
    expect(schemaProblems('mcp-info', JSON.parse(info.stdout))).toEqual([]);
    expect(JSON.parse(info.stdout)).toMatchObject({
      executions: null,
      health: null,
      rotation: { byExecutions: { limit: 5, left: null } },
    });
    expect((await project.run(['mcp', 'info', 'a'], { env })).stdout).toContain('after 5 calls, not counted');
    const diff = await project.run(['diff', '-f', '-'], { env, stdin: spec });
    expect(diff.code).toBe(0);
    expect(diff.stdout + diff.stderr).toContain('max_executions is not looked at, its calls are not counted');
    expect(await project.apply(spec, [], { env })).toExit(0);
    const call = await project.run(['mcp', 'call', 'a', 'echo', 'text=x'], { env });
    expect(call).toMatchObject({ code: 0, stderr: expect.stringContaining('warning[not-audited]') });
  });
});
