import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { noticeCodes } from '../../src/model/notices.ts';

test('docs/notices.md says what each code is, and has no others', () => {
  const page = readFileSync(new URL('../../docs/notices.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, code]) => code);
  expect(listed).toEqual([...noticeCodes, 'policy-RULE'].sort());
});
