import type { Mark } from './diagnostics.ts';
import { field, madeField, madeOptional, type Of, optionalField, plainOf, usualField } from './fields.ts';
import type { ServerName } from './ids.ts';
import { bool, type Checked, list, number, object, oneOf, optional, record, text } from './values/structure.ts';

const limitName = oneOf('cpu_cores', 'memory_mb', 'pids_limit', 'execution_timeout_seconds', 'storage_mb');

/** Limits that a policy can demand to be written in every spec, by their names in the YAML. */
export type LimitName = Checked<typeof limitName>;

/** A server that a rule is not held against; names with `*` for any part. */
const exception = object({ server: text, project: optional(text), until: text, reason: optional(text) });

/** `until` is the last day on which it holds (UTC), `2026-12-31`. */
export type PolicyException = Checked<typeof exception>;

const ruleDetail = object({
  severity: optional(oneOf('warn', 'error')),
  reason: optional(text),
  exceptions: list(exception),
});

/** How a rule is held, where that is said beside it. */
export type RuleDetail = Checked<typeof ruleDetail>;

/** A project that a quota is not held against. */
const quotaException = object({ project: text, until: text, reason: optional(text) });

const quotaLimits = object({
  maxServers: optional(number),
  maxTotalMemoryMiB: optional(number),
  maxTotalCpuCores: optional(number),
  callsPerDay: optional(number),
  severity: optional(oneOf('warn', 'error')),
  reason: optional(text),
  exceptions: list(quotaException),
});

/** What a project may have in all, as one file says it. */
export type QuotaLimits = Checked<typeof quotaLimits>;

export type QuotaKey = Exclude<keyof QuotaLimits, 'severity' | 'reason' | 'exceptions'>;

/** How much, and who says so: the file and the line. */
export type QuotaLimit = {
  readonly limit: number;
  readonly severity: 'error' | 'warning';
  readonly from: string;
  readonly reason?: string;
};

/** What a project may have in all: the lowest that any file says of each severity; an error before a warning. */
export type Quota = { readonly [K in QuotaKey]?: readonly QuotaLimit[] };

/** What a project has more of than it may. */
export type QuotaBreach = QuotaLimit & {
  /** `max-servers`. */
  readonly rule: QuotaRule;
  readonly message: string;
  /** Whether it is more than it was before: what was too much already may become less. */
  readonly grows: boolean;
};

export const policyFields = {
  /** `docker.io`, or a registry with the first part of a repository's path: `ghcr.io/my-team`. */
  allowedRegistries: optionalField('allowed_registries', list(text)),
  /** What an image without a tag, or with the tag `latest`, is. */
  forbidLatest: optionalField('forbid_latest', oneOf('warn', 'error', 'off')),
  /** What an image without a tag, with the tag `latest`, or a package without an exact version is. */
  forbidUnpinned: optionalField('forbid_unpinned', oneOf('warn', 'error')),
  /** Images need a digest. */
  requireDigest: optionalField('require_digest', bool),
  requiredLimits: field('required_limits', list(limitName), []),
  maxCpuCores: optionalField('max_cpu_cores', number),
  maxMemoryMiB: optionalField('max_memory_mb', number),
  maxPids: optionalField('max_pids', number),
  /** Absolute folders that host paths of mounts must be in. */
  allowedMounts: madeOptional('allowed_mounts', list(text)),
  /** `host:port` entries; port `*` is any, `*.` all names below. Network mode `bridge` is refused once this is given. */
  allowedEgress: optionalField('allowed_egress', list(text)),
  allowedNetworks: optionalField('allowed_networks', list(oneOf('isolated', 'none', 'bridge'))),
  /** `non-root`, a range of numbers, a user with or without its group. */
  allowedUsers: optionalField('allowed_users', list(text)),
  /** Without CAP_, upper case; what a server has beside these is a breach. */
  allowedCapabilities: madeOptional('allowed_capabilities', list(text)),
  /** Without CAP_, upper case. */
  forbiddenCapabilities: usualField('forbidden_capabilities', list(text), []),
  /** By patterns of names of projects; each project that is meant has all of it for itself. */
  projects: madeField('projects', record(quotaLimits)),
  /** How rules are held that are not simply errors, by their keys. */
  details: usualField('rules', record(ruleDetail), {}),
};

/** The rules of one file. An absent list allows everything. */
export interface Policy extends Of<typeof policyFields> {}

/** Rules that allow everything. */
export const noRules: Policy = { ...plainOf(policyFields, {}), forbiddenCapabilities: [], projects: {}, details: {} };

/** The rules of one file, with where each of them stands. */
export type PolicyFile = {
  readonly rules: Policy;
  /** By the name that it is told by. */
  readonly file: string;
  /** The line of each rule that stands in it, from 1. */
  readonly lines: Readonly<Record<string, number>>;
};

/** The rules of all files that apply to a run: each of them holds, so the strictest decides. */
export type Policies = readonly PolicyFile[];

export type PolicyRule =
  | 'allowed-registries'
  | 'forbid-latest'
  | 'forbid-unpinned'
  | 'require-digest'
  | 'required-limits'
  | 'max-cpu-cores'
  | 'max-memory-mb'
  | 'max-pids'
  | 'allowed-mounts'
  | 'allowed-egress'
  | 'allowed-networks'
  | 'allowed-users'
  | 'allowed-capabilities'
  | 'forbidden-capabilities';

export type QuotaRule = 'max-servers' | 'max-total-memory-mb' | 'max-total-cpu-cores' | 'calls-per-day';

/** One rule that one server breaks. */
export type PolicyBreach = {
  readonly rule: PolicyRule;
  /** `note`: an exception says that it is none. */
  readonly severity: 'error' | 'warning' | 'note';
  readonly server: ServerName;
  /** What the server has. */
  readonly value: string;
  /** What the rule allows. */
  readonly limit: string;
  readonly message: string;
  /** Whose rule it is; absent for what looms says by itself. */
  readonly from?: { readonly file: string; readonly line?: number; readonly reason?: string };
  /** What to write, where the field itself is not in the file. */
  readonly hint?: string;
  /** Path of the field in the spec's YAML. */
  readonly path: string;
  /** Where the field stands; absent for what was read from an engine instead of a file. */
  readonly place?: Mark;
};
