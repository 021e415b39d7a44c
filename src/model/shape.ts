import type { ImageId } from './ids.ts';

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

export type TmpfsMount = {
  readonly sizeBytes: number;
  readonly exec: boolean;
  readonly mode: string;
  readonly owner?: string;
};

export type ShapeNetwork = {
  readonly name: string;
  /** Names other containers reach this one by, without those the engine adds by itself; sorted. */
  readonly aliases: readonly string[];
};

export type ShapePort = { readonly container: string; readonly host: string };

/**
 * Everything we set on a container, in our own terms. The engine adapter turns it into a create call, and turns what
 * the engine reports back into it, so that desired and live are compared field by field.
 */
export type ContainerShape = {
  readonly imageId: ImageId;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Without the variables that the image itself sets to the same value. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workingDir: string;
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
  readonly init: boolean;
  readonly openStdin: boolean;
  /** The user's own labels (`custom.labels`); ours are handled apart. */
  readonly labels: Readonly<Record<string, string>>;
  /** What was set that has no field here and that looms never sets, as `cpuset-cpus=0`; absent means none. */
  readonly otherSettings?: readonly string[];
};

/** The argv of a server, or of the parts of it that the image decides. */
export type ArgvTemplate = {
  /** Absent: the image's own entrypoint. */
  readonly entrypoint?: readonly string[];
  /** Absent: the image's own command. */
  readonly command?: readonly string[];
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
