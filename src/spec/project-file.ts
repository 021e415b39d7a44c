import type { AlertSettings } from '../model/alerts.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
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

/** Settings of a project (`looms.yaml`); flags win over them. */
export type ProjectFile = {
  readonly project?: ProjectName;
  /** Files, folders and globs as written, relative to the file. Absent: the default. */
  readonly specs?: readonly string[];
  readonly engine?: { readonly context: string } | { readonly host: string };
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
  const engine = engineOf(reader, input);
  return {
    ...(input.project === undefined ? {} : { project: asProjectName(input.project) }),
    ...defined({ specs: input.specs, engine, keep: input.keep }),
    policy: policyAt(found, file, 'policy', input.policy ?? {}),
    secretProviders: secretProvidersOf(reader, input),
    ...defined({ alerts: alertsOf(found, input) }),
    ...(input.serve === undefined ? {} : { serve: serveSettingsOf(found, file, input.serve, checkExpression) }),
  };
}

function engineOf(reader: Reader, input: ProjectInput): ProjectFile['engine'] {
  const { context, host } = input.engine ?? {};
  if (reader.has('engine.context') && reader.has('engine.host')) {
    reader.report({
      code: 'conflict',
      path: 'engine.host',
      onKey: true,
      message: 'engine.context and engine.host each name an engine',
      hint: 'keep one of them',
      related: [{ path: 'engine.context', message: 'context is here' }],
    });
  }
  if (context !== undefined) return { context };
  return host === undefined ? undefined : { host };
}
