import { describe, expect, test } from 'vitest';
import { buildHint, decisiveLine } from '../../../src/image/build-failure.ts';
import { hasExceptions, ignoreRules, includedFiles } from '../../../src/image/context-files.ts';
import { proxySettings } from '../../../src/image/proxies.ts';
import { externalImages, storesArgument } from '../../../src/image/user-dockerfile.ts';

describe('a .dockerignore', () => {
  const kept = (text: string, ...paths: string[]): string[] => paths.filter((path) => !ignoreRules(text)(path));

  test('leaves out what a pattern names, below folders too', () => {
    const text = '# comment\n\nnode_modules\n**/*.log\n/tmp/*\n';
    const paths = ['a.js', 'node_modules/x/y.js', 'lib/node_modules/z', 'b.log', 'x/y/c.log', 'tmp/a', 'tmp'];
    expect(kept(text, ...paths)).toEqual(['a.js', 'lib/node_modules/z', 'tmp']);
  });

  test('takes back in what a later exception names', () => {
    const text = '*\n!src\n!*.json\nsrc/secret\n';
    expect(kept(text, 'README', 'package.json', 'src/a.js', 'src/secret/key')).toEqual(['package.json', 'src/a.js']);
    expect(hasExceptions(text)).toBe(true);
    expect(hasExceptions('node_modules\n')).toBe(false);
  });
});

test('a requirements file names the files that it takes in', () => {
  const text = [
    'mcp',
    '-r base.txt',
    '--requirement=more/dev.txt  # comment',
    '-cconstraints.txt',
    '--constraint ../c.txt',
    '-r https://example.com/r.txt',
    '# -r not-this.txt',
    '--index-url https://example.com',
  ].join('\n');
  expect(includedFiles(text)).toEqual(['base.txt', 'more/dev.txt', 'constraints.txt', '../c.txt']);
});

test('a Dockerfile’s own stages and unknown arguments are no images to pull', () => {
  const text = [
    '# syntax=docker/dockerfile:1',
    'ARG VERSION=24-slim',
    'ARG UNKNOWN',
    'FROM --platform=linux/amd64 node:${VERSION} AS build',
    'FROM scratch AS empty',
    'FROM build AS test',
    'FROM python:$UNKNOWN',
    'COPY --from=build /a /a',
    'COPY --from=0 /a /a',
    'COPY --from=registry.example.com/tool:1 /t /t',
  ].join('\n');
  expect(externalImages(text)).toEqual(['node:24-slim', 'registry.example.com/tool:1']);
});

test('proxy settings are passed in both spellings and nothing else is', () => {
  expect(proxySettings({ HTTPS_PROXY: 'http://p:1', no_proxy: 'localhost', PATH: '/bin', http_proxy: '' })).toEqual({
    HTTPS_PROXY: 'http://p:1',
    https_proxy: 'http://p:1',
    NO_PROXY: 'localhost',
    no_proxy: 'localhost',
  });
});

describe('the line that says why a build failed', () => {
  test('is pip’s about the missing package', () => {
    const output = [
      'ERROR: Could not find a version that satisfies the requirement nope (from versions: none)',
      'ERROR: No matching distribution found for nope',
      '[notice] a new release of pip',
    ];
    expect(decisiveLine(output)).toBe('ERROR: No matching distribution found for nope');
    expect(buildHint(output)).toContain('check the name and version');
  });

  test('is npm’s about the missing package', () => {
    const output = [
      'npm error code E404',
      'npm error 404 Not Found - GET https://registry.example/nope - Not found',
      'npm error 404',
      "npm error 404  'nope@*' is not in this registry.",
    ];
    expect(decisiveLine(output)).toBe("npm error 404  'nope@*' is not in this registry.");
  });

  test('is apt’s error, else the last one', () => {
    expect(decisiveLine(['Reading package lists...', 'E: Unable to locate package nope'])).toBe(
      'E: Unable to locate package nope',
    );
    expect(decisiveLine(['one', 'two'])).toBe('two');
    expect(decisiveLine([])).toBeUndefined();
  });

  test('leads to the CA bundle when a certificate was refused', () => {
    expect(buildHint(['SSLError(SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]"))'])).toContain(
      'LOOMS_BUILD_CA',
    );
    expect(buildHint(['npm error code SELF_SIGNED_CERT_IN_CHAIN'])).toContain('LOOMS_BUILD_CA');
  });
});

test.each([
  ['FROM a\nARG HTTPS_PROXY\n', 'ARG HTTPS_PROXY'],
  ['FROM a\nARG A=1 \\\n  https_proxy=none\n', 'ARG A=1 https_proxy=none'],
  ['FROM a AS one\nENV P="${HTTPS_PROXY:-}"\nFROM b\n', 'ENV P="${HTTPS_PROXY:-}"'],
  ['FROM a\nonbuild arg HTTPS_PROXY\n', 'ONBUILD arg HTTPS_PROXY'],
  ['ARG HTTPS_PROXY\nFROM a\n', undefined],
  ['FROM a\nRUN echo $HTTPS_PROXY\nONBUILD RUN echo $HTTPS_PROXY\n', undefined],
  ['FROM a\nENV HTTPS_PROXY= OTHER=$HTTPS_PROXY_HOST\nARG NO_PROXY\n', undefined],
])('of %j, what would store the value of a build argument is %s', (dockerfile, found) => {
  expect(storesArgument(dockerfile, ['HTTPS_PROXY', 'https_proxy'])).toBe(found);
});
