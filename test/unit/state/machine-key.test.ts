import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findMachineKey, machineKey } from '../../../src/state/machine-key.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'looms-key-'));
  path = join(folder, 'state', 'machine-key');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('it is made once, for its owner only, and gives another hash for each use', () => {
  expect(findMachineKey(path, 'records')).toBeUndefined();
  const first = machineKey(path, 'records')('text');
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'state'))).toEqual(['machine-key']);
  expect(machineKey(path, 'records')('text')).toBe(first);
  expect(findMachineKey(path, 'records')?.('text')).toBe(first);
  expect(machineKey(path, 'secrets')('text')).not.toBe(first);
});

test('one that others may read, or that is no key, is refused with what to do', () => {
  machineKey(path, 'records');
  chmodSync(path, 0o644);
  expect(() => machineKey(path, 'records')).toThrow(`others may read ${path}`);
  chmodSync(path, 0o600);
  writeFileSync(path, 'something');
  expect(() => machineKey(path, 'records')).toThrow(`${path} is no key of looms`);
  expect(() => machineKey(join(path, 'below'), 'records')).toThrow('the key of this machine cannot be used');
});
