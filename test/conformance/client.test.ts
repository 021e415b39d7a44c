import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { baselineOf, revisions, runSuite, scenariosOf } from './suite.ts';

// What each revision of MCP requires of a client, by its own suite (docs/dependencies.md). One scenario after the other:
// the suite by itself would start all of its clients at once.

const client = join(import.meta.dirname, 'client.ts');

describe.each(revisions)('a client of %s', (revision) => {
  const baseline = baselineOf(revision);
  const all = scenariosOf(revision, 'client');

  it.each(all.filter((scenario) => !baseline.client.includes(scenario)))('meets %s', async (scenario) => {
    const args = ['client', '--command', `${process.execPath} ${client}`, '--scenario', scenario];
    const { code, output } = await runSuite([...args, '--spec-version', revision, '--timeout', '120000']);
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(output).toContain('OVERALL: PASSED');
  });

  it('is excused from nothing but authorization, which servers behind a relay have none of', () => {
    expect(baseline.client.filter((scenario) => !scenario.startsWith('auth/'))).toEqual([]);
    expect(baseline.client.filter((scenario) => !all.includes(scenario))).toEqual([]);
  });
});
