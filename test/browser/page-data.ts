import type { PageAudit, PageLogLine } from '../../src/model/page/past.ts';
import type { PageServerDetail, PageTool } from '../../src/model/page/server.ts';
import type { PageSample, PageServer, PageState } from '../../src/model/page/state.ts';
import type { LifecycleEvent } from '../../src/model/trail/lifecycle-events.ts';

// What a gateway of a project with a dozen servers would tell the page: some fine, some not, one whose texts are hostile.

/** Text of somebody who would like to be more than text. */
export const hostile = '<img src=x onerror="document.title=1">\u202egnp.exe\u001b[31m{{7*7}}';

const mib = 1024 * 1024;
const now = Date.now();
const before = (seconds: number): string => new Date(now - seconds * 1000).toISOString();

const rights = { logs: true, audit: true, operate: true };
const none = { logs: false, audit: false, operate: false };

type Told = Omit<Partial<PageServer>, 'name'> & { readonly name: string };

const server = (told: Told): PageServer =>
  ({
    description: null,
    state: 'running',
    health: { state: 'healthy', detail: '', checkedAt: before(12) },
    generation: 3,
    image: `looms/node:${'36adf4e01e75'.padEnd(64, '0')}`,
    transport: 'stdio',
    createdAt: before(93_000),
    restarts: 0,
    source: `specs/${told.name}.yaml:1@${'4f2c9a71d0be'.padEnd(40, '3')}`,
    drift: { kind: 'known', action: 'unchanged', fields: 0, text: '' },
    limits: { cpuCores: 1, memoryBytes: 512 * mib, processes: 100 },
    sessions: 1,
    callsPerMinute: 4,
    use: { cpuCores: 0.04, memoryBytes: 88 * mib, processes: 12 },
    may: rights,
    ...told,
  }) as unknown as PageServer;

const servers: readonly PageServer[] = [
  server({
    name: 'browser',
    health: { state: 'slow', detail: 'answered in 6.2s', checkedAt: before(9) },
    use: { cpuCores: 0.91, memoryBytes: 471 * mib, processes: 61 },
    callsPerMinute: 11,
    sessions: 3,
  }),
  server({ name: 'everything', callsPerMinute: 0 }),
  server({
    name: 'files',
    description: 'The team’s shared folder, read and written',
    drift: {
      kind: 'known',
      action: 'replace',
      fields: 1,
      text: 'replace without downtime: changed outside looms',
    },
    generation: 7,
    callsPerMinute: 23,
    sessions: 2,
  }),
  server({ name: 'git', callsPerMinute: 2 }),
  server({
    name: 'github',
    transport: 'http',
    health: { state: 'failing', detail: 'the handshake timed out after 10s', checkedAt: before(3) },
    callsPerMinute: 0,
  }),
  server({ name: 'mail', state: 'disabled', health: { state: 'stopped', detail: '', checkedAt: null }, use: null }),
  server({
    name: 'memory',
    health: { state: 'repairing', detail: '', checkedAt: before(30) },
    drift: { kind: 'known', action: 'replace', fields: 0, text: 'replace with downtime: unhealthy: no answer' },
  }),
  server({
    name: 'postgres',
    transport: 'http',
    health: { state: 'waiting', detail: 'waits 64s for its next repair', checkedAt: before(40) },
    generation: 12,
  }),
  server({
    name: 'reports-for-the-finance-team',
    state: null,
    generation: null,
    image: null,
    createdAt: null,
    source: null,
    limits: null,
    health: { state: 'blocked', detail: 'the name is held by a container that looms did not make', checkedAt: null },
    drift: { kind: 'known', action: 'blocked', fields: 0, text: 'blocked: the name is held by container 8f3a' },
    use: null,
    sessions: null,
    callsPerMinute: null,
  }),
  server({
    name: 'scraper',
    description: hostile,
    health: { state: 'down', detail: `exited: ${hostile}`, checkedAt: before(2) },
    drift: { kind: 'known', action: 'start', fields: 0, text: `start: ${hostile}` },
    use: null,
    sessions: null,
    callsPerMinute: null,
  }),
  server({
    name: 'search',
    health: { state: 'unknown', detail: '', checkedAt: null },
    drift: { kind: 'unknown', why: 'no files are watched: looms serve --watch -f …' },
  }),
  server({ name: 'time', generation: 1, callsPerMinute: 1, use: { cpuCores: 0, memoryBytes: 21 * mib, processes: 2 } }),
];

const planText = `project team-a on Docker 20.10.24 at unix:///var/run/docker.sock (default socket)

changed outside looms
  files 5b337b7306ed
      docker_backend.resource_limits.memory_mb  512 MiB → 1024 MiB

+/- files    replace without downtime: changed outside looms
~   scraper start: exited with code 1

0 to create, 1 to replace, 1 to start, 0 to remove, 9 unchanged`;

/** How everything is; `may` says whether whoever looks may also do something. */
export const pageState = (may: 'all' | 'look' = 'all'): PageState =>
  ({
    v: 1,
    version: '0.1.0',
    project: 'team-a',
    engine: { name: 'build-7', kind: 'docker', version: '20.10.24', failure: null },
    source: {
      kind: 'git',
      commits: ['4f2c9a71d0be'.padEnd(40, '3')],
      commitBy: 'Ann Example <ann@example.com>, signed',
      readAt: before(24),
    },
    principal: may === 'all' ? 'local' : 'ci',
    may: may === 'all' ? { ...rights, approve: true } : { ...none, logs: true, approve: false },
    alerts: [
      { rule: 'memory > 90% for 5m', server: 'browser', state: 'firing', since: before(420), value: '92 %' },
      { rule: 'health is down for 2m', server: 'scraper', state: 'pending', since: before(45), value: 'down' },
    ],
    servers: servers.map((one) => (may === 'all' ? one : { ...one, may: { ...none, logs: true } })),
    plan: {
      kind: 'known',
      digest: 'b7c1e0f29a445d10'.padEnd(64, '0'),
      inSync: false,
      totals: '1 to replace, 1 to start, 9 unchanged',
      text: planText,
      waits: [{ server: null, why: 'nothing is carried out by itself: --dry-run' }],
      running: false,
    },
    tools: [
      { server: 'browser', tool: 'screenshot', calls: 211, failed: 9, medianMs: 2_100, p95Ms: 9_400 },
      { server: 'files', tool: 'read_text_file', calls: 904, failed: 0, medianMs: 21, p95Ms: 88 },
      { server: 'postgres', tool: 'query', calls: 133, failed: 2, medianMs: 140, p95Ms: 1_900 },
      { server: 'git', tool: 'log', calls: 40, failed: 0, medianMs: 60, p95Ms: 200 },
    ],
  }) as unknown as PageState;

/** A course that looks measured and is the same each time. */
const wave = (at: number, of: number): number =>
  0.5 + 0.3 * Math.sin(at / 11 + of) + 0.15 * Math.sin(at / 3.7 + of * 2) + 0.05 * Math.sin(at * 1.9);

/** The last hour, a sample each 15 s. */
export const pageSamples = (): readonly PageSample[] =>
  Array.from({ length: 240 }, (_, at) => ({
    at: before((239 - at) * 15),
    servers: servers.flatMap(({ name, use, sessions, callsPerMinute }, of) =>
      use === null || (name === 'git' && at > 90 && at < 130)
        ? []
        : [
            {
              name,
              cpuCores: at === 0 ? null : (use.cpuCores ?? 0) * 1.6 * wave(at, of),
              memoryBytes: Math.round(use.memoryBytes * (0.75 + 0.25 * (at / 239) + 0.03 * wave(at, of))),
              processes: Math.round(use.processes * (0.8 + 0.2 * wave(at, of))),
              sessions: sessions ?? 0,
              callsPerMinute: Math.round((callsPerMinute ?? 0) * 1.8 * wave(at, of)),
            },
          ],
    ),
  }));

export const pageEvents = (): readonly LifecycleEvent[] =>
  [
    {
      id: '01K0A1',
      ts: before(3_100),
      source: 'engine',
      type: 'oom',
      server: 'browser',
      generation: 2,
      containerName: 'x',
    },
    {
      id: '01K0A2',
      ts: before(3_099),
      source: 'engine',
      type: 'ended',
      server: 'browser',
      generation: 2,
      exitCode: 137,
    },
    {
      id: '01K0A3',
      ts: before(3_080),
      source: 'looms',
      type: 'changed',
      server: 'browser',
      action: 'replace',
      result: 'done',
      ms: 4_200,
      reasons: [{ kind: 'exited', exitCode: 137, outOfMemory: true }],
      cause: { change: '01K', command: 'looms watch', principal: 'looms@build-7' },
    },
    {
      id: '01K0A4',
      ts: before(1_400),
      source: 'looms',
      type: 'changed',
      server: 'files',
      action: 'replace',
      result: 'done',
      ms: 1_800,
      reasons: [
        {
          kind: 'spec-changed',
          fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '256 MiB', to: '512 MiB' }],
        },
      ],
      cause: {
        change: '01L',
        command: 'looms watch',
        principal: 'looms@build-7',
        file: 'specs/files.yaml',
        line: 1,
        commit: '4f2c9a71d0be'.padEnd(40, '3'),
        author: 'Ann Example <ann@example.com>',
      },
    },
    { id: '01K0A5', ts: before(300), source: 'engine', type: 'updated', server: 'files', generation: 7 },
    { id: '01K0A6', ts: before(60), source: 'engine', type: 'ended', server: 'scraper', generation: 3, exitCode: 1 },
  ].map((event) => ({ project: 'team-a', ...event })) as unknown as readonly LifecycleEvent[];

const tool = (name: string, properties: object, more: object = {}): PageTool => ({
  name,
  title: null,
  description: null,
  inputSchema: { type: 'object', properties, ...more },
  annotations: null,
  callable: true,
});

const tools = [
  {
    ...tool(
      'search_files',
      {
        path: { type: 'string', description: 'Where to begin.', maxLength: 120 },
        pattern: { type: 'string', description: 'A glob.' },
        limit: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
        ratio: { type: 'number' },
        hidden: { type: 'boolean', description: 'Also what begins with a dot.' },
        order: { enum: ['name', 'size', 'time'] },
        exclude: { type: 'array', items: { type: 'string' }, description: 'Globs that are left out.' },
        kinds: { type: 'array', items: { enum: ['file', 'folder', 'link'] } },
        where: { type: 'object', properties: { owner: { type: 'string' } } },
      },
      { required: ['path', 'pattern'] },
    ),
    title: 'Search files',
    description: 'Finds files below a path.\nAnswers with one path a line.',
    annotations: { readOnlyHint: true },
  },
  tool('list_allowed', {}),
  {
    ...tool('write_file', { path: { type: 'string' }, content: { type: 'string' } }),
    annotations: { destructiveHint: true },
  },
  { ...tool('forbidden', {}), callable: false },
  { ...tool('anything', {}), inputSchema: { type: 'object', additionalProperties: true } },
  { ...tool('hostile_tool', { [hostile]: { type: 'string', description: hostile } }), description: hostile },
];

export function pageDetail(name: string, mayCall = true): PageServerDetail {
  const of = servers.find((one) => one.name === name);
  return {
    name,
    probe: [
      { name: 'engine', result: 'ok', milliseconds: 2 },
      { name: 'container', result: 'ok', milliseconds: 4 },
      { name: 'session', result: 'ok', milliseconds: 210 },
      { name: 'handshake', result: name === 'github' ? 'failed' : 'ok', milliseconds: 340 },
      { name: 'tools', result: name === 'github' ? 'skipped' : 'ok', milliseconds: name === 'github' ? null : 12 },
    ],
    health: of?.health ?? { state: 'unknown', detail: '', checkedAt: null },
    diff:
      of?.drift.kind === 'unknown'
        ? of.drift
        : {
            kind: 'known',
            action: of?.drift.action ?? 'unchanged',
            text: of?.drift.text ?? '',
            fields: [],
            drift:
              name === 'files'
                ? [{ path: 'docker_backend.resource_limits.memory_mb', from: '1024 MiB', to: '512 MiB' }]
                : [],
          },
    history: [
      {
        generation: 7,
        state: 'running',
        live: true,
        since: before(1_400),
        until: null,
        failure: null,
        changes: [{ path: 'docker_backend.resource_limits.memory_mb', from: '256 MiB', to: '512 MiB' }],
      },
      {
        generation: 6,
        state: 'gate-failed',
        live: false,
        since: before(1_500),
        until: before(1_480),
        failure: 'the handshake timed out after 30s\nError: listen EADDRINUSE',
        changes: null,
      },
      {
        generation: 5,
        state: 'replaced',
        live: false,
        since: before(90_000),
        until: before(1_400),
        failure: null,
        changes: [],
      },
    ].map((one) => ({ ...one, image: `looms/node:${'36adf4e01e75'.padEnd(64, '0')}`, source: `specs/${name}.yaml:1` })),
    container: {
      id: '5b337b7306ed'.padEnd(64, '1'),
      name: `looms-team-a-${name}`,
      imageId: `sha256:${'9'.repeat(64)}`,
      user: '10001:10001',
      command: ['mcp-server-filesystem', '/data'],
      startedAt: before(1_400),
      exitCode: null,
      networks: ['looms-team-a'],
      egress: ['api.example.com:443'],
      secrets: ['API_TOKEN'],
      rotatesAt: new Date(now + 86_400_000).toISOString(),
      callsLeft: 4_120,
      executionTimeoutSeconds: 300,
      maxExecutions: 5_000,
    },
    spec: `name: ${name}\ndocker_backend:\n  runtime_type: node\nmcp_server:\n  command: mcp-server-filesystem\n`,
    tools: { kind: 'known', list: tools.map((one) => ({ ...one, callable: one.callable && mayCall })) },
    sessions: [
      { principal: 'local', count: 1 },
      { principal: 'ci', count: 1 },
    ],
  } as unknown as PageServerDetail;
}

/** What a server wrote, oldest first. */
export const pageLog = (name: string, count = 60): readonly PageLogLine[] =>
  Array.from({ length: count }, (_, at) => ({
    ts: before((count - at) * 7),
    server: name,
    generation: at < 10 ? 6 : 7,
    stream: at % 9 === 4 ? 'stderr' : 'stdout',
    gone: at < 10,
    text:
      at % 17 === 5
        ? hostile
        : at % 9 === 4
          ? `\u001b[33mWARN\u001b[0m slow answer: ${at * 37} ms`
          : at % 5 === 2
            ? `\u001b[32mINFO\u001b[0m  \u001b[1mtools/call\u001b[0m read_text_file path=/data/report-${at}.md`
            : `request ${at} took ${(at * 13) % 90} ms`,
  })) as unknown as readonly PageLogLine[];

export const pageAudit = (): PageAudit =>
  ({
    calls: Array.from({ length: 14 }, (_, at) => ({
      time: before(at * 41),
      server: at % 3 === 0 ? 'browser' : 'files',
      generation: 7,
      tool: at % 3 === 0 ? 'screenshot' : 'read_text_file',
      principal: at % 2 === 0 ? 'local' : 'ci',
      result: at === 3 ? 'refused' : at === 6 ? 'timeout' : 'ok',
      code: at === 3 ? 'tool-filtered' : null,
      durationMs: at === 3 ? null : 20 + at * 31,
      argumentsBytes: 64,
      resultBytes: 2_048,
    })),
    changes: [
      {
        time: before(1_400),
        command: 'looms watch',
        principal: 'looms@build-7',
        servers: [{ server: 'files', action: 'replace' }],
        result: 'done',
        code: null,
        message: null,
        durationMs: 1_800,
      },
    ],
  }) as unknown as PageAudit;
