import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { writeDocuments } from '../../../src/spec/write-documents.ts';
import { forAll } from '../../support/properties.ts';

const readBack = (text: string, version: '1.1' | '1.2'): unknown[] =>
  parseAllDocuments(text, { version }).map((document) => document.toJS());

test('whatever a text is, both versions of YAML read it back, as value, in a list and as key', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('yes', 'on', 'y', 'NO', '1_000', '12:30:45', '0o17', '017', '0x1f', '.5', '1e3', '=', '<<', '~'),
    fc.constantFrom(
      'a: b',
      'a #b',
      '- a',
      'l1\nl2\n',
      'l1\n\nl2\n',
      ' l\n',
      'l \n',
      'l\n\n',
      '\u200b',
      '---',
      '%YAML 1.1',
    ),
    fc.stringMatching(/^[ -~\n]{0,40}$/),
  );
  // `yaml` takes a key `<<` for a merge in version 1.1, quoted or not; no label, variable or file is called so.
  const key = text.filter((one) => one !== '<<');
  forAll(
    fc.record({ one: text, many: fc.array(text, { maxLength: 3 }), keyed: fc.dictionary(key, text, { maxKeys: 3 }) }),
    (value, saw) => {
      if (value.one.includes('\n')) saw('of several lines');
      const { keyed, ...rest } = value;
      const object = { ...rest, keyed: { ...keyed } };
      const written = writeDocuments([object, { next: true }]);
      for (const version of ['1.1', '1.2'] as const) {
        expect(JSON.parse(JSON.stringify(readBack(written, version)))).toEqual(
          JSON.parse(JSON.stringify([object, { next: true }])),
        );
      }
    },
    { runs: 300, cases: ['of several lines'] },
  );
});

test('scripts stand in blocks, as people read them', () => {
  expect(writeDocuments([{ data: { 'a.sh': 'one\n\n  two\n', b: 'yes' } }])).toBe(
    'data:\n  a.sh: |\n    one\n\n      two\n  b: "yes"\n',
  );
});
