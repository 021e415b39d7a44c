import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { commandNames } from '../../src/cli/usage.ts';
import { deadEngine, emptyFolder, looms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';

/** Runs a shell script with `args` as `$0`, `$1` … */
async function inShell(script: string, args: readonly string[], stdin: string, env: Record<string, string>) {
  const shell = spawn('/bin/sh', ['-c', script, ...args], { env: { ...process.env, ...env } });
  shell.stdin.end(stdin);
  const code = new Promise<number | null>((resolve) => shell.on('exit', resolve));
  return { stdout: await text(shell.stdout), code: await code };
}

describe('the command line', () => {
  test('--version prints name, version and platform without loading a command', async () => {
    const { code, stdout, stderr } = await looms(['--version']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^looms\/\d+\.\d+\.\d+ \S+ node-v\d+/);
  });

  test('--help lists every command once', async () => {
    const { code, stdout } = await looms(['--help']);
    expect(code).toBe(0);
    for (const name of ['apply', 'delete', 'describe', 'diff', 'doctor', 'get', 'init', 'unlock', 'validate']) {
      expect(stdout.match(new RegExp(`^ {2}${name} `, 'gm'))).toHaveLength(1);
    }
  });

  test.each(commandNames)('%s --help shows a summary and examples', async (name) => {
    const { code, stdout } = await looms([...name.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('USAGE');
    expect(stdout).toContain('EXAMPLES');
  });

  test('flags that have to be there are named as they are written', async () => {
    const { code, stderr } = await looms(['token', 'new']);
    expect(code).toBe(64);
    expect(stderr).toBe('error[usage]: missing --allow and --name\nhint: see looms token new --help\n');
  });

  test('the commands that are suggested for a mistyped one are those that exist', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'));
    const names = Object.keys(manifest.commands).map((id) => id.replaceAll(':', ' '));
    expect([...commandNames].sort()).toEqual([...names, 'plan'].sort());
  });

  test('a short flag means the same wherever it is one', () => {
    const manifest: { commands: Record<string, { flags: Record<string, { char?: string }> }> } = JSON.parse(
      readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'),
    );
    const meanings = new Map<string, Set<string>>();
    for (const { flags } of Object.values(manifest.commands)) {
      for (const [name, { char }] of Object.entries(flags)) {
        if (char !== undefined) meanings.set(char, (meanings.get(char) ?? new Set()).add(name));
      }
    }
    expect(Object.fromEntries([...meanings].map(([char, names]) => [char, [...names]]))).toEqual({
      A: ['all-projects'],
      F: ['follow'],
      f: ['file'],
      n: ['tail'],
      o: ['output'],
      p: ['previous'],
      t: ['timestamps'],
      y: ['yes'],
    });
  });

  test('-f of logs is told to be a file, and is not taken for --follow', async () => {
    const { code, stderr } = await looms(['mcp', 'logs', 'fs', '-f']);
    expect(code).toBe(64);
    expect(stderr).toContain('-f names a file');
    expect(stderr).toContain('use -F or --follow');
  });

  test.each([
    ['rm fs', 'delete'],
    ['mcp rm fs', 'delete'],
    ['mcp delete', 'delete'],
    ['status', 'get'],
    ['ps', 'get'],
    ['ls', 'get'],
    ['mcp status', 'mcp list'],
    ['up', 'apply'],
    ['call fs echo', 'mcp call'],
  ])('what other programs call %s is not run, and is suggested by its name here', async (typed, meant) => {
    const { code, stdout, stderr } = await looms(typed.split(' '));
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toContain(`did you mean "looms ${meant}"?`);
  });

  test.each([
    ['an unknown command', ['aply'], 'did you mean "looms apply"?'],
    ['an unknown command of a topic', ['mcp', 'tolls'], 'did you mean "looms mcp tools"?'],
    ['an unknown flag', ['apply', '--prun'], 'did you mean --prune?'],
    ['a number out of range', ['apply', '--parallelism', '0'], '--parallelism: expected'],
    ['a word where a number belongs', ['apply', '--timeout', 'soon'], '--timeout: expected'],
    ['a value that is none of the choices', ['diff', '-o', 'pdf'], 'text, json, markdown, junit, sarif, github'],
    ['a missing argument', ['describe'], 'missing name'],
    ['one argument too many', ['history', 'a', 'b'], 'unexpected argument'],
    ['a flag that needs another', ['apply', '--max-deletes', '1'], '--max-deletes only works together with --prune'],
    ['a flag before any command', ['--bogus'], 'there is no flag --bogus'],
    ['a name of a token', ['token', 'new', 'ci', '--allow', 'fs:*'], 'use --name ci'],
    ['a name for apply', ['apply', 'foo'], 'use --server foo for one server, or -f foo for a file'],
    ['a flag without its value', ['diff', '-o'], '--output needs a value'],
    ['flags that exclude one another', ['get', '--host', 'tcp://127.0.0.1:1', '--context', 'x'], '--context'],
    ['nothing to delete', ['delete'], 'nothing was named'],
    ['two ways of naming what to delete', ['delete', 'fs', '--all'], 'exclude one another'],
    ['a name that cannot be a server', ['describe', 'Not_A_Name'], '"Not_A_Name"'],
    ['a name that cannot be a project', ['get', '--project', 'Team A'], '"Team A"'],
    ['no spec at all', ['validate'], 'no spec was named'],
    ['a tool that is not named', ['mcp', 'call', 'fs'], 'looms mcp call fs.TOOL'],
    ['two tools', ['mcp', 'tools', 'fs.read', 'write'], 'unexpected argument write'],
    ['a prompt that is not named', ['mcp', 'prompt', 'fs'], 'missing prompt'],
    ['a resource that is not named', ['mcp', 'read', 'fs'], 'missing uri'],
    ['arguments of a prompt given twice', ['mcp', 'prompt', 'a', 'b', 'x=1', '--args', 'f'], 'exclude one another'],
    ['arguments given twice', ['mcp', 'call', 'a', 'b', 'x=1', '--args', 'f'], 'exclude one another'],
  ])('%s is exit 64 and says what to do', async (_, args, text) => {
    const { code, stdout, stderr } = await looms(args, { env: { DOCKER_HOST: deadEngine } });
    expect(stderr).toContain(text);
    expect(stderr).toMatch(/^error\[usage]: .*\n(.*\n)*hint: /);
    expect(stderr).not.toMatch(/^\s+at .*\(/m);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  });

  test('a file that does not exist is exit 66', async () => {
    const { code, stdout, stderr } = await looms(['validate', '-f', 'nowhere.yaml']);
    expect({ code, stdout }).toEqual({ code: 66, stdout: '' });
    expect(stderr).toMatch(/^error\[file-not-found]: .*nowhere\.yaml/);
  });

  test('with --json a wrong command line is one JSON object on stderr', async () => {
    const { code, stdout, stderr } = await looms(['apply', '--prun', '--json']);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    const value = JSON.parse(stderr);
    expect(schemaProblems('error', value)).toEqual([]);
    expect(value.error).toMatchObject({ code: 'usage', exitCode: 64 });
  });
});

describe('an engine that cannot be reached', () => {
  const specs = new URL('../../examples/quickstart.yaml', import.meta.url).pathname;

  test.each([
    ['get', ['get']],
    ['describe', ['describe', 'fs']],
    ['diff', ['diff', '-f', specs]],
    ['apply', ['apply', '-f', specs, '--yes']],
    ['delete', ['delete', '--all', '--yes']],
    ['mcp tools', ['mcp', 'tools', 'fs']],
    ['mcp call', ['mcp', 'call', 'fs', 'read']],
    ['mcp call with one word', ['mcp', 'call', 'fs.read']],
    ['mcp resources', ['mcp', 'resources', 'fs']],
    ['mcp read', ['mcp', 'read', 'fs', 'file:///a']],
    ['mcp prompts', ['mcp', 'prompts', 'fs']],
    ['mcp prompt', ['mcp', 'prompt', 'fs', 'greet']],
  ])('is exit 69 for %s', async (_, args) => {
    const { code, stdout, stderr } = await looms(args, { env: { DOCKER_HOST: deadEngine } });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toContain('error[engine-unreachable]');
    expect(stderr).toContain('hint: ');
  });

  test.skipIf(process.platform === 'win32')(
    'does not keep doctor from saying that the key cannot be used',
    async () => {
      const folder = emptyFolder();
      mkdirSync(join(folder, 'looms'));
      writeFileSync(join(folder, 'looms/machine-key'), `${'0'.repeat(64)}\n`, { mode: 0o644 });
      const { stdout } = await looms(['doctor'], { env: { DOCKER_HOST: deadEngine, XDG_STATE_HOME: folder } });
      expect(stdout).toMatch(/✗ record key +others may read \S+machine-key\n.*chmod 600/);
    },
  );

  test('is exit 69 for doctor, which says on stdout where it looked', async () => {
    const { code, stdout } = await looms(['doctor', '--json'], { env: { DOCKER_HOST: deadEngine } });
    expect(code).toBe(69);
    const value = JSON.parse(stdout);
    expect(schemaProblems('doctor', value)).toEqual([]);
    expect(value.engine).toBeNull();
  });

  test('a file that does not exist is exit 66 and named', async () => {
    const { code, stdout, stderr } = await looms(['validate', '-f', 'nowhere.yaml']);
    expect({ code, stdout }).toEqual({ code: 66, stdout: '' });
    expect(stderr).toContain('nowhere.yaml');
  });

  test('a context that does not exist is exit 66', async () => {
    const { code, stderr } = await looms(['get', '--context', 'nowhere']);
    expect(code).toBe(66);
    expect(stderr).toContain('error[context-not-found]');
  });

  test('a context of kubeconfig that does not exist is exit 66, with those that there are of both kinds', async () => {
    const { code, stderr } = await looms(['get', '--context', 'kubernetes:nowhere']);
    expect(code).toBe(66);
    expect(stderr).toContain('kubeconfig has no context "nowhere" (--context kubernetes:nowhere)');
    expect(stderr).toMatch(/contexts of Docker: default/);
    expect(stderr).toMatch(/contexts of kubeconfig: /);
  });

  test('shows a stack only with LOOMS_DEBUG', async () => {
    const env = { DOCKER_HOST: deadEngine };
    expect((await looms(['get'], { env })).stderr).not.toContain('LoomsError');
    expect((await looms(['get'], { env: { ...env, LOOMS_DEBUG: '1' } })).stderr).toContain('LoomsError');
  });
});

describe('piped standard input', () => {
  const run = (args: readonly string[], stdin: string) =>
    looms(args, { stdin, cwd: emptyFolder(), env: { DOCKER_HOST: deadEngine } });

  test.each([
    ['delete', ['delete', '--dry-run'], 'nothing was named'],
    ['describe', ['describe'], 'missing name'],
    ['mcp tools', ['mcp', 'tools'], 'missing server'],
    ['mcp call', ['mcp', 'call', 'fs'], 'missing tool'],
    ['config get-key', ['config', 'get-key'], 'missing name'],
    ['config set-key', ['config', 'set-key'], 'missing name'],
    ['config delete-key', ['config', 'delete-key'], 'missing name'],
  ])('never stands in for what %s must be told', async (_, args, text) => {
    const { code, stdout, stderr } = await run(args, 'everything\n');
    expect(stderr).toContain(text);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  });

  test('is no name for get and init', async () => {
    expect((await run(['get'], 'Not A Name')).code).toBe(69);
    expect((await run(['mcp', 'call', 'fs', 'read'], 'no arguments')).code).toBe(69);
    const { stdout } = await run(['init', '--json'], 'other');
    expect(JSON.parse(stdout).text).toContain('\nname: my-server\n');
  });

  test('is left to who reads it next', async () => {
    const program = new URL('../../bin/run.js', import.meta.url).pathname;
    const loop = `while read -r name; do "$0" "$1" get "$name" 2>&1 | head -1; "$0" "$1" get 2>&1 | head -1; done`;
    const { stdout } = await inShell(loop, [process.execPath, program], 'a\nb\n', { DOCKER_HOST: deadEngine });
    expect(stdout.match(/engine-unreachable/g)).toHaveLength(4);
  });

  test('is read where it is asked for', async () => {
    const { code, stderr } = await run(['delete', '-f', '-', '--dry-run'], 'name: [\n');
    expect(code).toBe(65);
    expect(stderr).toContain('<stdin>:');
  });
});

describe('help', () => {
  test.each([['-h'], ['help']])('%s is --help', async (word) => {
    const { code, stdout } = await looms([word]);
    expect(code).toBe(0);
    expect(stdout).toBe((await looms(['--help'])).stdout);
  });

  test.each(commandNames)('%s -h and help %s are the same', async (name) => {
    const words = name.split(' ');
    const wanted = await looms([...words, '--help']);
    expect(await looms([...words, '-h'])).toEqual(wanted);
    expect(await looms(['help', ...words])).toEqual(wanted);
  });

  test('a usage line says what can be repeated, and leaves no gaps', async () => {
    const call = (await looms(['mcp', 'call', '-h'])).stdout;
    expect(call).toContain('mcp call SERVER TOOL [ARGUMENTS...]');
    for (const name of commandNames) expect((await looms([...name.split(' '), '-h'])).stdout).not.toMatch(/[^ ] ]/);
  });
});

test('a checkout that is not built says so, without a stack', async () => {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  copyFileSync(new URL('../../bin/run.js', import.meta.url), join(folder, 'bin/run.js'));
  const { code, stdout } = await inShell('"$0" "$1" get 2>&1', [process.execPath, join(folder, 'bin/run.js')], '', {});
  expect(code).toBe(1);
  expect(stdout).toMatch(/^error\[not-built]: .*`npm run build`.*\n$/);
});
