import type { Position } from './diagnostics.ts';
import type { ServerName } from './ids.ts';

/** Limits that a policy can demand to be written in every spec, by their names in the YAML. */
export type LimitName = 'cpu_cores' | 'memory_mb' | 'pids_limit' | 'execution_timeout_seconds' | 'storage_mb';

/** Rules for all servers of a project (`looms.yaml: policy`). An absent list allows everything. */
export type Policy = {
  /** `docker.io`, or a registry with the first part of a repository's path: `ghcr.io/my-team`. */
  readonly allowedRegistries?: readonly string[];
  /** What an image without a tag, or with the tag `latest`, is. */
  readonly forbidLatest: 'warn' | 'error' | 'off';
  readonly requiredLimits: readonly LimitName[];
  readonly maxCpuCores?: number;
  readonly maxMemoryMiB?: number;
  readonly maxPids?: number;
  /** Absolute folders that host paths of mounts must be in. */
  readonly allowedMounts?: readonly string[];
  /** `host:port` entries; port `*` is any. Network mode `bridge` is refused once this is given. */
  readonly allowedEgress?: readonly string[];
  /** Without CAP_, upper case. */
  readonly forbiddenCapabilities: readonly string[];
};

/** The policy of a project without one: everything is allowed, `latest` is a warning (docs/spec.md, looms.yaml). */
export const defaultPolicy: Policy = { forbidLatest: 'warn', requiredLimits: [], forbiddenCapabilities: [] };

export type PolicyRule =
  | 'allowed-registries'
  | 'forbid-latest'
  | 'required-limits'
  | 'max-cpu-cores'
  | 'max-memory-mb'
  | 'max-pids'
  | 'allowed-mounts'
  | 'allowed-egress'
  | 'forbidden-capabilities';

/** One rule that one server breaks. */
export type PolicyBreach = {
  readonly rule: PolicyRule;
  readonly severity: 'error' | 'warning';
  readonly server: ServerName;
  /** What the server has. */
  readonly value: string;
  /** What the rule allows. */
  readonly limit: string;
  readonly message: string;
  /** What to write, where the field itself is not in the file. */
  readonly hint?: string;
  /** Path of the field in the spec's YAML. */
  readonly path: string;
  /** Where the field stands; absent for what was read from an engine instead of a file. */
  readonly place?: { readonly position: Position; readonly length: number };
};
