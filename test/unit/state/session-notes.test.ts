import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sessionNotes } from '../../../src/state/session-notes.ts';

const file = (): string => join(mkdtempSync(join(tmpdir(), 'looms-notes-')), 'p.sessions');
const fails = (why: string): never => expect.fail(why);

test('a note is there for whoever opens the file next, the last of an id, until its time is over', () => {
  const path = file();
  let now = 1_000_000;
  const open = () => sessionNotes(path, { keepMs: 1_000, onFault: fails, now: () => now });
  const first = open();
  first.write('a', 'one');
  now += 600;
  first.write('b', 'two');
  first.write('b', 'three');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(['a', 'b', 'c'].map(open().of)).toEqual(['one', 'three', undefined]);
  now += 600;
  expect(['a', 'b'].map(open().of)).toEqual([undefined, 'three']);
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(1);
});

test('the newest are kept, however many and however long they are, and what cannot be read is none', () => {
  const path = file();
  writeFileSync(path, 'no line of ours\n1000 half-writ');
  const open = () => sessionNotes(path, { keepMs: 1_000, most: 3, onFault: fails, now: () => 1_000 });
  const first = open();
  for (let one = 0; one < 20; one += 1) first.write(String(one), 'over');
  expect(['0', '16', '17', '18', '19'].filter((id) => first.of(id) === 'over')).toEqual(['17', '18', '19']);
  expect(['16', '17', '18', '19'].filter((id) => open().of(id) === 'over')).toEqual(['17', '18', '19']);
  expect(readFileSync(path, 'utf8').trim().split('\n').length).toBeLessThanOrEqual(6);
  first.write('long', 'x'.repeat(3_000_000));
  first.write('longer', 'x'.repeat(3_000_000));
  expect(['19', 'long', 'longer'].filter((id) => first.of(id) !== undefined)).toEqual(['longer']);
});

test('a note holds here also where it cannot be written down, and that is said', () => {
  const path = join(file(), 'x');
  rmSync(join(path, '..'), { recursive: true, force: true });
  const told: string[] = [];
  const notes = sessionNotes(path, { keepMs: 1_000, onFault: (text) => told.push(text) });
  notes.write('a', 'over');
  expect(notes.of('a')).toBe('over');
  expect(told).toEqual([expect.stringContaining('may be begun again')]);
});
