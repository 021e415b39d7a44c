import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Told } from '../../../src/app/watch/told.ts';
import { reportFormats } from '../../../src/cli/command-line/output-format.ts';
import { renderMessages, renderParts, renderSaved } from '../../../src/cli/render/answers/content.ts';
import { renderPrompts, renderResources } from '../../../src/cli/render/answers/offers.ts';
import { renderTool, renderTools } from '../../../src/cli/render/answers/tool.ts';
import { renderCalls, renderChanges, renderVerification } from '../../../src/cli/render/audit.ts';
import { renderClients, renderConnected } from '../../../src/cli/render/connect.ts';
import { renderDiagnosis } from '../../../src/cli/render/diagnosis.ts';
import { renderDiagnostics } from '../../../src/cli/render/diagnostics/diagnostics.ts';
import { isFindingFormat, renderFindingsAs } from '../../../src/cli/render/diagnostics/diagnostics-formats.ts';
import { errorJson, renderFailure, renderNotice, renderWarning } from '../../../src/cli/render/error.ts';
import { renderLock } from '../../../src/cli/render/lock.ts';
import { renderPlanAs } from '../../../src/cli/render/plan/plan-formats.ts';
import { renderPlanTitle, warningLines } from '../../../src/cli/render/plan/plan-text.ts';
import { renderReport } from '../../../src/cli/render/plan/report.ts';
import { renderPolicyTest } from '../../../src/cli/render/policy-test.ts';
import { lineProgress } from '../../../src/cli/render/progress/progress-lines.ts';
import { renderAlerts } from '../../../src/cli/render/servers/alerts.ts';
import { renderHealth } from '../../../src/cli/render/servers/health.ts';
import { renderHistory } from '../../../src/cli/render/servers/history.ts';
import { renderEvent } from '../../../src/cli/render/servers/lifecycle-events.ts';
import { renderMcpServers } from '../../../src/cli/render/servers/mcp-servers.ts';
import { renderPosture } from '../../../src/cli/render/servers/posture.ts';
import { renderProjectUse } from '../../../src/cli/render/servers/project-use.ts';
import { renderServerInfo } from '../../../src/cli/render/servers/server-info.ts';
import { renderStats } from '../../../src/cli/render/servers/server-stats.ts';
import { renderServer, renderServers } from '../../../src/cli/render/servers/servers.ts';
import { renderServing } from '../../../src/cli/render/serving.ts';
import { displayed, onlyOurs, visible, visibleBlock, visibleLines } from '../../../src/cli/render/text.ts';
import { watchEvent, watchLines } from '../../../src/cli/render/watch-lines.ts';
import { logLineRenderer } from '../../../src/cli/run/stream-logs.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { toolDetails, toolSignature } from '../../../src/mcp/client/arguments/tool-details.ts';
import type { Diagnostic } from '../../../src/model/diagnostics.ts';
import { asContainerId, asProjectName, asServerName, asStepId } from '../../../src/model/ids.ts';
import { seenJson } from '../../../src/model/values/unseen.ts';
import type { FoundLock } from '../../../src/orchestrator/port.ts';
import { everyChange, sources } from './plans.ts';

/** A line that wants to be one of ours, and what a terminal or a reader could be steered by. */
const evil =
  '\nFORGED: 0 to create\r\u001b[2J\u001b[31m\u009b2J\u0007\u200b\u200d\u200e\u061c\u202e\u2066\u2028FORGED\u2029\ufeff\u{e0041}|<b>';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\udb40/;
const tags = new Set(
  'kind action op order state outcome verdict status result severity because by record transport mode fault code'.split(
    ' ',
  ),
);

/** The same data with the text above at the end of everything in it that is text, names of fields but ours included. */
function poisoned<T>(value: T): T {
  const inner = (one: unknown, name = ''): unknown => {
    if (typeof one === 'string') return tags.has(name) ? one : one + evil;
    if (typeof one !== 'object' || one === null) return one;
    if (Array.isArray(one)) return one.map((part) => inner(part, name));
    return Object.fromEntries(Object.entries(one).map(([key, part]) => [key, inner(part, key)]));
  };
  return inner(value) as T;
}

const plain = palette(false);
const container = asContainerId('0123456789abcdef0123');
const failure = poisoned({
  code: 'image-not-found' as const,
  message: 'no image',
  hint: 'pull it',
  detail: ['a line', 'another'],
});
const position = { file: 'a.yaml', line: 2, column: 2 };
const finding: Diagnostic = poisoned({
  severity: 'error',
  code: 'some-code',
  message: 'wrong',
  position,
  length: 4,
  path: 'a.b',
  related: [{ position, length: 3, message: 'also' }],
  hint: 'mend it',
});
const server = poisoned({
  name: asServerName('fs'),
  project: asProjectName('team'),
  state: 'running' as const,
  generation: 1,
  image: 'example:1',
  transport: 'stdio',
  container,
  renamed: true,
  replicas: { ready: 1, asked: 1 },
  containerName: 'looms-team-fs',
  ageMs: 1000,
  restarts: 0,
  engineHealth: null,
  source: 'a.yaml:1',
  others: 0,
  health: {
    verdict: 'healthy' as const,
    checkedAt: '2026-01-01T00:00:00Z',
    since: 'then',
    tools: 1,
    detail: 'slow',
    about: 'current' as const,
  },
  tools: { include: ['a'], exclude: ['b'] },
  executions: 1,
  description: 'what it does',
  imageId: 'sha256:1',
  command: ['node', 'server.js'],
  createdAt: 'now',
  startedAt: 'now',
  finishedAt: 'now',
  exitCode: 1,
  user: '1000',
  hostname: evil,
  limits: { cpuCores: 1, memoryMiB: 1, pids: 1, executionTimeoutSeconds: 1 },
  network: { mode: 'isolated', names: ['net'], hidesHost: true, egress: ['db:1'], learns: true },
  mounts: [{ type: 'bind' as const, source: '/a', target: '/b', readOnly: true }],
  security: { readOnlyRoot: true, capDrop: ['ALL'], capAdd: ['CHOWN'], noNewPrivileges: true },
  secrets: ['A'],
  rotatesAt: 'then',
  specHash: 'h1:0',
  managedBy: 'looms/1',
  spec: null,
  imageDigests: ['sha256:2'],
  refused: [{ what: evil, entry: evil, times: 2 }],
  rotation: { byAge: { at: 'then', leftMs: 1 }, byExecutions: null },
});
const uses = poisoned([{ variable: 'TOKEN', refs: [{ provider: 'env', name: 'TOKEN' }] }]);
const steps = poisoned({ result: 'failed' as const, milliseconds: 1 });
const mcpTool = poisoned({
  name: 'read',
  title: 'Read',
  description: 'reads',
  inputSchema: { type: 'object', properties: { path: { type: 'string', description: 'where', default: 'x' } } },
});
// A type is no text of a server's choice once its schema was read.
const schema = {
  ...mcpTool.inputSchema,
  type: 'object',
  properties: { [`path${evil}`]: { type: 'string', description: evil, default: evil } },
};
const tool = { ...mcpTool, inputSchema: schema };
const tools = {
  server: asServerName('fs'),
  tools: [tool],
  signatures: { [tool.name]: toolSignature(tool) },
  unknownFilterNames: [],
};
const resource = poisoned({ uri: 'file:///a', name: 'a', title: 'A', description: 'a file', mimeType: 'text/plain' });
const plan = { ...poisoned(everyChange), schemaVersion: 1 } as typeof everyChange;
const planOptions = {
  palette: plain,
  width: 100,
  verbose: true,
  disabled: new Set<string>(),
  sources: new Map([...sources].map(([name, source]) => [name + evil, poisoned(source)])),
  diagnostics: [finding],
};
const lock = poisoned({
  id: 'abc',
  who: 'me',
  host: 'here',
  pid: 1,
  command: 'looms apply',
  since: 'then',
  until: 'then',
  state: 'held' as const,
});
const found = { state: 'held', holder: { ...lock, acquiredAt: 0, expiresAt: 0, token: 't' } } as unknown as FoundLock;
const call = poisoned({
  seq: 1,
  call: 'c',
  pid: 1,
  project: asProjectName('team'),
  server: asServerName('fs'),
  generation: 1,
  container,
  engine: 'e',
  protocolVersion: '1',
  tool: 'read',
  time: '2026-01-01T00:00:00.000Z',
  user: 'me',
  host: 'here',
  result: 'failed' as const,
  code: 'usage' as const,
});

function progressLines(): string {
  const lines: string[] = [];
  const { sink } = lineProgress({ notice: (line) => lines.push(line), palette: plain, nowMs: () => 1e6 });
  for (const step of plan.steps) {
    sink({ type: 'step-started', step });
    sink({ type: 'step-progress', step: { ...step, id: asStepId('other') }, progress: { text: `layer${evil}` } });
    sink({ type: 'step-ended', step, result: { result: 'ok', note: `3 tools${evil}` }, milliseconds: 1 });
    sink({ type: 'step-ended', step, result: { result: 'failed', failure }, milliseconds: 1 });
  }
  return lines.join('\n');
}

const health = {
  ...server,
  failure,
  milliseconds: 1,
  steps: [{ ...steps, name: 'engine' as const }],
  tools: 1,
  server: poisoned({ name: 'n', version: '1' }),
  protocolVersion: `1${evil}`,
  verdict: 'unhealthy' as const,
};
const report = {
  plan,
  results: {},
  outcome: 'failed' as const,
  servers: plan.changes.map((change) => ({ server: change.server, outcome: 'failed' as const, failure })),
  support: [{ step: plan.steps[0]?.id ?? asStepId('x'), failure: { ...failure, message: `other${evil}` } }],
  notices: [{ code: 'image-stays' as const, server: asServerName(`fs${evil}`), message: `a notice${evil}` }],
  healthy: [],
};
const reportOptions = { palette: plain, elapsedMs: 1, millisecondsOf: () => 1, sources: planOptions.sources };

const rendered: Readonly<Record<string, () => string>> = {
  renderCalls: () => renderCalls([call], { withProject: true, palette: plain }),
  renderVerification: () => renderVerification({ intact: false, seq: 2, time: `x${evil}`, fault: 'changed' }, plain),
  renderDiagnosis: () =>
    renderDiagnosis(
      {
        checks: [{ name: 'engine', status: 'ok', detail: evil, hint: evil }],
        tried: [{ origin: 'DOCKER_HOST', outcome: 'refused', url: evil, detail: evil }],
        engine: null,
      },
      plain,
    ),
  renderDiagnostics: () =>
    renderDiagnostics([finding], [{ file: position.file + evil, text: `a: 1\nb: ${evil.replaceAll('\n', '')}\n` }], {
      palette: plain,
      width: 100,
    }),
  renderFindingsAs: () =>
    reportFormats
      .filter(isFindingFormat)
      .map((format) => renderFindingsAs(format, [finding]))
      .join('\n'),
  renderFailure: () => `${renderFailure(failure, plain)}\n${renderFailure(failure, plain, '  ')}`,
  renderNotice: () =>
    renderNotice(
      'note',
      { code: 'schema-unusable', server: asServerName(`fs${evil}`), message: failure.message },
      plain,
    ),
  renderWarning: () => renderWarning({ ...failure, code: 'schema-unusable' }, plain),
  errorJson: () => errorJson(failure, 1, { diagnostics: [finding], jsonRpc: { code: -32000, data: { [evil]: evil } } }),
  renderHealth: () => renderHealth([health], { palette: plain, named: true }),
  renderHistory: () =>
    renderHistory(
      [
        {
          ...server,
          live: true,
          failure: `gate-failed: ${evil}\n${evil.replaceAll('\n', '')}`,
          unusable: evil,
          since: '2026',
          until: null,
          changes: poisoned([{ path: 'labels.x', from: 'a', to: 'b' }]),
        },
      ],
      { palette: plain, width: 100, answerIsTerminal: true },
    ),
  renderServing: () =>
    renderServing(
      { project: asProjectName('p'), socket: `s${evil}`, url: 'http://localhost:1', tokenFile: `t${evil}` },
      plain,
    ),
  renderConnected: () =>
    renderConnected({ client: 'zed', file: `f${evil}`, entry: `e${evil}`, action: 'created', note: `n${evil}` }, plain),
  renderClients: () =>
    renderClients(
      [{ client: 'zed', title: 'Zed', file: `f${evil}`, found: true, entries: [`e${evil}`], problem: `p${evil}` }],
      plain,
    ),
  renderLock: () => renderLock({ project: `team${evil}`, removed: false, lock }, found, plain),
  renderEvent: () =>
    renderEvent(
      {
        ...{
          v: 1,
          id: 'i',
          ts: '2026-11-29T01:00:00.000Z',
          source: 'looms',
          type: 'changed',
          action: `replace${evil}`,
        },
        project: asProjectName('p'),
        server: asServerName(`a${evil}`),
        reasons: [{ kind: 'spec-changed', fields: [{ path: `p${evil}`, from: evil, to: evil }] }],
        cause: {
          ...{ command: `looms apply${evil}`, principal: `a@b${evil}`, file: `f${evil}`, line: 1 },
          ...{ commit: `c${evil}`, author: `a${evil}` },
        },
        ...{ run: 'c', result: `failed${evil}`, message: `m${evil}` },
      },
      plain,
    ),
  renderAlerts: () =>
    renderAlerts(
      [
        {
          ...{ rule: `drift${evil}`, server: asServerName(`a${evil}`), state: 'firing', value: `v${evil}` },
          ...{ since: '2026-11-29T01:00:00.000Z', asOf: '2026-11-29T01:00:00.000Z' },
        },
      ],
      0,
      plain,
    ),
  renderStats: () =>
    renderStats(
      [{ ...server, status: 'running', use: null, sessions: 0, callsPerMinute: null, oomKills: 0, near: [] }],
      plain,
    ),
  renderMcpServers: () => renderMcpServers([{ ...server, tools: 1 }], true, 0, plain),
  renderResources: () =>
    renderResources(
      { offered: true, resources: [resource], resourceTemplates: [{ uriTemplate: evil, name: evil }] },
      { palette: plain, width: 100 },
    ),
  renderPrompts: () =>
    renderPrompts(
      { offered: true, prompts: [resource], arguments: [[{ name: evil, description: evil, required: true }]] },
      { palette: plain, width: 100 },
    ),
  renderPlan: () => renderPlanAs('text', plan, planOptions),
  renderPlanTitle: () => renderPlanTitle(plan, plain),
  renderMarkdown: () => renderPlanAs('markdown', plan, planOptions),
  renderJunit: () => renderPlanAs('junit', plan, planOptions),
  renderSarif: () => renderPlanAs('sarif', plan, planOptions),
  renderGithub: () => renderPlanAs('github', plan, planOptions),
  warningLines: () => warningLines(plan.warnings, { palette: plain, width: 100 }).join('\n'),
  lineProgress: progressLines,
  renderReport: () => renderReport(report, reportOptions),
  renderServerInfo: () => renderServerInfo(server as unknown as Parameters<typeof renderServerInfo>[0], 0, plain),
  renderServers: () => renderServers([server], { wide: true, withProject: true }, plain),
  renderServer: () => renderServer(server, uses as unknown as Parameters<typeof renderServer>[1], plain),
  renderTool: () => renderTool({ ...tools, details: toolDetails(tool) }, { palette: plain, width: 80 }),
  renderTools: () => renderTools(tools, { palette: plain, width: undefined }),
  renderChanges: () =>
    renderChanges(
      [
        {
          ...{ seq: 1, change: 'c', time: '2026-01-01T00:00:00Z', user: `u${evil}`, host: `h${evil}`, pid: 1 },
          ...{ command: `looms apply${evil}`, project: asProjectName(`p${evil}`), result: 'failed' as const },
          servers: [{ server: asServerName(`s${evil}`), action: `a${evil}`, source: `f${evil}:1` }],
          outcomes: [{ server: asServerName(`s${evil}`), outcome: `o${evil}`, code: `c${evil}` }],
        },
      ],
      { withProject: true, palette: plain },
    ),
  renderPosture: () =>
    renderPosture(
      [
        {
          ...{ server: asServerName('a'), project: asProjectName('p'), container, generation: 1, image: `i${evil}` },
          ...{
            imageId: 'sha256:1',
            specHash: 'h',
            checkedAt: '2026-01-01T00:00:00Z',
            kept: false,
            notRead: `w${evil}`,
          },
          promises: [{ promise: 'user', spec: `s${evil}`, engine: `e${evil}`, inside: `n${evil}`, verdict: 'broken' }],
        },
      ],
      plain,
    ),
  renderProjectUse: () =>
    renderProjectUse(
      [
        {
          project: asProjectName(`p${evil}`),
          use: { servers: 1, memoryMiB: 1, cpuCores: 1, callsToday: 1 },
          quota: {},
        },
      ],
      plain,
    ),
  renderPolicyTest: () =>
    renderPolicyTest(
      {
        passed: false,
        examples: [
          {
            ...{ server: `a${evil}`, file: `f${evil}`, line: 1, passed: false, broken: [], missing: [] },
            unexpected: [{ rule: 'max_pids', severity: 'error', message: `m${evil}`, from: `p${evil}` }],
          },
        ],
      },
      plain,
    ),
  renderSaved: () => renderSaved({ path: `a${evil}`, mimeType: evil, bytes: 1 }),
  logLineRenderer: () =>
    logLineRenderer({ servers: ['a', 'b'], timestamps: false, palette: plain })({
      ...server,
      server: asServerName('a'),
      time: 0,
      stream: 'stderr',
      text: evil.replaceAll('\n', ''),
    }),
};

describe('text that is not ours, in every field', () => {
  test.each(Object.entries(rendered))(
    '%s shows it without being steered, and no line of it stands as one of ours',
    (_, render) => {
      const text = render();
      expect(text).toContain('FORGED');
      expect(text).not.toMatch(raw);
      expect(text.split('\n').filter((line) => line.startsWith('FORGED'))).toEqual([]);
    },
  );

  test('an answer stands for itself: its lines stay, on a terminal nothing in it steers, and our words about it are one line', () => {
    const parts = [
      { kind: 'text', text: evil },
      { kind: 'link', ...resource },
      { kind: 'other', type: evil },
    ] as const;
    const shown = renderParts(parts, { palette: plain, shown: visibleLines });
    expect(shown).not.toMatch(raw);
    expect(shown.split('\n')).toHaveLength(4);
    const message = renderMessages([{ role: `user${evil}`, parts: [] }], { palette: plain, shown: (text) => text });
    expect(message).not.toMatch(raw);
    expect(message.split('\n')).toHaveLength(2);
  });

  test('every renderer is among them', async () => {
    const folder = fileURLToPath(new URL('../../../src/cli/render', import.meta.url));
    // What lays out text that others made, what passes through to those here, and answers, which are above.
    const others = ['renderTable', 'renderGroups', 'renderFrame', 'renderPlanAs', 'renderParts', 'renderMessages'];
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const names = await Promise.all(
      files.map(async (file) => Object.keys((await import(join(folder, file))) as object)),
    );
    expect(names.length).toBeGreaterThan(40);
    const renderers = names.flat().filter((name) => name.startsWith('render'));
    expect(renderers.filter((name) => !(name in rendered) && !others.includes(name))).toEqual([]);
  });
});

describe('what a loop tells', () => {
  const name = asServerName(`fs${evil}`);
  const blocked = plan.changes.find(({ action }) => action === 'blocked');
  const told: readonly Told[] = [
    { type: 'watching', servers: 1, plan, commits: [evil], commitBy: evil },
    { type: 'source-changed', servers: 1, commits: [evil], commitBy: evil },
    { type: 'source-unusable', failure, keeps: 1 },
    { type: 'refused', failure },
    { type: 'drift', plan },
    { type: 'changing', triggers: ['files'], changes: plan.changes },
    {
      type: 'changed',
      outcome: 'failed',
      servers: [{ server: name, outcome: 'failed', note: evil, failure }],
      failures: [failure],
      milliseconds: 1,
    },
    { type: 'left-alone', server: name, left: { why: 'stopped-by-person', user: evil, time: '2026-01-01T00:00:00Z' } },
    { type: 'left-alone', server: name, left: { why: 'waiting', repairs: 1, forMs: 1, after: evil } },
    ...(blocked?.action === 'blocked'
      ? [{ type: 'left-alone' as const, server: name, left: { why: 'blocked' as const, blocker: blocked.why } }]
      : []),
    { type: 'failing', server: name, failures: 1, failure, isDown: false },
    { type: 'slow', server: name, milliseconds: 1 },
    { type: 'alert', state: 'firing', rule: `r${evil}`, server: name, value: `v${evil}` },
    { type: 'healthy', server: name, tools: 1 },
    { type: 'away', what: 'repository', failure },
  ];

  test.each(told)('$type: in lines and as JSON it shows foreign text without being steered', (one) => {
    const time = '2026-01-01T00:00:00Z';
    const lines = watchLines(one, time, plain);
    const json = watchEvent(one, time, asProjectName('team'));
    expect(json).toContain('FORGED');
    for (const line of [...lines, json]) expect(line).not.toMatch(/[\n\t]/);
    expect([...lines, json].join('\n')).not.toMatch(raw);
    expect(JSON.parse(json)).toMatchObject({ type: one.type });
  });
});

describe('what is written', () => {
  test('holds no control character but our colours, whoever forgot one', () => {
    expect(onlyOurs('\u001b[1mours\u001b[22m\n\u001b[2J\u202e')).toBe('\u001b[1mours\u001b[22m\n\\x1b[2J\\u202e');
    expect(palette(true).error('x')).toBe(onlyOurs(palette(true).error('x')));
  });

  test('as JSON means the same with nothing in it raw', () => {
    const value = { [evil]: [evil] };
    const json = seenJson(JSON.stringify(value, null, 2));
    expect(json).not.toMatch(raw);
    expect(JSON.parse(json)).toEqual(value);
  });

  test('is one line, or lines behind an indent; data is made visible with its keys, sets and maps', () => {
    expect(visible('a\r\n\tb')).toBe('a\\x0d\\n\\tb');
    expect(visible('\u{e0041}\u202e')).toBe('\\u{e0041}\\u202e');
    expect(visibleBlock('a\r\n\tb\u0007')).toBe('a\n  \tb\\x07');
    const map = new Map([['k\n', new Set(['v\n'])]]);
    expect(displayed({ 'a\n': ['b\n', 1, null], lines: 'c\nd', map }, ['lines'])).toEqual({
      'a\\n': ['b\\n', 1, null],
      lines: 'c\nd',
      map: new Map([['k\\n', new Set(['v\\n'])]]),
    });
  });
});
