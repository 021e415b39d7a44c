import { resolve } from 'node:path';
import { defined } from '../model/defined.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { plainOf } from '../model/fields.ts';
import { asProjectName, type ProjectName } from '../model/ids.ts';
import { defaultPolicy, type Policy, policyFields } from '../model/policy.ts';
import type { SecretProviderConfig } from '../model/secret-providers.ts';
import { capabilityNames } from './fields/security.ts';
import { type ProjectInput, projectShape, projectValidator } from './generated/validators.mjs';
import type { LoadContext, SpecFile } from './load.ts';
import { type CheckedDocument, checkDocument, type DocumentKind } from './read/document.ts';
import { asDiagnostic, sortDiagnostics } from './read/findings.ts';
import { parseDocuments } from './read/parse.ts';
import type { Reader } from './read/reader.ts';
import { indexLines } from './read/tree.ts';
import { secretProvidersOf } from './secret-providers.ts';

/** Settings of a project (`looms.yaml`); flags win over them. */
export type ProjectFile = {
  readonly project?: ProjectName;
  /** Files, folders and globs as written, relative to the file. Absent: the default. */
  readonly specs?: readonly string[];
  readonly engine?: { readonly context: string } | { readonly host: string };
  /** How many past generations of each server are kept. */
  readonly keep?: number;
  readonly policy: Policy;
  readonly secretProviders: readonly SecretProviderConfig[];
};

/** Reads `looms.yaml`. `project` is absent after an error; a file without content gives the defaults. Never throws. */
export function loadProjectFile(
  file: SpecFile,
  context: Pick<LoadContext, 'environment'>,
): { readonly project?: ProjectFile; readonly diagnostics: readonly Diagnostic[] } {
  const text = file.text.startsWith('\ufeff') ? file.text.slice(1) : file.text;
  const lines = indexLines(file.file, text);
  const kind: DocumentKind = {
    shape: projectShape,
    validator: projectValidator,
    options: {
      environment: context.environment,
      called: 'looms.yaml',
      useOf: () => 'plain',
      refused: () => undefined,
      credentialsOf: () => new Set(),
      keepReference: () => false,
      checkText: () => [],
    },
  };
  const diagnostics: Diagnostic[] = [];
  let checked: CheckedDocument | undefined;
  for (const parsed of parseDocuments(text)) {
    diagnostics.push(...parsed.findings.map((finding) => asDiagnostic(lines, finding)));
    if (parsed.content === undefined) continue;
    if (checked !== undefined) {
      const extra = {
        code: 'extra-document',
        message: 'looms.yaml is one document',
        span: parsed.content.span,
        path: '',
      };
      diagnostics.push(asDiagnostic(lines, extra));
      continue;
    }
    checked = checkDocument(parsed.content, kind, file.directory);
  }
  const project =
    checked === undefined
      ? { policy: defaultPolicy, secretProviders: [] }
      : readProject(checked.reader, checked.value as ProjectInput);
  if (checked !== undefined) diagnostics.push(...checked.findings.map((finding) => asDiagnostic(lines, finding)));
  return { ...(hasErrors(diagnostics) ? {} : { project }), diagnostics: sortDiagnostics(diagnostics, [file.file]) };
}

function readProject(reader: Reader, input: ProjectInput): ProjectFile {
  const engine = engineOf(reader, input);
  return {
    ...(input.project === undefined ? {} : { project: asProjectName(input.project) }),
    ...defined({ specs: input.specs, engine, keep: input.keep }),
    policy: policyOf(reader, input.policy ?? {}),
    secretProviders: secretProvidersOf(reader, input),
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

function policyOf(reader: Reader, input: NonNullable<ProjectInput['policy']>): Policy {
  const { allowed_mounts: mounts, forbidden_capabilities: capabilities = [] } = input;
  return {
    ...plainOf(policyFields, input),
    ...(mounts === undefined ? {} : { allowedMounts: mounts.map((folder) => resolve(reader.directory, folder)) }),
    forbiddenCapabilities: capabilityNames(reader, 'policy.forbidden_capabilities', capabilities),
  };
}
