import { dirname } from 'node:path/posix';
import { podmanCapabilities } from '../../../model/container/capabilities.ts';
import type { TmpfsMount } from '../../../model/container/tmpfs.ts';
import { label } from '../../model/labels.ts';
import { secretsFilePath } from '../../model/resolve-shape.ts';
import type { ContainerShape, ImageFacts, ShapeMount, ShapeNetwork, ShapePort } from '../../model/shape.ts';
import { type InspectedContainer, type InspectedEndpoint, type InspectedHostConfig, imageIdOf } from './inspected.ts';
import { otherSettings } from './other-settings.ts';
import { readPlain } from './plain-settings.ts';
import { readTmpfsOptions } from './tmpfs-options.ts';

/** What an image brings into every container of it. */
export type ImageShare = Pick<ImageFacts, 'env' | 'labels'>;

/** What of the engine decides how its reports are to be read. */
export type ReadingContext = {
  readonly kind: 'docker' | 'podman';
  /** false: the engine drops every swap limit and reports -1 instead, so none can differ. */
  readonly limitsSwap: boolean;
  /** Whether containers are made with a cgroup namespace of their own (`hasOwnCgroups`). */
  readonly ownCgroups: boolean;
  /** Whether a network that a container keeps by its id is gone: another one of its name does not replace it. */
  readonly isGone: (network: string, id: string) => boolean;
};

/** `KEY=VALUE` lines as a record; a line without `=` is a name with nothing. */
export function readEnv(lines: readonly string[] | null | undefined): Record<string, string> {
  return Object.fromEntries(
    (lines ?? []).map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** An argv, which images may give as one word. */
export const readArgv = (value: readonly string[] | string | null | undefined): readonly string[] =>
  typeof value === 'string' ? [value] : (value ?? []);

const without = (
  record: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record)
      .filter(([key, value]) => other[key] !== value)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

/** What Podman puts into the environment of a container at its first start, unless it is there already. */
const addedAtStart = ['HOME', 'HOSTNAME'] as const;

/** A label that says which of them were asked for: a container that ran does not tell one kind from the other. */
export function givenEnvLabel(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const given = addedAtStart.filter((name) => env[name] !== undefined);
  return given.length === 0 ? {} : { [label.givenEnv]: given.join(',') };
}

/** The environment of a container of Podman without what Podman added. */
export function withoutAddedEnv(
  env: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const given = (labels[label.givenEnv] ?? '').split(',');
  const added: readonly string[] = addedAtStart.filter((name) => !given.includes(name));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !added.includes(name)));
}

/** Podman tells containers by these what it is. */
const addedByPodman: Readonly<Record<string, string>> = { container: 'podman' };

const isOurLabel = (key: string): boolean =>
  key.startsWith('looms.') || key === label.loomServer || key === label.loomType;

const userLabels = (labels: Readonly<Record<string, string>>, image: ImageShare): Record<string, string> =>
  Object.fromEntries(Object.entries(without(labels, image.labels)).filter(([key]) => !isOurLabel(key)));

/** An anonymous volume: made by an image's VOLUME, or ours for secrets. */
const isAnonymous = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

function readMounts(container: InspectedContainer): ShapeMount[] {
  // Docker Desktop reports the path inside its VM; what was asked for is in the request.
  const requested = new Map((container.HostConfig.Mounts ?? []).map((mount) => [mount.Target, mount]));
  return (container.Mounts ?? [])
    .flatMap((mount): ShapeMount[] => {
      const readOnly = mount.RW === false;
      const target = mount.Destination;
      if (mount.Type === 'volume') {
        const source = mount.Name ?? '';
        if (isAnonymous(source) || target === dirname(secretsFilePath)) return [];
        return [{ type: 'volume', source, target, readOnly }];
      }
      if (mount.Type !== 'bind') return [];
      const asked = requested.get(target);
      const source = (asked?.Type === 'bind' ? asked.Source : undefined) ?? mount.Source ?? '';
      return [{ type: 'bind', source, target, readOnly }];
    })
    .sort((a, b) => (a.target < b.target ? -1 : 1));
}

function readTmpfs(host: InspectedHostConfig, user: string): Record<string, TmpfsMount> {
  const byMount = (host.Mounts ?? []).flatMap(({ Type: type, Target: target, TmpfsOptions: asked }) => {
    const exec = asked?.Options?.some((option) => option?.[0] === 'exec') === true;
    const mount = { sizeBytes: asked?.SizeBytes ?? 0, exec, mode: (asked?.Mode ?? 0o1777).toString(8) };
    return type === 'tmpfs' && target !== undefined ? [[target, mount] as const] : [];
  });
  const byOption = Object.entries(host.Tmpfs ?? {}).map(
    ([path, options]) => [path, readTmpfsOptions(options, user)] as const,
  );
  return Object.fromEntries([...byMount, ...byOption].sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Capabilities = { readonly add: readonly string[]; readonly drop: readonly string[] };

const plain = (names: readonly string[] | null | undefined): string[] =>
  [...new Set((names ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, '')))].sort();

/**
 * Capabilities as they take effect: without `CAP_`, sorted, and Podman's expanded list as the `ALL` that was asked for.
 * Where a list drops most of the defaults, "all but those" says the same; with `ALL` dropped nothing else matters.
 */
function readCapabilities(
  added: readonly string[] | null | undefined,
  dropped: readonly string[] | null | undefined,
  engine: 'docker' | 'podman',
): Capabilities {
  const [add, drop] = [plain(added), plain(dropped)];
  if (drop.includes('ALL')) return { add, drop: ['ALL'] };
  if (engine === 'docker') return { add, drop };
  // Podman reports `ALL` dropped as the list of its defaults.
  const kept = podmanCapabilities.filter((name) => !drop.includes(name));
  if (kept.length > podmanCapabilities.length / 2) return { add, drop };
  return { add: [...new Set([...add, ...kept])].sort(), drop: ['ALL'] };
}

/** Modes that are another container's or the host's network, and have no entry among the networks. */
const borrowedNetwork = (mode: string | undefined): ShapeNetwork[] =>
  mode?.startsWith('container:') === true ? [{ name: mode, aliases: [] }] : [];

function readNetworks(container: InspectedContainer, { isGone }: ReadingContext): ShapeNetwork[] {
  const isRunning = container.State.Running === true;
  const { Hostname: hostname = '', Labels: labels } = container.Config;
  // The engine adds the short id (before API 1.45) and the host name and, on Podman, the container's name. A server's own
  // name is asked for in any case.
  const added = [container.Id.slice(0, 12), hostname, container.Name.replace(/^\//, '')].filter(
    (name) => name !== labels?.[label.server],
  );
  const listed = Object.entries(container.NetworkSettings?.Networks ?? {})
    // What runs is on a network that is there, perhaps one that is younger than the list of them.
    .filter(([name, { NetworkID: id = '' }]) => name !== 'none' && (id === '' || isRunning || !isGone(name, id)))
    .map(([name, endpoint]) => ({
      name,
      aliases: [...new Set(endpoint.Aliases ?? [])].filter((alias) => !added.includes(alias)).sort(),
      ...addressesOf(endpoint),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...listed, ...borrowedNetwork(container.HostConfig.NetworkMode)];
}

function addressesOf({ IPAMConfig: asked }: InspectedEndpoint): Pick<ShapeNetwork, 'address' | 'linkLocalIps'> {
  const { IPv4Address: address = '', LinkLocalIPs: linkLocalIps } = asked ?? {};
  return {
    ...(address === '' ? {} : { address }),
    ...(linkLocalIps == null || linkLocalIps.length === 0 ? {} : { linkLocalIps }),
  };
}

function readPorts(host: InspectedHostConfig): ShapePort[] {
  return Object.entries(host.PortBindings ?? {})
    .flatMap(([container, bindings]) =>
      (bindings ?? []).map(({ HostIp: ip = '', HostPort: port = '' }) => ({
        container,
        host: ip === '' ? port : `${ip.includes(':') ? `[${ip}]` : ip}:${port}`,
      })),
    )
    .sort((a, b) => (a.container + a.host < b.container + b.host ? -1 : 1));
}

function readRestart(host: InspectedHostConfig): string {
  const { Name: name = '', MaximumRetryCount: count = 0 } = host.RestartPolicy ?? {};
  if (name === '') return 'no';
  return name === 'on-failure' && count > 0 ? `${name}:${count}` : name;
}

const isNoNewPrivileges = (option: string): boolean => /^no-new-privileges(?:[:=]true)?$/.test(option);

function readSecurityOptions(host: InspectedHostConfig): Pick<ContainerShape, 'noNewPrivileges' | 'securityOptions'> {
  const options = host.SecurityOpt ?? [];
  // `systempaths=unconfined` is not kept as an option: it shows as an empty list of masked paths.
  const unmasked = host.Privileged !== true && host.MaskedPaths?.length === 0 ? ['systempaths=unconfined'] : [];
  return {
    noNewPrivileges: options.some(isNoNewPrivileges),
    securityOptions: [...options.filter((option) => !/^no-new-privileges\b/.test(option)), ...unmasked].sort(),
  };
}

/** 'private' is a namespace of the container's own, which is what '' means in a shape. */
const namespaceMode = (mode: string | undefined): string => (mode === 'private' ? '' : (mode ?? ''));

const sorted = (values: readonly string[] | null | undefined): string[] => [...(values ?? [])].sort();

function readLimits(host: InspectedHostConfig, context: ReadingContext) {
  const pids = host.PidsLimit ?? 0;
  return {
    memorySwapBytes: context.limitsSwap ? (host.MemorySwap ?? 0) : (host.Memory ?? 0),
    // -1, 0 and null all mean no limit.
    pidsLimit: Math.max(pids, 0),
    storageBytes:
      host.StorageOpt?.size === undefined ? null : readTmpfsOptions(`size=${host.StorageOpt.size}`).sizeBytes,
  };
}

/**
 * What a live container is, in our own terms: the effective meaning of what the engine reports, so that it can be
 * compared with a desired shape field by field. Lists are sorted where order means nothing. Settings that a shape has
 * no field for come as `otherSettings`.
 */
export function shapeOf(container: InspectedContainer, image: ImageShare, context: ReadingContext): ContainerShape {
  const { Config: config, HostConfig: host } = container;
  const capabilities = readCapabilities(host.CapAdd, host.CapDrop, context.kind);
  const env = readEnv(config.Env);
  const labels = config.Labels ?? {};
  const imageEnv = context.kind === 'podman' ? { ...addedByPodman, ...image.env } : image.env;
  return {
    ...readPlain(container),
    imageId: imageIdOf(container.Image),
    entrypoint: readArgv(config.Entrypoint),
    command: readArgv(config.Cmd),
    env: without(context.kind === 'podman' ? withoutAddedEnv(env, labels) : env, imageEnv),
    mounts: readMounts(container),
    tmpfs: readTmpfs(host, config.User ?? ''),
    networks: readNetworks(container, context),
    ports: readPorts(host),
    ...readLimits(host, context),
    restart: readRestart(host),
    capAdd: capabilities.add,
    capDrop: capabilities.drop,
    ...readSecurityOptions(host),
    pidMode: namespaceMode(host.PidMode),
    ipcMode: namespaceMode(host.IpcMode),
    devices: sorted(
      host.Devices?.map((device) => `${device.PathOnHost}:${device.PathInContainer}:${device.CgroupPermissions}`),
    ),
    extraHosts: sorted(host.ExtraHosts),
    dnsOptions: sorted(host.DnsOptions),
    labels: userLabels(labels, image),
    otherSettings: otherSettings(container, context.ownCgroups),
  };
}
