import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findProjectFolder, pathsOfPlan, readProjectFile } from '../../../src/cli/project/project-file.ts';
import { localFiles } from '../../../src/files/local-files.ts';

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A folder with these files; a path that ends in a slash is a folder. */
function folderWith(...paths: readonly string[]): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'looms-project-file-')));
  made.push(root);
  for (const path of paths) {
    mkdirSync(path.endsWith('/') ? join(root, path) : dirname(join(root, path)), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(root, path), '');
  }
  return root;
}

const place = (workingDirectory: string) => ({ files: localFiles({}, workingDirectory), workingDirectory });

it('is no fault of looms when looms.yaml cannot be read, and not taken for absent either', async () => {
  const root = folderWith('looms.yaml/');
  await expect(readProjectFile(place(root), [], {})).rejects.toMatchObject({
    code: 'file-not-found',
    message: expect.stringContaining('looms.yaml is there and cannot be read'),
  });
});

it('is not taken for absent where it is a link that leads nowhere', async () => {
  const root = folderWith('mine/');
  symlinkSync(join(root, 'gone.yaml'), join(root, 'mine/looms.yaml'));
  await expect(readProjectFile(place(join(root, 'mine')), [], {})).rejects.toMatchObject({ code: 'file-not-found' });
});

it.skipIf(process.platform === 'win32')(
  'is refused as a link to a place out of its checkout where others may write',
  async () => {
    const root = folderWith('repo/.git/', 'repo/shared/looms.yaml', 'repo/team/', 'open/looms.yaml');
    const link = join(root, 'repo/team/looms.yaml');
    const read = () => readProjectFile(place(join(root, 'repo/team')), [], {});
    chmodSync(join(root, 'open'), 0o777);
    symlinkSync(join(root, 'open/looms.yaml'), link);
    await expect(read()).rejects.toMatchObject({ code: 'refused', hint: `chmod go-w ${join(root, 'open')}` });
    chmodSync(join(root, 'open'), 0o755);
    expect(await read()).toBeDefined();
    // Who may write to the checkout may write its specs.
    rmSync(link);
    symlinkSync('../shared/looms.yaml', link);
    chmodSync(join(root, 'repo/shared'), 0o777);
    expect(await read()).toBeDefined();
  },
);

it('is found from the spec, wherever looms is started: a policy does not depend on that', async () => {
  const root = folderWith('.git/', 'team/looms.yaml', 'team/specs/deep/a.yaml', 'other/');
  const team = join(root, 'team');
  const spec = join(team, 'specs/deep/a.yaml');
  for (const folder of [root, team, join(root, 'other')]) {
    expect(await findProjectFolder(place(folder), [spec])).toBe(team);
  }
  expect(await findProjectFolder(place(root), [join(team, 'specs/**/*.yaml')])).toBe(team);
  expect(await findProjectFolder(place(join(team, 'specs')), [])).toBe(team);
});

it('is looked for no further up than the root of the checkout, and the nearest one counts', async () => {
  const root = folderWith('looms.yaml', 'repo/.git', 'repo/a/looms.yaml', 'repo/a/b/x.yaml', 'repo/c/y.yaml');
  expect(await findProjectFolder(place(join(root, 'repo')), ['a/b/x.yaml'])).toBe(join(root, 'repo/a'));
  expect(await findProjectFolder(place(join(root, 'repo/c')), ['y.yaml'])).toBeUndefined();
});

it('is looked for outside of a checkout up to the working directory, and not in folders that others may write to', async () => {
  const root = folderWith('looms.yaml', 'mine/specs/a.yaml', 'mine/looms.yaml', 'far/b.yaml');
  const mine = join(root, 'mine');
  expect(await findProjectFolder(place(mine), ['specs/a.yaml'])).toBe(mine);
  expect(await findProjectFolder(place(join(mine, 'specs')), ['a.yaml'])).toBeUndefined();
  expect(await findProjectFolder(place(join(root, 'far')), ['b.yaml'])).toBeUndefined();
});

it('is the one of the working directory for files that have none', async () => {
  const root = folderWith('mine/looms.yaml', 'far/b.yaml');
  const mine = join(root, 'mine');
  expect(await findProjectFolder(place(mine), [join(root, 'far/b.yaml')])).toBe(mine);
  expect(await findProjectFolder(place(mine), ['-'])).toBe(mine);
});

it('is an error that names both when two apply, also by where a link leads', async () => {
  const root = folderWith('.git/', 'a/looms.yaml', 'a/x.yaml', 'b/looms.yaml', 'b/y.yaml');
  symlinkSync(join(root, 'b/y.yaml'), join(root, 'a/link.yaml'));
  for (const paths of [['a/x.yaml', 'b/y.yaml'], ['*/*.yaml'], ['a/link.yaml']]) {
    await expect(findProjectFolder(place(root), paths)).rejects.toMatchObject({
      code: 'spec-invalid',
      message: expect.stringMatching(/two project files .*a\/looms\.yaml \(of a\/.* and b\/looms\.yaml \(of /),
    });
  }
  await expect(findProjectFolder(place(root), ['b/y.yaml'], join(root, 'a'))).rejects.toThrow('two project files');
});

it('is one, where it was found, behind a linked folder as well', async () => {
  const root = folderWith('real/p/looms.yaml', 'real/p/a.yaml', 'real/p/b.yaml', 'away/');
  symlinkSync('real', join(root, 'link'));
  const linked = join(root, 'link/p');
  for (const cwd of [root, join(root, 'away'), linked]) {
    expect(await findProjectFolder(place(cwd), [join(linked, 'a.yaml'), join(root, 'real/p/b.yaml')])).toBe(linked);
    expect(await findProjectFolder(place(cwd), [join(linked, '*.yaml')], join(root, 'real/p'))).toBe(
      join(root, 'real/p'),
    );
  }
});

it('is one beside the specs of a ConfigMap, which are links into a folder that is replaced as a whole', async () => {
  const root = folderWith('etc/..2026_11_30/looms.yaml', 'etc/..2026_11_30/a.yaml', 'away/');
  const etc = join(root, 'etc');
  symlinkSync('..2026_11_30', join(etc, '..data'));
  for (const name of ['looms.yaml', 'a.yaml']) symlinkSync(`..data/${name}`, join(etc, name));
  for (const cwd of [etc, join(root, 'away')]) {
    expect(await findProjectFolder(place(cwd), [join(etc, 'a.yaml')])).toBe(etc);
  }
});

it('is looked for in a folder of the working directory whose name begins with two dots, too', async () => {
  const root = folderWith('..data/looms.yaml', '..data/deep/a.yaml');
  expect(await findProjectFolder(place(root), ['..data/deep/a.yaml'])).toBe(join(root, '..data'));
});

it('is looked for from those spec files of a saved plan that are here, and lie in the working directory or its checkout', async () => {
  const root = folderWith('repo/.git/', 'repo/a/x.yaml', 'repo/b/y.yaml', 'far/z.yaml');
  const planned = ['x.yaml', '../b/y.yaml', 'gone.yaml', join(root, 'far/z.yaml'), '../..'].map((file) => ({ file }));
  const inCheckout = await pathsOfPlan(place(join(root, 'repo/a')), planned);
  expect(inCheckout).toEqual([join(root, 'repo/a/x.yaml'), join(root, 'repo/b/y.yaml')]);
  expect(await pathsOfPlan(place(join(root, 'far')), planned)).toEqual([join(root, 'far/z.yaml')]);
});

it.skipIf(process.platform === 'win32')('a project file that is a pipe is said, not waited for', async () => {
  const root = folderWith();
  execFileSync('mkfifo', [join(root, 'looms.yaml')]);
  await expect(readProjectFile(place(root), [], {})).rejects.toMatchObject({
    code: 'file-not-found',
    message: expect.stringContaining('is no regular file'),
  });
});

it('looks at each folder once, however many specs are in it', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `specs/${index}.yaml`);
  const root = folderWith('looms.yaml', '.git/', ...names);
  const { files, workingDirectory } = place(root);
  const looks: string[] = [];
  const counted: typeof files = {
    ...files,
    kindOf: (path) => {
      looks.push(path);
      return files.kindOf(path);
    },
  };
  expect(await findProjectFolder({ files: counted, workingDirectory }, ['specs'])).toBe(root);
  expect(looks.filter((path) => path === join(root, 'specs/looms.yaml'))).toHaveLength(1);
});
