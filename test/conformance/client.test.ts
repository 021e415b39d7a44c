import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

// What each revision of MCP requires of a client, by its own suite (docs/dependencies.md). One scenario after the other:
// the suite by itself would start all of its clients at once.

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const suite = dirname(require.resolve('@modelcontextprotocol/conformance/package.json'));
const client = join(import.meta.dirname, 'client.ts');
const results = mkdtempSync(join(tmpdir(), 'looms-conformance-'));

type Requirements = {
  readonly client: readonly string[];
  readonly not_scored: readonly { readonly scenario: string; readonly leg: string }[];
};
const read = <T>(...path: string[]): T => parse(readFileSync(join(...path), 'utf8')) as T;

describe.each(['2025-11-25', '2026-07-28'])('a client of %s', (revision) => {
  const required: Requirements = read(suite, 'requirements', `${revision}.yaml`);
  const baseline: { client: readonly string[] } = read(import.meta.dirname, `expected-failures.${revision}.yaml`);
  const all = [
    ...required.client,
    ...required.not_scored.filter(({ leg }) => leg === 'client').map(({ scenario }) => scenario),
  ];

  it.each(all.filter((scenario) => !baseline.client.includes(scenario)))('meets %s', async (scenario) => {
    const args = ['client', '--command', `${process.execPath} ${client}`, '--scenario', scenario];
    const options = ['--spec-version', revision, '--output-dir', results, '--timeout', '120000'];
    const { code, output } = await run(process.execPath, [join(suite, 'dist/index.js'), ...args, ...options]).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        output: error.stdout + error.stderr,
      }),
    );
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(output).toContain('OVERALL: PASSED');
  });

  it('is excused from nothing but authorization, which servers behind a relay have none of', () => {
    expect(baseline.client.filter((scenario) => !scenario.startsWith('auth/'))).toEqual([]);
    expect(baseline.client.filter((scenario) => !all.includes(scenario))).toEqual([]);
  });
});
