import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { recallFinding, rememberFinding, serverMemory } from '../../../src/state/server-memory.ts';

const ledger = (): string => join(mkdtempSync(join(tmpdir(), 'looms-ledger-')), 'looms', 'ledger.sqlite');

it('a verdict is kept, replaced, and none is known without a ledger', async () => {
  const path = ledger();
  expect(await recallFinding(path, 'a')).toBeUndefined();
  await rememberFinding(path, 'a', 'legacy');
  await rememberFinding(path, 'a', 'modern');
  expect([await recallFinding(path, 'a'), await recallFinding(path, 'b')]).toEqual(['modern', undefined]);
});

it('only the newest verdicts are kept', async () => {
  const path = ledger();
  for (const key of ['a', 'b', 'c']) await rememberFinding(path, key, 'legacy', 2);
  expect(await Promise.all(['a', 'b', 'c'].map((key) => recallFinding(path, key)))).toEqual([
    undefined,
    'legacy',
    'legacy',
  ]);
});

it('a program that goes on reads once what is known, learns what another one found out, and says what it found itself', async () => {
  const path = ledger();
  const memory = serverMemory(path, (key, found) => rememberFinding(path, key, found));
  expect(await memory.recall('a')).toBeUndefined();
  await rememberFinding(path, 'a', 'legacy');
  expect(await memory.recall('a')).toBe('legacy');
  await rememberFinding(path, 'a', 'modern');
  expect(await memory.recall('a')).toBe('legacy');
  await memory.remember('a', 'modern');
  expect(await memory.recall('a')).toBe('modern');
  expect(await recallFinding(path, 'a')).toBe('modern');
});
