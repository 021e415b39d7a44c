import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ServerStats } from '../../../src/app/inspect/server-stats.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { onTerminal } from '../../support/terminal-session.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('looms stats', () => {
  let project: TestProject;
  afterEach(() => project?.remove());

  test('shows servers beside their limits: as JSON, as a table, and on a terminal until Ctrl-C', async () => {
    project = testProject('stats');
    expect(await project.apply(specs(tinySpec({ name: 'a' }), tinySpec({ name: 'b' })))).toExit(0);
    expect(await project.run(['mcp', 'call', 'a', 'echo', 'text=hi'])).toExit(0);
    expect(await project.run(['mcp', 'stop', 'b', '--timeout', '0'])).toExit(0);

    const json = await project.run(['stats', '--json']);
    expect(json).toExit(0);
    const stats: readonly ServerStats[] = JSON.parse(json.stdout);
    expect(schemaProblems('stats', stats)).toEqual([]);
    expect(stats).toMatchObject([
      { name: 'a', status: 'running', callsPerMinute: 1, sessions: 0, oomKills: 0 },
      { name: 'b', status: 'stopped', use: null },
    ]);
    expect(stats[0]?.use).toMatchObject({
      cpu: { cores: expect.any(Number), limitCores: 1 },
      memory: { bytes: expect.any(Number), limitBytes: 128 * 1024 * 1024 },
    });

    const table = await project.run(['stats', 'a']);
    expect(table.stdout).toMatch(/^NAME +GEN +CPU.*\na +1 +0.*\n$/);
    expect(await project.run(['stats', 'c'])).toExit(66);

    const folder = emptyFolder();
    writeFileSync(join(folder, 'looms.yaml'), `project: ${project.name}\n`);
    const terminal = onTerminal(['stats'], folder);
    await terminal.shows('\u001b[3A\r\u001b[J');
    terminal.type('\u0003');
    expect(await terminal.ended).toBe(130);
  }, 120_000);
});
