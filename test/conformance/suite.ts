import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';

// The official suite of MCP (docs/dependencies.md), as the package comes.

export const revisions = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof revisions)[number];

const require = createRequire(import.meta.url);
const folder = dirname(require.resolve('@modelcontextprotocol/conformance/package.json'));

type Requirements = {
  readonly client: readonly string[];
  readonly server: readonly string[];
  readonly not_scored: readonly { readonly scenario: string; readonly leg: string }[];
};
const read = <T>(...path: string[]): T => parse(readFileSync(join(...path), 'utf8')) as T;

/** All scenarios of one side, those that are not scored included. */
export function scenariosOf(revision: Revision, side: 'client' | 'server'): readonly string[] {
  const required: Requirements = read(folder, 'requirements', `${revision}.yaml`);
  return [...required[side], ...required.not_scored.filter(({ leg }) => leg === side).map(({ scenario }) => scenario)];
}

/** Those that may fail. */
export const baselineOf = (
  revision: Revision,
): { readonly client: readonly string[]; readonly server: readonly string[] } =>
  read(import.meta.dirname, `expected-failures.${revision}.yaml`);

/** A check that says otherwise of a server behind the gateway, where clients are of the other era. */
export type CrossEraDifference = {
  readonly check: string;
  readonly alone: string;
  readonly behind: string;
  readonly why: string;
};
export const crossEraDifferences = (revision: Revision): readonly CrossEraDifference[] =>
  read<Record<Revision, readonly CrossEraDifference[]>>(import.meta.dirname, 'cross-era.yaml')[revision];

/** Has the suite ask for its tools by the names that they have among all servers. */
export const rename = ['--import', pathToFileURL(join(import.meta.dirname, 'rename.ts')).href];

export type SuiteRun = { readonly code: number; readonly output: string; readonly results: string };

/** Runs the suite; `hook` is a module that is loaded before it. */
export async function runSuite(args: readonly string[], hook: readonly string[] = []): Promise<SuiteRun> {
  const results = mkdtempSync(join(tmpdir(), 'looms-conformance-'));
  const all = [...hook, join(folder, 'dist/index.js'), ...args, '--output-dir', results];
  return promisify(execFile)(process.execPath, all, { maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr, results }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr,
      results,
    }),
  );
}

type Check = { readonly id: string; readonly name: string; readonly status: string; readonly errorMessage?: string };

/** A check as `scenario: check (name) STATUS`, and what the suite says of a failure. */
export type Verdict = { readonly verdict: string; readonly said: string };

/** Each verdict of a server at this address, in the suite's order. */
export async function serverChecks(
  url: string,
  revision: Revision,
  hook: readonly string[] = [],
): Promise<readonly Verdict[]> {
  const { output, results } = await runSuite(['server', '--url', url, '--requirements', revision], hook);
  const verdicts = readdirSync(results).flatMap((one) => {
    const scenario = /^server-(.+?)-\d{4}-\d\d-\d\dT/.exec(one)?.[1] ?? one;
    const checks: readonly Check[] = JSON.parse(readFileSync(join(results, one, 'checks.json'), 'utf8'));
    // What came on a stream is told for people, and no verdict.
    const verdicts = checks.filter(({ id }) => id !== 'incoming-sse-event');
    return verdicts.map(({ id, name, status, errorMessage = '' }) => ({
      verdict: `${scenario}: ${id} (${name}) ${status}`,
      said: errorMessage,
    }));
  });
  if (verdicts.length === 0) throw new Error(output);
  return verdicts;
}

/** What the gateway does by itself, whatever the server behind it does: it gives streams the ids that clients come back with. */
const byTheGateway = 'server-sse-polling: server-sse-priming-event (ServerSendsPrimingEvent)';

/** The verdicts of a server by itself as they are to be behind the gateway. */
export const behindTheGateway = (verdicts: readonly string[]): readonly string[] =>
  verdicts.map((one) => (one.startsWith(`${byTheGateway} `) ? `${byTheGateway} SUCCESS` : one));

/** The same without what the suite says. */
export const serverVerdicts = async (...where: Parameters<typeof serverChecks>): Promise<readonly string[]> =>
  (await serverChecks(...where)).map(({ verdict }) => verdict);
