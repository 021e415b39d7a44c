import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { LifecycleEvent } from '../../../src/model/trail/lifecycle-events.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

const eventsIn = (text: string): LifecycleEvent[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const wordOf = (event: LifecycleEvent): string => ('action' in event ? event.action : event.type);

describe.skipIf(withoutEngine())('looms events', () => {
  let project: TestProject;
  afterEach(() => project?.remove());

  test('tells live what the engine and looms did, from which file and why, and the same again afterwards', async () => {
    project = testProject('events');
    const env = { XDG_STATE_HOME: emptyFolder() };
    const live = project.start(['events', '--follow', '--json'], { env });
    try {
      expect(await project.apply(tinySpec({ name: 'fs' }), [], { env })).toExit(0);
      expect(await project.apply(tinySpec({ name: 'fs', memoryMiB: 160 }), [], { env })).toExit(0);
      await eventually(async () => {
        const words = eventsIn(live.stdout()).map(wordOf);
        expect(words).toEqual(expect.arrayContaining(['created', 'started', 'create', 'replace', 'ended', 'removed']));
      }, 60_000);
    } finally {
      live.child.kill('SIGINT');
    }
    expect(await live.finished).toMatchObject({ code: 130 });

    const past = await project.run(['events', 'fs', '-o', 'json'], { env });
    expect(past).toExit(0);
    const events = eventsIn(past.stdout);
    for (const event of events) expect(schemaProblems('events', event), JSON.stringify(event)).toEqual([]);
    const told = new Set(eventsIn(live.stdout()).map(({ id }) => id));
    const changes = events.filter((event) => event.source === 'looms');
    expect(changes.filter(({ id }) => !told.has(id))).toEqual([]);
    expect(changes).toMatchObject([
      { action: 'create', gen: { from: null, to: 1 }, result: 'done', reasons: [{ kind: 'missing' }] },
      {
        action: 'replace',
        gen: { from: 1, to: 2 },
        result: 'done',
        reasons: [
          {
            kind: 'spec-changed',
            fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '128', to: '160' }],
          },
        ],
        cause: { trigger: 'person', command: 'looms apply', file: '-', line: 1 },
      },
    ]);
    const text = await project.run(['events'], { env });
    expect(text.stdout).toContain('docker_backend.resource_limits.memory_mb  128 → 160');
  }, 120_000);

  test('a watch keeps what the engine tells, and an OOM kill is counted from that', async () => {
    project = testProject('events-watch');
    const env = { XDG_STATE_HOME: emptyFolder() };
    const folder = emptyFolder();
    writeFileSync(join(folder, 'mcp.yaml'), tinySpec({ name: 'fs', memoryMiB: 64 }));
    const watch = project.start(['watch', '-f', folder, '--json'], { env });
    try {
      await eventually(async () => expect(watch.stdout()).toContain('"in-sync"'), 60_000);
      const hungry = await project.container('fs').exec({ Cmd: ['sh', '-c', 'head -c 200000000 /dev/zero | tail'] });
      await hungry.start({ Detach: true });
      await eventually(async () => {
        const { stdout } = await project.run(['stats', '--json'], { env });
        expect(JSON.parse(stdout)[0].oomKills).toBeGreaterThan(0);
      }, 60_000);
      // More than the engine remembers.
      for (let round = 0; round < 100; round += 1) {
        await (await project.container('fs').exec({ Cmd: ['true'] })).start({ Detach: true });
      }
      await eventually(async () => {
        const { stdout } = await project.run(['events', '--json'], { env });
        expect(eventsIn(stdout).map(wordOf)).toEqual(expect.arrayContaining(['created', 'started', 'create', 'oom']));
      }, 60_000);
      const { stdout } = await project.run(['stats', '--json'], { env });
      expect(JSON.parse(stdout)[0].oomKills).toBeGreaterThan(0);
    } finally {
      watch.child.kill('SIGINT');
      await watch.finished;
    }
  }, 180_000);
});
