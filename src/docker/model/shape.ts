import type { ArgvTemplate } from '../../model/container/argv.ts';
import type { TmpfsMount } from '../../model/container/tmpfs.ts';
import type { ImageId } from '../../model/ids.ts';

/** An image as the engine has it. */
export type ImageFacts = {
  readonly id: ImageId;
  readonly ref: string;
  /** Registry digests (`name@sha256:…`) that the engine remembers. */
  readonly digests: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** '' when the image sets none. */
  readonly workingDir: string;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly architecture: string;
  /**
   * Whether the image has a shell and `sleep`, which an idle PID 1 and the session wrapper need; without them PID 1
   * is the server itself. null: nobody has looked into the image yet, which takes a writing call.
   */
  readonly hasShell: boolean | null;
};

export type ShapeMount = {
  readonly type: 'bind' | 'volume';
  /** Host path, or the volume's name on the engine. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
};

export type ShapeNetwork = {
  readonly name: string;
  /** Names other containers reach this one by, without those the engine adds by itself; sorted. */
  readonly aliases: readonly string[];
  /** Its address there; absent: the engine chooses. */
  readonly address?: string;
  /** Addresses that it has there besides; absent: none. An engine takes them from 169.254.0.0/16 only. */
  readonly linkLocalIps?: readonly string[];
};

export type ShapePort = { readonly container: string; readonly host: string };

/** All that we set on a container: the engine adapter writes and reads it, so that live and desired compare. */
export type ContainerShape = {
  readonly imageId: ImageId;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Without the variables that the image itself sets to the same value. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workingDir: string;
  /** '' is the engine's own. */
  readonly hostname: string;
  readonly mounts: readonly ShapeMount[];
  readonly tmpfs: Readonly<Record<string, TmpfsMount>>;
  /** Empty for network mode `none`. */
  readonly networks: readonly ShapeNetwork[];
  readonly ports: readonly ShapePort[];
  readonly memoryBytes: number;
  /** Memory plus swap; equal to `memoryBytes` means no swap. */
  readonly memorySwapBytes: number;
  readonly nanoCpus: number;
  readonly pidsLimit: number;
  readonly storageBytes: number | null;
  readonly restart: string;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Security options other than no-new-privileges (seccomp, apparmor …); we set none. */
  readonly securityOptions: readonly string[];
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
  /** '' is the container's own. */
  readonly pidMode: string;
  readonly ipcMode: string;
  readonly devices: readonly string[];
  readonly extraHosts: readonly string[];
  /** Name servers that the engine's own hands on to; none: those of its host. */
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  /** Of the kernel, by name; those that only its own network has. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly init: boolean;
  readonly openStdin: boolean;
  /** The user's own labels (`custom.labels`); ours are handled apart. */
  readonly labels: Readonly<Record<string, string>>;
  /** What was set that has no field here and that looms never sets, as `cpuset-cpus=0`; absent means none. */
  readonly otherSettings?: readonly string[];
};

/** What a live field is to a person who looks at a difference. */
export type LiveField = {
  /** The field of a spec that it comes from; for what no spec can say, what a Compose file calls it. */
  readonly path: string;
  /** It follows from the image: against another image's, a consequence would be named as a cause. */
  readonly ofImage?: true;
  /** Entries by this are one entry, with the values of both sides; other lists are compared as a whole. */
  readonly keyOf?: (entry: never) => string;
  /** The order of its entries means nothing. */
  readonly isSet?: true;
  /** Of its number, where it is one; 0 and less is no limit then. */
  readonly unit?: 'bytes' | 'billionths' | 'count';
};

/** Every live field; the image is told as a reason of its own, and swap together with the memory that it goes on from. */
export const liveFields: Readonly<Record<Exclude<keyof ContainerShape, 'imageId' | 'memorySwapBytes'>, LiveField>> = {
  env: { path: 'docker_backend.environment', ofImage: true },
  labels: { path: 'docker_backend.custom.labels' },
  hostname: { path: 'docker_backend.hostname' },
  restart: { path: 'docker_backend.lifecycle.restart' },
  networks: { path: 'docker_backend.network', keyOf: ({ name }: ShapeNetwork) => name },
  nanoCpus: { path: 'docker_backend.resource_limits.cpu_cores', unit: 'billionths' },
  memoryBytes: { path: 'docker_backend.resource_limits.memory_mb', unit: 'bytes' },
  pidsLimit: { path: 'docker_backend.resource_limits.pids_limit', unit: 'count' },
  storageBytes: { path: 'docker_backend.resource_limits.storage_mb', unit: 'bytes' },
  capAdd: { path: 'docker_backend.security.cap_add', isSet: true },
  capDrop: { path: 'docker_backend.security.cap_drop', isSet: true },
  noNewPrivileges: { path: 'docker_backend.security.no_new_privileges' },
  readOnlyRoot: { path: 'docker_backend.security.read_only_root' },
  tmpfs: { path: 'docker_backend.security.tmpfs', ofImage: true },
  user: { path: 'docker_backend.security.user' },
  mounts: { path: 'docker_backend.volume_mounts', keyOf: ({ target }: ShapeMount) => target },
  workingDir: { path: 'docker_backend.working_dir', ofImage: true },
  entrypoint: { path: 'entrypoint', ofImage: true },
  command: { path: 'command', ofImage: true },
  openStdin: { path: 'stdin_open', ofImage: true },
  ports: { path: 'ports', keyOf: ({ container, host }: ShapePort) => `${host}:${container}` },
  privileged: { path: 'privileged' },
  securityOptions: { path: 'security_opt', isSet: true },
  pidMode: { path: 'pid' },
  ipcMode: { path: 'ipc' },
  devices: { path: 'devices', isSet: true },
  extraHosts: { path: 'extra_hosts', isSet: true },
  dns: { path: 'dns' },
  dnsOptions: { path: 'dns_opt', isSet: true },
  sysctls: { path: 'sysctls' },
  init: { path: 'init' },
  otherSettings: { path: 'other_settings', isSet: true },
};

/** What PID 1 of a container is. */
export type PidOne =
  /** An idle process; each session is an exec of the server's argv. */
  | { readonly kind: 'idle'; readonly server: ArgvTemplate }
  /** The server itself (HTTP), started by a wrapper that first reads its secrets when it has any. */
  | { readonly kind: 'server'; readonly server: ArgvTemplate; readonly secretsFile: boolean }
  /** A fixed command of ours (relay). */
  | { readonly kind: 'fixed'; readonly argv: readonly string[] };

/** A shape before its image is known: the same fields, but for those that the image decides. */
export type ShapeTemplate = Omit<
  ContainerShape,
  'imageId' | 'entrypoint' | 'command' | 'env' | 'workingDir' | 'openStdin'
> & {
  readonly pidOne: PidOne;
  readonly env: Readonly<Record<string, string>>;
  /** `own`: the image's WORKDIR if it has one, else `path`; a path that is not the image's WORKDIR gets a tmpfs. */
  readonly workingDir: { readonly kind: 'own' | 'fixed'; readonly path: string };
};
