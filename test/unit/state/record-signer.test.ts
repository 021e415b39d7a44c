import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { recordSigner } from '../../../src/state/record-signer.ts';

let folders: string[] = [];
const machine = (shared?: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'looms-signer-'));
  folders.push(folder);
  return recordSigner({ XDG_STATE_HOME: folder, ...(shared === undefined ? {} : { LOOMS_RECORD_KEY: shared }) });
};
beforeEach(() => {
  folders = [];
});
afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

test('what one machine signed is its own there, and another key, by its name, elsewhere', () => {
  const [one, other] = [machine(), machine()];
  expect(one.keyName()).toBeUndefined();
  const signature = one.sign('text') ?? '';
  expect(signature).toMatch(/^[0-9a-f]{12}:[0-9a-f]{64}$/);
  const [key = ''] = signature.split(':');
  expect(one.keyName()).toBe(key);
  expect(one.makerOf('text', signature)).toEqual({ kind: 'here' });
  expect(other.makerOf('text', signature)).toEqual({ kind: 'other-key', key });
  expect(other.sign('text')).not.toContain(key);
  expect(other.makerOf('text', signature)).toEqual({ kind: 'other-key', key });
});

test('a signature of an earlier version holds too, and names no key elsewhere', () => {
  const one = machine();
  const [, hash = ''] = (one.sign('text') ?? '').split(':');
  expect(one.makerOf('text', hash)).toEqual({ kind: 'here' });
  expect(machine().makerOf('text', hash)).toEqual({ kind: 'other-key' });
});

test('a text that was changed, or a signature that was made up, is forged; none is none', () => {
  const one = machine();
  const signature = one.sign('text') ?? '';
  expect(one.makerOf('other', signature)).toEqual({ kind: 'forged' });
  expect(one.makerOf('text', `${signature}x`)).toEqual({ kind: 'forged' });
  expect(one.makerOf('text', '\u001b[2J')).toEqual({ kind: 'forged' });
  expect(one.makerOf('text', '')).toEqual({ kind: 'unsigned' });
});

test('a key that is shared has one name wherever it is', () => {
  const signature = machine('of the team').sign('text') ?? '';
  expect(machine('of the team').makerOf('text', signature)).toEqual({ kind: 'here' });
  expect(machine('of another').makerOf('text', signature)).toMatchObject({ kind: 'other-key' });
  expect(machine('of the team').makerOf('other', signature)).toEqual({ kind: 'forged' });
});
