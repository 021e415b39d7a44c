import type { ServerName } from './ids.ts';

/** Where a secret's value comes from when a session starts; the value itself is never part of desired state. */
export type SecretRef =
  /** `${secret:name}`: looked up in the configured providers. */
  | { readonly from: 'provider'; readonly name: string }
  /** `${NAME}` under a key that looks like a credential, or a name of `env_from`: taken from the environment of `looms`. */
  | { readonly from: 'environment'; readonly name: string };

/** A value of `env`: a literal, or text with references to secrets in it. */
export type EnvValue =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'secret'; readonly parts: readonly (string | SecretRef)[] };

export type Env = Readonly<Record<string, EnvValue>>;

export type CopyFile = { readonly source: string; readonly destination: string };

/**
 * Where a server's image comes from. Paths are as written (relative to the spec file), so that the recorded spec is
 * the same from every checkout; the content of the files is part of the built image's tag.
 */
export type ImageSource =
  /** An image used as it is. */
  | { readonly kind: 'image'; readonly ref: string }
  | {
      readonly kind: 'python';
      readonly base: string;
      readonly packages: readonly string[];
      readonly requirementsFile?: string;
      readonly pipCache: boolean;
      /** Path of the virtualenv in the image, when one is wanted. */
      readonly virtualEnv?: string;
    }
  | {
      readonly kind: 'node';
      readonly base: string;
      readonly packages: readonly string[];
      readonly packageJsonFile?: string;
      readonly npmCache: boolean;
    }
  | {
      readonly kind: 'build';
      readonly from: string;
      readonly run: readonly string[];
      readonly copy: readonly CopyFile[];
      readonly env: Readonly<Record<string, string>>;
      readonly workdir?: string;
      /** File with extra CA certificates (PEM) for the build. */
      readonly caCertificates?: string;
    }
  | { readonly kind: 'dockerfile'; readonly path: string };

export type PullPolicy = 'missing' | 'always' | 'never';

export type Mount =
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  /** `source` is the volume's name as written; on the engine it is scoped by the project (`volumeName`). */
  | { readonly type: 'volume'; readonly source: string; readonly target: string; readonly readOnly: boolean };

export type Limits = {
  readonly cpuCores: number;
  readonly memoryMiB: number;
  readonly pidsLimit: number;
  /** Size limit of the writable layer; only where the storage driver can. */
  readonly storageMiB?: number;
  /** Bound of one `tools/call`, in seconds. */
  readonly executionTimeoutSeconds: number;
};

export type Security = {
  /** `uid[:gid]` or a name that the image knows. */
  readonly user: string;
  readonly readOnlyRoot: boolean;
  readonly capDrop: readonly string[];
  readonly capAdd: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Path → size with unit as written (`64m`). */
  readonly tmpfs: Readonly<Record<string, string>>;
};

export type EgressRule = { readonly host: string; readonly port: number };

export type NetworkMode = 'isolated' | 'none' | 'bridge';

export type Lifecycle = {
  readonly healthCheckIntervalSeconds: number;
  /** false keeps a container whose gate failed, as `--keep-failed` does. */
  readonly autoCleanup: boolean;
  readonly drainSeconds: number;
  readonly rotationIntervalHours?: number;
  readonly maxExecutions?: number;
  readonly rotateOnImageChange: boolean;
  readonly preserve: readonly string[];
  readonly restart: 'unless-stopped' | 'no';
};

export type Transport =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'streamable-http' | 'sse'; readonly port: number; readonly path: string };

export type ProtocolChoice = 'legacy' | 'auto' | '2026-07-28';

/** Which tools a client may see and call; `exclude` wins over `include`. */
export type ToolFilter = {
  /** Absent: all tools. */
  readonly include?: readonly string[];
  readonly exclude: readonly string[];
};

export type McpSpec = {
  readonly transport: Transport;
  /** Absent: the image's own entrypoint. */
  readonly command?: string;
  /** Empty with no command: the image's own arguments. */
  readonly args: readonly string[];
  readonly env: Env;
  /** Names taken from the environment of `looms` when a session starts, treated as secrets; they win over `env`. */
  readonly envFrom: readonly string[];
  /** Bound of connect, handshake and the gate, in seconds. */
  readonly timeoutSeconds: number;
  readonly protocol: ProtocolChoice;
  readonly tools: ToolFilter;
};

/** The normalised spec of one server: every default filled in, nothing machine-dependent but bind mounts. */
export type DesiredServer = {
  readonly name: ServerName;
  readonly description?: string;
  /** false: the server is kept stopped. Not part of the hash: toggling it starts or stops, never replaces. */
  readonly enabled: boolean;
  readonly image: ImageSource;
  readonly pullPolicy: PullPolicy;
  readonly platform?: string;
  /** Environment of the container (`docker_backend.environment`). */
  readonly environment: Env;
  /** Absent: the image's own WORKDIR, else /workspace. */
  readonly workingDir?: string;
  readonly mounts: readonly Mount[];
  readonly limits: Limits;
  readonly security: Security;
  readonly network: { readonly mode: NetworkMode; readonly egress: readonly EgressRule[] };
  readonly lifecycle: Lifecycle;
  /** `custom.labels`. */
  readonly labels: Readonly<Record<string, string>>;
  /** `custom.entrypoint_cmd`. */
  readonly entrypoint?: readonly string[];
  readonly mcp: McpSpec;
};

/** Where a server was declared. Recorded as a label, never hashed. */
export type Source = {
  /** As given on the command line, or `-`. */
  readonly file: string;
  readonly line: number;
  /** Folder that relative paths of this spec start at, absolute. */
  readonly directory: string;
  /** Git commit of the file's checkout, with `+dirty` when the file differs from it. */
  readonly commit?: string;
};

/** The image a server shall run, after its files were read: a reference, and how to make it when it is absent. */
export type ResolvedImage =
  | { readonly kind: 'pulled'; readonly ref: string }
  | { readonly kind: 'built'; readonly ref: string; readonly base: string | undefined };

/** One server that shall run, ready for the planner. */
export type DeclaredServer = {
  readonly spec: DesiredServer;
  readonly image: ResolvedImage;
  /** `v1:<sha256>` of the spec without `enabled`, and of the image's reference. */
  readonly hash: string;
  readonly source: Source;
};

/** What a container's label says it was made from. */
export type RecordedSpec = { readonly spec: DesiredServer; readonly image: string };
