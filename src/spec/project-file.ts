import type { AlertSettings } from '../model/alerts.ts';
import { registryOf } from '../model/container/registry.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { inCluster } from '../model/engine.ts';
import { asProjectName, type ProjectName } from '../model/ids.ts';
import { noRules, type PolicyFile } from '../model/policy.ts';
import type { SecretProviderConfig } from '../model/secrets/secret-providers.ts';
import type { ServeSettings } from '../model/serve-settings.ts';
import { defined } from '../model/values/defined.ts';
import { alertsOf, isAlertSecret } from './alerts.ts';
import { type ProjectInput, projectShape, projectValidator } from './generated/validators.mjs';
import type { LoadContext, SpecFile } from './load.ts';
import { policyAt } from './policy-file.ts';
import type { Reader } from './read/reader.ts';
import { type Located, readSettings } from './read/settings.ts';
import { secretProvidersOf } from './secret-providers.ts';
import { type ExpressionProblem, isTokenSecret, serveSettingsOf } from './serve-settings.ts';

/** The engine that `looms.yaml` names, and where it does: `looms.yaml:3`. */
export type NamedEngine = { readonly at: string } & (
  | { readonly kind: 'context'; readonly context: string }
  | { readonly kind: 'host'; readonly host: string }
  /** Absent: the current context of kubeconfig; `inCluster`: the cluster that looms itself runs in. */
  | { readonly kind: 'kubernetes'; readonly context?: string }
);

/** Settings of a project (`looms.yaml`); flags win over them. */
export type ProjectFile = {
  readonly project?: ProjectName;
  /** Files, folders and globs as written, relative to the file. Absent: the default. */
  readonly specs?: readonly string[];
  readonly engine?: NamedEngine;
  /** Where images that are built are pushed, for the nodes of a cluster: host and folder, without a slash at the end. */
  readonly registry?: string;
  /** How many past generations of each server are kept. */
  readonly keep?: number;
  readonly policy: PolicyFile;
  readonly secretProviders: readonly SecretProviderConfig[];
  /** How `looms serve` listens, and who may do what through it. */
  readonly serve?: ServeSettings;
  /** What `looms watch` tells of, and whom. */
  readonly alerts?: AlertSettings;
};

type CheckExpression = (expression: string) => ExpressionProblem | undefined;

/**
 * Reads `looms.yaml`. `project` is absent after an error; a file without content gives the defaults. Expressions of
 * `serve.policy` are looked at where `checkExpression` is given: what reads them is loaded by who has some. Never throws.
 */
export function loadProjectFile(
  file: SpecFile,
  context: Pick<LoadContext, 'environment'>,
  checkExpression: CheckExpression = () => undefined,
): { readonly project?: ProjectFile; readonly diagnostics: readonly Diagnostic[] } {
  const kind = { shape: projectShape, validator: projectValidator, called: 'looms.yaml', isReference: isKept };
  const { value: project, diagnostics } = readSettings<ProjectInput, ProjectFile>(file, context, kind, (found) =>
    found === undefined
      ? { policy: { rules: noRules, file: file.file, lines: {} }, secretProviders: [] }
      : readProject(found, file.file, found.input, checkExpression),
  );
  return { ...(hasErrors(diagnostics) ? {} : { project }), diagnostics };
}

const isKept = (path: string): boolean => isTokenSecret(path) || isAlertSecret(path);

function readProject(found: Located, file: string, input: ProjectInput, checkExpression: CheckExpression): ProjectFile {
  const { reader } = found;
  const engine = engineOf(found, file, input.engine ?? {});
  const registry = registryOf(input.engine?.registry ?? '');
  return {
    ...(input.project === undefined ? {} : { project: asProjectName(input.project) }),
    ...defined({ specs: input.specs, engine, registry, keep: input.keep }),
    policy: policyAt(found, file, 'policy', input.policy ?? {}),
    secretProviders: secretProvidersOf(reader, input),
    ...defined({ alerts: alertsOf(found, input) }),
    ...(input.serve === undefined ? {} : { serve: serveSettingsOf(found, file, input.serve, checkExpression) }),
  };
}

/** The keys that name an engine, of which a file has one. */
const engineKeys = ['context', 'host', 'kubernetes'] as const;

function engineOf(
  { reader, lineOf }: Located,
  file: string,
  { context, host, kubernetes }: NonNullable<ProjectInput['engine']>,
): NamedEngine | undefined {
  const [first, ...others] = engineKeys.filter((key) => reader.has(`engine.${key}`));
  for (const key of others) {
    reader.report({
      code: 'conflict',
      path: `engine.${key}`,
      onKey: true,
      message: `engine.${first} and engine.${key} each name an engine`,
      hint: 'keep one of them',
      related: [{ path: `engine.${first}`, message: `${first} is here` }],
    });
  }
  if (first === undefined) return undefined;
  const at = `${file}:${lineOf(`engine.${first}`)}`;
  if (kubernetes !== undefined) {
    const named = typeof kubernetes === 'string' ? kubernetes : kubernetes.context;
    return { kind: 'kubernetes', at, ...defined({ context: named }) };
  }
  if (host !== undefined) return { kind: 'host', host, at };
  if (context === undefined) return undefined;
  checkDockerContext(reader, context);
  return { kind: 'context', context, at };
}

/** A file says by its keys which kind of engine it names: the words of `--context` would be part of the name here. */
function checkDockerContext(reader: Reader, context: string): void {
  const [, kind, name = ''] = /^(docker|kubernetes):(.*)$/s.exec(context) ?? [];
  if (kind === undefined) return;
  const cluster = name === '' ? '{}' : name === inCluster ? inCluster : `{ context: ${JSON.stringify(name)} }`;
  reader.report({
    code: 'invalid-value',
    path: 'engine.context',
    message: `context: ${JSON.stringify(context)} is no name of a Docker context`,
    hint:
      kind === 'kubernetes'
        ? `write engine: { kubernetes: ${cluster} }`
        : name === ''
          ? 'leave engine.context out: Docker is looked for without it'
          : `write engine: { context: ${name} }`,
  });
}
