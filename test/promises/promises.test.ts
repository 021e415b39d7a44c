import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { emptyFolder } from '../support/looms.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';
import { type Place, place, placeOfLeastRights } from './place.ts';

// What looms promises whatever it runs servers on: the same tests on a Docker Engine and on a cluster.

type Plan = {
  readonly changes: readonly { readonly server: string; readonly action: string; readonly order?: string }[];
  readonly drift: readonly { readonly server: string }[];
};

/** A folder with a spec file of these servers. */
function files(...documents: readonly string[]): { readonly cwd: string; readonly write: (...more: string[]) => void } {
  const cwd = emptyFolder();
  const write = (...all: readonly string[]): void => writeFileSync(join(cwd, 'mcp.yaml'), specs(...all));
  write(...documents);
  return { cwd, write };
}

const env = { LOOMS_SECRET_TOKEN: 'never-to-be-shown-4711' };

describe('a project', () => {
  let at: Place;
  const apply = async (cwd: string, ...flags: readonly string[]) =>
    at.run(['apply', '-f', 'mcp.yaml', '--yes', ...flags], { cwd, env });
  const applied = async (cwd: string, ...flags: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await apply(cwd, ...flags);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    return stdout;
  };
  const diff = async (cwd: string): Promise<{ readonly code: number | null; readonly plan: Plan }> => {
    const { code, stdout, stderr } = await at.run(['diff', '-f', 'mcp.yaml', '--json'], { cwd, env });
    expect(stderr).not.toContain('error');
    return { code, plan: JSON.parse(stdout) as Plan };
  };
  const call = (server: string, tool: string, args: object = {}) =>
    at.run(['mcp', 'call', server, tool, JSON.stringify(args)], { env });
  const echoes = async (server: string, text: string): Promise<void> => {
    const { code, stdout, stderr } = await call(server, 'echo', { text });
    expect([code, stdout.trim(), stderr]).toEqual([0, text, expect.not.stringContaining('error')]);
  };

  beforeAll(async () => {
    at = await placeOfLeastRights('promise');
  });
  afterAll(() => at.clean());

  const fs = (more: Partial<Parameters<typeof tinySpec>[0]> = {}) => tinySpec({ name: 'fs', ...more });

  it('is made, answers, and is in sync then', async () => {
    const { cwd } = files(fs(), tinySpec({ name: 'secrets', env: { API_TOKEN: '${secret:token}' } }));
    expect((await diff(cwd)).code).toBe(2);
    await applied(cwd);
    await echoes('fs', 'hello');
    expect(await diff(cwd)).toMatchObject({ code: 0 });
    const again = await at.ids('fs');
    await applied(cwd);
    expect(await at.ids('fs')).toEqual(again);
  }, 240_000);

  it('gives a session its secrets, and shows them nowhere else', async () => {
    const { code, stdout } = await call('secrets', 'secret');
    expect([code, stdout]).toEqual([0, expect.not.stringContaining(env.LOOMS_SECRET_TOKEN)]);
    expect(stdout).toContain('token=');
    expect(await at.all()).not.toContain(env.LOOMS_SECRET_TOKEN);
  });

  it('lists its servers and their tools, and shows their logs', async () => {
    const listed = JSON.parse((await at.run(['get', '-o', 'json'])).stdout);
    expect(listed.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual([
      ['fs', 'running'],
      ['secrets', 'running'],
    ]);
    const tools = await at.run(['mcp', 'tools', 'fs', '--json'], { env });
    expect(tools.stdout).toContain('echo');
    expect((await at.run(['mcp', 'logs', 'fs'])).code).toBe(0);
    expect((await at.run(['describe', 'fs'])).code).toBe(0);
  });

  it('is replaced without a moment in which nobody answers, and its sessions end first', async () => {
    const { cwd, write } = files(fs(), tinySpec({ name: 'secrets', env: { API_TOKEN: '${secret:token}' } }));
    write(fs({ memoryMiB: 160 }), tinySpec({ name: 'secrets', env: { API_TOKEN: '${secret:token}' } }));
    const before = await at.ids('fs');
    let isDone = false;
    const failed: string[] = [];
    const probe = (async () => {
      for (let calls = 0; !isDone || calls < 3; calls += 1) {
        const { code, stderr } = await call('fs', 'echo', { text: 'still' });
        if (code !== 0) failed.push(stderr);
      }
    })();
    await applied(cwd);
    isDone = true;
    await probe;
    expect(failed).toEqual([]);
    await eventually(async () => {
      const now = await at.ids('fs');
      expect(now).toHaveLength(1);
      expect(before).not.toContain(now[0]);
    }, 90_000);
  }, 240_000);

  it('keeps what serves where the new one does not answer, and says why', async () => {
    const { cwd } = files(fs({ kind: 'dies', memoryMiB: 160, timeoutSeconds: 5 }));
    const before = await at.ids('fs');
    const { code, stdout, stderr } = await apply(cwd, '--server', 'fs');
    expect([code, stdout + stderr]).toEqual([4, expect.stringContaining('cannot reach the database')]);
    await echoes('fs', 'the old one');
    await eventually(async () => expect(await at.ids('fs')).toEqual(before), 60_000);
    const history = JSON.parse((await at.run(['history', 'fs', '--json'])).stdout);
    expect(JSON.stringify(history)).toContain('gate-failed');
  }, 240_000);

  it('goes back to an earlier generation', async () => {
    const { code, stderr } = await at.run(['rollback', 'fs', '--yes'], { env });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    await echoes('fs', 'as it was');
    const { cwd } = files(fs(), tinySpec({ name: 'secrets', env: { API_TOKEN: '${secret:token}' } }));
    expect((await diff(cwd)).code).toBe(0);
  }, 240_000);

  it('is replaced on request, and stopped, and started again', async () => {
    const before = await at.ids('fs');
    expect((await at.run(['mcp', 'restart', 'fs', '--yes'], { env })).code).toBe(0);
    await eventually(async () => {
      const now = await at.ids('fs');
      expect(now).toHaveLength(1);
      expect(now).not.toEqual(before);
    }, 60_000);
    expect((await at.run(['mcp', 'stop', 'fs'])).code).toBe(0);
    await eventually(async () => expect(await at.ids('fs')).toEqual([]), 60_000);
    expect((await call('fs', 'echo', { text: 'x' })).code).not.toBe(0);
    expect((await at.run(['mcp', 'start', 'fs'], { env })).code).toBe(0);
    await echoes('fs', 'again');
  }, 240_000);

  it('is completed by the next run, wherever one was killed', async () => {
    const { cwd, write } = files(fs());
    for (const [index, afterMs] of [150, 600, 1200, 2500].entries()) {
      write(fs({ memoryMiB: 130 + index }));
      const { child, finished } = at.start(['apply', '-f', 'mcp.yaml', '--yes', '--server', 'fs'], { cwd, env });
      const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
      await finished;
      clearTimeout(timer);
      // The lock of a killed run is taken over at once on the machine where it ran.
      await applied(cwd, '--server', 'fs');
      await echoes('fs', `after cut ${index}`);
      await eventually(async () => expect(await at.ids('fs')).toHaveLength(1), 60_000);
    }
  }, 400_000);

  it('is changed by one run at a time', async () => {
    const { cwd, write } = files(fs());
    write(fs({ memoryMiB: 150 }));
    const both = await Promise.all([
      apply(cwd, '--server', 'fs', '--lock-timeout', '120'),
      apply(cwd, '--server', 'fs', '--lock-timeout', '120'),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    await eventually(async () => expect(await at.ids('fs')).toHaveLength(1), 60_000);
    await echoes('fs', 'once');
  }, 240_000);

  it('touches nothing of others, and removes its own', async () => {
    await at.makeForeign();
    const before = await at.foreign();
    const { cwd } = files(fs({ memoryMiB: 150 }));
    await applied(cwd, '--prune');
    await eventually(async () => expect(await at.ids('secrets')).toEqual([]), 60_000);
    expect((await at.run(['delete', 'fs', '--yes'])).code).toBe(0);
    expect(await at.ids('fs')).toEqual([]);
    expect(await at.foreign()).toBe(before);
  }, 240_000);
});

describe('what somebody changed by hand', () => {
  const at = place('byhand');
  afterAll(() => at.clean());
  const spec = tinySpec({ name: 'one' });
  const { cwd } = files(spec);
  const run = (...args: readonly string[]) => at.run([...args], { cwd });

  beforeAll(async () => {
    const { code, stderr } = await run('apply', '-f', 'mcp.yaml', '--yes');
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  }, 240_000);

  it.each(at.byHand.map(({ what, change }) => [what, change] as const))(
    '%s is seen, told and set right',
    async (_, change) => {
      await change('one');
      await eventually(async () => expect((await run('diff', '-f', 'mcp.yaml')).code).toBe(2), 30_000);
      const { code, stdout, stderr } = await run('apply', '-f', 'mcp.yaml', '--yes');
      expect([code, stdout + stderr]).toEqual([0, expect.any(String)]);
      await eventually(async () => expect((await run('diff', '-f', 'mcp.yaml')).code).toBe(0), 60_000);
      const answer = await at.run(['mcp', 'call', 'one', 'echo', '{"text":"right again"}']);
      expect(answer.stdout.trim()).toBe('right again');
    },
    240_000,
  );
});
