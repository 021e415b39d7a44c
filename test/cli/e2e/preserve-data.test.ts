import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const keeping = (name: string, preserve: readonly string[] = ['/state'], memoryMiB = 128): string =>
  changed(tinySpec({ name, memoryMiB }), {
    backend: { security: { read_only_root: false }, lifecycle: { preserve, drain_seconds: 0 } },
  });

describe.skipIf(withoutEngine())('delete --preserve-data', () => {
  let project = testProject('keep');
  afterEach(async () => {
    await project.remove();
    project = testProject('keep');
  });

  const inside = async (server: string, script: string, user = '0'): Promise<string> => {
    const exec = await project
      .container(server)
      .exec({ Cmd: ['sh', '-c', script], User: user, Tty: true, AttachStdout: true });
    return (await text(await exec.start({ Tty: true }))).trim();
  };
  const apply = async (yaml: string) => {
    const done = await project.apply(yaml);
    expect(done, done.stderr).toExit(0);
    expect((await project.diff(yaml)).code).toBe(0);
    return done;
  };
  const write = async (server: string, words: string) => {
    await inside(server, 'mkdir -m 777 /state');
    await inside(server, `mkdir /state/deep && echo ${words} > /state/deep/file && chmod 640 /state/deep/file`, '1000');
  };
  const read = (server: string) => inside(server, 'cat /state/deep/file; stat -c "%u:%g %a" /state/deep/file', '1000');

  test('gives the files back to the next server of the name, with owner and mode, and then forgets them', async () => {
    await apply(keeping('fs'));
    await write('fs', 'remember');
    const deleted = await project.run(['delete', 'fs', '--preserve-data', '--yes', '--json']);
    expect(deleted, deleted.stderr).toExit(0);
    const value = JSON.parse(deleted.stdout);
    expect(schemaProblems('apply', value)).toEqual([]);
    expect(value.support).toContainEqual({
      kind: 'data',
      name: `looms-${project.name}-fs.data`,
      action: 'create',
      reasons: [{ kind: 'requested' }],
    });
    expect(await project.names()).toEqual(['fs.data']);
    expect((await project.run(['get', '--json'])).stdout.trim()).toBe('[]');
    expect((await project.run(['delete', '--all', '--yes'])).stdout).toContain('looms delete fs');
    expect(await project.names()).toEqual(['fs.data']);

    expect((await project.diff(keeping('fs'))).plan.support).toContainEqual(
      expect.objectContaining({ kind: 'data', action: 'restore' }),
    );
    await apply(keeping('fs', ['/state'], 144));
    expect(await read('fs')).toBe('remember\r\n1000:1000 640');
    expect(await project.names()).toEqual(['fs']);
  });

  test('removes nothing when the files cannot be kept: the server serves on, and the exit code says so', async () => {
    await apply(specs(keeping('fs', ['/link']), tinySpec({ name: 'other' })));
    await inside('fs', 'mkdir /real && ln -s /real /link');
    const id = await project.idOf('fs');
    const failed = await project.run(['delete', 'fs', '--preserve-data', '--yes']);
    expect(failed.code).toBe(1);
    expect(failed.stderr + failed.stdout).toContain('/link');
    expect(await project.idOf('fs')).toBe(id);
    expect(await project.names()).toEqual(['fs', 'other']);
    expect(await project.run(['mcp', 'call', 'fs', 'echo', 'text=here'])).toMatchObject({ code: 0, stdout: 'here\n' });
  });

  test('says when there is nothing to preserve, and when named volumes hold all there is', async () => {
    const volume = changed(tinySpec({ name: 'vol' }), {
      backend: { volume_mounts: [{ source: 'files', target: '/data' }] },
    });
    await apply(specs(tinySpec({ name: 'bare' }), volume));
    const deleted = await project.run(['delete', 'bare', 'vol', '--preserve-data', '--yes']);
    expect(deleted).toExit(0);
    expect(deleted.stdout).toContain('warning[nothing-to-preserve] bare: ');
    expect(deleted.stdout).toContain(
      'warning[nothing-to-preserve] vol: there is nothing to preserve: its spec has no lifecycle.preserve; its named volumes stay',
    );
    expect(deleted.stdout).toContain(`looms-${project.name}-files; \`looms prune --volumes\` removes them`);
    expect(await project.names()).toEqual([]);
    expect(await project.volumes()).toEqual([`looms-${project.name}-files`]);
  });

  test('keeps files until a delete of that name without it gives them up, which the plan shows', async () => {
    await apply(keeping('fs'));
    await write('fs', 'remember');
    expect(await project.run(['delete', 'fs', '--preserve-data', '--yes'])).toExit(0);
    const again = await project.run(['delete', 'fs', '--preserve-data', '--yes']);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('warning[data-kept] fs: ') });
    const shown = await project.run(['delete', 'fs', '--dry-run']);
    expect(shown.stdout).toMatch(/^- +data looms-\S+-fs\.data +remove: asked for$/m);
    const gone = await project.run(['delete', 'fs', '--yes']);
    expect(gone, gone.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('data of 1 server removed') });
    expect(await project.names()).toEqual([]);
    expect((await project.run(['delete', 'fs', '--yes'])).code).toBe(66);
  });

  test('does not lose what the next server does not preserve: it stays, and each plan says so', async () => {
    await apply(keeping('fs'));
    await write('fs', 'remember');
    expect(await project.run(['delete', 'fs', '--preserve-data', '--yes'])).toExit(0);
    const applied = await apply(tinySpec({ name: 'fs' }));
    expect(applied.stdout).toContain('warning[data-not-restored] fs: /state ');
    expect(await project.names()).toEqual(['fs', 'fs.data']);
    const refused = await project.run(['delete', 'fs', '--preserve-data', '--yes']);
    expect(refused).toMatchObject({ code: 8, stdout: expect.stringContaining('never restored') });
    expect(await project.names()).toEqual(['fs', 'fs.data']);
  });

  test('keeps the files when the next server does not pass its gate', async () => {
    await apply(keeping('fs'));
    await write('fs', 'remember');
    expect(await project.run(['delete', 'fs', '--preserve-data', '--yes'])).toExit(0);
    const broken = changed(keeping('fs'), { args: ['-e', 'process.exit(3)'], timeoutSeconds: 5 });
    expect(await project.apply(broken)).toExit(10);
    expect(await project.names()).toEqual(['fs.data']);
    await apply(keeping('fs'));
    expect(await read('fs')).toContain('remember');
    expect(await project.names()).toEqual(['fs']);
  });

  test.each([/\[fs] stop /, /\[fs] carry /, /\[fs] remove /])(
    'that is killed at %s leaves the files in one place or the other',
    async (moment) => {
      await apply(keeping('fs'));
      await write('fs', 'remember');
      const run = project.start(['delete', 'fs', '--preserve-data', '--yes']);
      let over = false;
      void run.finished.then(() => {
        over = true;
      });
      await eventually(() => expect(over || moment.test(run.stderr())).toBe(true), 60_000, 2);
      run.child.kill('SIGKILL');
      await run.finished;
      await apply(keeping('fs'));
      expect(await read('fs')).toContain('remember');
      expect(await project.names()).toEqual(['fs']);
    },
  );
});
