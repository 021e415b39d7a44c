import { execFileSync } from 'node:child_process';
import {
  chownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyFolder, looms } from '../support/looms.ts';

const spec = `name: fs
docker_backend: { base_image: "node:24-slim" }
mcp_server: { command: node }
`;

const fine = { code: 0, stdout: '1 server in 1 file, valid\n', stderr: '' };

describe('compiled code that is kept', () => {
  const cwd = emptyFolder();
  writeFileSync(join(cwd, 'mcp.yaml'), spec);
  const validate = (folder: string) => looms(['validate'], { cwd, env: { NODE_COMPILE_CACHE: folder } });
  const keptIn = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /looms-\w+-looms-validate/.test(name))
      .map((name) => join(folder, name));
  const learned = (file: string): number => readFileSync(file).readUInt32LE(0);

  test('is one file of the user’s for a command, made by its first three runs', async () => {
    const folder = emptyFolder();
    for (const runs of [1, 2, 3, 3]) {
      expect(await validate(folder)).toEqual(fine);
      const [file = '', ...others] = keptIn(folder);
      expect(others).toEqual([]);
      expect(learned(file)).toBe(runs);
      expect(lstatSync(file).mode & 0o777).toBe(0o600);
    }
  });

  test('of other versions is removed but for the newest; what another command has stays', async () => {
    const folder = emptyFolder();
    await validate(folder);
    const [file = ''] = keptIn(folder);
    const others = ['looms-aaaa-looms-validate', 'looms-bbbb-looms-validate', 'looms-cccc-looms-get', 'aaaa-validate'];
    for (const [at, name] of others.entries()) {
      const other = join(dirname(file), name);
      writeFileSync(other, '');
      utimesSync(other, 1_000 + at, 1_000 + at);
    }
    await validate(folder);
    const left = readdirSync(dirname(file));
    expect(keptIn(folder).sort()).toEqual([file, join(dirname(file), 'looms-bbbb-looms-validate')].sort());
    expect(left).toEqual(expect.arrayContaining(['looms-cccc-looms-get', 'aaaa-validate']));
  });

  test('is not taken from a run that failed', async () => {
    const folder = emptyFolder();
    await looms(['validate', '-f', 'nowhere.yaml'], { cwd, env: { NODE_COMPILE_CACHE: folder } });
    expect(keptIn(folder)).toEqual([]);
  });

  test.each([
    ['empty', 0],
    ['cut off in its head', 5],
    ['cut off behind its head', 40],
    ['cut off in the middle', 100_000],
  ])('is made anew where it is %s', async (_case, length) => {
    const folder = emptyFolder();
    await validate(folder);
    const [file = ''] = keptIn(folder);
    const { size } = lstatSync(file);
    truncateSync(file, length);
    expect(await validate(folder)).toEqual(fine);
    expect(lstatSync(file).size).toBeGreaterThan(size / 2);
    expect(await validate(folder)).toEqual(fine);
  });

  test('is made anew where nothing is in it', async () => {
    const folder = emptyFolder();
    await validate(folder);
    const [file = ''] = keptIn(folder);
    writeFileSync(file, Buffer.alloc(lstatSync(file).size));
    expect(await validate(folder)).toEqual(fine);
    expect(learned(file)).toBe(1);
  });

  test.skipIf(process.getuid?.() !== 0)('is not run when it is another user’s', async () => {
    const folder = emptyFolder();
    await validate(folder);
    const [file = ''] = keptIn(folder);
    chownSync(file, 12_345, 12_345);
    expect(await validate(folder)).toEqual(fine);
    expect(lstatSync(file).uid).toBe(0);
    expect(learned(file)).toBe(1);
  });

  test('is not waited for where a pipe has its name, nor followed where a link has', async () => {
    const folder = emptyFolder();
    await validate(folder);
    const [file = ''] = keptIn(folder);
    renameSync(file, `${file}.elsewhere`);
    execFileSync('mkfifo', [file]);
    expect(await validate(folder)).toEqual(fine);
    expect(lstatSync(file).isFile()).toBe(true);
    renameSync(`${file}.elsewhere`, join(folder, 'elsewhere'));
    rmSync(file);
    symlinkSync(join(folder, 'elsewhere'), file);
    expect(await validate(folder)).toEqual(fine);
    expect(lstatSync(file).isFile()).toBe(true);
    expect(learned(file)).toBe(1);
  });

  test('is not needed: nothing is kept where Node is told to keep nothing', async () => {
    const folder = emptyFolder();
    const env = { NODE_COMPILE_CACHE: folder, NODE_DISABLE_COMPILE_CACHE: '1' };
    expect(await looms(['validate'], { cwd, env })).toEqual(fine);
    expect(keptIn(folder)).toEqual([]);
  });
});
