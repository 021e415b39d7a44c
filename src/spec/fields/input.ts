/** A document as schemas/spec.schema.json lets it through: keys in snake_case, variables put in. */
export type SpecInput = {
  readonly name?: string;
  readonly docker_backend?: BackendInput;
  readonly mcp_server?: McpInput;
};

export type BackendInput = {
  readonly name?: string;
  readonly description?: string;
  readonly runtime_type?: string;
  readonly base_image?: string;
  readonly dockerfile_path?: string;
  readonly build_config?: BuildConfigInput;
  readonly pull_policy?: 'missing' | 'always' | 'never';
  readonly platform?: string;
  readonly python?: PythonInput;
  readonly node?: NodeInput;
  readonly custom?: { readonly entrypoint_cmd?: readonly string[]; readonly labels?: Readonly<Record<string, string>> };
  readonly environment?: Readonly<Record<string, string>>;
  readonly working_dir?: string;
  readonly volume_mounts?: readonly MountInput[];
  readonly resource_limits?: {
    readonly cpu_cores?: number;
    readonly memory_mb?: number;
    readonly storage_mb?: number;
    readonly pids_limit?: number;
    readonly execution_timeout_seconds?: number;
  };
  readonly security?: SecurityInput;
  readonly network?: { readonly mode?: 'isolated' | 'none' | 'bridge'; readonly egress?: readonly string[] };
  readonly lifecycle?: LifecycleInput;
  readonly mcp_server?: McpInput;
};

export type BuildConfigInput = {
  readonly from_image?: string;
  readonly run_commands?: readonly string[];
  readonly copy_files?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly ca_certificates?: string;
};

export type PythonInput = {
  readonly python_version?: string;
  readonly preinstall_packages?: readonly string[];
  readonly requirements_file?: string;
  readonly use_pip_cache?: boolean;
  readonly virtual_env?: string;
};

export type NodeInput = {
  readonly node_version?: string;
  readonly preinstall_packages?: readonly string[];
  readonly package_json_file?: string;
  readonly use_npm_cache?: boolean;
};

export type MountInput = { readonly source?: string; readonly target?: string; readonly read_only?: boolean };

export type SecurityInput = {
  readonly user?: string;
  readonly read_only_root?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly no_new_privileges?: boolean;
  readonly tmpfs?: Readonly<Record<string, string>>;
};

export type LifecycleInput = {
  readonly health_check_interval_seconds?: number;
  readonly auto_cleanup?: boolean;
  readonly drain_seconds?: number;
  readonly rotation_interval_hours?: number;
  readonly max_executions?: number;
  readonly rotate_on_image_change?: boolean;
  readonly preserve?: readonly string[];
  readonly restart?: 'unless-stopped' | 'no';
};

export type McpInput = {
  readonly enabled?: boolean;
  readonly transport?: 'stdio' | 'streamable-http' | 'sse';
  readonly port?: number;
  readonly path?: string;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly env_from?: readonly string[];
  readonly timeout_seconds?: number;
  readonly protocol?: 'legacy' | 'auto' | '2026-07-28';
  readonly tools?: {
    readonly all?: boolean;
    readonly include?: readonly string[];
    readonly exclude?: readonly string[];
  };
};
