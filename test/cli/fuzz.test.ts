import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { deadEngine, emptyFolder, looms } from '../support/looms.ts';
import { howToRepeat, seedOfTest } from '../support/properties.ts';

/** The generators of the unit fuzz test go deep; this goes through the whole program, files and all. */
const examples = join(import.meta.dirname, '../../examples');
const filesPerRun = 40;
const runs = 12;

const texts = readdirSync(examples)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(examples, name), 'utf8'));

const pieces = [
  '- ',
  ': ',
  '\t',
  '{',
  '[',
  '"',
  '${',
  '${X}',
  '&a',
  '*a',
  '|',
  '\u0000',
  '\ufeff',
  'null',
  '../..',
  '/',
];

/** An example in which something was deleted, doubled or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.array(fc.tuple(fc.nat(), fc.nat(40), fc.constantFrom(...pieces)), { maxLength: 5 }),
  )
  .map(([text, edits]) =>
    edits.reduce((current, [at, length, piece]) => {
      const start = at % (current.length + 1);
      return current.slice(0, start) + piece + current.slice(start + (length % 3 === 0 ? length : 0));
    }, text),
  );

it('mutated specs end in findings or in a valid spec: never a stack trace, never exit 1', {
  timeout: 120_000,
}, async () => {
  const batches = fc.sample(fc.array(mutated, { minLength: filesPerRun, maxLength: filesPerRun }), {
    numRuns: runs,
    seed: seedOfTest(),
  });
  let found = '';
  for (const [run, batch] of batches.entries()) {
    const cwd = emptyFolder();
    cpSync(examples, cwd, { recursive: true, filter: (source) => !source.endsWith('.yaml') });
    for (const [index, text] of batch.entries()) writeFileSync(join(cwd, `${index}.yaml`), text);
    const command = run % 2 === 0 ? ['validate'] : ['diff', '--host', deadEngine];
    const { code, stdout, stderr } = await looms([...command, '-f', '.'], { cwd });
    const told = `${howToRepeat()}\n${stdout}${stderr}`;
    expect([0, 65, 69], told).toContain(code);
    expect(stdout + stderr, told).not.toMatch(/^\s+at .*(\.js|\.ts|node:.*):\d+:\d+\)?$/m);
    expect(stderr, told).not.toContain('error[internal]');
    found += stderr;
  }
  // The damage is met as YAML, as fields and as values.
  const codes = new Set([...found.matchAll(/error\[([a-z-]+)\]/g)].map(([, code]) => code));
  expect([...codes], howToRepeat()).toEqual(expect.arrayContaining(['yaml-syntax', 'unknown-key', 'invalid-value']));
});
