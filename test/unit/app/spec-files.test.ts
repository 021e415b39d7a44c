import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSpecFiles, watchedFolders } from '../../../src/app/plan/spec-files.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { localFiles } from '../../../src/files/local-files.ts';

/** A file that says it is one and gives nothing to read, also to root. */
const unreadable = '/proc/self/mem';

test.skipIf(!existsSync(unreadable))(
  `a file that cannot be read is said by its name (needs ${unreadable}; skipped elsewhere)`,
  async () => {
    const ports = { files: localFiles({}, '/'), workingDirectory: '/' } as Ports;
    await expect(readSpecFiles(ports, [unreadable])).rejects.toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining(`${unreadable} cannot be read`),
    });
  },
);

test.each([
  ['a file', 'specs/fs.yaml', 'specs'],
  ['a file in a folder that reads like a glob', 'a(1)/mcp.yaml', 'a(1)'],
  ['a folder', 'specs', 'specs'],
  ['a file that is not there yet', 'specs/new.yaml', 'specs'],
  ['a glob', 'specs/**/*.yaml', 'specs'],
  ['a glob below a folder that is written as one', 'a\\(1\\)/*.yaml', 'a(1)'],
])('what changes of %s is seen in its folder', async (_, path, folder) => {
  const root = mkdtempSync(join(tmpdir(), 'looms-folders-'));
  for (const name of ['specs', 'a(1)']) mkdirSync(join(root, name));
  for (const file of ['specs/fs.yaml', 'a(1)/mcp.yaml']) writeFileSync(join(root, file), '');
  const ports = { files: localFiles({}, root), workingDirectory: root };
  expect(await watchedFolders(ports, [path])).toEqual([join(root, folder)]);
});

test('standard input cannot be watched', async () => {
  const ports = { files: localFiles({}, '/'), workingDirectory: '/' };
  await expect(watchedFolders(ports, ['-'])).rejects.toMatchObject({ code: 'usage' });
});

test.each(['.', '*.yaml', '**/*.yaml'])(
  'the settings of a project are no spec of %s; named by itself they are read as one',
  async (path) => {
    const root = mkdtempSync(join(tmpdir(), 'looms-beside-'));
    for (const file of ['fs.yaml', 'looms.yaml']) writeFileSync(join(root, file), 'name: x');
    const ports = { files: localFiles({}, root), workingDirectory: root } as Ports;
    expect((await readSpecFiles(ports, [path])).map(({ file }) => file)).toEqual(['fs.yaml']);
    expect((await readSpecFiles(ports, ['looms.yaml'])).map(({ file }) => file)).toEqual(['looms.yaml']);
  },
);
