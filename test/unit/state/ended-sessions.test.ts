import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { endedSessions } from '../../../src/state/ended-sessions.ts';

const file = (): string => join(mkdtempSync(join(tmpdir(), 'looms-ended-')), 'p.ended');
const fails = (why: string): never => expect.fail(why);

test('an id that is over is so for whoever opens the file next, until its time is over too', () => {
  const path = file();
  let now = 1_000_000;
  const open = () => endedSessions(path, { keepMs: 1_000, onFault: fails, now: () => now });
  const first = open();
  first.add('a');
  now += 600;
  first.add('b');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(['a', 'b', 'c'].map(open().has)).toEqual([true, true, false]);
  now += 600;
  expect(['a', 'b'].map(open().has)).toEqual([false, true]);
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(1);
});

test('the newest ids are kept, however many there were, and what cannot be read is none', () => {
  const path = file();
  writeFileSync(path, 'no line of ours\n1000 half-writ');
  const open = () => endedSessions(path, { keepMs: 1_000, most: 3, onFault: fails, now: () => 1_000 });
  const first = open();
  for (let one = 0; one < 20; one += 1) first.add(String(one));
  expect(['0', '16', '17', '18', '19'].map(first.has)).toEqual([false, false, true, true, true]);
  expect(['16', '17', '18', '19'].map(open().has)).toEqual([false, true, true, true]);
  expect(readFileSync(path, 'utf8').trim().split('\n').length).toBeLessThanOrEqual(6);
});

test('an id is over here also where that cannot be written down, and it is said', () => {
  const path = join(file(), 'x');
  rmSync(join(path, '..'), { recursive: true, force: true });
  const told: string[] = [];
  const ended = endedSessions(path, { keepMs: 1_000, onFault: (text) => told.push(text) });
  ended.add('a');
  expect(ended.has('a')).toBe(true);
  expect(told).toEqual([expect.stringContaining('may be begun again after a restart')]);
});
