import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import type { Finished } from '../../support/looms.ts';
import { brokenSpec, changed } from '../../support/odd-servers.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const skipped = withoutEngine();

describe.skipIf(skipped)('new servers that do not answer MCP', () => {
  const project = testProject('gate');
  const broken = specs(
    brokenSpec('exits', 'exits', 30),
    brokenSpec('silent', 'silent', 6),
    brokenSpec('garbage', 'garbage', 6),
  );
  let alone: Finished;

  beforeAll(async () => {
    alone = await project.apply(broken);
  });
  afterAll(() => project.remove());

  test('are removed again, their logs shown, and exit is 10 when nothing else was done', async () => {
    expect(alone.code).toBe(10);
    expect(alone.stdout).toContain('cannot start: no license');
    expect(alone.stdout).toContain('waiting for the mainframe');
    expect(alone.stdout).toContain('which protocol?');
    expect(alone.stdout).toMatch(/3 failed their gate in /);
    expect(await project.names()).toEqual([]);
  });

  test('are told with what each did, and what to do about it', () => {
    expect(alone.stdout).toMatch(/error\[server-exited\]: .*exits/);
    expect(alone.stdout).toMatch(/error\[handshake-timeout\]: .*silent/);
    expect(alone.stdout).toMatch(/error\[handshake-timeout\]: .*garbage/);
    expect(alone.stdout).toContain('timeout_seconds');
  });

  test('do not stop one that works: exit is 3', async () => {
    const { code, stdout } = await project.apply(specs(brokenSpec('exits', 'exits', 30), tinySpec({ name: 'works' })));
    expect(code).toBe(3);
    expect(stdout).toMatch(/^✓ works /m);
    expect(await project.names()).toEqual(['works']);
  });

  test('stay, stopped, with --keep-failed, and are tried anew or removed by the next apply', async () => {
    const { code } = await project.apply(brokenSpec('exits', 'exits'), ['--keep-failed']);
    expect(code).toBe(10);
    expect(await project.names()).toEqual(['exits.g1', 'works']);
    const kept = await project.container('exits.g1').inspect();
    expect(kept.State.Running).toBe(false);
    expect(await project.apply(brokenSpec('exits', 'exits'))).toExit(10);
    expect(await project.names()).toEqual(['works']);
  });
});

describe.skipIf(skipped)('a server that is replaced', () => {
  const project = testProject('replace');
  const good = tinySpec({ name: 'fs' });
  const call = (text: string) => project.run(['mcp', 'call', 'fs', 'echo', `text=${text}`]);

  beforeAll(async () => {
    expect(await project.apply(good)).toExit(0);
  });
  afterAll(() => project.remove());

  test.each(['exits', 'silent', 'garbage'] as const)(
    'goes on serving when its successor fails its gate (%s), exit 4',
    async (how) => {
      const before = await project.idOf('fs');
      const { code, stdout } = await project.apply(brokenSpec('fs', how));
      expect(code).toBe(4);
      expect(stdout).toMatch(/^✗ fs +did not pass its gate; what served before still does/m);
      expect(await project.names()).toEqual(['fs']);
      expect(await project.idOf('fs')).toBe(before);
      expect(await call('old')).toMatchObject({ code: 0, stdout: 'old\n' });
      expect(await project.diff(good)).toExit(0);
    },
  );

  test('goes on serving when its successor cannot even be started', async () => {
    const before = await project.idOf('fs');
    const wrong = changed(good, { mcp: { command: 'no-such-command' } });
    const { code, stdout } = await project.apply(wrong);
    expect(code).toBe(4);
    expect(stdout).toContain('no-such-command');
    expect(await project.names()).toEqual(['fs']);
    expect(await project.idOf('fs')).toBe(before);
  });

  test('goes on serving while a failed successor is kept, and the kept one does not come back to life', async () => {
    expect(await project.apply(brokenSpec('fs', 'exits'), ['--keep-failed'])).toExit(4);
    expect(await project.names()).toEqual(['fs', expect.stringMatching(/^fs\.g\d+$/)]);
    expect(await call('old')).toMatchObject({ code: 0, stdout: 'old\n' });
    expect(changesAsText((await project.diff(good)).plan)).toEqual(['fs: clean-up duplicate']);
    expect(await project.apply(good)).toExit(0);
    expect(await project.names()).toEqual(['fs']);
    expect(await project.diff(good)).toExit(0);
  });

  test('is never away: calls made one after another while it is replaced three times all succeed', async () => {
    const failures: Finished[] = [];
    let calls = 0;
    let replacing = true;
    const probe = async (): Promise<void> => {
      while (replacing) {
        const answer = await call('here');
        calls += 1;
        if (answer.code !== 0 || answer.stdout !== 'here\n') failures.push(answer);
      }
    };
    const probes = [probe(), probe()];
    for (const memoryMiB of [160, 192, 224]) {
      const before = await project.idOf('fs');
      expect(await project.apply(tinySpec({ name: 'fs', memoryMiB }))).toExit(0);
      expect(await project.idOf('fs')).not.toBe(before);
    }
    replacing = false;
    await Promise.all(probes);
    expect(failures).toEqual([]);
    expect(calls).toBeGreaterThan(5);
    expect(await project.names()).toEqual(['fs']);
  });
});
