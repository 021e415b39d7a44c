import type { AlertSettings } from '../model/alerts.ts';
import { registryOf } from '../model/container/registry.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { inCluster } from '../model/engine.ts';
import { asProjectName, type ProjectName } from '../model/ids.ts';
import type { EngineTraits } from '../model/place.ts';
import { noRules, type PolicyFile } from '../model/policy.ts';
import type { SecretProviderConfig } from '../model/secrets/secret-providers.ts';
import type { ServeSettings } from '../model/serve-settings.ts';
import { defined } from '../model/values/defined.ts';
import { alertsOf, isAlertSecret } from './alerts.ts';
import { labelsAsText } from './fields/place.ts';
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

/** One of several engines. Without a key that names one it is the one that Docker itself would use. */
export type MemberEngine = EngineTraits & { readonly named?: NamedEngine; readonly registry?: string };

/** Settings of a project (`looms.yaml`); flags win over them. */
export type ProjectFile = {
  readonly project?: ProjectName;
  /** Files, folders and globs as written, relative to the file. Absent: the default. */
  readonly specs?: readonly string[];
  readonly engine?: NamedEngine;
  /** Several engines instead of one, in the order of the file; at least one. */
  readonly engines?: readonly MemberEngine[];
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
  const engine = engineOf(found, file, 'engine', input.engine ?? {});
  const engines = enginesOf(found, file, input);
  const registry = registryOf(input.engine?.registry ?? '');
  return {
    ...(input.project === undefined ? {} : { project: asProjectName(input.project) }),
    ...defined({ specs: input.specs, engine, engines, registry, keep: input.keep }),
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
  path: string,
  { context, host, kubernetes }: Pick<NonNullable<ProjectInput['engine']>, (typeof engineKeys)[number]>,
): NamedEngine | undefined {
  const [first, ...others] = engineKeys.filter((key) => reader.has(`${path}.${key}`));
  for (const key of others) {
    reader.report({
      code: 'conflict',
      path: `${path}.${key}`,
      onKey: true,
      message: `${path}.${first} and ${path}.${key} each name an engine`,
      hint: 'keep one of them',
      related: [{ path: `${path}.${first}`, message: `${first} is here` }],
    });
  }
  if (first === undefined) return undefined;
  const at = `${file}:${lineOf(`${path}.${first}`)}`;
  if (kubernetes !== undefined) {
    const named = typeof kubernetes === 'string' ? kubernetes : kubernetes.context;
    return { kind: 'kubernetes', at, ...defined({ context: named }) };
  }
  if (host !== undefined) return { kind: 'host', host, at };
  if (context === undefined) return undefined;
  checkDockerContext(reader, `${path}.context`, context);
  return { kind: 'context', context, at };
}

/** So long an engine does not answer before it counts as lost, unless the file says otherwise, s. */
const usualLostAfterSeconds = 300;

function enginesOf(found: Located, file: string, { engines }: ProjectInput): readonly MemberEngine[] | undefined {
  if (engines === undefined) return undefined;
  const { reader } = found;
  if (reader.has('engine')) {
    reader.report({
      code: 'conflict',
      path: 'engines',
      onKey: true,
      message: 'engine and engines each say where servers run',
      hint: 'keep one of them',
      related: [{ path: 'engine', message: 'engine is here' }],
    });
  }
  if (Object.keys(engines).length === 0) {
    reader.report({
      code: 'invalid-value',
      path: 'engines',
      onKey: true,
      message: 'engines names none',
      hint: 'write engines: { NAME: { context: … } }, or leave it out for the engine that Docker itself would use',
    });
  }
  return Object.entries(engines).map(([name, written]): MemberEngine => {
    const { labels = {}, weight = 1, cost = 0, lost_after_seconds: lostAfter = usualLostAfterSeconds } = written;
    const named = engineOf(found, file, `engines.${name}`, written);
    const registry = registryOf(written.registry ?? '');
    const traits = { name, labels: labelsAsText(labels), weight, cost, lostAfterMs: lostAfter * 1000 };
    return { ...traits, ...defined({ named, registry }) };
  });
}

/** A file says by its keys which kind of engine it names: the words of `--context` would be part of the name here. */
function checkDockerContext(reader: Reader, path: string, context: string): void {
  const [, kind, name = ''] = /^(docker|kubernetes):(.*)$/s.exec(context) ?? [];
  if (kind === undefined) return;
  const cluster = name === '' ? '{}' : name === inCluster ? inCluster : `{ context: ${JSON.stringify(name)} }`;
  reader.report({
    code: 'invalid-value',
    path,
    message: `context: ${JSON.stringify(context)} is no name of a Docker context`,
    hint:
      kind === 'kubernetes'
        ? `write engine: { kubernetes: ${cluster} }`
        : name === ''
          ? 'leave engine.context out: Docker is looked for without it'
          : `write engine: { context: ${name} }`,
  });
}
