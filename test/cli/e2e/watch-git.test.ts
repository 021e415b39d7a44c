import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { gitRepository } from '../../support/git-repository.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';
import { endLoops, soonMs, watchLoop, watchLoopWith } from '../../support/watch-loop.ts';

describe.skipIf(withoutEngine())('looms watch --git', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    await endLoops();
    for (const end of ends.splice(0)) await end();
  });
  const world = () => {
    const project: TestProject = testProject('gitops');
    const repository = gitRepository('gitops');
    ends.push(project.remove, repository.remove);
    const watch = (...flags: readonly string[]) =>
      watchLoop(project, 'watch', '--git', repository.url, '--branch', 'main', '--path', 'specs', ...flags);
    return { project, repository, watch };
  };

  test('a commit is applied, and its author and signature are told, in history and in the trail', async () => {
    const { project, repository, watch } = world();
    const ann = repository.key('ann@example.com');
    const signers = join(repository.root, 'signers');
    writeFileSync(signers, ann.signer);
    const path = 'specs/mcp.yaml';
    repository.commit({ [path]: specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' })) }, ann);
    const loop = watch('--allowed-signers', signers, '--require-signed');
    await loop.told('changed');
    expect(loop.of('watching')).toMatchObject([{ commitBy: 'Ann <ann@example.com>, signed by ann@example.com' }]);
    const [fs, web] = [await project.idOf('fs'), await project.idOf('web')];

    // Who is nobody of the allowed signers changes nothing, however well it is meant.
    repository.commit({ [path]: specs(tinySpec({ name: 'fs', memoryMiB: 256 }), tinySpec({ name: 'web' })) });
    await loop.told('away');
    expect(loop.of('away')[0]).toMatchObject({ what: 'repository', failure: { code: 'refused' } });

    const last = specs(tinySpec({ name: 'fs', memoryMiB: 96 }), tinySpec({ name: 'web' }));
    const commit = repository.commit({ [path]: last }, ann);
    await loop.told('back');
    await loop.told('changed', 2);
    const words = 'Ann <ann@example.com>, signed by ann@example.com';
    expect(loop.of('source-changed')).toMatchObject([{ commits: [commit], commitBy: words }]);
    expect(loop.of('changing')[1]).toMatchObject({ triggers: expect.arrayContaining(['git']) });
    expect(await project.idOf('fs')).not.toBe(fs);
    // The same spec in another commit is the same server.
    expect(await project.idOf('web')).toBe(web);
    const [newest] = JSON.parse((await project.run(['history', 'fs', '--json'])).stdout);
    expect(newest.source).toBe(`${path}:1@${commit} (${words})`);
    expect((await project.run(['history', 'fs'])).stdout).toContain(`${path}:1@${commit.slice(0, 12)} (${words})`);
    const changes = (await project.run(['audit', '--kind', 'change', '--json'])).stdout.trim().split('\n');
    const change = JSON.parse(changes.at(-1) ?? '');
    expect(change.servers).toMatchObject([{ server: 'fs', source: newest.source }]);
    expect(await loop.ended()).toBe(130);
  }, 180_000);

  test('of two loops, the one that has not heard of a commit yet does not take it back', async () => {
    const { project, repository, watch } = world();
    const path = 'specs/mcp.yaml';
    repository.commit({ [path]: tinySpec({ name: 'fs' }) });
    const first = watch();
    await first.told('changed');
    // Of another machine, as far as what was taken of the repository goes; it asks for itself once an hour.
    const words = ['watch', '--git', repository.url, '--branch', 'main', '--path', 'specs', '--interval', '1h'];
    const late = watchLoopWith(project, { env: { XDG_STATE_HOME: emptyFolder() } }, ...words);
    await late.told('watching');
    const commit = repository.commit({ [path]: tinySpec({ name: 'fs', memoryMiB: 96 }) });
    await first.told('changed', 2);
    // The engine tells the late one of another container: it is about to make the older spec so, and asks first.
    await late.told('source-changed');
    expect(late.of('source-changed')).toMatchObject([{ commits: [commit] }]);
    await late.told('in-sync');
    expect(late.of('changing')).toEqual([]);
    expect(JSON.parse((await project.run(['history', 'fs', '--json'])).stdout)).toMatchObject([
      { generation: 2 },
      { generation: 1 },
    ]);
    expect([await first.ended(), await late.ended()]).toEqual([130, 130]);
  }, 180_000);

  test('what is broken, empty or away changes nothing, with --prune neither, and the next loop goes on without it', async () => {
    const { project, repository, watch } = world();
    const path = 'specs/mcp.yaml';
    repository.commit({ [path]: tinySpec({ name: 'fs' }) });
    const loop = watch('--prune');
    await loop.told('changed');
    const serving = await project.idOf('fs');
    repository.commit({ [path]: 'name: [' });
    await loop.told('source-unusable');
    expect(loop.of('source-unusable')[0]?.failure.detail).toEqual([expect.stringMatching(/^specs\/mcp\.yaml:1:7 /)]);
    repository.commit({ [path]: undefined, 'specs/README': 'nothing' });
    await loop.told('source-unusable', 2);
    expect(loop.of('source-unusable')[1]?.failure).toMatchObject({
      message: expect.stringContaining('folder specs has no file'),
      hint: '--path specs is where the specs are looked for in the repository',
    });
    repository.commit({ [path]: specs(tinySpec({ name: 'fs' })), 'specs/README': undefined });
    await loop.told('back');
    renameSync(repository.folder, `${repository.folder}.away`);
    await loop.told('away');
    expect(await loop.ended()).toBe(130);
    expect(loop.of('away')).toHaveLength(1);
    expect(await project.idOf('fs')).toBe(serving);

    const next = watch('--prune');
    await next.told('watching');
    await next.told('away');
    await project.container('fs').remove({ force: true });
    await next.told('changed');
    renameSync(`${repository.folder}.away`, repository.folder);
    await next.told('back');
    expect(await next.ended()).toBe(130);
  }, 180_000);

  test('while the repository is away, a server that somebody declared otherwise waits, and another one is repaired', async () => {
    const { project, repository, watch } = world();
    repository.commit({ 'specs/mcp.yaml': specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' })) });
    const loop = watch();
    await loop.told('in-sync');
    expect(await loop.ended()).toBe(130);
    const file = join(repository.root, 'newer.yaml');
    writeFileSync(file, tinySpec({ name: 'fs', memoryMiB: 96 }));
    expect((await project.run(['apply', '-f', file, '--yes'])).code).toBe(0);
    const serving = await project.idOf('fs');
    await project.container('web').remove({ force: true });
    renameSync(repository.folder, `${repository.folder}.away`);

    const next = watch();
    await next.told('changed');
    expect(next.of('changing')).toMatchObject([{ changes: [{ server: 'web', action: 'create' }] }]);
    expect(await project.idOf('fs')).toBe(serving);
    expect(await next.ended()).toBe(130);
  }, 180_000);

  test('a folder of the repository is not mounted, and wrong flags are told', async () => {
    const { project, repository, watch } = world();
    const mount = { volume_mounts: [{ source: './files', target: '/files' }] };
    repository.commit({ 'specs/mcp.yaml': tinySpec({ name: 'fs', backend: mount }), 'specs/files/a': 'a' });
    const loop = watch();
    await loop.told('source-unusable');
    expect(loop.of('source-unusable')[0]?.failure.message).toBe(
      'specs/mcp.yaml:1: fs mounts specs/files of the repository, which is not kept',
    );
    expect(await loop.ended()).toBe(130);
    for (const flags of [
      ['--path', '../x', '--git', 'x'],
      ['--branch', 'x'],
      ['--git', 'x', '--require-signed'],
      ['--git', 'x', '-f', 'y'],
    ]) {
      expect((await project.run(['watch', ...flags])).code, flags.join(' ')).toBe(64);
    }
    await eventually(async () => expect(await project.names()).toEqual([]), soonMs);
  }, 180_000);
});
