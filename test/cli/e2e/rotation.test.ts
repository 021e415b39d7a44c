import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const spec = changed(tinySpec({ name: 'a' }), {
  backend: { lifecycle: { max_executions: 1, rotation_interval_hours: 24 } },
});

describe.skipIf(withoutEngine())('rotation', () => {
  const project = testProject('rotation');
  const diff = (...flags: readonly string[]) => project.run(['diff', '-f', '-', ...flags], { stdin: spec });

  beforeAll(async () => {
    expect(await project.apply(spec)).toExit(0);
  });
  afterAll(() => project.remove());

  test('is told before it is due: by age with its time, by executions with the calls that are left', async () => {
    const { code, stdout } = await diff();
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nnext rotation: a on \d{4}-\d\d-\d\dT[\d:]{8}Z or after 1 more call\n/);
    const { plan } = await project.diff(spec);
    expect(plan.rotations).toEqual([{ server: 'a', at: expect.stringMatching(/Z$/), callsLeft: 1 }]);
  });

  test('that is due is a difference (2), unless CI says that it is none; apply does it', async () => {
    expect(await project.run(['mcp', 'call', 'a', 'echo', 'text=x'])).toExit(0);
    const due = await diff();
    expect(due).toExit(2);
    expect(due.stdout).toContain('rotation due by executions');
    const ignored = await diff('--ignore-rotation');
    expect(ignored).toMatchObject({ code: 0, stdout: due.stdout });
    const other = changed(spec, { backend: { resource_limits: { memory_mb: 160 } } });
    expect(await project.run(['diff', '-f', '-', '--ignore-rotation'], { stdin: other })).toExit(2);
    const before = await project.idOf('a');
    expect(await project.apply(spec)).toExit(0);
    expect(await project.idOf('a')).not.toBe(before);
    expect(await diff()).toExit(0);
  });

  test('by age comes when the time has passed, on the engine, and a new container has all of it again', async () => {
    // 36 s, the shortest that the spec takes.
    const aging = changed(tinySpec({ name: 'aging' }), {
      backend: { lifecycle: { rotation_interval_hours: 0.01 } },
    });
    expect(await project.apply(aging)).toExit(0);
    const before = await project.idOf('aging');
    const lookAgain = () => project.diff(aging, ['--server', 'aging']);
    const due = await eventually(
      async () => {
        const seen = await lookAgain();
        expect(seen.code).toBe(2);
        return seen;
      },
      60_000,
      1_000,
    );
    expect(due.plan.changes.find(({ server }) => server === 'aging')).toMatchObject({
      action: 'replace',
      order: 'start-first',
      reasons: [{ kind: 'rotation-due', by: 'age' }],
    });
    expect(await project.apply(aging)).toExit(0);
    expect(await project.idOf('aging')).not.toBe(before);
    expect(await lookAgain()).toMatchObject({ code: 0, plan: { rotations: [{ server: 'aging' }] } });
  });
});
