import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commandNames } from '../../src/cli/usage.ts';
import { deadEngine, looms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';

describe('the command line', () => {
  test('--version prints name, version and platform without loading a command', async () => {
    const { code, stdout, stderr } = await looms(['--version']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^looms\/\d+\.\d+\.\d+ \S+ node-v\d+/);
  });

  test('--help lists every command once', async () => {
    const { code, stdout } = await looms(['--help']);
    expect(code).toBe(0);
    for (const name of ['apply', 'delete', 'describe', 'diff', 'doctor', 'get', 'init', 'validate']) {
      expect(stdout.match(new RegExp(`^ {2}${name} `, 'gm'))).toHaveLength(1);
    }
  });

  test.each(commandNames)('%s --help shows a summary and examples', async (name) => {
    const { code, stdout } = await looms([...name.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('USAGE');
    expect(stdout).toContain('EXAMPLES');
  });

  test('the commands that are suggested for a mistyped one are those that exist', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'));
    const names = Object.keys(manifest.commands).map((id) => id.replaceAll(':', ' '));
    expect([...commandNames].sort()).toEqual([...names, 'plan'].sort());
  });

  test.each([
    ['an unknown command', ['aply'], 'did you mean "looms apply"?'],
    ['an unknown command of a topic', ['mcp', 'tolls'], 'did you mean "looms mcp tools"?'],
    ['an unknown flag', ['apply', '--prun'], 'did you mean --prune?'],
    ['a number out of range', ['apply', '--parallelism', '0'], '--parallelism: expected'],
    ['a word where a number belongs', ['apply', '--timeout', 'soon'], '--timeout: expected'],
    ['a value that is none of the choices', ['diff', '-o', 'pdf'], 'text, json, markdown, junit, sarif, github'],
    ['a missing argument', ['describe'], 'missing name'],
    ['one argument too many', ['get', 'a', 'b'], 'unexpected argument'],
    ['a flag that needs another', ['apply', '--max-deletes', '1'], '--prune'],
    ['flags that exclude one another', ['get', '--host', 'tcp://127.0.0.1:1', '--context', 'x'], '--context'],
    ['nothing to delete', ['delete'], 'nothing was named'],
    ['two ways of naming what to delete', ['delete', 'fs', '--all'], 'exclude one another'],
    ['a name that cannot be a server', ['describe', 'Not_A_Name'], '"Not_A_Name"'],
    ['a name that cannot be a project', ['get', '--project', 'Team A'], '"Team A"'],
    ['a file that does not exist', ['validate', '-f', 'nowhere.yaml'], 'nowhere.yaml'],
    ['no spec at all', ['validate'], 'no spec was named'],
    ['arguments given twice', ['mcp', 'call', 'a', 'b', 'x=1', '--args', 'f'], 'exclude one another'],
  ])('%s is exit 64 and says what to do', async (_, args, text) => {
    const { code, stdout, stderr } = await looms(args, { env: { DOCKER_HOST: deadEngine } });
    expect(stderr).toContain(text);
    expect(stderr).toMatch(/^error\[(usage|file-not-found)]: .*\n(.*\n)*hint: /);
    expect(stderr).not.toMatch(/^\s+at .*\(/m);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
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
  ])('is exit 69 for %s', async (_, args) => {
    const { code, stdout, stderr } = await looms(args, { env: { DOCKER_HOST: deadEngine } });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toContain('error[engine-unreachable]');
    expect(stderr).toContain('hint: ');
  });

  test('is exit 69 for doctor, which says on stdout where it looked', async () => {
    const { code, stdout } = await looms(['doctor', '--json'], { env: { DOCKER_HOST: deadEngine } });
    expect(code).toBe(69);
    const value = JSON.parse(stdout);
    expect(schemaProblems('doctor', value)).toEqual([]);
    expect(value.engine).toBeNull();
  });

  test('a context that does not exist is exit 69', async () => {
    const { code, stderr } = await looms(['get', '--context', 'nowhere']);
    expect(code).toBe(69);
    expect(stderr).toContain('error[context-not-found]');
  });

  test('shows a stack only with LOOMS_DEBUG', async () => {
    const env = { DOCKER_HOST: deadEngine };
    expect((await looms(['get'], { env })).stderr).not.toContain('LoomsError');
    expect((await looms(['get'], { env: { ...env, LOOMS_DEBUG: '1' } })).stderr).toContain('LoomsError');
  });
});
