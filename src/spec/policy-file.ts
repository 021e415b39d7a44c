import { resolve } from 'node:path';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { plainOf } from '../model/fields.ts';
import { noRules, type Policy, type PolicyFile, policyFields } from '../model/policy.ts';
import { capabilityNames } from './fields/security.ts';
import { type PolicyInput, policyShape, policyValidator } from './generated/validators.mjs';
import type { LoadContext, SpecFile } from './load.ts';
import { type Located, readSettings } from './read/settings.ts';
import { childPath } from './read/tree.ts';

/** The policy at `path` of a document, '' for one that is nothing else; its folders absolute. */
export function policyAt({ reader, lineOf }: Located, file: string, path: string, input: PolicyInput): PolicyFile {
  const at = (key: string): string => (path === '' ? key : childPath(path, key));
  const { allowed_mounts: mounts, forbidden_capabilities: capabilities = [] } = input;
  const rules: Policy = {
    ...plainOf(policyFields, input),
    ...(mounts === undefined ? {} : { allowedMounts: mounts.map((folder) => resolve(reader.directory, folder)) }),
    forbiddenCapabilities: capabilityNames(reader, at('forbidden_capabilities'), capabilities),
  };
  const lines = Object.keys(input).map((key) => [key, lineOf(at(key))] as const);
  return { rules, file, lines: Object.fromEntries(lines) };
}

/**
 * Reads a file that is a policy and nothing else. `policy` is absent when a diagnostic is an error; a file without content
 * has no rules. Never throws.
 */
export function loadPolicyFile(
  file: SpecFile,
  context: Pick<LoadContext, 'environment'>,
): { readonly policy?: PolicyFile; readonly diagnostics: readonly Diagnostic[] } {
  const kind = { shape: policyShape, validator: policyValidator, called: 'policy.yaml' };
  const { value: policy, diagnostics } = readSettings<PolicyInput, PolicyFile>(file, context, kind, (found) =>
    found === undefined ? { rules: noRules, file: file.file, lines: {} } : policyAt(found, file.file, '', found.input),
  );
  return { ...(hasErrors(diagnostics) ? {} : { policy }), diagnostics };
}
