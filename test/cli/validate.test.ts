import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyFolder, looms } from '../support/looms.ts';
import { schemaProblems } from '../support/schemas.ts';

const good = (name: string): string => `name: ${name}
docker_backend: { base_image: "node:24-slim" }
mcp_server: { command: node }
`;
const bad = 'name: fs\ndocker_backend: { base_imag: x }\nmcp_server: { command: node, env: { A: "${NOPE}" } }\n';

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = emptyFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

describe('validate', () => {
  test('reads mcp.yaml of the current folder when nothing else is named', async () => {
    const { code, stdout, stderr } = await looms(['validate'], { cwd: folderWith({ 'mcp.yaml': good('fs') }) });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '1 server in 1 file, valid\n', stderr: '' });
  });

  test('reads the specs of looms.yaml before mcp.yaml', async () => {
    const cwd = folderWith({
      'looms.yaml': 'specs: ["servers/*.yaml"]\n',
      'servers/a.yaml': good('a'),
      'servers/b.yaml': good('b'),
      'mcp.yaml': bad,
    });
    const { code, stdout } = await looms(['validate'], { cwd });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '2 servers in 2 files, valid\n' });
  });

  test('reads files, folders, globs and standard input together', async () => {
    const cwd = folderWith({
      'one.yaml': good('one'),
      'folder/two.yaml': good('two'),
      'deep/er/three.yml': good('three'),
    });
    const args = ['validate', '-f', 'one.yaml', '-f', 'folder', '-f', 'deep/**/*.yml', '-f', '-', '--json'];
    const { code, stdout } = await looms(args, { cwd, stdin: good('four') });
    expect(code).toBe(0);
    const value = JSON.parse(stdout);
    expect(schemaProblems('validate', value)).toEqual([]);
    expect(value.servers.map(({ name }: { name: string }) => name).sort()).toEqual(['four', 'one', 'three', 'two']);
  });

  test('shows all findings of all files with their lines and exits 65', async () => {
    const cwd = folderWith({ 'a.yaml': bad, 'b.yaml': 'name: [\n' });
    const { code, stdout, stderr } = await looms(['validate', '-f', 'a.yaml', '-f', 'b.yaml'], { cwd });
    expect(code).toBe(65);
    expect(stderr).toContain('a.yaml:2:19');
    expect(stderr).toContain('did you mean base_image?');
    expect(stderr).toContain('a.yaml:3:41');
    expect(stderr).toContain('b.yaml:');
    expect(stdout).toMatch(/^\d errors in 2 files\n$/);
  });

  test('with --json prints the findings on stdout', async () => {
    const { code, stdout, stderr } = await looms(['validate', '-f', '-', '--json'], { stdin: bad });
    expect({ code, stderr }).toEqual({ code: 65, stderr: '' });
    const value = JSON.parse(stdout);
    expect(schemaProblems('validate', value)).toEqual([]);
    expect(value).toMatchObject({ valid: false, servers: [] });
  });

  test('a spec that cannot be used ends diff and apply with 65 and the same findings', async () => {
    for (const command of ['diff', 'apply']) {
      const { code, stdout, stderr } = await looms([command, '-f', '-'], { stdin: bad });
      expect({ code, stdout }).toEqual({ code: 65, stdout: '' });
      expect(stderr).toContain('<stdin>:2:19');
      expect(stderr).toContain('error[spec-invalid]');
    }
    const { stderr } = await looms(['apply', '-f', '-', '--json'], { stdin: bad });
    expect(schemaProblems('error', JSON.parse(stderr))).toEqual([]);
  });

  test('in a form for reports the findings are told in that form, on stdout, with 65', async () => {
    const cwd = folderWith({ 'a, b.yaml': bad });
    const diff = (format: string) => looms(['diff', '-f', 'a, b.yaml', '-o', format], { cwd });
    const github = await diff('github');
    expect(github.code).toBe(65);
    expect(github.stdout).toMatch(/^::error file=a%2C b\.yaml,line=2,col=19,title=looms%3A unknown-key::.*base_imag/m);
    expect(github.stderr).toBe('error[spec-invalid]: the specs cannot be used: 3 errors\n');
    const junit = await diff('junit');
    expect(junit.code).toBe(65);
    expect(junit.stdout).toContain('<failure type="unknown-key"');
    const sarif = await diff('sarif');
    expect(sarif.code).toBe(65);
    const results: { ruleId: string; locations: unknown }[] = JSON.parse(sarif.stdout).runs[0].results;
    expect(results.find(({ ruleId }) => ruleId === 'unknown-key')?.locations).toMatchObject([
      { physicalLocation: { artifactLocation: { uri: 'a%2C%20b.yaml' }, region: { startLine: 2, startColumn: 19 } } },
    ]);
    const markdown = await diff('markdown');
    expect(markdown).toExit(65);
    expect(markdown.stdout).toContain('| error | `a, b.yaml:2:19` |');
    // A project file is read before anything else is.
    writeFileSync(join(cwd, 'looms.yaml'), 'polici: {}\n');
    expect((await diff('github')).stdout).toMatch(/^::error file=looms\.yaml,line=1,col=1,/);
  });

  test('validate has the forms of diff, also where nothing is wrong', async () => {
    const cwd = folderWith({ 'good.yaml': good('one'), 'bad.yaml': bad });
    const validate = (file: string, format: string) => looms(['validate', '-f', file, '-o', format], { cwd });
    expect(await validate('good.yaml', 'github')).toEqual({
      code: 0,
      stdout: '::notice title=looms::1 server in 1 file, valid\n',
      stderr: '',
    });
    expect((await validate('good.yaml', 'markdown')).stdout).toBe(
      '### looms: the specs can be used\n\nNothing was found in them.\n',
    );
    expect(JSON.parse((await validate('good.yaml', 'sarif')).stdout).runs[0].results).toEqual([]);
    const github = await validate('bad.yaml', 'github');
    expect(github).toMatchObject({ code: 65, stderr: '' });
    expect(github.stdout).toMatch(/^::error file=bad\.yaml,line=2,col=19,title=looms%3A unknown-key::/m);
    expect((await validate('bad.yaml', 'junit')).stdout).toContain('<failure type="unknown-key"');
    const json = await validate('bad.yaml', 'json');
    expect(json).toMatchObject({ code: 65, stderr: '' });
    expect(schemaProblems('validate', JSON.parse(json.stdout))).toEqual([]);
  });

  test.each(['diff', 'validate'])(
    '%s names files as the checkout has them, wherever it is started',
    async (command) => {
      const root = folderWith({ '.git/HEAD': '', 'team/specs/a.yaml': bad });
      const uris = async (cwd: string, path: string, env = {}) => {
        const { stdout } = await looms([command, '-f', path, '-o', 'sarif'], { cwd, env });
        const results: { locations: { physicalLocation: { artifactLocation: { uri: string } } }[] }[] =
          JSON.parse(stdout).runs[0].results;
        return [...new Set(results.map(({ locations }) => locations[0]?.physicalLocation.artifactLocation.uri))];
      };
      expect(await uris(join(root, 'team'), 'specs')).toEqual(['team/specs/a.yaml']);
      expect(await uris(join(root, 'team/specs'), '../specs/a.yaml')).toEqual(['team/specs/a.yaml']);
      expect(await uris(root, 'team/specs')).toEqual(['team/specs/a.yaml']);
      const env = { GITHUB_WORKSPACE: join(root, 'team') };
      expect(await uris(join(root, 'team'), 'specs', env)).toEqual(['specs/a.yaml']);
    },
  );

  test('--output-file gets the form that was asked for, the terminal text, and the page of a step Markdown', async () => {
    const cwd = folderWith({ 'good.yaml': good('one'), 'bad.yaml': bad, 'page.md': 'before\n' });
    const env = { GITHUB_STEP_SUMMARY: join(cwd, 'page.md') };
    const read = (name: string) => readFileSync(join(cwd, name), 'utf8');
    for (const command of ['diff', 'validate']) {
      const args = [command, '-f', 'bad.yaml', '-o', 'sarif', '--output-file', 'looms.sarif'];
      const { code, stdout, stderr } = await looms(args, { cwd, env });
      expect(code).toBe(65);
      expect(stderr).toContain('bad.yaml:2:19');
      expect(stdout).toBe(command === 'validate' ? '3 errors in 1 file\n' : '');
      expect(JSON.parse(read('looms.sarif')).runs[0].results.length).toBeGreaterThan(0);
    }
    expect(read('page.md')).toMatch(
      /^before\n### looms: the specs cannot be used\n[\s\S]*### looms: the specs cannot be used\n/,
    );

    const text = await looms(['validate', '-f', 'bad.yaml', '--output-file', 'looms.txt'], { cwd });
    expect(text.code).toBe(65);
    expect(read('looms.txt')).toMatch(/^error\[[\s\S]*unknown-key[\s\S]*\n\n3 errors in 1 file\n$/);

    const lost = await looms(['validate', '-f', 'good.yaml', '-o', 'junit', '--output-file', 'no/where.xml'], { cwd });
    expect(lost.code).toBe(73);
    expect(lost.stderr).toContain('the report no/where.xml cannot be written (ENOENT)');
    const both = await looms(['diff', '-f', 'bad.yaml', '--output-file', 'no/where.txt'], { cwd });
    expect(both.code).toBe(65);
    expect(both.stderr).toMatch(/unknown-key[\s\S]*the report no\/where\.txt cannot be written/);
  });

  test('-o json tells errors like --json', async () => {
    for (const args of [
      ['diff', '-f', '-', '-o', 'json'],
      ['diff', '-f', '-', '--output=json'],
    ]) {
      const { code, stdout, stderr } = await looms(args, { stdin: bad });
      expect({ code, stdout }).toEqual({ code: 65, stdout: '' });
      expect(JSON.parse(stderr).error.diagnostics).toHaveLength(3);
    }
    const { code, stderr } = await looms(['get', '-o', 'json', '--host', 'unix:///nowhere']);
    expect(code).toBe(69);
    expect(schemaProblems('error', JSON.parse(stderr))).toEqual([]);
  });

  test('a project file that cannot be used is 65, never taken for none', async () => {
    const cwd = folderWith({ 'looms.yaml': 'polici: {}\n', 'mcp.yaml': good('fs') });
    const { code, stderr } = await looms(['validate'], { cwd });
    expect(code).toBe(65);
    expect(stderr).toContain('looms.yaml:1:1');
  });

  test('--strict turns a credential in the file into an error, and its value is not shown', async () => {
    const stdin = good('fs').replace('command: node', 'command: node, env: { API_TOKEN: "xyzzy-1234567" }');
    expect((await looms(['validate', '-f', '-'], { stdin })).code).toBe(0);
    const { code } = await looms(['validate', '-f', '-', '--strict'], { stdin });
    expect(code).toBe(65);
    const block = 'name: fs\ndocker_backend: { base_image: a:1 }\nmcp_server:\n  env:\n    API_TOKEN: xyzzy-1234567\n';
    const { stderr } = await looms(['validate', '-f', '-', '--strict'], { stdin: block });
    expect(stderr).toContain('API_TOKEN');
    expect(stderr).not.toContain('xyzzy');
  });
});

describe('init', () => {
  test('writes a spec that validates, and refuses to replace it with exit 73', async () => {
    const cwd = emptyFolder();
    const first = await looms(['init', 'clock', '--template', 'python', '--json'], { cwd });
    expect(first.code).toBe(0);
    expect(schemaProblems('init', JSON.parse(first.stdout))).toEqual([]);
    expect((await looms(['validate'], { cwd })).code).toBe(0);
    const second = await looms(['init', 'clock'], { cwd });
    expect(second.code).toBe(73);
    expect(second.stderr).toContain('error[file-exists]');
    expect((await looms(['init', 'clock', '--force'], { cwd })).code).toBe(0);
  });

  test('makes the folder of the file, and pins what its templates install', async () => {
    const cwd = emptyFolder();
    for (const template of ['node', 'python', 'filesystem', 'image']) {
      const file = `specs/${template}.yaml`;
      const { code, stdout } = await looms(['init', template, '--template', template, '--file', file, '--json'], {
        cwd,
      });
      expect(code).toBe(0);
      const [, packages] = /preinstall_packages: \[(.*)]/.exec(JSON.parse(stdout).text) ?? [];
      if (template !== 'image') expect(packages).toMatch(/(@|==)\d/);
    }
    expect((await looms(['validate', '-f', 'specs'], { cwd })).code).toBe(0);
  });
});

describe('colours', () => {
  const sequence = '\u001b[';
  const run = (env: Record<string, string>, ...flags: string[]) =>
    looms(['validate', '-f', '-', ...flags], { stdin: bad, env });

  test('are left out where nothing is a terminal', async () => {
    expect((await run({})).stderr).not.toContain(sequence);
  });
  test('are forced by FORCE_COLOR, which wins over NO_COLOR', async () => {
    expect((await run({ FORCE_COLOR: '1', NO_COLOR: '1' })).stderr).toContain(sequence);
  });
  test('are refused by --no-color, which wins over FORCE_COLOR', async () => {
    expect((await run({ FORCE_COLOR: '1' }, '--no-color')).stderr).not.toContain(sequence);
  });
});
