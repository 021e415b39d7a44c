import { readTmpfs } from './container/tmpfs.ts';
import {
  choice,
  field,
  group,
  hasFields,
  laterField,
  laterUsual,
  madeField,
  madeOptional,
  type Of,
  optionalField,
  usualField,
} from './fields.ts';
import type { ServerName } from './ids.ts';
import type { Place } from './place.ts';
import {
  bool,
  type Check,
  type Checked,
  either,
  list,
  number,
  object,
  oneOf,
  optional,
  record,
  tagged,
  text,
} from './values/structure.ts';

/**
 * Where a secret's value comes from when a session starts; the value itself is never part of desired state. `provider`
 * (`${secret:name}`): looked up in the configured providers. `environment` (`${NAME}` under a key that looks like a
 * credential, or a name of `env_from`): taken from the environment of `looms`.
 */
export type SecretRef = Checked<typeof secretRef>;
const secretRef = object({ from: oneOf('provider', 'environment'), name: text });

/** A value of `env`: a literal, or text with references to secrets in it. */
export type EnvValue = Checked<typeof envValue>;
const envValue = tagged('kind', { literal: { value: text }, secret: { parts: list(either(text, secretRef)) } });

export type Env = Checked<typeof env>;
const env = record(envValue);

export type CopyFile = Checked<typeof copyFile>;
const copyFile = object({ source: text, destination: text });

/** A volume's `source` is its name as written; on the engine it is scoped by the project (`volumeName`). */
export type Mount = Checked<typeof mount>;
const mountFields = { source: text, target: text, readOnly: bool };
const mount = tagged('type', { bind: mountFields, volume: mountFields });

/** Versions of the base images when a spec names none (docs/spec.md, python and node). */
export const defaultVersions = { python: '3.13', node: '24' } as const;

/** The working directory of a server whose spec and image name none. */
export const usualWorkingDir = '/workspace';

/** A host and TCP port that an isolated server reaches; `host` is what it calls it, `*.…` for all names below. */
export type EgressTarget = Checked<typeof egressTarget>;
const egressTarget = object({
  host: text,
  port: number,
  /** Connections begin with TLS, and with the name of the host in it. */
  tls: bool,
  /** IPv4; absent: what the name resolves to when a connection is made. */
  address: optional(text),
});

/**
 * Where a server's image comes from. Paths are as written (relative to the spec file), so that the recorded spec is
 * the same from every checkout; the content of the files is part of the built image's tag.
 */
export type ImageSource = DesiredServer['image'];

export const imageFields = choice('docker_backend', 'kind', 'runtime_type', {
  /** An image used as it is. */
  image: { ref: madeField('base_image', text) },
  python: {
    base: madeField('base_image', text),
    packages: usualField('python.preinstall_packages', list(text), []),
    requirementsFile: madeOptional('python.requirements_file', text),
    pipCache: usualField('python.use_pip_cache', bool, true),
    /** Path of the virtualenv in the image, when one is wanted. */
    virtualEnv: madeOptional('python.virtual_env', text),
  },
  node: {
    base: madeField('base_image', text),
    packages: usualField('node.preinstall_packages', list(text), []),
    packageJsonFile: madeOptional('node.package_json_file', text),
    npmCache: usualField('node.use_npm_cache', bool, true),
  },
  build: {
    from: madeField('build_config.from_image', text),
    run: usualField('build_config.run_commands', list(text), []),
    copy: usualField('build_config.copy_files', list(copyFile), []),
    env: usualField('build_config.env', record(text), {}),
    workdir: madeOptional('build_config.workdir', text),
    /** File with extra CA certificates (PEM) for the build. */
    caCertificates: madeOptional('build_config.ca_certificates', text),
  },
  dockerfile: { path: madeField('dockerfile_path', text) },
});

export const limitFields = {
  cpuCores: field('cpu_cores', number, 1),
  memoryMiB: field('memory_mb', number, 512),
  /** Size limit of the writable layer; only where the storage driver can. */
  storageMiB: optionalField('storage_mb', number),
  pidsLimit: field('pids_limit', number, 256),
  /** Bound of one `tools/call`, in seconds. */
  executionTimeoutSeconds: field('execution_timeout_seconds', number, 300),
};

const tmpfsSize: Check<string> = (size): size is string => text(size) && readTmpfs(size) !== undefined;

export const securityFields = {
  /** `uid[:gid]` or a name that the image knows. Not root, and the same in every image, when a spec names none. */
  user: field('user', text, '1000:1000'),
  readOnlyRoot: field('read_only_root', bool, true),
  capDrop: usualField('cap_drop', list(text), ['ALL']),
  capAdd: usualField('cap_add', list(text), []),
  noNewPrivileges: field('no_new_privileges', bool, true),
  /** Path → size with unit as written (`64m`). The default gives way to a mount of the user's own at the same place. */
  tmpfs: usualField('tmpfs', record(tmpfsSize), { '/tmp': '64m' }),
};
export interface Security extends Of<typeof securityFields> {}

export type NetworkMode = DesiredServer['network']['mode'];

export const lifecycleFields = {
  healthCheckIntervalSeconds: field('health_check_interval_seconds', number, 60),
  /** false keeps a container whose gate failed, as `--keep-failed` does. */
  autoCleanup: field('auto_cleanup', bool, true),
  drainSeconds: field('drain_seconds', number, 30),
  rotationIntervalHours: optionalField('rotation_interval_hours', number),
  maxExecutions: optionalField('max_executions', number),
  rotateOnImageChange: field('rotate_on_image_change', bool, false),
  preserve: usualField('preserve', list(text), []),
  restart: field('restart', oneOf('unless-stopped', 'no'), 'unless-stopped'),
};
export interface Lifecycle extends Of<typeof lifecycleFields> {}

export type Transport = McpSpec['transport'];
export type ProtocolChoice = McpSpec['protocol'];
/** Which tools a client may see and call; `exclude` wins over `include`. */
export type ToolFilter = McpSpec['tools'];

const httpFields = { port: madeField('port', number), path: madeField('path', text) };

export const mcpFields = {
  transport: choice('', 'kind', 'transport', { stdio: {}, 'streamable-http': httpFields, sse: httpFields }),
  /** Absent: the image's own entrypoint. */
  command: optionalField('command', text),
  /** Empty with no command: the image's own arguments. */
  args: field('args', list(text), []),
  env: usualField('env', env, {}),
  /** Names taken from the environment of `looms` when a session starts, treated as secrets; they win over `env`. */
  envFrom: usualField('env_from', list(text), []),
  /** Bound of connect, handshake and the gate, in seconds. */
  timeoutSeconds: field('timeout_seconds', number, 30),
  protocol: field('protocol', oneOf('legacy', 'auto', '2026-07-28'), 'legacy'),
  tools: group('tools', {
    /** Absent: all tools. */
    include: madeOptional('include', list(text)),
    exclude: usualField('exclude', list(text), []),
  }),
};
export interface McpSpec extends Of<typeof mcpFields> {}

/**
 * How many containers of a server there may be, by how many sessions it has: for each `sessionsPerReplica` of them one, and
 * no fewer before that has held for `idleSeconds`. With `min` 0 it sleeps while it has none.
 */
export type Scale = Checked<typeof scale>;
const scale = object({ min: number, max: number, sessionsPerReplica: number, idleSeconds: number });

/** All fields of a spec, in the order in which they are written. */
export const serverFields = {
  name: madeField('name', text as Check<ServerName>),
  description: optionalField('docker_backend.description', text),
  image: imageFields,
  pullPolicy: field('docker_backend.pull_policy', oneOf('missing', 'always', 'never'), 'missing'),
  platform: optionalField('docker_backend.platform', text),
  /** '' is the engine's own. */
  hostname: laterField('docker_backend.hostname', text, ''),
  /** The container's entrypoint, in place of the image's. */
  entrypoint: optionalField('docker_backend.custom.entrypoint_cmd', list(text)),
  labels: usualField('docker_backend.custom.labels', record(text), {}),
  /** Environment of the container. */
  environment: usualField('docker_backend.environment', env, {}),
  /** Absent: the image's own WORKDIR, else /workspace. */
  workingDir: madeOptional('docker_backend.working_dir', text),
  mounts: usualField('docker_backend.volume_mounts', list(mount), []),
  limits: group('docker_backend.resource_limits', limitFields),
  security: group('docker_backend.security', securityFields),
  network: group('docker_backend.network', {
    mode: field('mode', oneOf('isolated', 'none', 'bridge'), 'isolated'),
    egress: usualField('egress', list(egressTarget), []),
    /** What is tried beyond the list is noted, by host and port; nothing of it is let through. */
    egressLearn: laterField('egress_learn', bool, false),
  }),
  lifecycle: group('docker_backend.lifecycle', lifecycleFields),
  /** false: the server is kept stopped. Not part of the hash: toggling it starts or stops, never replaces. */
  enabled: usualField('mcp_server.enabled', bool, true),
  /** Containers that serve side by side; with `scale` it is 1 and says nothing. Of these two, too, nothing is hashed. */
  replicas: laterUsual('mcp_server.replicas', number, 1),
  /** Absent: as many as `replicas` says. */
  scale: madeOptional('mcp_server.scale', scale),
  mcp: group('mcp_server', mcpFields),
};

/** The normalised spec of one server: every default filled in, nothing machine-dependent but bind mounts. */
export interface DesiredServer extends Of<typeof serverFields> {}

/** Of a spec what a container is made from: toggling the rest starts, stops and counts containers, it never replaces. */
export const hashedOf = ({
  enabled: _,
  replicas: __,
  scale: ___,
  ...hashed
}: DesiredServer): Omit<DesiredServer, 'enabled' | 'replicas' | 'scale'> => hashed;

/** Whether a server is spoken to over HTTP, and so through a relay; else over the streams of a process. */
export const isHttp = ({ mcp }: Pick<DesiredServer, 'mcp'>): boolean => mcp.transport.kind !== 'stdio';

/** Whether a value is a spec, as far as its structure tells (src/spec/record/record-rules.ts has the rules). */
export const isSpec: Check<DesiredServer> = hasFields(serverFields);

/** Where a server was declared. Recorded as a label, never hashed. */
export type Source = {
  /** As given on the command line, or `-`. */
  readonly file: string;
  readonly line: number;
  /** Folder that relative paths of this spec start at, absolute. */
  readonly directory: string;
  /** Git commit of the file's checkout, with `+dirty` when the file differs from it. */
  readonly commit?: string;
  /** Who made that commit and whether it is signed, in words, where the files come from a repository (`GitCommit`). */
  readonly commitBy?: string;
};

/** The image a server shall run, after its files were read: a reference, and how to make it when it is absent. */
export type ResolvedImage =
  | { readonly kind: 'pulled'; readonly ref: string }
  | { readonly kind: 'built'; readonly ref: string; readonly base: string | undefined };

/** One server that shall run, ready for the planner. */
export type DeclaredServer = {
  readonly spec: DesiredServer;
  readonly image: ResolvedImage;
  /** `v1:<sha256>` of the spec without what only starts, stops and counts its containers, and of the image's reference. */
  readonly hash: string;
  readonly source: Source;
  /** The line of a field of its spec, for one that is not written that of what it would stand in; absent: no file was read. */
  readonly lineOf?: (path: string) => number;
  /** Where it may run, of several engines; absent: on any. It is no part of what a container is made from. */
  readonly place?: Place;
};

/** What a container's label says it was made from. */
export type RecordedSpec = { readonly spec: DesiredServer; readonly image: string };
