import { expect, test } from 'vitest';
import type { ReportFormat } from '../../../src/cli/command-line/output-format.ts';
import { renderPlanAs } from '../../../src/cli/render/plan/plan-formats.ts';
import { describeEngine } from '../../../src/cli/render/plan/plan-text.ts';
import { describeReason, valuesOf } from '../../../src/cli/render/plan/reasons.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { Plan } from '../../../src/model/plan.ts';
import { everyChange, hostile, inSync, sources } from './plans.ts';

const render = (
  format: Exclude<ReportFormat, 'json'>,
  plan: Plan,
  verbose = false,
  disabled: ReadonlySet<string> = new Set(),
): string =>
  renderPlanAs(format, plan, { palette: palette(false), width: 100, verbose, sources, disabled, diagnostics: [] });

/** What every plan begins with. */
const title = 'project team on Docker 20.10 at unix:///var/run/docker.sock (default socket)';

test('every form for people begins with project and engine', () => {
  const where = title.slice('project team '.length);
  expect(render('text', everyChange).split('\n')[0]).toBe(title);
  expect(render('markdown', everyChange).split('\n')[0]).toBe(`### looms: project \`team\` ${where}`);
  expect(render('markdown', inSync).split('\n')[0]).toBe(`### looms: project \`team\` ${where}`);
  expect(render('github', inSync)).toContain(`${title}: 0 to create`);
});

test('a cluster is called by what it is, the version of its API server and its context', () => {
  const engine = { ...inSync.engine, kind: 'kubernetes', version: 'v1.36.0', apiVersion: 'v1' } as const;
  const plan: Plan = { ...inSync, engine: { ...engine, endpoint: 'https://127.0.0.1:6443 (context prod)' } };
  expect(describeEngine(plan)).toBe('Kubernetes v1.36.0 at https://127.0.0.1:6443 (context prod)');
});

test('text shows drift first, a header a server with its reason and fields, and the counts last', () => {
  expect(render('text', everyChange)).toBe(`${title}

changed outside looms
  beta 0123456789ab
      docker_backend.resource_limits.memory_mb  512 MiB → 256 MiB

+   alpha  create: not there
+/- beta   replace without downtime: the spec changed, changed outside looms
      docker_backend.resource_limits.memory_mb  512 → 1024
-/+ gamma  replace with downtime: the spec changed (host port 8080 cannot be held twice)
      mcp_server.env.TOKEN  (none) → (secret)
~   delta  start: stopped (exit code 137)
-   old    remove: not in the spec
!   taken  blocked: the name looms-team-taken is held by container 0123456789ab (nginx:1), which belongs to someone
      hint: \`docker rename looms-team-taken other\`, or remove it, then apply again

+   network looms-team  create: not there

warning[policy-forbid-latest] alpha: the image is :latest

1 to create, 2 to replace, 1 to start, 1 to remove, 1 blocked, 1 unchanged; behind them 1 network to create`);
});

test('text of an engine that agrees is one line below the title', () => {
  expect(render('text', inSync)).toBe(`${title}\nIn sync: 1 server runs as declared.`);
});

test('what is in sync counts disabled servers apart', () => {
  const [zeta] = inSync.changes;
  if (zeta === undefined) throw new Error('the plan has no change');
  const both: Plan = { ...inSync, changes: [zeta, { ...zeta, server: asServerName('spare') }] };
  expect(render('text', both, false, new Set(['spare']))).toBe(
    `${title}\nIn sync: 1 server runs as declared, 1 is disabled.`,
  );
  expect(render('text', inSync, false, new Set(['zeta']))).toBe(`${title}\nIn sync: 1 server is disabled.`);
  expect(render('markdown', both, false, new Set(['spare']))).toContain('1 is disabled');
});

test('every form for reports says which value of a drift was declared and which was found', () => {
  expect(render('github', everyChange)).toContain(
    'docker_backend.resource_limits.memory_mb: declared 512 MiB, found 256 MiB',
  );
  expect(render('junit', everyChange)).toContain(
    'docker_backend.resource_limits.memory_mb: declared 512 MiB, found 256 MiB',
  );
  expect(render('sarif', everyChange)).toContain(
    'docker_backend.resource_limits.memory_mb: declared 512 MiB, found 256 MiB',
  );
  expect(render('github', everyChange)).toContain('memory_mb: now 512, declared 1024');
  const markdown = render('markdown', everyChange);
  expect(markdown).toContain('| server | field | declared | found |');
  expect(markdown.match(/`512 MiB` \| `256 MiB`/g)).toHaveLength(1);
});

test('a network is connected or not, and one that nothing uses is removed for that reason', () => {
  const fields = [{ path: 'docker_backend.network.other', from: 'name=other aliases=fs', to: 'none' }] as const;
  const plan: Plan = {
    ...everyChange,
    drift: [{ server: asServerName('beta'), container: asContainerId('0123456789ab'), fields }],
    support: [{ kind: 'network', name: 'old', action: 'remove', reasons: [{ kind: 'not-in-spec' }] }],
  };
  const text = render('text', plan);
  expect(text).toContain('docker_backend.network.other  not connected → connected');
  // The mode `none` is a word of the spec.
  expect(valuesOf({ path: 'docker_backend.network.mode', from: 'isolated', to: 'none' })).toEqual({
    from: 'isolated',
    to: 'none',
  });
  expect(text).toContain('remove: nothing on the engine uses it any more');
});

test('verbose text adds what is unchanged and every step', () => {
  const text = render('text', everyChange, true);
  expect(text).toContain('    zeta   unchanged');
  expect(text).toContain('steps\n  1  start looms-team-delta\n');
});

test('text makes control characters visible and puts long or many-lined values below one another', () => {
  const text = render('text', hostile);
  expect(text).not.toContain('\u001b');
  const long = 'x'.repeat(90);
  const plan: Plan = {
    ...hostile,
    drift: [],
    changes: [
      {
        server: asServerName('alpha'),
        action: 'create',
        reasons: [{ kind: 'spec-changed', fields: [{ path: 'p', from: 'a', to: long }] }],
      },
    ],
  };
  expect(render('text', plan)).toContain(`      p\n        - a\n        + ${long}\n`);
});

test('markdown keeps its tables whole whatever the values hold', () => {
  const text = render('markdown', hostile);
  expect(text).not.toContain('\u001b');
  expect(text).not.toContain('<b>|');
  const rows = text.split('\n').filter((line) => line.startsWith('| alpha') && line.includes('labels'));
  expect(rows).toHaveLength(1);
  expect(render('markdown', everyChange)).toContain(
    '| beta | `docker_backend.resource_limits.memory_mb` | `512 MiB` | `256 MiB` |',
  );
});

test('JUnit is one case a server, failed where it is not as declared, and stays well-formed', () => {
  const xml = render('junit', everyChange);
  expect(xml).toContain('<testsuite name="looms.team" tests="7" failures="6" errors="0"');
  expect(xml).toContain('<testcase classname="looms.team" name="zeta" time="0"/>');
  expect(xml).toContain('<failure type="drift"');
  const bad = render('junit', hostile);
  expect(bad).toContain('&lt;b&gt;|`&amp;&quot;\\x1b[31m');
  expect(bad).not.toContain('<b>');
});

test('SARIF names rule, place and a fingerprint that stays the same from run to run', () => {
  const sarif = JSON.parse(render('sarif', everyChange));
  const [run] = sarif.runs;
  expect(sarif.version).toBe('2.1.0');
  const rules = run.results.map(({ ruleId }: { ruleId: string }) => ruleId);
  expect(rules).toEqual(['missing', 'drift', 'out-of-date', 'out-of-date', 'undeclared', 'blocked']);
  for (const { ruleId, ruleIndex } of run.results) expect(run.tool.driver.rules[ruleIndex].id).toBe(ruleId);
  expect(run.results[0].locations[0].physicalLocation).toEqual({
    artifactLocation: { uri: 'specs/all%2C%20of%3Athem.yaml' },
    region: { startLine: 7 },
  });
  expect(run.results[0].partialFingerprints).toEqual({ 'looms/v1': 'team/alpha/missing' });
  // GitHub refuses the whole log for one result without a place.
  for (const { locations } of run.results) {
    expect(locations).toHaveLength(1);
    expect(locations[0].physicalLocation.artifactLocation.uri).not.toBe('');
    expect(locations[0].physicalLocation.region.startLine).toBeGreaterThan(0);
  }
});

test('GitHub annotations are one command a line, with nothing in them that would end one', () => {
  const lines = render('github', hostile).split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^::error file=specs\/all%2C of%3Athem\.yaml,line=7,title=looms%3A alpha::/);
  expect(lines[0]).toContain('two\\nlines ::error:: %250A');
  expect(render('github', everyChange)).toContain('::error title=looms%3A beta::');
});

test('GitHub annotations hold what the specs were warned about, each at its line, before the counts', () => {
  const diagnostics = [
    {
      severity: 'warning',
      code: 'credential-literal',
      message: 'TOKEN looks like a credential',
      position: { file: 'specs/all.yaml', line: 9, column: 12 },
      length: 3,
      path: 'mcp_server.env.TOKEN',
      hint: 'write ${TOKEN}',
      related: [],
    },
  ] as const;
  const text = renderPlanAs('github', inSync, {
    palette: palette(false),
    width: 100,
    verbose: false,
    sources,
    disabled: new Set(),
    diagnostics,
  });
  expect(text.split('\n')).toEqual([
    '::warning file=specs/all.yaml,line=9,col=12,title=looms%3A credential-literal::mcp_server.env.TOKEN: TOKEN looks like a credential%0Ahint: write ${TOKEN}',
    expect.stringMatching(/^::notice title=looms::/),
  ]);
});

test('a server that ran out of memory is not told as one that was stopped', () => {
  const words = ([exitCode, outOfMemory]: readonly [number, boolean]) =>
    describeReason({ kind: 'exited', exitCode, outOfMemory });
  expect(
    (
      [
        [137, true],
        [137, false],
        [3, false],
      ] as const
    ).map(words),
  ).toEqual(['ran out of memory', 'stopped (exit code 137)', 'exited with code 3']);
});
