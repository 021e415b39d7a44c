import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('a name that no server has', () => {
  const project = testProject('unknown-names');
  const env = { XDG_STATE_HOME: emptyFolder() };
  const run = (...args: readonly string[]) => project.run(args, { env });
  beforeAll(async () => {
    expect(await project.apply(tinySpec({ name: 'fs' }), [], { env })).toExit(0);
  });
  afterAll(() => project.remove());

  test('is an error of events (66), unless one of that name was there', async () => {
    const unknown = await run('events', 'fs', 'nope');
    expect(unknown).toExit(66);
    expect(unknown.stdout).toContain('fs create (gen none → 1): done');
    expect(unknown.stderr).toContain(`no server nope in project ${project.name}`);
    expect(await run('events', 'fs', '--since', '1s')).toExit(0);
    expect(await run('events', 'nope', '-o', 'json')).toExit(66);
  });

  test('is said by audit, which knows calls and no servers', async () => {
    for (const more of [[], ['-o', 'json'], ['--kind', 'change']]) {
      const { code, stdout, stderr } = await run('audit', '--server', 'nope', ...more);
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
      expect(stderr).toContain('This machine has nothing at all of nope;');
    }
    expect((await run('audit', '--server', 'fs')).stderr).toBe('No call is recorded that fits.\n');
  });

  test('gets a hint where the files declare it and nobody has applied them', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'later' }));
    const call = await project.run(['mcp', 'call', 'later', 'echo', 'text=x'], { env, cwd });
    expect(call).toExit(66);
    expect(call.stderr).toContain(`hint: mcp.yaml:1 declares it: \`looms apply --project ${project.name}\` makes it\n`);
    const other = await project.run(['mcp', 'call', 'nope', 'echo'], { env, cwd });
    expect(other.stderr).toContain(`hint: project ${project.name} has fs`);
  });

  test('is a note where a token is made for it', async () => {
    const make = (name: string, allow: string) => run('token', 'new', '--name', name, '--allow', allow);
    expect((await make('a', 'nope:*')).stderr).toContain(`no server of project ${project.name} is called as in nope:*`);
    for (const allow of ['f*:echo', '*:*', 'looms:page']) {
      expect((await make(`b${allow.length}`, allow)).stderr).not.toContain('is called as in');
    }
  });
});
