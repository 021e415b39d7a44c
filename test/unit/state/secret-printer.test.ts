import { expect, test } from 'vitest';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';
import { readSecretPrints, writeSecretPrints } from '../../../src/model/secrets/secret-prints.ts';
import { secretPrinter } from '../../../src/state/secret-printer.ts';
import { emptyFolder } from '../../support/looms.ts';

const whose = { project: asProjectName('p'), server: asServerName('web') };
const machine = () => secretPrinter({ XDG_STATE_HOME: emptyFolder() });

test('a print is the same for the same value, of that variable of that server, and holds nothing of it', () => {
  const one = machine();
  expect(one.keyName()).toBeUndefined();
  const prints = one.print(whose, { A: 'hunter2', B: 'hunter2' });
  expect(prints?.key).toBe(one.keyName());
  expect(prints?.values).toEqual({
    A: expect.stringMatching(/^[0-9a-f]{32}$/),
    B: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  expect(prints?.values.A).not.toBe(prints?.values.B);
  expect(one.print(whose, { A: 'hunter2' })?.values.A).toBe(prints?.values.A);
  expect(one.print(whose, { A: 'hunter3' })?.values.A).not.toBe(prints?.values.A);
  expect(one.print({ ...whose, server: asServerName('other') }, { A: 'hunter2' })?.values.A).not.toBe(prints?.values.A);
});

test('another machine has another key, unless both share one', () => {
  const values = { A: 'hunter2' };
  expect(machine().print(whose, values)).not.toEqual(machine().print(whose, values));
  const team = () => secretPrinter({ XDG_STATE_HOME: emptyFolder(), LOOMS_RECORD_KEY: 'of the team' });
  expect(team().print(whose, values)).toEqual(team().print(whose, values));
});

test('the label is read as looms writes it, and nothing else is taken for one', () => {
  const prints = { key: '0123456789ab', values: { A: '0'.repeat(32), 'b.c-d': 'f'.repeat(32) } };
  expect(readSecretPrints(writeSecretPrints(prints))).toEqual(prints);
  for (const forged of [
    '',
    'null',
    '{}',
    JSON.stringify({ ...prints, key: '\u001b[2J' }),
    JSON.stringify({ ...prints, more: 1 }),
    JSON.stringify({ ...prints, values: ['0'.repeat(32)] }),
    JSON.stringify({ ...prints, values: { 'a\nb': '0'.repeat(32) } }),
    JSON.stringify({ ...prints, values: { A: 'short' } }),
    JSON.stringify({ ...prints, values: { A: 7 } }),
  ]) {
    expect({ forged, read: readSecretPrints(forged) }).toEqual({ forged, read: undefined });
  }
});
