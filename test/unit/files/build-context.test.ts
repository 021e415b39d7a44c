import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readBuildCa, readContext } from '../../../src/files/build-context.ts';
import { recipeFor } from '../../../src/image/recipe.ts';
import type { ImageSource } from '../../../src/model/desired.ts';

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'looms-context-'));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

const python = (requirementsFile: string): ImageSource => ({
  kind: 'python',
  base: 'python:3.13-slim',
  packages: [],
  requirementsFile,
  pipCache: true,
});
const copy = (source: string): ImageSource => ({
  kind: 'build',
  from: 'debian',
  run: [],
  copy: [{ source, destination: '/app/' }],
  env: {},
});
const pathsOf = async (source: ImageSource, directory: string): Promise<string[]> =>
  (await readContext(source, directory)).files.map((file) => file.path).sort();

test('a requirements file comes with all that it takes in, wherever that lies', async () => {
  const folder = await folderWith({
    'deps/dev/all.txt': 'mcp\n-r ../base.txt\n-c limits.txt\n',
    'deps/base.txt': '-r dev/all.txt\nhttpx\n',
    'deps/dev/limits.txt': 'httpx<2\n',
  });
  const context = await readContext(python('deps/dev/all.txt'), folder);
  expect(context.entry).toBe('looms-requirements/dev/all.txt');
  expect(context.files.map((file) => file.path).sort()).toEqual([
    'looms-requirements/base.txt',
    'looms-requirements/dev/all.txt',
    'looms-requirements/dev/limits.txt',
  ]);
});

test.skipIf(process.platform === 'win32')('a pipe that nobody writes to is refused, not waited for', async () => {
  const folder = await folderWith({ 'r.txt': '-r pipe.txt\n', Dockerfile: 'FROM debian\nCOPY . /app\n' });
  execFileSync('mkfifo', [join(folder, 'pipe.txt')]);
  for (const file of ['pipe.txt', 'r.txt']) {
    await expect(readContext(python(file), folder)).rejects.toMatchObject({
      code: 'spec-invalid',
      message: expect.stringContaining('pipe.txt is no regular file'),
    });
  }
  expect(await pathsOf({ kind: 'dockerfile', path: 'Dockerfile' }, folder)).toEqual(['Dockerfile', 'r.txt']);
});

test('a missing file is named as the spec or the including file names it', async () => {
  const folder = await folderWith({ 'r.txt': '-r gone.txt\n' });
  await expect(readContext(python('no.txt'), folder)).rejects.toThrow(
    /requirements_file names no.txt: .* does not exist/,
  );
  await expect(readContext(python('r.txt'), folder)).rejects.toThrow(/r.txt takes in gone.txt/);
  await expect(readContext(copy('gone'), folder)).rejects.toThrow(/copy_files names gone/);
  await expect(readBuildCa({ LOOMS_BUILD_CA: 'ca.pem' }, folder)).rejects.toThrow(/LOOMS_BUILD_CA names ca.pem/);
  expect(await readBuildCa({ LOOMS_BUILD_CA: '' }, folder)).toBeUndefined();
});

test('a package.json comes with its lock file', async () => {
  const folder = await folderWith({ 'app/package.json': '{}', 'app/package-lock.json': '{}', 'app/x.js': '' });
  const source: ImageSource = {
    kind: 'node',
    base: 'node',
    packages: [],
    packageJsonFile: 'app/package.json',
    npmCache: true,
  };
  expect(await pathsOf(source, folder)).toEqual(['looms-app/package-lock.json', 'looms-app/package.json']);
});

test('copy_files takes files, folders and patterns, without what .dockerignore leaves out', async () => {
  const folder = await folderWith({
    'a.py': '',
    'b.py': '',
    'lib/x.py': '',
    'lib/cache/y': '',
    '.dockerignore': 'b.py\nlib/cache\n',
  });
  expect(await pathsOf(copy('a.py'), folder)).toEqual(['looms-copy/0/a.py']);
  expect(await pathsOf(copy('lib'), folder)).toEqual(['looms-copy/0/content/x.py']);
  expect(await pathsOf(copy('./*.py'), folder)).toEqual(['looms-copy/0/a.py']);
  await expect(readContext(copy('b.py'), folder)).rejects.toMatchObject({ code: 'file-not-found' });
});

test('a folder copied as a whole gives the same image from checkouts of different names', async () => {
  const files = { 'server.py': 'print()' };
  const refs = await Promise.all(
    [await folderWith(files), await folderWith(files)].map(
      async (folder) => recipeFor(copy('.'), await readContext(copy('.'), folder))?.ref,
    ),
  );
  expect(refs[0]).toBe(refs[1]);
});

test('the context of a Dockerfile is its folder, by its own ignore file first', async () => {
  const folder = await folderWith({
    'docker/Dockerfile': 'FROM scratch',
    'docker/a': '',
    'docker/node_modules/x/y': '',
    'docker/keep/z': '',
    'docker/.dockerignore': 'a',
    'docker/Dockerfile.dockerignore': 'node_modules\nDockerfile\nkeep\n!keep/z\n',
    outside: '',
  });
  await symlink('a', join(folder, 'docker/link'));
  const source: ImageSource = { kind: 'dockerfile', path: 'docker/Dockerfile' };
  expect(await pathsOf(source, folder)).toEqual([
    '.dockerignore',
    'Dockerfile',
    'Dockerfile.dockerignore',
    'a',
    'keep/z',
    'link',
  ]);
  const { files } = await readContext(source, folder);
  expect(files.find((file) => file.path === 'link')?.linkTarget).toBe('a');
});

test('nothing outside the folder of the spec gets into an image, links followed', async () => {
  const outside = await folderWith({ 'secret.txt': 'private', Dockerfile: 'FROM scratch\n' });
  const folder = await folderWith({ 'r.txt': `-r ${outside}/secret.txt\n` });
  await symlink(outside, join(folder, 'link'));
  await symlink(join(outside, 'secret.txt'), join(folder, 'file'));
  const refused = { code: 'spec-invalid', message: expect.stringContaining("leads out of the spec's folder") };
  await expect(readContext(copy('link/secret.txt'), folder)).rejects.toMatchObject(refused);
  await expect(readContext(copy('file'), folder)).rejects.toMatchObject(refused);
  await expect(readContext(copy('link'), folder)).rejects.toMatchObject(refused);
  await expect(readContext(python('r.txt'), folder)).rejects.toMatchObject(refused);
  await expect(readContext({ kind: 'dockerfile', path: 'link/Dockerfile' }, folder)).rejects.toMatchObject(refused);
});

test.each(['.dockerignore', 'Dockerfile.dockerignore'])(
  'a %s that is a link to a file outside is refused, and one to a file inside is read',
  async (name) => {
    const outside = await folderWith({ 'secret.txt': 'private' });
    const folder = await folderWith({ Dockerfile: 'FROM debian\nCOPY .dockerignore /x\n', a: '1', rules: 'a\n' });
    await symlink(join(outside, 'secret.txt'), join(folder, name));
    const source: ImageSource = { kind: 'dockerfile', path: 'Dockerfile' };
    await expect(readContext(source, folder)).rejects.toMatchObject({
      code: 'spec-invalid',
      message: expect.stringContaining(`${name}, which leads out of the spec's folder`),
    });
    await rm(join(folder, name));
    await symlink('rules', join(folder, name));
    expect(await pathsOf(source, folder)).not.toContain('a');
  },
);

test('nor does the ignore file of copy_files lead out of the folder of the spec', async () => {
  const outside = await folderWith({ 'secret.txt': 'private' });
  const folder = await folderWith({ 'app/main.py': '1' });
  await symlink(join(outside, 'secret.txt'), join(folder, '.dockerignore'));
  await expect(readContext(copy('app'), folder)).rejects.toMatchObject({ code: 'spec-invalid' });
});
