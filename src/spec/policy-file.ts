import { resolve } from 'node:path';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { plainOf } from '../model/fields.ts';
import {
  noRules,
  type Policy,
  type PolicyException,
  type PolicyFile,
  policyFields,
  type QuotaLimits,
  type RuleDetail,
} from '../model/policy.ts';
import { isDay } from '../model/times.ts';
import { defined } from '../model/values/defined.ts';
import { capabilityNames } from './fields/security.ts';
import { type PolicyInput, policyShape, policyValidator } from './generated/validators.mjs';
import type { LoadContext, SpecFile } from './load.ts';
import type { Reader } from './read/reader.ts';
import { type Located, readSettings } from './read/settings.ts';
import { childPath } from './read/tree.ts';

/** The policy at `path` of a document, '' for one that is nothing else; its folders absolute. */
export function policyAt({ reader, lineOf }: Located, file: string, path: string, input: PolicyInput): PolicyFile {
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`);
  const { allowed_mounts: mounts, allowed_capabilities: allowed, forbidden_capabilities: capabilities = [] } = input;
  const rules: Policy = {
    ...plainOf(policyFields, input),
    ...(mounts === undefined ? {} : { allowedMounts: mounts.map((folder) => resolve(reader.directory, folder)) }),
    ...(allowed === undefined
      ? {}
      : { allowedCapabilities: capabilityNames(reader, at('allowed_capabilities'), allowed) }),
    forbiddenCapabilities: capabilityNames(reader, at('forbidden_capabilities'), capabilities),
    projects: Object.fromEntries(
      Object.entries(input.projects ?? {}).map(([name, quota]) => [
        name,
        limitsOf(reader, childPath(at('projects'), name), quota),
      ]),
    ),
    details: detailsOf(reader, path, input),
  };
  const named = Object.keys(input.projects ?? {}).map((pattern) => childPath('projects', pattern));
  const lines = [...Object.keys(input), ...named].map((key) => [key, lineOf(at(key))] as const);
  return { rules, file, lines: Object.fromEntries(lines) };
}

const limitsOf = (reader: Reader, path: string, quota: NonNullable<PolicyInput['projects']>[string]): QuotaLimits => ({
  ...defined({
    maxServers: quota.max_servers,
    maxTotalMemoryMiB: quota.max_total_memory_mb,
    maxTotalCpuCores: quota.max_total_cpu_cores,
    callsPerDay: quota.calls_per_day,
    severity: quota.severity,
    reason: quota.reason,
  }),
  exceptions: (quota.exceptions ?? []).flatMap(({ project, until, reason }, index) =>
    project !== undefined && endsOnDay(reader, childPath(childPath(path, 'exceptions'), index), until)
      ? [{ project, until, ...defined({ reason }) }]
      : [],
  ),
});

/** Rules that say themselves how severe they are. */
const withOwnSeverity: readonly string[] = ['forbid_latest', 'forbid_unpinned'];

function detailsOf(reader: Reader, path: string, input: PolicyInput): Policy['details'] {
  const at = (key: string): string => (path === '' ? key : childPath(path, key));
  const details: Record<string, RuleDetail> = {};
  for (const [rule, { severity, reason, exceptions = [] }] of Object.entries(input.rules ?? {})) {
    const place = childPath(at('rules'), rule);
    if (!reader.has(at(rule))) {
      reader.report({
        code: 'no-effect',
        path: place,
        onKey: true,
        message: `${rule} is not a rule of this file, so nothing is held this way`,
        hint: `write ${rule} beside rules, or remove it here: another file's rules are changed there`,
      });
    }
    if (severity !== undefined && withOwnSeverity.includes(rule)) {
      reader.report({
        code: 'no-effect',
        path: childPath(place, 'severity'),
        onKey: true,
        message: `${rule} says itself how severe it is`,
        hint: `write ${rule}: ${severity}, and remove this`,
      });
    }
    details[rule] = {
      ...defined({ severity, reason }),
      exceptions: exceptions.flatMap((one, index) =>
        exceptionOf(reader, childPath(childPath(place, 'exceptions'), index), one),
      ),
    };
  }
  return details;
}

type ExceptionInput = NonNullable<NonNullable<NonNullable<PolicyInput['rules']>['max_pids']>['exceptions']>[number];

/** Whether an exception ends on a day that there is; reports one that does not. */
function endsOnDay(reader: Reader, path: string, until: string | undefined): until is string {
  if (until === undefined) return false;
  if (isDay(until)) return true;
  reader.report({
    code: 'invalid-value',
    path: childPath(path, 'until'),
    message: `until: ${until} is no day of the calendar`,
  });
  return false;
}

function exceptionOf(reader: Reader, path: string, input: ExceptionInput): readonly PolicyException[] {
  const { server, until, project, reason } = input;
  if (server === undefined || !endsOnDay(reader, path, until)) return [];
  return [{ server, until, ...defined({ project, reason }) }];
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
