import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Diagnostic } from '../../../src/model/diagnostics.ts';
import { canonicalJson } from '../../../src/model/values/canonical-json.ts';
import { loadDocuments } from '../../../src/spec/load.ts';
import { loadProjectFile } from '../../../src/spec/project-file.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { forAll } from '../../support/properties.ts';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const texts = readdirSync(examples)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(examples + name, 'utf8'));
const keys = [
  ...new Set(texts.flatMap((text) => [...text.matchAll(/([a-z_]+):/g)].map((match) => match[1] ?? ''))),
  ...['security', 'tmpfs', 'cap_add', 'egress', 'mode', 'tools', 'include', 'build_config', 'base_image', 'user', '<<'],
];
const values = [
  ...['', '~', 'null', 'true', '0', '-1', '1e999', '.nan', '0x10', '[]', '{}', '[a]', '{a: b}', '"', "'", '|', '>-'],
  ...['${A}', '${', '$${A}', '${secret:x}', '${A:-', '"${A:?no}"', '&a', '*a', '!t', '!!binary x', '? ', '- ', '---'],
  ...[
    '\t',
    '#',
    '/',
    '..',
    './x',
    '/var/run/docker.sock',
    'host',
    'ALL',
    'python',
    'http',
    'x\u0000',
    '"\\0"',
    '\ufeff',
  ],
  ...[
    '__proto__',
    'constructor',
    '\r',
    '%YAML 1.1',
    '...',
    '\ud800',
    '"\\ud800"',
    '99999999999999999999',
    '2026-07-28',
  ],
];

const snippet = fc.oneof(
  fc.constantFrom(...keys).map((key) => `${key}: `),
  fc.constantFrom(...values),
  fc.constantFrom('\n', '\n  ', '\n    ', ' ', ': ', ', '),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const yamlish = fc.array(snippet, { maxLength: 40 }).map((parts) => parts.join(''));
const structured = fc
  .letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(null, true, 0, 1.5, -3, 'x', '${A}', '/x', 'stdio', 'python', '1m', ['a'], {}),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 6 }),
    ),
  }))
  .node.map((value) => stringify({ name: 'a', docker_backend: value, mcp_server: value }));

type Mutation = (text: string, at: number, key: string, value: string) => string;
const onLines =
  (change: (lines: string[], index: number) => void): Mutation =>
  (text, at) => {
    const lines = text.split('\n');
    change(lines, at % lines.length);
    return lines.join('\n');
  };
const mutations: readonly Mutation[] = [
  onLines((lines, index) => lines.splice(index, 1)),
  onLines((lines, index) => lines.splice(index, 0, lines[index] ?? '')),
  onLines((lines, index) => lines.splice(index, 1, `  ${lines[index] ?? ''}`)),
  (text, at) => text.slice(0, at % text.length) + text.slice((at % text.length) + 1),
  (text, at, _, value) => text.slice(0, at % text.length) + value + text.slice(at % text.length),
  (text, at, key) => text.replaceAll(/[a-z_]+(?=:)/g, (word, offset: number) => (offset % 7 === at % 7 ? key : word)),
  (text, at, _, value) =>
    text.replaceAll(/(?<=: )[^\n]+/g, (word, offset: number) => (offset % 5 === at % 5 ? value : word)),
  (text, at) => text.slice(0, at % text.length),
];
const mutated = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.array(
      fc.tuple(fc.constantFrom(...mutations), fc.nat(100_000), fc.constantFrom(...keys), fc.constantFrom(...values)),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  )
  .map(([text, steps]) => steps.reduce((at, [mutate, ...rest]) => (at === '' ? at : mutate(at, ...rest)), text));

/** Positions must point into the text: the command line shows them as code frames. */
function expectInside(diagnostics: readonly Diagnostic[], text: string): void {
  const lines = text.split('\n');
  for (const one of diagnostics) {
    for (const { position, length } of [one, ...one.related]) {
      const line = lines[position.line - 1];
      if (line === undefined || position.column < 1 || position.column > line.length + 1 || length < 1) {
        expect.fail(`${one.code} at ${position.line}:${position.column}+${length} is not in ${JSON.stringify(text)}`);
      }
    }
    if (one.code === '' || one.message === '' || one.message.includes('undefined')) expect.fail(JSON.stringify(one));
  }
}

type Outcome = 'servers' | 'diagnostics';

function expectOutcome(text: string, saw: (occurred: Outcome) => void): void {
  const file = { file: 'f', directory: '/repo', text };
  const { servers, diagnostics } = loadDocuments([file], { environment: { A: '1' }, strict: false });
  expectInside(diagnostics, text);
  if (servers.length > 0) saw('servers');
  if (diagnostics.length > 0) saw('diagnostics');
  for (const { spec, locate } of servers) {
    const { position } = locate('docker_backend.resource_limits.memory_mb');
    if (position.line < 1) expect.fail('no position');
    const recorded = readRecordedSpec(recordSpec(spec, 'x'));
    if (recorded === undefined || canonicalJson(recorded.spec) !== canonicalJson(spec))
      expect.fail(JSON.stringify(spec));
    if (!/^v1:[0-9a-f]{64}$/.test(specHash(spec, 'x'))) expect.fail('no hash');
  }
}

const budget = { timeout: 600_000 };

test('3,000 texts that look like YAML end in servers or diagnostics', budget, () => {
  forAll(yamlish, expectOutcome, { runs: 3000, cases: ['diagnostics'] });
});

test('3,000 structures of our keys end in servers or diagnostics', budget, () => {
  forAll(structured, expectOutcome, { runs: 3000, cases: ['diagnostics'] });
});

test('5,000 damaged examples end in servers or diagnostics', budget, () => {
  forAll(mutated, expectOutcome, { runs: 5000, cases: ['servers', 'diagnostics'] });
});

test('1,000 damaged project files end in settings or diagnostics', budget, () => {
  forAll(
    fc.oneof(yamlish, structured, mutated),
    (text, saw) => {
      const file = { file: 'f', directory: '/repo', text };
      const { project, diagnostics } = loadProjectFile(file, { environment: {} });
      expectInside(diagnostics, text);
      const failed = diagnostics.some(({ severity }) => severity === 'error');
      saw(failed ? 'diagnostics' : 'settings');
      if ((project === undefined) !== failed) expect.fail(JSON.stringify(diagnostics));
    },
    { runs: 1000, cases: ['settings', 'diagnostics'] },
  );
});
