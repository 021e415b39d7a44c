import type { EngineHealth } from '../../../model/engine.ts';
import { asImageId, type ImageId, shortId } from '../../../model/ids.ts';
import { askList, askObject, get } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';

/** What `GET /containers/{id}/json` answers, as far as read. Optional: what Podman or old engines leave out. */
export type InspectedContainer = {
  readonly Id: string;
  readonly Created: string;
  readonly Name: string;
  readonly Image: string;
  readonly RestartCount?: number;
  readonly ExecIDs?: readonly string[] | null;
  readonly State: {
    readonly Status?: string;
    readonly Running?: boolean;
    readonly Paused?: boolean;
    readonly Restarting?: boolean;
    readonly Dead?: boolean;
    readonly OOMKilled?: boolean;
    readonly ExitCode?: number;
    readonly StartedAt?: string;
    readonly FinishedAt?: string;
    /** Absent or `none` without a HEALTHCHECK; Podman leaves the status empty. */
    readonly Health?: { readonly Status?: string } | null;
  };
  readonly Config: {
    readonly Image?: string;
    readonly Hostname?: string;
    readonly User?: string;
    readonly Tty?: boolean;
    readonly OpenStdin?: boolean;
    readonly Env?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | string | null;
    readonly WorkingDir?: string;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
  };
  readonly HostConfig: InspectedHostConfig;
  readonly Mounts?: readonly InspectedMount[] | null;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, InspectedEndpoint>> | null };
};

export type InspectedEndpoint = {
  /** What was asked for, beside what the engine chose. */
  readonly IPAMConfig?: { readonly IPv4Address?: string; readonly LinkLocalIPs?: List } | null;
  readonly Aliases?: readonly string[] | null;
  /** Empty until the container was started for the first time. */
  readonly NetworkID?: string;
};

type InspectedMount = {
  readonly Type?: string;
  readonly Name?: string;
  readonly Source?: string;
  readonly Destination: string;
  readonly RW?: boolean;
};

type RequestedMount = {
  readonly Type?: string;
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number;
    readonly Mode?: number;
    /** From API 1.46 on. */
    readonly Options?: readonly List[] | null;
  };
};

type List = readonly string[] | null;

export type InspectedHostConfig = {
  readonly NetworkMode?: string;
  readonly PortBindings?: Readonly<
    Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null>
  > | null;
  readonly PublishAllPorts?: boolean;
  readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number } | null;
  readonly AutoRemove?: boolean;
  readonly Mounts?: readonly RequestedMount[] | null;
  readonly VolumesFrom?: List;
  readonly Tmpfs?: Readonly<Record<string, string>> | null;
  readonly CapAdd?: List;
  readonly CapDrop?: List;
  readonly Dns?: List;
  readonly DnsOptions?: List;
  readonly DnsSearch?: List;
  readonly ExtraHosts?: List;
  readonly GroupAdd?: List;
  readonly Links?: List;
  readonly IpcMode?: string;
  readonly PidMode?: string;
  readonly UTSMode?: string;
  readonly CgroupnsMode?: string;
  readonly UsernsMode?: string;
  readonly OomScoreAdj?: number;
  readonly OomKillDisable?: boolean | null;
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly SecurityOpt?: List;
  readonly MaskedPaths?: List;
  readonly StorageOpt?: Readonly<Record<string, string>> | null;
  readonly Sysctls?: Readonly<Record<string, string>> | null;
  readonly Devices?:
    | readonly {
        readonly PathOnHost?: string;
        readonly PathInContainer?: string;
        readonly CgroupPermissions?: string;
      }[]
    | null;
  readonly DeviceCgroupRules?: List;
  readonly DeviceRequests?:
    | readonly { readonly Driver?: string; readonly Capabilities?: readonly List[] | null }[]
    | null;
  readonly Init?: boolean | null;
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly MemoryReservation?: number;
  readonly NanoCpus?: number;
  readonly CpuShares?: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpusetCpus?: string;
  readonly CpusetMems?: string;
  readonly BlkioWeight?: number;
  readonly PidsLimit?: number | null;
};

/** As the engine has it now, by id or name; null when there is none. */
export const inspectContainer = (client: Client, id: string): Promise<InspectedContainer | null> =>
  orNull(
    askObject<InspectedContainer>(client, `inspect container ${shortId(id)}`, get(`/containers/${id}/json`), [
      'Id',
      'State',
      'Config',
      'HostConfig',
    ]),
  );

export const isEngineHealth = (status: string | undefined): status is EngineHealth =>
  status === 'starting' || status === 'healthy' || status === 'unhealthy';

/** What the image's own check says of a container that runs: what it said of an earlier run is old. */
export function engineHealthOf({ Running: running, Health: health }: InspectedContainer['State']): EngineHealth | null {
  return running === true && isEngineHealth(health?.Status) ? health.Status : null;
}

/** Tells one run of a container from the next; '' for one that never ran. */
export const runOf = ({ StartedAt: at = '' }: InspectedContainer['State']): string =>
  at.startsWith('0001-') ? '' : at;

/** A container as `GET /containers/json` lists it. */
export type ListedContainer = {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly State: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Labels?: Readonly<Record<string, string>> | null;
};

/** All containers that match, whatever their state. */
export const listContainers = (
  client: Client,
  filters: Readonly<Record<string, readonly string[]>>,
): Promise<readonly ListedContainer[]> =>
  askList(client, 'list containers', get('/containers/json', { all: 1, filters }));

/** A listed container's name; engines put a slash before it. */
export const listedName = ({ Names: names }: Pick<ListedContainer, 'Names'>): string =>
  (names[0] ?? '').replace(/^\//, '');

/** What `GET /images/{name}/json` answers, as far as we read it. */
export type InspectedImage = {
  readonly Id: string;
  readonly Created: string;
  readonly Architecture: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Config?: Pick<
    InspectedContainer['Config'],
    'Entrypoint' | 'Cmd' | 'Env' | 'WorkingDir' | 'User' | 'Labels' | 'Volumes'
  > | null;
};

/** A name that an engine also takes for the beginning of an image's id, of whatever image that is. */
const mayBeginId = /^(?:sha256:)?[0-9a-f]{1,63}$/;

/** The engine's own view of an image, by reference or id; null when it has none. */
export const inspectImage = (client: Client, ref: string): Promise<InspectedImage | null> =>
  orNull(askObject<InspectedImage>(client, `look for image ${ref}`, get(`/images/${ref}/json`), ['Id']));

/** As `inspectImage`, by a name as specs have it or a whole id: the beginning of an id names no image. */
export async function imageNamed(client: Client, ref: string): Promise<InspectedImage | null> {
  const found = await inspectImage(client, ref);
  if (found === null || !mayBeginId.test(ref)) return found;
  const tagged = ref.includes(':') ? ref : `${ref}:latest`;
  // Podman tells the registry, too.
  return found.RepoTags?.some((tag) => tag === tagged || tag.endsWith(`/${tagged}`)) === true ? found : null;
}

/** An image's id in one spelling; Podman leaves out `sha256:`. */
export const imageIdOf = (id: string): ImageId => asImageId(/^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id);
