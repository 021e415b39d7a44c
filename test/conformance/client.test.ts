import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

// What each revision of MCP requires of a client, by its own suite: docs/dependencies.md.

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const suite = dirname(require.resolve('@modelcontextprotocol/conformance/package.json'));
const client = join(import.meta.dirname, 'client.ts');
const baselineOf = (revision: string) => join(import.meta.dirname, `expected-failures.${revision}.yaml`);

const revisions = ['2025-11-25', '2026-07-28'];
/** How long the suite may wait for one client, ms: it starts dozens of them at once. */
const clientTimeoutMs = 180_000;

it.each(revisions)('sessions meet all that %s requires of a client, but authorization', async (revision) => {
  const args = [join(suite, 'dist/index.js'), 'client', '--requirements', revision];
  const options = [
    ...['--command', `${process.execPath} ${client}`],
    ...['--expected-failures', baselineOf(revision)],
    ...['--output-dir', mkdtempSync(join(tmpdir(), 'looms-conformance-'))],
    ...['--timeout', String(clientTimeoutMs)],
  ];
  const { code, stdout } = await run(process.execPath, [...args, ...options], { maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => error,
  );
  const summary = stdout.slice(stdout.indexOf('=== SUITE SUMMARY'));
  console.log(
    summary
      .split('\n')
      .filter((line) => /^[✓✗] (?!auth\/)|^Total/.test(line))
      .join('\n'),
  );
  expect({ code, summary: code === 0 ? '' : summary }).toEqual({ code: 0, summary: '' });
});

it.each(revisions)(
  'only authorization is expected to fail in %s, which servers behind a relay have none of',
  (revision) => {
    const { client: names }: { client: string[] } = parse(readFileSync(baselineOf(revision), 'utf8'));
    expect(names.filter((name) => !name.startsWith('auth/'))).toEqual([]);
  },
);
