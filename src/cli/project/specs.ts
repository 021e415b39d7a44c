import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { alertsOfNoServer } from '../../app/alerts/declared-servers.ts';
import { type CheckedSpecs, checkSpecs, type LoadedSpecs, loadSpecs } from '../../app/plan/load-specs.ts';
import { type Diagnostic, hasErrors } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import type { GitCommit } from '../../model/source.ts';
import type { CommandContext } from '../context.ts';
import { SpecError } from '../errors.ts';
import { countDiagnostics, renderDiagnostics } from '../render/diagnostics/diagnostics.ts';
import { findProjectFolder } from './project-file.ts';

/** What is read when no `-f` is given and no project file names specs. */
const defaultFile = 'mcp.yaml';

/**
 * What is read when no file is named: the specs of the project file, which are relative to it, else `mcp.yaml`, else
 * nothing. Throws `spec-invalid` when a project file of their own applies to some of those specs.
 */
export async function defaultPaths({ projectFile, ports }: CommandContext): Promise<readonly string[]> {
  const { files, workingDirectory } = ports;
  if (projectFile?.file.specs !== undefined && projectFile.file.specs.length > 0) {
    const { pathsBelow } = await import('../../app/plan/spec-files.ts');
    const paths = await pathsBelow(projectFile.folder, projectFile.file.specs);
    await findProjectFolder({ files, workingDirectory }, paths, projectFile.folder);
    return paths;
  }
  const there = await access(join(ports.workingDirectory, defaultFile)).then(
    () => true,
    () => false,
  );
  return there ? [defaultFile] : [];
}

/** The paths that a command reads: of `-f`, else of the project file, else `mcp.yaml`. Throws `usage` for none. */
export async function choosePaths(files: readonly string[], context: CommandContext): Promise<readonly string[]> {
  const paths = files.length > 0 ? files : await defaultPaths(context);
  if (paths.length > 0) return paths;
  const { files: read, workingDirectory } = context.ports;
  const other = (await read.matching(['*.yaml', '*.yml'], workingDirectory)).map((file) => basename(file)).sort();
  throw new LoomsError('usage', 'no spec was named, and there is neither looms.yaml with specs nor mcp.yaml here', {
    hint: `${other[0] === undefined ? 'name files with -f' : `name files with -f, as in \`-f ${other.includes('mcp.yml') ? 'mcp.yml' : other[0]}\``}, or let \`looms init\` write a first one`,
  });
}

type SpecFlags = { readonly file?: readonly string[] | undefined; readonly strict: boolean };

/** Reads and checks specs; findings are data, also errors. */
export async function readSpecs(flags: SpecFlags, context: CommandContext): Promise<CheckedSpecs> {
  return withAlertFindings(
    await checkSpecs(context.ports, { ...(await toLoad(flags, context)), commits: 'none' }),
    flags,
    context,
  );
}

/** What is wrong with alerts of servers; where files are named, others may declare them. */
function withAlertFindings<T extends CheckedSpecs | LoadedSpecs>(
  specs: T,
  { file = [] }: SpecFlags,
  { projectFile }: CommandContext,
): T {
  const { diagnostics, texts, servers } = specs;
  if (projectFile?.file.alerts === undefined || file.length > 0 || hasErrors(diagnostics)) return specs;
  const declared = servers.map(({ spec }) => spec.name);
  const findings = alertsOfNoServer(projectFile.file.alerts.rules, declared);
  if (findings.length === 0) return specs;
  return { ...specs, diagnostics: [...diagnostics, ...findings], texts: [...texts, projectFile.source] };
}

const toLoad = async ({ file = [], strict }: SpecFlags, context: CommandContext) => ({
  paths: await choosePaths(file, context),
  strict,
  policies: context.policies,
  project: context.project.name,
});

/** Specs that are sound but not allowed are refused (exit 8), not invalid (exit 65). */
export const breaksOnlyPolicy = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.every(({ severity, code }) => severity !== 'error' || code.startsWith('policy-'));

/** Without notes, which are for who reviews a spec: `validate` shows them. */
export const notableDiagnostics = (diagnostics: readonly Diagnostic[]): readonly Diagnostic[] =>
  diagnostics.filter(({ severity }) => severity !== 'note');

/** Reads specs that are to be used: shows warnings, throws `spec-invalid` with all findings and code frames. */
export async function readUsableSpecs(
  flags: SpecFlags,
  context: CommandContext,
  json: boolean,
  commits: 'ask' | GitCommit = 'ask',
): Promise<LoadedSpecs> {
  const read = await loadSpecs(context.ports, { ...(await toLoad(flags, context)), commits });
  const loaded = withAlertFindings(read, flags, context);
  const { diagnostics, texts } = loaded;
  if (hasErrors(diagnostics)) {
    const code = breaksOnlyPolicy(diagnostics) ? 'refused' : 'spec-invalid';
    throw new SpecError(`the specs cannot be used: ${countDiagnostics(diagnostics)}`, diagnostics, texts, code);
  }
  const { terminal } = context;
  const notable = notableDiagnostics(diagnostics);
  if (notable.length > 0 && !json) {
    const options = { palette: terminal.noticePalette, width: terminal.width };
    terminal.notice(`${renderDiagnostics(notable, texts, options)}\n`);
  }
  return loaded;
}
