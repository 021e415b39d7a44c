import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import manifest from '../../oclif.manifest.json' with { type: 'json' };
import packageJson from '../../package.json' with { type: 'json' };
import projectSchema from '../../schemas/project.schema.json' with { type: 'json' };
import specSchema from '../../schemas/spec.schema.json' with { type: 'json' };
import { exitCode } from '../../src/cli/exit-codes.ts';
import { emptyFolder, looms } from '../support/looms.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Fenced blocks of a page, by what stands behind the fence. */
function blocks(text: string, info: string): string[] {
  const fence = new RegExp(`^\`\`\`${info}\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...text.matchAll(fence)].map((match) => match[1] ?? '');
}

describe('pages', () => {
  const specs = pages.flatMap((page) => blocks(read(page), 'yaml').map((text, index) => [page, index, text] as const));

  it.each(specs)('%s: spec %i is valid', async (_page, _index, text) => {
    const result = await looms(['validate', '-f', '-', '--json'], {
      stdin: text,
      env: { DOCKER_HOST: 'unix:///nowhere' },
    });
    expect(JSON.parse(result.stdout)).toMatchObject({ valid: true });
  });

  const projectFiles = pages.flatMap((page) =>
    blocks(read(page), 'yaml project-file').map((text) => [page, text] as const),
  );

  it.each(projectFiles)('%s: the project file is read', async (_page, text) => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'looms.yaml'), text);
    const result = await looms(['validate', '-f', '-'], { cwd, stdin: '' });
    expect(result).toExit(0);
  });

  const policies = pages.flatMap((page) => blocks(read(page), 'yaml policy-file').map((text) => [page, text] as const));

  it.each(policies)('%s: the policy is read', async (_page, text) => {
    const XDG_CONFIG_HOME = emptyFolder();
    mkdirSync(join(XDG_CONFIG_HOME, 'looms'));
    writeFileSync(join(XDG_CONFIG_HOME, 'looms/policy.yaml'), text);
    expect(await looms(['validate', '-f', '-'], { stdin: '', env: { XDG_CONFIG_HOME } })).toExit(0);
  });

  it('link to pages that exist', () => {
    for (const page of pages) {
      const folder = join(page, '..');
      for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        expect(() => readdirSync(join(root, folder, target, '..')), `${page} → ${target}`).not.toThrow();
        expect(readdirSync(join(root, folder, target, '..')), `${page} → ${target}`).toContain(
          target.replace(/\/$/, '').split('/').at(-1),
        );
      }
    }
  });
});

describe('the reference of commands', () => {
  const text = read('docs/commands.md');

  it.each(Object.entries(manifest.commands))('has %s with all its flags', (id, command) => {
    expect(text).toContain(id.startsWith('config:') ? id.split(':')[1] : `looms ${id.replaceAll(':', ' ')}`);
    for (const name of Object.keys(command.flags)) expect(text, `--${name} of ${id}`).toContain(`--${name}`);
  });
});

describe('the reference of exit codes', () => {
  it('has each code once, and no other', () => {
    const listed = [...read('docs/exit-codes.md').matchAll(/^\| ([\d, ]+) \|/gm)].flatMap((match) =>
      (match[1] ?? '').split(',').map(Number),
    );
    expect(listed.sort((a, b) => a - b)).toEqual(Object.values(exitCode).sort((a, b) => a - b));
  });
});

type Schema = { readonly properties?: object; readonly $defs?: Readonly<Record<string, Schema>> };
const isCamelCase = (name: string): boolean => /[a-z][A-Z]/.test(name);

/** All keys of all objects of a schema, in their snake_case spelling. */
const keysOf = (schema: Schema): string[] => [
  ...Object.keys(schema.properties ?? {}).filter((name) => !isCamelCase(name)),
  ...Object.values(schema.$defs ?? {}).flatMap(keysOf),
];

describe('the reference of the spec', () => {
  it('has every field of the schemas', () => {
    const text = read('docs/spec.md') + read('docs/policy.md') + read('docs/secrets.md');
    const missing = [...new Set([...keysOf(specSchema as Schema), ...keysOf(projectSchema as Schema)])].filter(
      (name) => !new RegExp(`\\b${name}\\b`).test(text),
    );
    expect(missing).toEqual([]);
  });
});

describe('the reference of dependencies', () => {
  it('says of each one why it is there', () => {
    const text = read('docs/dependencies.md');
    const names = [...Object.keys(packageJson.dependencies), ...Object.keys(packageJson.devDependencies)];
    const missing = names.filter((name) => !name.startsWith('@types/') && !text.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });
});
