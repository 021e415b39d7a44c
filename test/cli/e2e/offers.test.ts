import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const quickstart = readFileSync(new URL('../../../examples/quickstart.yaml', import.meta.url), 'utf8');
const filtered = tinySpec({ name: 'tiny' }).replace(
  '"mcp_server":{',
  '"mcp_server":{"tools":{"exclude":["secret","nonesuch"]},',
);
const features = 'demo://resource/static/document/features.md';

describe.skipIf(withoutEngine())('what servers offer', () => {
  const project = testProject('offers');
  const { run } = project;
  const json = async (schema: string, ...args: string[]) => {
    const { code, stdout } = await run([...args, '--json']);
    const value = JSON.parse(stdout);
    expect(schemaProblems(schema, value)).toEqual([]);
    return { code, value };
  };
  beforeAll(async () => {
    expect(filtered).toContain('nonesuch');
    const { code, stdout } = await project.apply(specs(quickstart, filtered));
    expect({ code, stdout }).toExit(0);
  });
  afterAll(() => project.remove());

  test('resources are listed with their templates, for people and as the server sent them', async () => {
    const { code, stdout } = await run(['mcp', 'resources', 'everything']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^URI +TYPE +ABOUT\n(.*\n)*${features} +text/markdown +`));
    expect(stdout).toMatch(/^TEMPLATE +TYPE +ABOUT\ndemo:\/\/resource\/dynamic\/blob\/\{resourceId} /m);
    const { value } = await json('mcp-resources', 'mcp', 'resources', 'everything');
    expect(value.resources.length).toBeGreaterThan(3);
    expect(value.resourceTemplates).toHaveLength(2);
  });

  test('a resource goes to a pipe byte for byte, and with --out into files of which none is replaced', async () => {
    const { value } = await json('mcp-read', 'mcp', 'read', 'everything', features);
    const text = value.contents[0].text;
    expect(await run(['mcp', 'read', 'everything', features])).toEqual({ code: 0, stdout: text, stderr: '' });

    const cwd = emptyFolder();
    mkdirSync(join(cwd, 'there'));
    const save = (out: string) => run(['mcp', 'read', 'everything', features, '--out', out], { cwd });
    expect(await save('there')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^wrote there\/features\.md \(text\/markdown, [\d.]+ KiB\)\n$/),
    });
    expect((await save('there')).stderr).toContain('wrote there/features-2.md');
    expect((await save('new/')).stderr).toContain('wrote new/features.md');
    expect((await save('as.md')).code).toBe(0);
    expect(readFileSync(join(cwd, 'as.md'), 'utf8')).toBe(text);
    const again = await save('as.md');
    expect(again.code).toBe(73);
    expect(again.stderr).toContain('error[file-exists]: as.md is there already');
  });

  test('a resource that is not there is exit 66 with the nearest one, which is not read', async () => {
    const { code, stdout, stderr } = await run(['mcp', 'read', 'everything', features.replace('.md', '.me')]);
    expect({ code, stdout }).toEqual({ code: 66, stdout: '' });
    expect(stderr).toContain('error[resource-not-found]');
    expect(stderr).toContain(`did you mean ${features}?`);
  });

  test('prompts are listed with their arguments and rendered by role', async () => {
    const { stdout } = await run(['mcp', 'prompts', 'everything']);
    expect(stdout).toMatch(/^PROMPT +REQUIRED +ABOUT\nargs-prompt .*\n {2}city +yes +Name of the city\n {2}state\n/);
    expect((await json('mcp-prompts', 'mcp', 'prompts', 'everything')).value.length).toBeGreaterThan(3);
    expect(await run(['mcp', 'prompt', 'everything', 'args-prompt', 'city=Paris', 'state=Texas'])).toMatchObject({
      code: 0,
      stdout: "user:\nWhat's weather in Paris, Texas?\n",
    });
    const { value } = await json('mcp-prompt', 'mcp', 'prompt', 'everything', 'args-prompt', '{"city":"Rome"}');
    expect(value.messages[0].role).toBe('user');
  });

  test('arguments of a prompt are checked before it is asked for (64), and a misspelt prompt is not (66)', async () => {
    const prompt = (...words: string[]) => run(['mcp', 'prompt', 'everything', ...words]);
    expect(await prompt('args-prompt')).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('city (string) is missing'),
    });
    expect(await prompt('args-prompt', 'cty=x')).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('did you mean city?'),
    });
    expect(await prompt('args-promt', 'city=x')).toMatchObject({
      code: 66,
      stderr: expect.stringContaining('did you mean args-prompt?'),
    });
  });

  test('a server without these capabilities has empty lists and says so', async () => {
    for (const [what, empty] of [
      ['resources', { resources: [], resourceTemplates: [] }],
      ['prompts', []],
    ] as const) {
      expect(await run(['mcp', what, 'tiny'])).toEqual({
        code: 0,
        stdout: '',
        stderr: `tiny offers no ${what}: it does not have that capability\n`,
      });
      expect((await json(`mcp-${what}`, 'mcp', what, 'tiny')).value).toEqual(empty);
    }
    expect(await run(['mcp', 'read', 'tiny', 'file:///x'])).toExit(66);
    expect(await run(['mcp', 'prompt', 'tiny', 'x'])).toExit(66);
  });

  test('images and embedded resources go to files with --out, and are named without it', async () => {
    const cwd = emptyFolder();
    const plain = await run(['mcp', 'call', 'everything.get-tiny-image'], { cwd });
    expect(plain.stdout).toMatch(/^\[image image\/png, [\d.]+ KiB; --out DIR saves it]$/m);
    const call = () => run(['mcp', 'call', 'everything', 'get-tiny-image', '--out', 'pictures'], { cwd });
    const first = await call();
    expect(first.stderr).toMatch(/^wrote pictures\/get-tiny-image-1\.png \(image\/png, [\d.]+ KiB\)\n$/);
    expect(first.stdout).not.toContain('[image');
    await call();
    expect(readdirSync(join(cwd, 'pictures'))).toEqual(['get-tiny-image-1.png', 'get-tiny-image-2.png']);
    expect(readFileSync(join(cwd, 'pictures/get-tiny-image-1.png')).subarray(1, 4).toString()).toBe('PNG');

    const words = ['resourceType=Blob', 'resourceId=1', '--out', 'pictures'];
    await run(['mcp', 'call', 'everything', 'get-resource-reference', ...words], { cwd });
    expect(statSync(join(cwd, 'pictures/get-resource-reference-1.txt')).size).toBeGreaterThan(10);

    writeFileSync(join(cwd, 'file'), '');
    const wrong = await run(['mcp', 'call', 'everything', 'get-tiny-image', '--out', 'file'], { cwd });
    expect(wrong).toMatchObject({ code: 73, stdout: '' });
    expect(existsSync(join(cwd, 'get-tiny-image-1.png'))).toBe(false);
  });

  test('NAME.TOOL is NAME TOOL, for a call and for the tool’s description', async () => {
    expect(await run(['mcp', 'call', 'everything.get-sum', 'a=2', 'b=3'])).toMatchObject({
      code: 0,
      stdout: 'The sum of 2 and 3 is 5.\n',
    });
    const { stdout } = await run(['mcp', 'tools', 'everything.get-sum']);
    expect(stdout).toContain('ARGUMENT  TYPE    REQUIRED  DESCRIPTION\na         number  yes       First number');
    const example = /^looms (mcp call everything get-sum .*)$/m.exec(stdout)?.[1] ?? '';
    expect(await run(example.split(' '))).toExit(0);
    expect(await run(['mcp', 'call', 'everything'])).toExit(64);
    expect(await run(['mcp', 'call', 'everything.get-sun', 'a=2', 'b=3'])).toMatchObject({
      code: 66,
      stdout: '',
      stderr: expect.stringContaining('did you mean get-sum?'),
    });
  });

  test('a filtered tool is one that does not exist, by either spelling, and says why', async () => {
    for (const words of [
      ['call', 'tiny', 'secret'],
      ['call', 'tiny.secret'],
      ['tools', 'tiny', 'secret'],
      ['tools', 'tiny.secret'],
    ]) {
      const { code, stdout, stderr } = await run(['mcp', ...words]);
      expect({ code, stdout }).toEqual({ code: 66, stdout: '' });
      expect(stderr).toContain('tiny has no tool "secret"');
      expect(stderr).toContain('mcp_server.tools of its spec allows other tools only');
    }
    for (const words of [['tiny'], ['tiny', 'echo'], ['tiny.echo']]) {
      expect((await run(['mcp', 'tools', ...words])).stderr).toContain(
        'warning[unknown-filter-name]: the filter names nonesuch',
      );
    }
  });
});
