import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeLabelled } from '../support/docker-engine.ts';
import { emptyFolder, looms } from '../support/looms.ts';
import { onTerminal } from '../support/terminal-session.ts';
import { tinySpec } from '../support/tiny-server.ts';

const skipped = process.env.LOOMS_TEST_NO_ENGINE;
if (skipped) console.warn(`tests of confirming are skipped: ${skipped}`);

const run = promisify(execFile);

describe.skipIf(skipped)('on a terminal', () => {
  const project = `confirm-${process.pid}`;
  let cwd: string;

  beforeEach(() => {
    cwd = emptyFolder();
    writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'fs' }));
  });
  // Records of the past too, which a delete leaves.
  afterEach(() => removeLabelled(new Docker(), 'looms.project', project));

  it('a yes applies what was shown', async () => {
    const session = onTerminal(['apply', '--project', project], cwd);
    await session.shows('(y/N)');
    session.type('y\r');
    expect(await session.ended).toBe(0);
    expect(session.screen()).toContain('1 done');
  });

  it('anything else is a no: nothing is changed (9)', async () => {
    const session = onTerminal(['apply', '--project', project], cwd);
    await session.shows('(y/N)');
    session.type('\r');
    expect(await session.ended).toBe(9);
    expect(session.screen()).toContain('Nothing was changed.');
    expect((await looms(['get', '--project', project, '--json'])).stdout.trim()).toBe('[]');
  });

  it('a plan that is old by the time of the yes is not carried out (7)', async () => {
    await looms(['apply', '--yes', '--project', project], { cwd });
    writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB: 200 }));
    const session = onTerminal(['apply', '--project', project], cwd);
    await session.shows('(y/N)');
    await run('docker', ['update', '--memory', '300m', '--memory-swap', '300m', `looms-${project}-fs`]);
    session.type('y\r');
    expect(await session.ended).toBe(7);
    expect(session.screen()).toContain('error[plan-stale]');
    const memory = await run('docker', ['inspect', '-f', '{{.HostConfig.Memory}}', `looms-${project}-fs`]);
    expect(memory.stdout.trim()).toBe(String(300 * 1024 * 1024));
  });

  it('a record of another machine is shown, after the plan, before it is accepted; a no changes nothing (9)', async () => {
    const file = { cwd, env: { XDG_STATE_HOME: emptyFolder() } };
    for (const memoryMiB of [128, 160]) {
      writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB, env: { API_TOKEN: '${HOME}' } }));
      expect(await looms(['apply', '--yes', '--project', project], file)).toExit(0);
    }
    const id = async () => (await run('docker', ['inspect', '-f', '{{.Id}}', `looms-${project}-fs`])).stdout;
    const before = await id();
    const back = onTerminal(['rollback', 'fs', '--yes', '--project', project], cwd);
    await back.shows('hand over these secrets? (y/N)');
    back.type('\r');
    expect(await back.ended).toBe(9);
    expect(back.screen()).toMatch(
      /1 to replace[\s\S]*generation \d+ of fs, whose record[\s\S]*│ made by +not this machine/,
    );
    expect(back.screen()).toMatch(/│ secrets +\$\{HOME\} as API_TOKEN[\s\S]*error\[record-untrusted\]/);
    expect(await id()).toBe(before);

    const tools = onTerminal(['mcp', 'tools', 'fs', '--project', project], cwd);
    await tools.shows('hand over these secrets? (y/N)');
    tools.type('y\r');
    expect(await tools.ended).toBe(0);
  });
});

describe.skipIf(skipped)('a policy of looms.yaml', () => {
  it('refuses specs that break it, with their line (8)', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'looms.yaml'), 'project: policed\npolicy: { max_memory_mb: 100 }\n');
    writeFileSync(join(cwd, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB: 200 }));
    const refused = await looms(['apply', '--yes'], { cwd });
    expect(refused.code).toBe(8);
    expect(refused.stderr).toMatch(/error\[policy-max-memory-mb].*200.*100/s);
    expect(refused.stderr).toMatch(/at mcp\.yaml:\d+:\d+/);
    expect((await looms(['validate'], { cwd })).code).toBe(8);
  });
});
