import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildGenerator, programFromConfig } from 'typescript-json-schema';
import { expect, test } from 'vitest';
import { type Schema, schemaDifferences } from '../support/schema-facts.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The type of what each schema describes; `list`: a list of them, or one or such a list; `beside`: how
 * differences begin that are meant. */
const outputs: Readonly<
  Record<
    string,
    { readonly file: string; readonly type: string; readonly list?: true | 'or'; readonly beside?: readonly string[] }
  >
> = {
  apply: { file: 'src/cli/run/run-plan.ts', type: 'PlanOutcome' },
  audit: { file: 'src/app/inspect/read-audit.ts', type: 'SeenCall' },
  'audit-change': { file: 'src/app/inspect/read-audit.ts', type: 'SeenChange', beside: ['.code'] },
  'audit-verify': { file: 'src/model/trail/audit.ts', type: 'Verification' },
  'config-get-key': { file: 'src/model/secrets/secret-names.ts', type: 'FoundKey' },
  'config-key': { file: 'src/model/secrets/secret-names.ts', type: 'StoredKey' },
  'config-list-keys': { file: 'src/model/secrets/secret-names.ts', type: 'ListedKey', list: true },
  connect: { file: 'src/app/connect/connect-client.ts', type: 'Connected' },
  'connect-clients': { file: 'src/app/connect/list-clients.ts', type: 'FoundClient', list: true },
  'connect-print': { file: 'src/app/connect/connect-client.ts', type: 'PrintedEntry' },
  dashboard: { file: 'src/commands/dashboard.ts', type: 'Dashboard' },
  describe: { file: 'src/app/inspect/server-status.ts', type: 'ServerDetail', list: 'or' },
  doctor: { file: 'src/app/inspect/diagnose.ts', type: 'Diagnosis' },
  'egress-suggest': { file: 'src/app/inspect/suggest-egress.ts', type: 'EgressSuggestion' },
  error: { file: 'src/cli/render/error.ts', type: 'FailureReport' },
  events: { file: 'src/app/inspect/lifecycle-events.ts', type: 'LifecycleEvent' },
  export: { file: 'src/commands/export.ts', type: 'ExportResult' },
  get: { file: 'src/commands/get.ts', type: 'ListedServer', list: true },
  'get-all-projects': { file: 'src/app/inspect/project-use.ts', type: 'AllProjects' },
  history: { file: 'src/app/inspect/get-history.ts', type: 'Generation', list: true },
  init: { file: 'src/app/plan/init-spec.ts', type: 'WrittenSpec' },
  'mcp-health': { file: 'src/app/inspect/check-health.ts', type: 'ServerHealth', list: true },
  'mcp-info': { file: 'src/app/inspect/server-info.ts', type: 'ServerInfo' },
  'mcp-list': { file: 'src/app/inspect/list-mcp-servers.ts', type: 'McpServer', list: true },
  'mcp-resources': {
    file: 'src/commands/mcp/resources.ts',
    type: 'Resources',
    // What a server says of one is passed on; the schema names what MCP lets it say.
    beside: ['.resources[]', '.resourceTemplates[]'],
  },
  'mcp-logs': { file: 'src/cli/run/stream-logs.ts', type: 'LogLine' },
  plan: { file: 'src/model/plan.ts', type: 'Plan' },
  posture: { file: 'src/app/inspect/posture/posture.ts', type: 'ServerPosture', list: true },
  'policy-test': { file: 'src/app/plan/test-policy.ts', type: 'PolicyTest' },
  'saved-plan': {
    file: 'src/app/plan/saved-plan.ts',
    type: 'SavedPlan',
    // A spec is as the label looms.spec has it; an image's base is left out where there is none, and a function is never written.
    beside: ['.servers[].spec.', '.servers[].image.base', '.servers[].lineOf'],
  },
  serve: { file: 'src/cli/render/serving.ts', type: 'Serving' },
  stats: { file: 'src/app/inspect/server-stats.ts', type: 'ServerStats', list: true },
  'token-list': { file: 'src/commands/token/list.ts', type: 'ListedToken', list: true },
  'token-new': { file: 'src/commands/token/new.ts', type: 'NewToken' },
  'token-revoke': { file: 'src/commands/token/revoke.ts', type: 'RevokedToken' },
  unlock: { file: 'src/cli/render/lock.ts', type: 'LockView' },
  validate: { file: 'src/commands/validate.ts', type: 'ValidateResult' },
  'watch-event': { file: 'src/cli/render/watch-lines.ts', type: 'WatchEvent' },
};

const files = Object.values(outputs).map(({ file }) => root + file);
const program = programFromConfig(`${root}tsconfig.json`, files);

function schemaOfType(file: string, type: string): Schema {
  // TypeScript itself checks the program; the one that the generator brings along is an older version.
  const options = { required: true, ref: false, ignoreErrors: true };
  const schema = buildGenerator(program, options, [root + file])?.getSchemaForSymbol(type);
  if (schema === undefined) throw new Error(`${file} has no type ${type}`);
  return schema as Schema;
}

/** What people write, checked elsewhere; and what a server sends, of which MCP's own schema says what it holds. */
const beyond = [
  ...['spec', 'project', 'policy'],
  ...['mcp-call', 'mcp-prompt', 'mcp-prompts', 'mcp-read', 'mcp-tools'],
];

test('every schema of an output is compared with its type', () => {
  const names = readdirSync(`${root}schemas`).map((file) => file.replace(/\.schema\.json$/, ''));
  expect([...Object.keys(outputs), ...beyond].sort()).toEqual(names.sort());
});

test.each(Object.entries(outputs))(
  'schemas/%s.schema.json says what its type does',
  (name, { file, type, list, beside = [] }) => {
    const one = schemaOfType(file, type);
    const all: Schema = { type: 'array', items: one };
    const wanted = list === 'or' ? { anyOf: [one, all] } : list ? all : one;
    const read = (schema: string): Schema => JSON.parse(readFileSync(`${root}schemas/${schema}`, 'utf8'));
    const found = schemaDifferences(read(`${name}.schema.json`), wanted, read);
    expect(found.filter((line) => !beside.some((one) => line.startsWith(one)))).toEqual([]);
  },
  60_000,
);
