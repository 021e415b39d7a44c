import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { recallVerdict, rememberVerdict } from '../../../src/state/verdicts.ts';

const ledger = (): string => join(mkdtempSync(join(tmpdir(), 'looms-ledger-')), 'looms', 'ledger.sqlite');

it('a verdict is kept, replaced, and none is known without a ledger', async () => {
  const path = ledger();
  expect(await recallVerdict(path, 'a')).toBeUndefined();
  await rememberVerdict(path, 'a', 'legacy');
  await rememberVerdict(path, 'a', 'modern');
  expect([await recallVerdict(path, 'a'), await recallVerdict(path, 'b')]).toEqual(['modern', undefined]);
});

it('only the newest verdicts are kept', async () => {
  const path = ledger();
  for (const key of ['a', 'b', 'c']) await rememberVerdict(path, key, 'legacy', 2);
  expect(await Promise.all(['a', 'b', 'c'].map((key) => recallVerdict(path, key)))).toEqual([
    undefined,
    'legacy',
    'legacy',
  ]);
});
