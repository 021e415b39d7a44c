import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const web = fileURLToPath(new URL('../../dist/web/', import.meta.url));
const files = readdirSync(web, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.'));

test('the page is at most 40 kB gzipped, all of it', () => {
  const sizes = files.map((name) => gzipSync(readFileSync(join(web, name))).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(40_000);
});

test('a browser may keep each file for ever: its name holds a hash, and the page names it', () => {
  const html = readFileSync(join(web, 'index.html'), 'utf8');
  const assets = files.filter((name) => name !== 'index.html');
  expect(assets.map((name) => name.replace(/-[A-Z0-9]{8}\./, '-HASH.')).sort()).toEqual([
    'assets/icon-HASH.svg',
    'assets/main-HASH.css',
    'assets/main-HASH.js',
  ]);
  expect(assets.filter((name) => !html.includes(`"/${name}"`))).toEqual([]);
  // Its policy allows neither.
  expect(html).not.toMatch(/<style|style=|<script(?! type="module" src=)/);
});
