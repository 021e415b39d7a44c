import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseWhole } from '../../../src/spec/read/parse.ts';
import { readPlain } from '../../../src/spec/read/plain.ts';
import { indexLines, type Span, type Tree } from '../../../src/spec/read/tree.ts';
import { forAll } from '../../support/properties.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const files = globSync(['examples/**/*.yaml', 'deploy/**/*.yaml', 'test/**/*.yaml'], { cwd: root });
const texts = files.map((file) => readFileSync(join(root, file), 'utf8'));

/** What is read of a tree: all but the ends of spans behind the line that they begin in. */
function seen(text: string, tree: Tree): unknown {
  const lines = indexLines('a.yaml', text);
  const at = (span: Span) => [span.start, lines.length(span)];
  const visit = (one: Tree): unknown => {
    const { kind, span } = one;
    if (kind === 'map') {
      const entries = one.entries.map(({ key, keySpan, merged, value }) => [key, at(keySpan), merged, visit(value)]);
      return { kind, at: at(span), entries };
    }
    if (kind === 'list') return { kind, at: at(span), items: one.items.map(visit) };
    const { value } = one;
    const places =
      typeof value === 'string' ? [...value.slice(0, 20)].map((_, index) => one.sourceOffset(index, 2)) : [];
    return { kind, at: at(span), value, text: one.text, places };
  };
  return visit(tree);
}

/** What the two readers make of a text; false where only one of them reads it. */
function agree(text: string): boolean {
  const plain = readPlain(text);
  if (plain === undefined) return false;
  const whole = parseWhole(text);
  expect(whole.flatMap(({ findings }) => findings)).toEqual([]);
  const trees = whole.flatMap(({ content }) => content ?? []);
  expect(plain.map((tree) => seen(text, tree))).toEqual(trees.map((tree) => seen(text, tree)));
  return true;
}

it('reads most specs, and as yaml does', () => {
  const read = texts.filter(agree);
  expect(read.length).toBeGreaterThan(texts.length / 2);
});

it.each([
  ['JSON over several lines', '{\n  "a": [1, -2.5, true],\n  "b": {"c": "d\\n\\"\\u00e9"}\n}\n'],
  ['comments, and a list beside its key', '# a\nname: x # b\nlist:\n- 1\n# c\n- a: b\n  c: d\n\nlast: "#e" # f\n'],
  ['documents', "a: 1\n---\n# nothing\n---\nb: [x, \"y\", 'it''s']\n"],
  ['what looks like numbers and is none', 'a: 10.0.0.1\nb: 1000:1000\nc: 1.2.3\nd: -x\ne: yes\n'],
  ['numbers', 'a: 3.10\nb: 007\nc: -0\nd: True\n'],
  ['references', 'env: { TOKEN: "${secret:a}" }\nargs: ["--x=${A:-b}"]\nurl: http://a/b#c\n'],
])('reads %s', (_what, text) => {
  expect(agree(text)).toBe(true);
});

it.each([
  ['a text over several lines', 'a: b\n  c\n'],
  ['a block of text', 'a: |\n  b\n'],
  ['an anchor', 'a: &b c\n'],
  ['an alias', 'a: *b\n'],
  ['a tag', 'a: !!str b\n'],
  ['a merge key', '<<: {}\n'],
  ['nothing as a value', 'a:\nb: c\n'],
  ['null', 'a: ~\n'],
  ['another way to write a number', 'a: 0x10\n'],
  ['a tab', 'a:\tb\n'],
  ['a carriage return', 'a: b\r\n'],
  ['a directive', '%YAML 1.1\n---\na: 1\n'],
  ['the end of a document', 'a: 1\n...\n'],
  ['a key in a value', 'a: b: c\n'],
  ['a list that is further out than its key', '  a:\n - b\n'],
  ['lines further in than their beginning', 'a: 1\n  b: 2\n'],
  ['something behind JSON', '{"a":1} b\n'],
  ['a comma too much', '[a,]\n'],
  ['half of a character', 'a: "\\ud83d\\ude00"\n'],
])('leaves %s to yaml', (_what, text) => {
  expect(readPlain(text)).toBeUndefined();
});

const parts = [
  ...['a: ', 'b:', 'key: v', '- ', '- x', '- a: 1', '-', '"q"', "'s'", '"a\\n\\"b"', "'it''s'", '{a: b}', '[a, b]'],
  ...['{"a":1,"b":[1,2]}', '[]', '{}', '[a: b]', '{a}', '1', '-0', '3.10', '1e3', 'true', 'null', '~', '# c', ' # c'],
  ...['#', 'x #y', 'x#y', 'a:b', ':', ': ', '---', '--- ', '...', '%T', '|', '>', '&a', '*a', '!t', '<<: ', '? ', '@'],
  ...['${A:-b}', '$', '.', '-x', '- - x', '\n', '\n', '\n  ', '\n  ', '\n    ', '\n\n', ' ', ', ', ']', '}', '[', '{'],
  ...['é', '–', '😀', '/p:/q', 'a b c', '"a": 1', '"x"#c', '[a,\n b]', 'true: 1', 'null: 1', '"\\u00e9"', '\t', '\r\n'],
  ...['{a : b}', '{"a" : 1}', '{"a": b c}', '[ a , b ]', '[a,]', '[-1]', '[- a]', '[a#b]', '["a"b]', "['a':b]"],
];
const part = fc.constantFrom(...parts);
const lines = fc
  .array(fc.tuple(fc.nat(2), fc.constantFrom('', '- ', 'a: ', 'b: ', '- a: '), part), { maxLength: 8 })
  .map((all) => all.map(([depth, before, rest]) => `${'  '.repeat(depth)}${before}${rest}`).join('\n'));
const damaged = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.nat(),
    fc.integer({ min: 1, max: 25 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(3), part)),
  )
  .map(([text, from, count, edits]) => {
    const all = text.split('\n');
    const start = from % all.length;
    return edits.slice(0, 3).reduce(
      (one, [place, dropped, put]) => {
        const at = place % (one.length + 1);
        return one.slice(0, at) + put + one.slice(at + dropped);
      },
      all.slice(start, start + count).join('\n'),
    );
  });

const plainTexts = texts.filter((text) => readPlain(text) !== undefined);
const several = fc
  .array(fc.constantFrom(...plainTexts, 'a: 1', '- "b"', '# c'), { minLength: 2, maxLength: 4 })
  .map((all) => all.join('\n---\n'));

it('whatever it reads of a text, yaml reads the same, and without a finding', () => {
  const any = fc.oneof(
    fc.array(part, { maxLength: 14 }).map((all) => all.join('')),
    lines,
    damaged,
    several,
  );
  forAll(
    any,
    (text, saw) => {
      const [isPlain, documents] = [agree(text), readPlain(text)?.length ?? 0];
      if (isPlain && documents > 0) saw('read');
      if (!isPlain) saw('left to yaml');
      if (documents > 1) saw('several documents');
    },
    { runs: 3_000, cases: ['read', 'left to yaml', 'several documents'] },
  );
});
