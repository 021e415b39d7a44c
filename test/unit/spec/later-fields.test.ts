import { expect, test } from 'vitest';
import { choice, field, hasFields, laterField, plainOf, withLater, withoutLater } from '../../../src/model/fields.ts';
import { bool, text } from '../../../src/model/values/structure.ts';

const fields = {
  transport: choice('', 'kind', 'transport', {
    stdio: {},
    http: { path: field('path', text, '/mcp'), host: laterField('host', text, 'localhost') },
  }),
};
const recorded = { transport: { kind: 'http', path: '/mcp' } };
const now = { transport: { kind: 'http', path: '/mcp', host: 'localhost' } };

test('a field that came later to one variant of a choice is, in an older record, as it was then', () => {
  expect(withLater(fields, recorded)).toEqual(now);
  expect(withoutLater(fields, now)).toEqual(recorded);
  expect(hasFields(fields)(withLater(fields, recorded))).toBe(true);
  expect(withLater(fields, { transport: { kind: 'stdio' } })).toEqual({ transport: { kind: 'stdio' } });
});

test('a field that is safer by default than earlier versions were is, in their records, as they behaved', () => {
  const safer = { guarded: laterField('guarded', bool, true, false) };
  expect(plainOf(safer, {})).toEqual({ guarded: true });
  expect(withLater(safer, {})).toEqual({ guarded: false });
  expect(withoutLater(safer, { guarded: false })).toEqual({});
  expect(withoutLater(safer, { guarded: true })).toEqual({ guarded: true });
});
