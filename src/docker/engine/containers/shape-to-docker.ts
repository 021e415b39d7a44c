import { dirname } from 'node:path/posix';
import { label } from '../../model/labels.ts';
import { secretsFilePath } from '../../model/resolve-shape.ts';
import type { ShapeNetwork, ShapePort } from '../../model/shape.ts';
import type { CreateContainer } from '../../port.ts';
import type { EngineInfo } from '../connection/connection.ts';
import { givenEnvLabel } from './docker-to-shape.ts';
import { writePlain } from './plain-settings.ts';
import { tmpfsOptions } from './tmpfs-options.ts';

type EngineKind = 'docker' | 'podman';

/** The create call: its query, and its JSON body as the Engine API documents it. */
type CreateCall = {
  readonly query: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
};

const pairs = (record: Readonly<Record<string, string>>): string[] =>
  Object.entries(record).map(([key, value]) => `${key}=${value}`);

/** `127.0.0.1:8080`, `[::1]:8080` or `8080`; an empty port lets the engine choose. */
function hostBinding(host: string): { HostIp: string; HostPort: string } {
  const colon = host.lastIndexOf(':');
  if (colon < 0) return { HostIp: '', HostPort: host };
  return { HostIp: host.slice(0, colon).replace(/^\[|\]$/g, ''), HostPort: host.slice(colon + 1) };
}

const containerPort = (port: string): string => (port.includes('/') ? port : `${port}/tcp`);

function portBindings(ports: readonly ShapePort[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports) {
    const key = containerPort(port.container);
    bindings[key] = [...(bindings[key] ?? []), hostBinding(port.host)];
  }
  return bindings;
}

/** `on-failure:3` has a count; the other policies are one word. */
function restartPolicy(restart: string): { Name: string; MaximumRetryCount?: number } {
  const [name = 'no', count] = restart.split(':');
  return count === undefined ? { Name: name } : { Name: name, MaximumRetryCount: Number(count) };
}

function device(text: string): { PathOnHost: string; PathInContainer: string; CgroupPermissions: string } {
  const [host = '', inside = host, permissions = 'rwm'] = text.split(':');
  return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: permissions };
}

/** Type `bind` through Mounts, unlike `Binds`, fails on a host path that is missing instead of making it. */
function mounts({ shape, ownTargets, ownLabels, secrets }: CreateContainer): readonly object[] {
  const own = shape.mounts.map((mount) => ({
    Type: mount.type,
    Source: mount.source,
    Target: mount.target,
    ReadOnly: mount.readOnly,
    // A volume that is missing is made with the container, and carries these from its first moment.
    ...(ownTargets.includes(mount.target) ? { VolumeOptions: { Labels: volumeLabels(mount.source, ownLabels) } } : {}),
  }));
  // No source: an anonymous volume, which `remove` with v=1 takes along.
  const secretsVolume = { Type: 'volume', Source: '', Target: dirname(secretsFilePath), ReadOnly: false };
  return secrets === undefined ? own : [...own, secretsVolume];
}

/** Labels of a project's volume, from its name on the engine and the labels of the container it is made with. */
export function volumeLabels(
  name: string,
  ownLabels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const project = ownLabels[label.project] ?? '';
  return {
    [label.project]: project,
    [label.managedBy]: ownLabels[label.managedBy] ?? '',
    [label.volume]: name.replace(`looms-${project}-`, ''),
  };
}

/** What an engine says of itself that its containers are made by. */
export type OfEngine = {
  /** Its default, which stays, with a bound; absent: not known. */
  readonly logDriver?: string | undefined;
  readonly ownCgroups?: boolean;
};

/**
 * Whether containers are made with a cgroup namespace of their own, which an engine may be configured to leave out. With
 * cgroup v1 engines give none by themselves, and hide the rest by what they mount.
 */
export const hasOwnCgroups = (engine: EngineKind, { CgroupVersion }: Pick<EngineInfo, 'CgroupVersion'>): boolean =>
  engine === 'docker' && CgroupVersion === '2';

/** Drivers that keep logs on the engine's disk and can be told how much. */
const boundedDrivers: ReadonlySet<string> = new Set(['json-file', 'local']);

/** At most 30 MB of log a container: an engine keeps all of it unless told otherwise. Nothing where logs go elsewhere. */
const logConfig = (driver: string): object =>
  boundedDrivers.has(driver) ? { LogConfig: { Type: driver, Config: { 'max-size': '10m', 'max-file': '3' } } } : {};

function hostConfig(request: CreateContainer, engine: EngineKind, { logDriver = '', ownCgroups }: OfEngine): object {
  const { shape } = request;
  const place = { engine, user: shape.user };
  return {
    ...writePlain(shape, 'HostConfig'),
    CapAdd: shape.capAdd,
    CapDrop: shape.capDrop,
    SecurityOpt: [...(shape.noNewPrivileges ? ['no-new-privileges'] : []), ...shape.securityOptions],
    Tmpfs: Object.fromEntries(
      Object.entries(shape.tmpfs).map(([path, mount]) => [path, tmpfsOptions(path, mount, place)]),
    ),
    MemorySwap: shape.memorySwapBytes,
    PidsLimit: shape.pidsLimit,
    RestartPolicy: restartPolicy(shape.restart),
    Mounts: mounts(request),
    NetworkMode: shape.networks[0]?.name ?? 'none',
    PortBindings: portBindings(shape.ports),
    DnsOptions: shape.dnsOptions,
    ExtraHosts: shape.extraHosts,
    Devices: shape.devices.map(device),
    // Said outright: an engine may be configured to share the IPC namespace unless told otherwise.
    IpcMode: shape.ipcMode === '' ? 'private' : shape.ipcMode,
    PidMode: shape.pidMode,
    ...(ownCgroups === true ? { CgroupnsMode: 'private' } : {}),
    ...logConfig(logDriver),
    ...(shape.storageBytes === null ? {} : { StorageOpt: { size: String(shape.storageBytes) } }),
  };
}

/** How a container is reached on a network, for create and for connect. */
export const endpointSettings = (network: ShapeNetwork): object => ({
  Aliases: network.aliases,
  ...(network.address === undefined && network.linkLocalIps === undefined
    ? {}
    : {
        IPAMConfig: {
          ...(network.address === undefined ? {} : { IPv4Address: network.address }),
          ...(network.linkLocalIps === undefined ? {} : { LinkLocalIPs: network.linkLocalIps }),
        },
        ...macAddressOf(network),
      }),
});

/**
 * Whoever takes these addresses over has the same MAC address: neighbours keep what they learned of it for half a minute,
 * and Engine 28 makes up another one for each container.
 */
function macAddressOf({ address, linkLocalIps }: ShapeNetwork): { readonly MacAddress?: string } {
  const own = address ?? linkLocalIps?.[0];
  if (own === undefined) return {};
  const bytes = own.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return { MacAddress: ['02', '42', ...bytes].join(':') };
}

/**
 * The create call for a container. Only its first network is in it: engines before API 1.44 take no more,
 * the others are connected before the start. Throws `engine-unsupported` for what this
 * kind of engine does not take.
 */
export function createCall(request: CreateContainer, engine: EngineKind, given: OfEngine = {}): CreateCall {
  const { shape } = request;
  const [first] = shape.networks;
  return {
    query: { name: request.name, ...(request.platform === undefined ? {} : { platform: request.platform }) },
    body: {
      ...writePlain(shape, 'Config'),
      Image: shape.imageId,
      Entrypoint: shape.entrypoint,
      Cmd: shape.command,
      Env: pairs(shape.env),
      // The first session's end must not end the server's stdin, which the first detach closes otherwise.
      StdinOnce: false,
      Labels: {
        ...shape.labels,
        ...request.ownLabels,
        [label.imageId]: shape.imageId,
        ...(engine === 'podman' ? givenEnvLabel(shape.env) : {}),
      },
      ExposedPorts: Object.fromEntries(shape.ports.map((port) => [containerPort(port.container), {}])),
      HostConfig: hostConfig(request, engine, given),
      // Where engines before API 1.44 look for it.
      ...(first === undefined ? {} : macAddressOf(first)),
      ...(first === undefined
        ? {}
        : { NetworkingConfig: { EndpointsConfig: { [first.name]: endpointSettings(first) } } }),
    },
  };
}
