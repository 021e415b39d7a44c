import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { commitsOf } from '../../../src/files/git-commits.ts';
import type { SpecFile } from '../../../src/spec/load.ts';

const root = mkdtempSync(join(tmpdir(), 'looms-commits-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const git = (...args: string[]): string =>
  execFileSync('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { encoding: 'utf8' }).trim();
const write = (name: string, text: string): void => writeFileSync(join(root, 'specs', name), text);
const file = (name: string): SpecFile => ({ file: `specs/${name}`, directory: join(root, 'specs'), text: '' });

/** Lets a program named git note that it was called, and then be git. */
function countGit(): () => number {
  const folder = mkdtempSync(join(root, 'bin-'));
  const [program, calls] = [join(folder, 'git'), join(folder, 'calls')];
  writeFileSync(program, `#!/bin/sh\necho called >> '${calls}'\nPATH=\${PATH#*:}\nexec git "$@"\n`);
  chmodSync(program, 0o755);
  writeFileSync(calls, '');
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  return () => readFileSync(calls, 'utf8').split('\n').length - 1;
}

test('files of one folder are asked for in one call of Git, and each is told apart', async () => {
  git('init', '-q');
  mkdirSync(join(root, 'specs'));
  const names = ['clean.yaml', 'changed.yaml', 'b changed.yaml', 'staged.yaml', 'n*.yaml', 'new.yaml'];
  for (const name of names.slice(0, -1)) write(name, 'a');
  git('add', '.');
  git('commit', '-q', '-m', 'specs');
  write('b changed.yaml', 'b');
  write('staged.yaml', 'b');
  git('add', 'specs/staged.yaml');
  write('new.yaml', 'a');
  const head = git('rev-parse', 'HEAD');
  const calls = countGit();

  expect(Object.fromEntries(await commitsOf(names.map(file)))).toEqual({
    'specs/clean.yaml': head,
    'specs/changed.yaml': head,
    'specs/b changed.yaml': `${head}+dirty`,
    'specs/staged.yaml': `${head}+dirty`,
    'specs/n*.yaml': head,
    'specs/new.yaml': `${head}+dirty`,
  });
  expect(calls()).toBe(1);
});

test('a file that no commit has is told apart, also where Git is told to pass over it', async () => {
  const commits = async (...paths: readonly string[]) => {
    const found = await commitsOf(paths.map((path) => ({ file: path, directory: dirname(join(root, path)) })));
    return paths.map((path) => found.get(path)?.replace(/^[0-9a-f]{40}/, ''));
  };
  for (const folder of ['made', 'kept']) mkdirSync(join(root, folder, 'deep'), { recursive: true });
  for (const path of ['made/a.yaml', 'made/deep/a.yaml', 'kept/a.yaml', 'kept/b.yaml', 'alone.yaml']) {
    writeFileSync(join(root, path), 'a');
  }
  writeFileSync(join(root, '.gitignore'), 'made/\nkept/\nalone.yaml\n');
  git('add', '.gitignore');
  git('add', '-f', 'kept/a.yaml');
  git('commit', '-q', '-m', 'ignored');
  expect(await commits('made/a.yaml', 'made/deep/a.yaml', 'alone.yaml')).toEqual(['+dirty', '+dirty', '+dirty']);
  expect(await commits('kept/a.yaml', 'kept/b.yaml')).toEqual(['', '+dirty']);

  git('config', 'status.showUntrackedFiles', 'no');
  write('untracked.yaml', 'a');
  mkdirSync(join(root, 'new'));
  writeFileSync(join(root, 'new/a.yaml'), 'a');
  expect(await commits('specs/untracked.yaml', 'new/a.yaml', 'specs/clean.yaml')).toEqual(['+dirty', '+dirty', '']);
});

test('a repository that lies among the files of a checkout is not one: none of its settings runs a program', async () => {
  const folder = mkdtempSync(join(root, 'nested-'));
  const ran = join(root, 'ran');
  execFileSync('git', ['init', '--quiet', '--bare', folder]);
  // What a clone brings along, as a bare repository has all of it in plain files.
  execFileSync('git', ['config', '--file', join(folder, 'config'), 'core.bare', 'false']);
  execFileSync('git', ['config', '--file', join(folder, 'config'), 'core.worktree', folder]);
  execFileSync('git', ['config', '--file', join(folder, 'config'), 'core.fsmonitor', `touch '${ran}'; false`]);
  writeFileSync(join(folder, 'a.yaml'), 'a');
  expect((await commitsOf([{ file: 'a.yaml', directory: folder }])).size).toBe(0);
  expect(existsSync(ran)).toBe(false);
});

test('outside of a checkout there is no commit', async () => {
  vi.stubEnv('GIT_CEILING_DIRECTORIES', tmpdir());
  const folder = mkdtempSync(join(tmpdir(), 'looms-no-git-'));
  expect((await commitsOf([{ file: 'a.yaml', directory: folder }])).size).toBe(0);
  rmSync(folder, { recursive: true });
});
