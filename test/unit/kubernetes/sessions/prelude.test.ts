import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prelude, preludeInput } from '../../../../src/kubernetes/sessions/prelude.ts';
import { emptyFolder } from '../../../support/looms.ts';

const shells = [['dash'], ['sh'], ['bash', '--norc', '--posix'], ['busybox', 'ash'], ['mksh']];
const isThere = (name: string): boolean =>
  (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));

/** Says as JSON what it was given. */
const program = `let rest = '';
process.stdin.on('data', (chunk) => { rest += chunk; }).on('end', () => {
  console.log(JSON.stringify({ env: process.env, rest, cwd: process.cwd(), argv: process.argv.slice(1) }));
});`;

type Told = {
  readonly env: Readonly<Record<string, string>>;
  readonly rest: string;
  readonly cwd: string;
  readonly argv: readonly string[];
};

/** Runs a process behind the prelude of a shell, and says how it ended and what it said. */
async function run([shell = '', ...options]: readonly string[], input: string, argv: readonly string[]) {
  const env = { INHERITED: 'yes', PATH: process.env.PATH ?? '' };
  const child = spawn(shell, [...options, '-c', prelude, 'sh', ...argv], { env });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}

const characters = (from: number, step: number, count: number): string =>
  Array.from({ length: count }, (_, index) => String.fromCodePoint(from + step * index))
    .join('')
    .replace(/[\ud800-\udfff]/g, '');

describe.each(shells)('what a process is given through %s', (...shell) => {
  const [name = ''] = shell;
  const test = it.skipIf(!isThere(name));

  test('arrives as it is, whatever it holds, and none of it is run', async () => {
    const mark = join(emptyFolder(), 'was-run');
    const env = {
      EMPTY: '',
      SPACES: '  a  b\t ',
      NEWLINE: '\n',
      NEWLINES: '\n\na\n\n.\n',
      END: '.',
      MARKS: '+x\n+y\n=z\n@/tmp\n.',
      EQUALS: '=a=b',
      QUOTES: `'"\\$(touch ${mark})\`touch ${mark}\`; touch ${mark} & $HOME \${A} * ~ !`,
      SLASHES: '\\',
      SLASH_AT_END: 'a\\\nb\\',
      RETURNS: 'a\r\nb\r',
      ALL: `${characters(1, 1, 255)}${characters(256, 79, 700)}😀`,
      LONG: 'x'.repeat(100_000),
      IFS: 'xyz',
      HOME: '/nowhere',
      PWD: '/given',
      _LOW: 'under',
      LAST: 'b\n.',
    };
    const argv = [process.execPath, '-e', program, 'a b', '$x', ''];
    const input = preludeInput({ argv, env, workingDir: '/usr/share' });
    const { code, stdout, stderr } = await run(shell, `${input}rest\nof\n.\n=it`, argv);
    expect([code, stderr]).toEqual([0, '']);
    const told: Told = JSON.parse(stdout);
    expect(told.env).toMatchObject({ ...env, INHERITED: 'yes' });
    expect(Object.keys(told.env).filter((key) => key.startsWith('_looms') || key === 'OLDPWD')).toEqual([]);
    expect([told.rest, told.cwd, told.argv]).toEqual(['rest\nof\n.\n=it', '/usr/share', ['a b', '$x', '']]);
    expect(existsSync(mark)).toBe(false);
  });

  test('is all of it, or nothing is begun', async () => {
    const input = preludeInput({ argv: [], env: { A: '1', B: '2' } });
    for (const part of ['', '=A=1', input.slice(0, -2), input.slice(0, -1)]) {
      expect(await run(shell, part, ['echo', 'began'])).toMatchObject({ code: 125, stdout: '' });
    }
    expect(await run(shell, input, ['sh', '-c', 'echo "$A$B"'])).toMatchObject({ code: 0, stdout: '12\n' });
  });

  test('is a folder that is there', async () => {
    const input = preludeInput({ argv: [], workingDir: '/nowhere' });
    expect(await run(shell, input, ['echo', 'began'])).toMatchObject({ code: 126, stdout: '' });
  });

  test('is not there for a program that is not', async () => {
    expect((await run(shell, preludeInput({ argv: [] }), ['/nowhere/program'])).code).toBe(127);
  });
});

it.each([
  ['a name that no shell has', { env: { 'A-B': 'x' } }],
  ['a name with a newline', { env: { 'A\n=B': 'x' } }],
  ['a value with a NUL', { env: { A: 'hunter2\0' } }],
  ['a relative folder', { workingDir: 'src' }],
  ['a folder over two lines', { workingDir: '/a\n.' }],
])('%s is refused, without the value', (_, request) => {
  let error: unknown;
  try {
    preludeInput({ argv: [], ...request });
  } catch (caught) {
    error = caught;
  }
  expect(error).toMatchObject({ code: 'engine-unsupported' });
  expect(String(error)).not.toContain('hunter2');
});
