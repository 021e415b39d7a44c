import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { testLabel, withoutEngine } from '../../support/images.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('a server that runs and is not well', () => {
  const project = testProject('not-well');
  const checked = `looms-test/${project.name}:checked`;
  const yaml = specs(httpSpec('loops'), tinySpec({ name: 'sick', image: checked }));
  const json = async (args: readonly string[]) => JSON.parse((await project.run([...args, '--json'])).stdout);
  const row = async (args: readonly string[], name: string): Promise<string> => {
    const { stdout } = await project.run(args);
    if (args[0] === 'mcp') for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    return stdout.split('\n').find((line) => line.startsWith(name)) ?? '';
  };

  beforeAll(async () => {
    const made = await project.docker.createContainer({
      Image: 'node:24-slim',
      Labels: { 'looms.test': testLabel(project.name) },
    });
    const changes = `HEALTHCHECK --interval=1s --retries=1 CMD ["test", "-e", "/nowhere"]\nLABEL looms.test=${testLabel(project.name)}`;
    await made.commit({ repo: checked.split(':')[0], tag: 'checked', changes });
    await made.remove();
    expect(await project.apply(yaml)).toExit(0);
  });
  afterAll(async () => {
    await project.remove();
    await project.docker.getImage(checked).remove({ force: true });
  });

  test('because its engine started it again is not healthy any more, wherever it is shown, until it is asked', async () => {
    expect(await row(['mcp', 'list'], 'loops')).toMatch(/ running +healthy \d+s ago +0 /);
    const before = (await project.container('loops').inspect()).State.StartedAt;
    const kill = await project.container('loops').exec({ Cmd: ['sh', '-c', 'kill -9 -1'] });
    await kill.start({});
    await eventually(async () => {
      const { State } = await project.container('loops').inspect();
      expect([State.Running, State.Restarting, State.StartedAt === before]).toEqual([true, false, false]);
    }, 30_000);

    expect(await row(['mcp', 'list'], 'loops')).toMatch(/ running +restarted since +1 /);
    expect(await row(['get'], 'loops')).toMatch(/ running +1 +streamable-http +1 /);
    const list = await json(['mcp', 'list']);
    expect(list[0]).toMatchObject({
      name: 'loops',
      restarts: 1,
      health: { verdict: 'healthy', about: 'restarted-since' },
    });
    const info = (await project.run(['mcp', 'info', 'loops'])).stdout;
    expect(info).toMatch(/health +healthy, asked \d+s ago, before it was started again, 6 tools/);
    expect((await project.run(['describe', 'loops'])).stdout).toMatch(/restarts +1\n/);
    const diff = await project.run(['diff', '-f', '-'], { stdin: yaml });
    expect(diff.code).toBe(0);
    expect(diff.stdout).toMatch(
      /warning\[restarts] loops: the engine started it again once, last \d+s ago: looms mcp logs/,
    );

    const asked = await project.run(['mcp', 'health', 'loops']);
    expect(asked).toExit(0);
    expect(asked.stderr).toContain('note[restarts] loops: the engine started it again once');
    expect(await row(['mcp', 'list'], 'loops')).toMatch(/ running +healthy \d+s ago +1 /);
  });

  test('because the check of its image fails is not healthy, although it answers MCP', async () => {
    await eventually(async () => {
      expect((await project.container('sick').inspect()).State.Health?.Status).toBe('unhealthy');
    }, 30_000);
    expect(await row(['mcp', 'list'], 'sick')).toMatch(/ running \(unhealthy\) /);
    expect(await row(['get'], 'sick')).toMatch(/ running \(unhealthy\) /);
    expect((await project.run(['describe', 'sick'])).stdout).toMatch(/state +running \(unhealthy\)\n/);
    expect((await project.run(['mcp', 'info', 'sick'])).stdout).toMatch(/state +running \(unhealthy\)\n/);
    const diff = await project.run(['diff', '-f', '-'], { stdin: yaml });
    expect(diff.code).toBe(0);
    expect(diff.stdout).toContain('warning[engine-unhealthy] sick: the HEALTHCHECK of its image fails');

    const asked = await project.run(['mcp', 'health', 'sick']);
    expect(asked.code).toBe(10);
    expect(asked.stdout).toMatch(/^sick +unhealthy /m);
    expect(asked.stdout).toContain('server sick answers MCP, but the HEALTHCHECK of its image fails');
    expect(await row(['mcp', 'list'], 'sick')).toMatch(/ running \(unhealthy\) +unhealthy \d+s ago /);
  });
});
