import type { SpecInput } from '../generated/validators.mjs';

type Part<Of, Key extends keyof Of> = NonNullable<Of[Key]>;

export type BackendInput = Part<SpecInput, 'docker_backend'>;
export type McpInput = Part<SpecInput, 'mcp_server'>;
export type PythonInput = Part<BackendInput, 'python'>;
export type NodeInput = Part<BackendInput, 'node'>;
export type BuildConfigInput = Part<BackendInput, 'build_config'>;
export type SecurityInput = Part<BackendInput, 'security'>;
export type LifecycleInput = Part<BackendInput, 'lifecycle'>;
export type EgressInput = Part<Part<BackendInput, 'network'>, 'egress'>[number];
export type MountInput = Part<BackendInput, 'volume_mounts'>[number];
