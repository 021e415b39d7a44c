import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const source = fileURLToPath(new URL('../../src', import.meta.url));

type Import = {
  /** Relative to src, e.g. `cli/compose.ts`. */
  readonly from: string;
  /** A file relative to src, or a package. */
  readonly to: string;
  readonly kind: 'type' | 'value' | 'dynamic';
};

const statement =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function importsOf(file: string): Import[] {
  const from = relative(source, file);
  const resolve = (target: string) => (target.startsWith('.') ? relative(source, join(dirname(file), target)) : target);
  return [...readFileSync(file, 'utf8').matchAll(statement)].map(([, type, stated, dynamic]) => ({
    from,
    to: resolve(stated ?? dynamic ?? ''),
    kind: dynamic !== undefined ? 'dynamic' : type !== undefined ? 'type' : 'value',
  }));
}

const imports: readonly Import[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .flatMap((name) => importsOf(join(source, name)));

/** What runs in a browser; its files are named as seen from src. */
const pageImports: readonly Import[] = readdirSync(join(source, '../web'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .flatMap((name) => importsOf(join(source, '../web', name)));

const page: Rule = {
  folders: [
    'model',
    'mcp/client/arguments/schema.ts',
    'cli/render/text.ts',
    'cli/render/plan/reasons.ts',
    'cli/render/servers/servers.ts',
  ],
  packages: ['preact', '@preact/signals', 'anser', 'eventsource-parser'],
};

type Rule = {
  readonly folders: readonly string[];
  readonly types?: readonly string[];
  readonly packages: readonly string[];
};

/** docs/architecture.md, "Folders". `types` may be named, but nothing of them runs. */
const rules: Readonly<Record<string, Rule>> = {
  model: { folders: [], packages: [] },
  spec: { folders: ['model'], packages: ['yaml', '@marcbachmann/cel-js'] },
  image: { folders: ['model'], packages: ['@balena/dockerignore'] },
  'orchestrator/common': { folders: ['model', 'orchestrator'], packages: [] },
  'orchestrator/several': { folders: ['model', 'orchestrator'], packages: [] },
  orchestrator: { folders: ['model'], packages: [] },
  relay: { folders: ['model'], types: ['orchestrator/session-host.ts'], packages: [] },
  'docker/model': { folders: ['model'], packages: [] },
  'docker/port.ts': { folders: ['model', 'docker/model', 'orchestrator'], packages: [] },
  'docker/ports.ts': { folders: ['orchestrator'], types: ['docker/port.ts'], packages: [] },
  'docker/publish.ts': {
    folders: ['model', 'docker/model', 'image', 'orchestrator'],
    types: ['docker/port.ts'],
    packages: [],
  },
  'docker/steps.ts': { folders: ['model', 'docker/model'], packages: [] },
  'docker/reconcile': { folders: ['model', 'docker/model', 'docker/steps.ts'], packages: [] },
  'docker/execute': {
    folders: ['model', 'docker/model', 'docker/steps.ts', 'orchestrator'],
    types: ['docker/port.ts'],
    packages: [],
  },
  'docker/engine': {
    folders: ['model', 'docker/model', 'image', 'relay', 'docker/port.ts'],
    packages: ['tar-stream'],
  },
  'docker/views': {
    folders: ['model', 'docker/model', 'orchestrator', 'docker/reconcile'],
    types: ['docker/port.ts'],
    packages: [],
  },
  'docker/plan': {
    folders: ['model', 'docker/model', 'spec', 'orchestrator', 'docker/reconcile', 'docker/views'],
    types: ['docker/port.ts', 'docker/ports.ts', 'docker/steps.ts'],
    packages: [],
  },
  'docker/apply': {
    folders: ['model', 'docker/model', 'image', 'orchestrator', 'docker/plan', 'docker/views', 'docker/execute'],
    types: ['docker/port.ts', 'docker/ports.ts', 'docker/steps.ts'],
    packages: [],
  },
  'docker/orchestrator.ts': {
    folders: ['model', 'docker/model', 'orchestrator', 'docker/plan', 'docker/apply', 'docker/views'],
    types: ['docker/port.ts', 'docker/ports.ts'],
    packages: [],
  },
  'docker/export': { folders: ['model', 'docker/model', 'orchestrator', 'docker/reconcile'], packages: [] },
  'kubernetes/client': {
    folders: ['model'],
    types: ['kubernetes/port.ts', 'orchestrator/session-host.ts'],
    packages: ['yaml', 'ws'],
  },
  'kubernetes/sessions': {
    folders: ['model', 'kubernetes/model', 'kubernetes/objects/scripts.ts', 'kubernetes/port.ts', 'relay'],
    types: ['orchestrator/session-host.ts'],
    packages: [],
  },
  'kubernetes/port.ts': { folders: ['model'], types: ['orchestrator/session-host.ts'], packages: [] },
  'kubernetes/ports.ts': {
    folders: ['orchestrator'],
    types: ['kubernetes/port.ts', 'kubernetes/model/claims.ts'],
    packages: [],
  },
  'kubernetes/model': { folders: ['model', 'kubernetes/port.ts'], packages: [] },
  'kubernetes/objects': { folders: ['model', 'orchestrator', 'kubernetes/model'], packages: [] },
  'kubernetes/compare': { folders: ['model', 'kubernetes/model'], packages: [] },
  'kubernetes/observe': {
    folders: ['model', 'kubernetes/model'],
    types: ['orchestrator/session-host.ts', 'kubernetes/port.ts', 'kubernetes/ports.ts'],
    packages: [],
  },
  'kubernetes/lock': {
    folders: ['model', 'orchestrator', 'kubernetes/model', 'kubernetes/observe'],
    types: ['kubernetes/port.ts'],
    packages: [],
  },
  'kubernetes/plan': {
    folders: [
      'model',
      'spec',
      'orchestrator',
      'kubernetes/model',
      'kubernetes/objects',
      'kubernetes/compare',
      'kubernetes/observe',
    ],
    types: ['kubernetes/port.ts', 'kubernetes/ports.ts'],
    packages: [],
  },
  'kubernetes/views': {
    folders: [
      'model',
      'orchestrator',
      'kubernetes/model',
      'kubernetes/objects',
      'kubernetes/observe',
      'kubernetes/plan',
    ],
    types: ['kubernetes/ports.ts'],
    packages: [],
  },
  'kubernetes/apply': {
    folders: [
      'model',
      'spec',
      'orchestrator',
      'kubernetes/model',
      'kubernetes/objects',
      'kubernetes/compare',
      'kubernetes/observe',
      'kubernetes/plan',
      'kubernetes/views',
      'kubernetes/lock',
    ],
    types: ['kubernetes/port.ts', 'kubernetes/ports.ts'],
    packages: [],
  },
  'kubernetes/probe': {
    folders: [
      'model',
      'orchestrator',
      'kubernetes/model',
      'kubernetes/objects',
      'kubernetes/observe',
      'kubernetes/apply',
    ],
    types: ['kubernetes/ports.ts'],
    packages: [],
  },
  'kubernetes/orchestrator.ts': {
    folders: [
      'model',
      'orchestrator',
      'kubernetes/observe',
      'kubernetes/plan',
      'kubernetes/apply',
      'kubernetes/views',
      'kubernetes/lock',
      'kubernetes/probe',
    ],
    types: ['kubernetes/port.ts', 'kubernetes/ports.ts'],
    packages: [],
  },
  'mcp/link': { folders: ['model'], types: ['orchestrator/session-host.ts'], packages: ['eventsource-parser'] },
  'mcp/client': { folders: ['model', 'mcp/link'], packages: ['@modelcontextprotocol/client', 'ajv'] },
  'serve/upstreams.ts': { folders: ['model'], types: ['mcp/link/channel.ts'], packages: [] },
  serve: {
    folders: ['model', 'mcp/link', 'mcp/client/filter.ts', 'mcp/client/call-clock.ts', 'serve/upstreams.ts'],
    packages: ['jose'],
  },
  clients: { folders: ['model'], packages: ['jsonc-parser', 'smol-toml', 'yaml'] },
  'files/port.ts': { folders: ['model'], packages: [] },
  files: { folders: ['model', 'image', 'files/port.ts'], packages: ['tinyglobby'] },
  secrets: { folders: ['model'], packages: [] },
  telemetry: {
    folders: ['model'],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace',
    ],
  },
  state: { folders: ['model'], packages: [] },
  app: {
    folders: ['model', 'spec', 'image', 'mcp', 'secrets', 'orchestrator', 'clients'],
    types: [
      'files/port.ts',
      'serve/upstreams.ts',
      'serve/access/bearers.ts',
      'serve/access/guard.ts',
      'serve/page/source.ts',
    ],
    packages: ['tinyglobby'],
  },
  commands: {
    folders: ['app', 'model', 'cli', 'orchestrator', 'clients/table.ts'],
    types: ['mcp/client/session.ts'],
    packages: ['@oclif/core'],
  },
  cli: {
    folders: ['app', 'model', 'orchestrator', 'clients/table.ts'],
    types: [
      'clients/client.ts',
      'mcp/client/session.ts',
      'secrets/provider.ts',
      'spec/project-file.ts',
      'serve/run.ts',
      'serve/sessions/sessions.ts',
      'serve/status.ts',
      'serve/access/bearers.ts',
      'serve/page/ask-for-code.ts',
      'serve/access/guard.ts',
      'serve/access/scan.ts',
      'state/client-tokens.ts',
      'state/gateway-files.ts',
    ],
    packages: ['@oclif/core', 'listr2', 'chalk'],
  },
};

/** Modules with effects: the use cases get them passed in. */
const adapters = [
  'mcp/client/connect.ts',
  'mcp/client/try-entry.ts',
  'secrets/store.ts',
  'secrets/file-store.ts',
  'secrets/keyring.ts',
  'secrets/command.ts',
  'secrets/vault/vault.ts',
];

/** Where the program is put together, and the files that read settings for it. */
const composition = ['cli/compose', 'cli/project/project-file.ts', 'cli/project/policy-files.ts'];

/** Folders to which everything with an effect is passed in, and what they may use of Node themselves. */
const pure = [
  'model',
  'spec',
  'image',
  'clients',
  'docker/reconcile',
  'docker/execute',
  'docker/plan',
  'docker/apply',
  'docker/publish.ts',
  'docker/views',
  'docker/export',
  'kubernetes/objects',
  'app',
];
const withoutEffect = ['node:crypto', 'node:path', 'node:path/posix', 'node:vm'];

const isIn = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`);
const placeOf = (path: string): string | undefined => Object.keys(rules).find((place) => isIn(path, place));
const isBuiltIn = (name: string): boolean => name.startsWith('node:') || builtinModules.includes(name);
const isFile = (path: string): boolean => /\.(tsx?|mjs|json)$/.test(path);

function breach({ from, to, kind }: Import): string | undefined {
  const place = placeOf(from);
  const says = (why: string) => `${from} imports ${to}: ${why}`;
  if (place === undefined) return says('the file is in no folder of the architecture');
  const rule = rules[place];
  if (rule === undefined || isBuiltIn(to) || isIn(to, place) || to.startsWith('../schemas/')) return undefined;
  if (!isFile(to)) {
    return rule.packages.some((name) => isIn(to, name)) ? undefined : says(`${place} may not use this package`);
  }
  if (composition.some((place) => isIn(from, place)) && kind === 'dynamic') return undefined;
  if (kind === 'type' && rule.types?.includes(to) === true) return undefined;
  if (place === 'app' && kind !== 'type' && adapters.includes(to)) return says('adapters are passed in');
  return rule.folders.some((folder) => isIn(to, folder)) ? undefined : says(`${place} may not import this`);
}

test('every import is one that the architecture allows', () => {
  expect(imports.length).toBeGreaterThan(100);
  expect(imports.flatMap((one) => breach(one) ?? [])).toEqual([]);
});

test('commands and their helpers reach adapters only through the composition', () => {
  const reached = imports.filter(
    ({ from, to, kind }) =>
      (isIn(from, 'cli') || isIn(from, 'commands')) &&
      kind !== 'type' &&
      (isIn(to, 'docker') || isIn(to, 'kubernetes') || isIn(to, 'files') || isIn(to, 'state') || adapters.includes(to)),
  );
  expect(reached.length).toBeGreaterThan(20);
  expect(reached.filter(({ from }) => !isIn(from, 'cli/compose'))).toEqual([]);
  expect(reached.every(({ kind }) => kind === 'dynamic')).toBe(true);
});

/** Files that reach themselves again by what they import, types included. */
function circles(all: readonly Import[]): readonly string[] {
  const next = Map.groupBy(
    all.filter(({ to }) => isFile(to)),
    ({ from }) => from,
  );
  const found: string[] = [];
  const ended = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (path.includes(file) || ended.has(file)) return;
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
    ended.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

test('every file of src that the documentation or a comment names is there', () => {
  const root = join(source, '..');
  const texts = [
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(root, 'docs', name)),
    ...readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(source, name)),
  ];
  const named = texts.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\bsrc\/[\w./-]+?\.(?:ts|mjs)\b/g)]);
  expect(named.length).toBeGreaterThan(10);
  expect(named.map(([path]) => path).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('no file imports itself by way of others', () => {
  const round: readonly Import[] = [
    { from: 'model/a.ts', to: 'model/b.ts', kind: 'value' },
    { from: 'model/b.ts', to: 'model/c.ts', kind: 'type' },
    { from: 'model/c.ts', to: 'model/b.ts', kind: 'dynamic' },
  ];
  expect(circles(round)).toEqual(['model/b.ts -> model/c.ts -> model/b.ts']);
  expect(circles([...imports, ...pageImports])).toEqual([]);
});

test('the page takes of the program what is pure, and nothing of the program takes from the page', () => {
  const mayUse = (to: string): boolean =>
    isIn(to, '../web') ||
    (isFile(to) ? page.folders.some((folder) => isIn(to, folder)) : page.packages.some((name) => isIn(to, name)));
  expect(pageImports.length).toBeGreaterThan(100);
  expect(pageImports.filter(({ to }) => !mayUse(to))).toEqual([]);
  expect(imports.filter(({ to }) => isIn(to, '../web'))).toEqual([]);
});

test('pure folders use nothing of Node that has an effect', () => {
  const used = imports.filter(({ from, to }) => pure.some((folder) => isIn(from, folder)) && isBuiltIn(to));
  expect(used.length).toBeGreaterThan(3);
  expect(used.filter(({ to }) => !withoutEffect.includes(to))).toEqual([]);
});

test.each<[string, Import]>([
  [
    'a pure folder that imports an adapter',
    { from: 'docker/reconcile/plan.ts', to: 'docker/engine/engine.ts', kind: 'value' },
  ],
  ['a use case that imports an adapter', { from: 'app/apply/apply-plan.ts', to: 'secrets/keyring.ts', kind: 'value' }],
  ['a command that imports an adapter', { from: 'commands/get.ts', to: 'docker/engine/engine.ts', kind: 'dynamic' }],
  [
    'the composition when it would load an adapter at start-up',
    { from: 'cli/compose/compose.ts', to: 'mcp/client/connect.ts', kind: 'value' },
  ],
  ['a link that imports from its client', { from: 'mcp/link/link.ts', to: 'mcp/client/session.ts', kind: 'type' }],
  ['the SDK of MCP below the client', { from: 'mcp/link/link.ts', to: '@modelcontextprotocol/client', kind: 'type' }],
  ['tar-stream outside its adapter', { from: 'app/inspect/servers.ts', to: 'tar-stream', kind: 'type' }],
  [
    'a use case in a room that imports what a step does on Docker',
    { from: 'app/inspect/logs/read-logs.ts', to: 'docker/steps.ts', kind: 'type' },
  ],
  [
    'what shows a plan when it imports what a step does on Docker',
    { from: 'cli/render/plan/plan-text.ts', to: 'docker/steps.ts', kind: 'type' },
  ],
  ['a session that knows an engine', { from: 'mcp/client/session.ts', to: 'docker/port.ts', kind: 'type' }],
  [
    'a command below a topic that imports an engine',
    { from: 'commands/mcp/call.ts', to: 'docker/engine/engine.ts', kind: 'value' },
  ],
  ['the model when it imports anything', { from: 'model/plan.ts', to: 'spec/record/hash.ts', kind: 'type' }],
])('%s is a breach', (_, one) => {
  expect(breach(one)).toContain(`${one.from} imports ${one.to}`);
});
