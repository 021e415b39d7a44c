import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { alertFamilies } from '../../src/app/alerts/alert-metrics.ts';
import { serverFamilies } from '../../src/app/measure/server-metrics.ts';
import { createLoopRecord } from '../../src/app/watch/loop-record.ts';
import { createMetrics } from '../../src/serve/metrics.ts';
import { parsed } from '../support/prometheus.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

/** All that a gateway with a loop prints, by name and type. */
const { status } = createLoopRecord({ monotonicMs: () => 0, now: () => 0 }, 60_000);
const more = [...serverFamilies(new Map()), ...alertFamilies([], []), ...status.families()];
const printed = parsed(createMetrics().text({ version: '1', sessions: 0, engineUp: true }, more));

type Panel = { readonly title: string; readonly targets: readonly { readonly expr: string }[] };
const { panels }: { readonly panels: readonly Panel[] } = JSON.parse(read('deploy/grafana-dashboard.json'));
const named = panels.flatMap(({ title, targets }) =>
  targets.flatMap(({ expr }) =>
    [...expr.matchAll(/\b(?:looms|mcp)_[a-z_]+(?=[^a-z_=])|\b(?:looms|mcp)_[a-z_]+$/g)].map(
      ([name]) => [title, name] as const,
    ),
  ),
);

test('every metric of the dashboard is one that /metrics prints, by the name that its type gives it', () => {
  const isLabel = (name: string) => name === 'mcp_method_name';
  const names = new Set(
    [...printed].flatMap(([name, { type }]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  for (const [title, name] of named) if (!isLabel(name)) expect(names, title).toContain(name);
});

test('every metric that /metrics prints is on the dashboard, and in the docs with its type', () => {
  const docs = read('docs/commands.md');
  for (const [name, { type }] of printed) {
    expect(
      named.some(([, one]) => one.startsWith(name)),
      name,
    ).toBe(true);
    expect(docs, name).toMatch(new RegExp(`^\\| \`${name}\` \\| ${type} \\|`, 'm'));
  }
});

test('Prometheus asks where looms listens, by an address that it is called by', () => {
  const {
    scrape_configs: [scrape],
  } = parse(read('deploy/prometheus.yaml'));
  const { serve } = parse(read('deploy/looms/looms.yaml'));
  const port = serve.listen.split(':')[1];
  expect(scrape.static_configs[0].targets).toEqual([`127.0.0.1:${port}`]);
  expect(read('deploy/compose.yaml')).toContain(`:${port}"]`);
  const token = scrape.authorization.credentials_file.split('/').at(-1);
  const scraper = serve.tokens.find(({ secret }: { secret: string }) => secret === `\${secret:${token}}`);
  expect(scraper.allow).toEqual(['looms:metrics']);
});

const analyze = (...words: readonly string[]) =>
  spawnSync('systemd-analyze', words, { encoding: 'utf8', timeout: 60_000, env: { ...process.env, NO_COLOR: '1' } });
/** `security --offline` is of systemd 250. */
const version = Number(/^systemd (\d+)/.exec(analyze('--version').stdout ?? '')?.[1] ?? 0);
const noSystemd = version >= 250 ? '' : ' (no systemd-analyze of systemd 250 or newer here)';

test.skipIf(noSystemd !== '')(`systemd finds nothing wrong with the unit, and little exposed${noSystemd}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'looms-unit-'));
  try {
    const file = join(folder, 'looms.service');
    // The program that it starts has to be there.
    writeFileSync(file, read('deploy/looms.service').replaceAll('/usr/local/bin/looms', process.execPath));
    const verified = analyze('verify', '--man=no', file);
    // Units of the machine that it is told of as well are no matter.
    expect(verified.stderr.split('\n').filter((line) => line.includes('looms.service'))).toEqual([]);
    const [, exposure] = /exposure level for looms\.service: ([0-9.]+)/.exec(
      analyze('security', '--offline=true', '--no-pager', file).stdout,
    ) ?? ['', 'unknown'];
    // What docs/deploy.md says is of systemd 252; other versions weigh a little otherwise.
    expect(Number(exposure)).toBeLessThanOrEqual(2.5);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
