import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BuildContext, recipeFor } from '../../../src/image/recipe.ts';
import type { ContextFile, Recipe } from '../../../src/model/container/recipe.ts';
import type { ImageSource } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { forAll } from '../../support/properties.ts';

const python = (more: Partial<Extract<ImageSource, { kind: 'python' }>> = {}): ImageSource => ({
  kind: 'python',
  base: 'python:3.13-slim',
  packages: ['teradatasql', 'teradata-mcp-server>=0.2'],
  pipCache: true,
  ...more,
});
const node = (more: Partial<Extract<ImageSource, { kind: 'node' }>> = {}): ImageSource => ({
  kind: 'node',
  base: 'node:24-slim',
  packages: ['@modelcontextprotocol/server-memory'],
  npmCache: true,
  ...more,
});
const custom = (more: Partial<Extract<ImageSource, { kind: 'build' }>> = {}): ImageSource => ({
  kind: 'build',
  from: 'debian:bookworm-slim',
  run: [],
  copy: [],
  env: {},
  ...more,
});
const file = (path: string, text = '', mode = 0o644): ContextFile => ({
  path,
  content: new TextEncoder().encode(text),
  mode,
});
const make = (source: ImageSource, context: Partial<BuildContext> = {}): Recipe => {
  const recipe = recipeFor(source, { files: [], ...context });
  if (recipe === null) throw new Error('no recipe');
  return recipe;
};
const instructions = (recipe: Recipe, keyword: string): string[] =>
  recipe.dockerfile.split('\n').filter((line) => line.startsWith(`${keyword} `));
const ca = new TextEncoder().encode('-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n');

describe('a recipe', () => {
  test('is not needed for an image that is used as it is', () => {
    expect(recipeFor({ kind: 'image', ref: 'mcp/time' }, { files: [] })).toBeNull();
  });

  test('for Python packages is one call of pip with quoted packages', () => {
    expect(instructions(make(python()), 'RUN')).toEqual([
      "RUN python3 -m pip install -- 'teradatasql' 'teradata-mcp-server>=0.2'",
    ]);
  });

  test('for Python with requirements and a virtualenv installs both into it and puts it on the PATH', () => {
    const recipe = make(python({ requirementsFile: 'deps/all.txt', virtualEnv: 'venv' }), {
      files: [file('looms-requirements/all.txt', 'mcp')],
      entry: 'looms-requirements/all.txt',
    });
    expect(recipe.dockerfile).toMatchInlineSnapshot(`
      "FROM python:3.13-slim
      USER root
      COPY ["looms-requirements/","/looms-requirements/"]
      ENV VIRTUAL_ENV="/opt/venv"
      ENV PATH="/opt/venv/bin:$PATH"
      ARG PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_BREAK_SYSTEM_PACKAGES=1
      RUN python3 -m venv '/opt/venv'
      RUN '/opt/venv/bin/python3' -m pip install --requirement '/looms-requirements/all.txt' -- 'teradatasql' 'teradata-mcp-server>=0.2'
      "
    `);
  });

  test('for Node installs exactly the lock file when there is one', () => {
    const files = [file('looms-app/package.json', '{}'), file('looms-app/package-lock.json', '{}')];
    const locked = make(node({ packages: [], packageJsonFile: 'package.json' }), { files });
    const loose = make(node({ packages: [], packageJsonFile: 'package.json' }), { files: files.slice(0, 1) });
    expect(instructions(locked, 'RUN')).toEqual([
      'RUN npm ci --omit=dev --prefix /opt/looms-app && rm -rf /tmp/looms-npm-cache',
    ]);
    expect(instructions(loose, 'RUN')).toEqual([
      'RUN npm install --omit=dev --prefix /opt/looms-app && rm -rf /tmp/looms-npm-cache',
    ]);
    expect(instructions(locked, 'ENV')).toEqual(['ENV PATH="/opt/looms-app/node_modules/.bin:$PATH"']);
  });

  test('for a build_config sets the environment first, then copies, then runs', () => {
    const recipe = make(
      custom({
        run: ['apt-get update && apt-get install -y jq', 'set -x\necho "two lines"', '["a", "b"]'],
        copy: [
          { source: 'server.py', destination: '/app/' },
          { source: 'lib', destination: '/app/lib' },
          { source: '*.sh', destination: '/bin/' },
        ],
        env: { B: 'a "quoted" \\ value', A: '$HOME/x' },
        workdir: '/app',
      }),
      {
        files: [
          file('looms-copy/0/server.py'),
          file('looms-copy/1/content/a.py'),
          file('looms-copy/2/x.sh'),
          file('looms-copy/2/y.sh'),
        ],
      },
    );
    expect(recipe.dockerfile).toMatchInlineSnapshot(`
      "FROM debian:bookworm-slim
      USER root
      ENV A="$HOME/x"
      ENV B="a \\"quoted\\" \\\\ value"
      WORKDIR /app
      COPY ["looms-copy/0/server.py","/app/"]
      COPY ["looms-copy/1/content/","/app/lib"]
      COPY ["looms-copy/2/x.sh","looms-copy/2/y.sh","/bin/"]
      RUN apt-get update && apt-get install -y jq
      RUN ["/bin/sh","-ec","set -x\\necho \\"two lines\\""]
      RUN ["/bin/sh","-ec","[\\"a\\", \\"b\\"]"]
      "
    `);
  });

  test.each([
    ['a package', python({ packages: ['a\nRUN evil'] })],
    ['the base image', python({ base: 'x\nRUN evil' })],
    ['a path in virtual_env', python({ virtualEnv: '/a\nb' })],
    ['an environment value', custom({ env: { A: 'a\nb' } })],
    ['an environment name', custom({ env: { 'A B': 'a' } })],
  ])('refuses a line break in %s', (_, source) => {
    expect(() => make(source)).toThrow(LoomsError);
  });
});

describe('the name of a recipe', () => {
  const refs = (...recipes: Recipe[]): number => new Set(recipes.map((recipe) => recipe.ref)).size;

  test('says its kind and 32 digits of the hash', () => {
    expect(make(python()).ref).toMatch(/^looms\/python:[0-9a-f]{32}$/);
  });

  test('changes with packages, base, platform and cache policy', () => {
    expect(
      refs(
        make(python()),
        make(python({ packages: ['mcp'] })),
        make(python({ base: 'python:3.11-slim' })),
        make(python({ pipCache: false })),
        make(python(), { platform: 'linux/arm64' }),
      ),
    ).toBe(5);
  });

  test('changes with a file’s content, path and executable bit, and with a link’s target', () => {
    const source = custom({ copy: [{ source: 'a', destination: '/a' }] });
    const of = (...files: ContextFile[]): Recipe => make(source, { files });
    expect(
      refs(
        of(file('looms-copy/0/a', 'one')),
        of(file('looms-copy/0/a', 'two')),
        of(file('looms-copy/0/b', 'one')),
        of(file('looms-copy/0/a', 'one', 0o755)),
        of({ ...file('looms-copy/0/a'), linkTarget: 'x' }),
        of({ ...file('looms-copy/0/a'), linkTarget: 'y' }),
      ),
    ).toBe(6);
  });

  test('does not change with the umask of a checkout', () => {
    const of = (mode: number): Recipe =>
      make(custom({ copy: [{ source: 'a', destination: '/a' }] }), { files: [file('looms-copy/0/a', '', mode)] });
    expect(of(0o600)).toEqual(of(0o664));
    expect(of(0o700)).toEqual(of(0o775));
  });

  test('and all bytes are the same for the same files in any order', () => {
    const files = ['c', 'a/b', 'a', 'Dockerfile', 'b'].map((path) => file(path, path));
    const source: ImageSource = { kind: 'dockerfile', path: './docker/Dockerfile' };
    const expected = make(source, { files });
    forAll(fc.shuffledSubarray(files, { minLength: files.length }), (shuffled) => {
      expect(make(source, { files: shuffled })).toEqual(expected);
    });
  });

  test('does not change with the extra CA of this machine, but with the one of the spec', () => {
    expect(refs(make(python()), make(python(), { extraCa: ca }))).toBe(1);
    const source = custom({ run: ['true'], caCertificates: 'ca.pem' });
    const files = (text: string): ContextFile[] => [file('looms-ca-certificates.pem', text)];
    expect(refs(make(source, { files: files('a') }), make(source, { files: files('b') }))).toBe(2);
  });
});

describe('extra CA certificates', () => {
  test('are trusted before anything is installed and taken out at the end', () => {
    const recipe = make(node(), { extraCa: ca });
    const lines = recipe.dockerfile.trimEnd().split('\n');
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(at('COPY [".looms-build/"')).toBeGreaterThan(0);
    expect(at('ARG SSL_CERT_FILE=')).toBeLessThan(at('RUN npm install'));
    expect(lines.at(-1)).toBe('RUN rm -rf /.looms-build');
    expect(recipe.files.map((each) => each.path)).toEqual(['.looms-build/ca.pem', '.looms-build/apt.conf']);
  });

  test('of spec and machine come in one bundle', () => {
    const recipe = make(custom({ run: ['true'], caCertificates: 'ca.pem' }), {
      files: [file('looms-ca-certificates.pem', 'SPEC')],
      extraCa: new TextEncoder().encode('MACHINE'),
    });
    const bundle = recipe.files.find((each) => each.path === '.looms-build/ca.pem');
    expect(new TextDecoder().decode(bundle?.content)).toBe('SPEC\nMACHINE\n');
  });

  test('stay out where nothing runs, since nothing could take them out again', () => {
    const recipe = make(custom({ copy: [{ source: 'a', destination: '/a' }] }), {
      files: [file('looms-copy/0/a')],
      extraCa: ca,
    });
    expect(recipe.dockerfile).not.toContain('.looms-build');
  });

  const dockerfile = (text: string, extraCa?: Uint8Array): Recipe =>
    make(
      { kind: 'dockerfile', path: 'Dockerfile' },
      { files: [file('Dockerfile', text)], ...(extraCa ? { extraCa } : {}) },
    );

  test('reach a Dockerfile in each stage that declares an argument for them', () => {
    const text = [
      'ARG NODE_EXTRA_CA_CERTS',
      'FROM node:24 AS build',
      'ARG NODE_EXTRA_CA_CERTS',
      'ARG OTHER \\',
      '    PIP_CERT',
      'RUN npm ci',
      'FROM node:24-slim',
      'COPY --from=build /app /app',
      '',
    ].join('\n');
    const recipe = dockerfile(text, ca);
    expect(recipe.ref).toBe(dockerfile(text).ref);
    expect(recipe.dockerfile.split('\n')).toEqual([
      'ARG NODE_EXTRA_CA_CERTS',
      'FROM node:24 AS build',
      'ARG NODE_EXTRA_CA_CERTS',
      'COPY [".looms-build/","/.looms-build/"]',
      'ARG NODE_EXTRA_CA_CERTS=/.looms-build/ca.pem',
      'ARG OTHER \\',
      '    PIP_CERT',
      'ARG PIP_CERT=/.looms-build/ca.pem',
      'RUN npm ci',
      'FROM node:24-slim',
      'COPY --from=build /app /app',
      '',
    ]);
  });

  test('leave a Dockerfile alone that does not ask for them', () => {
    const text = 'FROM node:24\nRUN echo \\\nARG PIP_CERT\n# ARG PIP_CERT\n';
    const recipe = dockerfile(text, ca);
    expect(recipe.dockerfile).toBe(text);
    expect(recipe.files.map((each) => each.path)).toEqual(['Dockerfile']);
  });
});
