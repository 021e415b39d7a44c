import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { holdLock } from '../../support/hold-lock.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { brokenSpec } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { onTerminal } from '../../support/terminal-session.ts';
import { testProject } from '../../support/test-project.ts';
import { tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine())('unlock', () => {
  let project = testProject('unlock');
  afterEach(async () => {
    await project.remove();
    project = testProject('unlock');
  });

  test('without an id shows who holds the lock and changes nothing, also where nobody does', async () => {
    const free = await project.run(['unlock']);
    expect(free).toMatchObject({ code: 0, stdout: `Nobody holds the lock of project ${project.name}.\n` });
    const lock = await holdLock(project.name);
    const shown = await project.run(['unlock', '--yes']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('anna@elsewhere (pid 4711, `looms apply`) since ');
    expect(shown.stdout).toContain(`looms unlock ${lock.id.slice(0, 12)} --project ${project.name}`);
    const json = JSON.parse((await project.run(['unlock', '--json'])).stdout);
    expect(schemaProblems('unlock', json)).toEqual([]);
    expect(json).toMatchObject({ lock: { id: lock.id, who: 'anna', state: 'held' }, removed: false });
    expect(await project.names()).toEqual(['.lock']);
  });

  test('by the id that the refused apply shows takes the lock away, and the apply goes through', async () => {
    await holdLock(project.name);
    const refused = await project.apply(tinySpec({ name: 'a' }));
    expect(refused.code).toBe(6);
    const words = /looms (unlock [0-9a-f]{12}) --project/.exec(refused.stderr)?.[1]?.split(' ') ?? [];
    const unlocked = await project.run([...words, '--yes', '--json']);
    expect(unlocked, unlocked.stderr).toExit(0);
    expect(schemaProblems('unlock', JSON.parse(unlocked.stdout))).toEqual([]);
    expect(JSON.parse(unlocked.stdout)).toMatchObject({ removed: true, lock: { who: 'anna' } });
    expect(await project.apply(tinySpec({ name: 'a' }))).toExit(0);
    expect(await project.run([...words, '--yes'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nobody'),
    });
  });

  test('by another id is refused (8) and says who holds the lock', async () => {
    const lock = await holdLock(project.name);
    for (const id of ['0123456789ab', lock.id.slice(0, 4), `${lock.id}0`]) {
      const refused = await project.run(['unlock', id, '--yes']);
      expect(refused).toMatchObject({ code: 8, stdout: '' });
      expect(refused.stderr).toContain(`is not ${id}: anna@elsewhere`);
    }
    expect(await project.names()).toEqual(['.lock']);
  });

  test('asks on a terminal; a no (9), and no terminal without --yes (9), leave the lock', async () => {
    const lock = await holdLock(project.name);
    const id = lock.id.slice(0, 12);
    const refused = await project.run(['unlock', id]);
    expect(refused).toMatchObject({ code: 9, stderr: expect.stringContaining('--yes') });
    const no = onTerminal(['unlock', id, '--project', project.name], emptyFolder());
    await no.shows('anna@elsewhere');
    no.type('n\n');
    expect(await no.ended).toBe(9);
    expect(await project.names()).toEqual(['.lock']);
    const yes = onTerminal(['unlock', id, '--project', project.name], emptyFolder());
    await yes.shows('(y/N)');
    yes.type('y\n');
    expect(await yes.ended).toBe(0);
    expect(await project.names()).toEqual([]);
  });

  test('of a run that lives makes that run stop before it takes anything away', async () => {
    expect(await project.apply(tinySpec({ name: 'fs' }))).toExit(0);
    const before = await project.idOf('fs');
    const run = project.start(['apply', '-f', '-', '--yes'], { stdin: brokenSpec('fs', 'silent', 20) });
    await eventually(() => expect(run.stderr()).toContain('[fs] gate: '), 60_000);
    const { lock } = JSON.parse((await project.run(['unlock', '--json'])).stdout);
    expect(await project.run(['unlock', lock.id, '--yes'])).toExit(0);
    expect((await run.finished).code).toBeGreaterThan(0);
    expect(await project.idOf('fs')).toBe(before);
    expect(await project.names()).toEqual(['fs', 'fs.g2']);
  });

  test('is not needed for a lock that ran out: it says so, and the next apply takes it over', async () => {
    await holdLock(project.name, { lifetimeMs: -1 });
    const json = JSON.parse((await project.run(['unlock', '--json'])).stdout);
    expect(json).toMatchObject({ lock: { state: 'expired' } });
    expect(await project.apply(tinySpec({ name: 'a' }))).toExit(0);
  });
});
