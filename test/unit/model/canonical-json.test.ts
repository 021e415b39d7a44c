import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from '../../../src/model/values/canonical-json.ts';
import { forAll } from '../../support/properties.ts';

it('sorts keys, also those that look like numbers, and leaves out what is undefined', () => {
  const value = { b: 1, a: undefined, 10: [undefined, null, Number.NaN], 9: { d: true, c: 'x' }, '': '' };
  expect(canonicalJson(value)).toBe('{"":"","10":[null,null,null],"9":{"c":"x","d":true},"b":1}');
});

/** The same, by JSON for each text and number alone. */
function inParts(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inParts).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const sorted = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, inner]) => `${JSON.stringify(key)}:${inParts(inner)}`).join(',')}}`;
}

it('writes each text as JSON does, and the same for the same content in any order of keys', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.constantFrom('"', '\\', '\u007f', 'é', '\n', ' ~'),
  );
  const value = fc.jsonValue({ stringUnit: 'binary' });
  forAll(
    fc.tuple(fc.dictionary(texts, value), texts),
    ([record, text], saw) => {
      expect(canonicalJson(text)).toBe(JSON.stringify(text));
      const written = canonicalJson(record);
      const reversed = Object.fromEntries(Object.entries(record).toReversed());
      expect(canonicalJson(reversed)).toBe(written);
      expect(written).toBe(inParts(record));
      if (JSON.stringify(text) !== `"${text}"`) saw('escapes');
      if (written !== JSON.stringify(record)) saw('another order');
    },
    { cases: ['escapes', 'another order'] },
  );
});
