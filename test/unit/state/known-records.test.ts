import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { localState } from '../../../src/state/local-state.ts';
import { emptyFolder } from '../../support/looms.ts';

it('knows what was remembered, and nothing else', async () => {
  const { records } = localState({ XDG_STATE_HOME: emptyFolder() });
  expect(await records.isKnown('a')).toBe(false);
  await records.remember('a');
  await records.remember('b');
  expect(await Promise.all(['a', 'b', 'c'].map(records.isKnown))).toEqual([true, true, false]);
});

it('waits for no pipe that has the name of the list', async () => {
  const { records } = localState({ XDG_STATE_HOME: emptyFolder() });
  mkdirSync(dirname(records.path), { recursive: true });
  execFileSync('mkfifo', [records.path]);
  expect(await records.isKnown('a')).toBe(false);
  await expect(records.remember('a')).rejects.toThrow(`${records.path} is no regular file`);
});
