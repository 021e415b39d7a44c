import type { ContainerState, DockerDescription, EngineTime, GenerationOutcome } from '../../model/engine.ts';
import type { ContainerId, ImageId, NetworkId, ProjectName, ServerName } from '../../model/ids.ts';
import type { SecretPrints } from '../../model/secrets/secret-prints.ts';
import type { MadeFrom, ServerInstance } from '../../model/server-view.ts';
import type { Role } from './labels.ts';
import type { ContainerShape, ImageFacts } from './shape.ts';

/** A container that carries our project label. */
export type ObservedContainer = MadeFrom &
  Pick<ServerInstance, 'run' | 'engineHealth'> & {
    readonly id: ContainerId;
    readonly name: string;
    readonly role: Role;
    /** Absent for relays and other support containers, and where the label was lost. */
    readonly server?: ServerName;
    /** 0 when the label is missing or unreadable. */
    readonly generation: number;
    readonly createdAt: EngineTime;
    readonly state: ContainerState;
    /** How often the engine has started it again since somebody last did. */
    readonly restartCount: number;
    readonly specHash: string;
    /** Of an HTTP server: what its secrets were when its container was made; absent for one of an earlier version. */
    readonly secretPrints?: SecretPrints;
    /** `looms.source` as written, for people. */
    readonly source?: string;
    /** The container that kept the files which it was given, when they did. */
    readonly restoredFrom?: ContainerId;
    /** Of one that keeps files: the container that it was copied from. While that one is there, the copy may not be whole. */
    readonly keptFrom?: ContainerId;
    /** Of a forwarder: what its label says it was made for (way-out.ts). */
    readonly egress?: string;
    readonly managedBy: string;
    readonly imageRef: string;
    readonly shape: ContainerShape;
  };

/**
 * What is kept of a generation that is gone: a container that is never started, whose labels say what it was made from.
 * It is of the generation's own image, which therefore stays on the engine as long as the record does.
 */
export type GenerationRecord = MadeFrom & {
  /** Of the record's own container. */
  readonly id: ContainerId;
  readonly name: string;
  readonly server: ServerName;
  readonly generation: number;
  readonly outcome: GenerationOutcome;
  /** Of one that failed its gate: what it failed with, and the end of what it wrote; secrets are masked. */
  readonly failure?: string;
  /** When the generation's container was made; undefined when its label cannot be read. */
  readonly since: EngineTime | undefined;
  /** When the record was made. The engine tells it in whole seconds. */
  readonly until: EngineTime;
  readonly specHash: string;
  readonly source?: string;
  readonly imageRef: string;
  readonly imageId: ImageId;
};

/** Someone else's container: under a name that we would use, or with our labels and not made by us. */
export type ForeignContainer = {
  readonly id: ContainerId;
  readonly name: string;
  readonly image: string;
  readonly owner: string;
  /** It has labels of this project, and nothing says that looms gave them to it: its image may have. */
  readonly claims?: boolean;
};

export type NetworkShape = {
  readonly name: string;
  readonly internal: boolean;
  readonly driver: string;
  /** Driver options that we set (`com.docker.network.bridge.inhibit_ipv4` …). */
  readonly options: Readonly<Record<string, string>>;
  /** Whether it has IPv6; absent: as the engine gives new networks. */
  readonly ipv6?: boolean;
  /** CIDR; absent: the engine chooses. */
  readonly subnet?: string;
  /** CIDR that the engine gives addresses from by itself; absent: all of the subnet. */
  readonly ipRange?: string;
  /** The address that the engine keeps for itself; absent: it chooses. */
  readonly gateway?: string;
};

/** The option by which a bridge has no IPv4 address of its own, at which the engine's host would be reached. */
export const withoutHost: NetworkShape['options'] = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };

/** Whether a network keeps what is on it from the engine's host. With IPv6 its bridge has an address in any case. */
export const hidesHost = ({ internal, ipv6, options }: NetworkShape): boolean =>
  internal && ipv6 !== true && Object.entries(withoutHost).every(([key, value]) => options[key] === value);

export type ObservedNetwork = NetworkShape & {
  readonly id: NetworkId;
  /** Whether it carries our project label. */
  readonly ours: boolean;
  /** Ids of the containers on it. */
  readonly members: readonly ContainerId[];
};

export type ObservedVolume = { readonly name: string; readonly ours: boolean };

/** Reality, listed once, as plain data. */
export type Observed = {
  readonly project: ProjectName;
  readonly engine: DockerDescription;
  readonly now: EngineTime;
  /** Sorted by server, generation, id. */
  readonly containers: readonly ObservedContainer[];
  /** Records of past generations, sorted by server, generation, id. They are not among `containers`. */
  readonly history: readonly GenerationRecord[];
  readonly foreign: readonly ForeignContainer[];
  readonly networks: readonly ObservedNetwork[];
  /** Subnets of all networks of the engine, whosever they are; sorted. */
  readonly subnets: readonly string[];
  readonly volumes: readonly ObservedVolume[];
  /** For each reference that was asked for: what the engine has under it, null when nothing. */
  readonly images: Readonly<Record<string, ImageFacts | null>>;
  /**
   * For each reference with pull policy `always`: whether the registry has something newer. `unknown` carries why
   * (registry unreachable, 15 s passed); the local image is then used, with a warning.
   */
  readonly registry: Readonly<Record<string, RegistryAnswer>>;
};

export type RegistryAnswer =
  | { readonly answer: 'same' | 'newer' }
  | { readonly answer: 'unknown'; readonly why: string };

/** An image that looms built. */
type BuiltImage = {
  readonly id: ImageId;
  readonly ref: string;
  /** All containers that are made of it, whoever made them and whether they run. */
  readonly users: readonly ContainerId[];
};

export type BuiltImages = {
  readonly images: readonly BuiltImage[];
  /** Projects that a run works on, as their locks say: it may have built an image and not made the container yet. */
  readonly locked: readonly ProjectName[];
};
