import { argvTemplateOf } from '../../../model/container/argv.ts';
import { isIpv4 } from '../../../model/container/egress.ts';
import type { TmpfsMount } from '../../../model/container/tmpfs.ts';
import { ownedBy, readTmpfs } from '../../../model/container/tmpfs.ts';
import type { DeclaredServer, DesiredServer, Env, Mount } from '../../../model/desired.ts';
import { isHttp, usualWorkingDir } from '../../../model/desired.ts';
import { LoomsError } from '../../../model/errors.ts';
import type { ProjectName } from '../../../model/ids.ts';
import { secretUses } from '../../../model/secrets/secret-names.ts';
import { sourceText } from '../../../model/source.ts';
import { label, networkName, type Role, relayName, volumeName } from '../../model/labels.ts';
import type { PidOne, ShapeMount, ShapeNetwork, ShapeTemplate } from '../../model/shape.ts';
import type { WayOut } from '../../model/way-out.ts';
import type { PlannedContainer } from '../../steps.ts';

const mebibyte = 1024 * 1024;

/**
 * Isolated servers fail fast on outside names: Engine 20.10 lets each look-up hang for 10 s otherwise. And no engine hands
 * them on to a name server of its host, which would carry what they say outside (CVE-2024-29018): `127.0.0.1` is the
 * container's own loopback, where nobody listens.
 */
const isolatedDns = { dns: ['127.0.0.1'], dnsOptions: ['attempts:1', 'timeout:1'] } as const;
const openDns = { dns: [], dnsOptions: [] } as const;

/** Specs were checked when they were read, and records when their label was. */
function tmpfsOf(text: string): TmpfsMount {
  const mount = readTmpfs(text);
  if (mount === undefined) throw new LoomsError('internal', `tmpfs ${JSON.stringify(text)} was not checked`);
  return mount;
}

const literals = (env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([key, value]) => (value.kind === 'literal' ? [[key, value.value]] : [])),
  );

/** A mount of a spec as it is on the engine, where volumes have the names of their project. */
export const mountOf = (project: ProjectName, mount: Mount): ShapeMount => ({
  ...mount,
  source: mount.type === 'volume' ? volumeName(project, mount.source) : mount.source,
});

/** The networks of a spec's container: of its project, and those of the way out that it has. */
export function networksOf(spec: DesiredServer, project: ProjectName, way: WayOut | undefined): ShapeNetwork[] {
  if (spec.network.mode === 'none') return [];
  const own = { name: networkName(project, spec.network.mode), aliases: [spec.name] };
  if (way === undefined) return [own];
  const led = new Set([way.network, ...way.standIns.map(({ network }) => network)].map(({ name }) => name));
  return [own, ...[...led].map((name) => ({ name, aliases: [] }))];
}

/** The listed names that a server finds in its `/etc/hosts`, each with the place that its forwarder has for it. */
export const listedNames = ({ addresses }: WayOut): readonly { readonly name: string; readonly address: string }[] =>
  [...addresses].flatMap(([name, address]) => (name.startsWith('*') || isIpv4(name) ? [] : [{ name, address }]));

/**
 * A server on two networks hands nothing on from one to the other: its neighbours do not get out through it. The names of
 * the listed hosts are in its `/etc/hosts`; all other questions for names go to its forwarder, which answers from its list.
 */
const withWayOut = (way: WayOut) => ({
  ...isolatedDns,
  dns: [way.names],
  extraHosts: listedNames(way).map(({ name, address }) => `${name}:${address}`),
  sysctls: { 'net.ipv4.ip_forward': '0' },
});

function pidOneOf(spec: DesiredServer): PidOne {
  const server = argvTemplateOf(spec);
  return isHttp(spec) ? { kind: 'server', server, secretsFile: secretUses(spec).length > 0 } : { kind: 'idle', server };
}

/** What nobody may set through looms, and what therefore counts as drift when a container has it. */
const nothingExtra = {
  hostname: '',
  ports: [],
  securityOptions: [],
  privileged: false,
  pidMode: '',
  ipcMode: '',
  devices: [],
  extraHosts: [],
  sysctls: {},
  otherSettings: [],
} as const;

/** The container a spec asks for, with the way out that it has, up to what its image decides (docs/spec.md, all of `docker_backend`). */
export function templateOf(spec: DesiredServer, project: ProjectName, way?: WayOut): ShapeTemplate {
  const { limits, security, mcp } = spec;
  // A stdio server's own variables go to its sessions; only what PID 1 needs is in the container's config.
  const env = literals(isHttp(spec) ? { ...spec.environment, ...mcp.env } : spec.environment);
  return {
    ...nothingExtra,
    pidOne: pidOneOf(spec),
    env,
    hostname: spec.hostname,
    user: security.user,
    workingDir:
      spec.workingDir === undefined ? { kind: 'own', path: usualWorkingDir } : { kind: 'fixed', path: spec.workingDir },
    mounts: spec.mounts.map((mount) => mountOf(project, mount)),
    tmpfs: Object.fromEntries(
      Object.entries(security.tmpfs).map(([path, size]) => [path, ownedBy(security.user, tmpfsOf(size))]),
    ),
    networks: networksOf(spec, project, way),
    memoryBytes: limits.memoryMiB * mebibyte,
    memorySwapBytes: limits.memoryMiB * mebibyte,
    nanoCpus: Math.round(limits.cpuCores * 1e9),
    pidsLimit: limits.pidsLimit,
    storageBytes: limits.storageMiB === undefined ? null : limits.storageMiB * mebibyte,
    restart: spec.lifecycle.restart,
    capAdd: security.capAdd,
    capDrop: security.capDrop,
    noNewPrivileges: security.noNewPrivileges,
    readOnlyRoot: security.readOnlyRoot,
    ...(spec.network.mode === 'isolated' ? isolatedDns : openDns),
    ...(way === undefined ? {} : withWayOut(way)),
    init: true,
    labels: spec.labels,
  };
}

export type LabelContext = {
  readonly project: ProjectName;
  readonly managedBy: string;
  readonly recordSpec: (server: DeclaredServer) => string;
};

/** The labels that make a container ours and say what it was made from (model/labels.ts). */
export function serverLabels(
  server: DeclaredServer,
  generation: number,
  context: LabelContext,
): Record<string, string> {
  const { spec } = server;
  return {
    [label.project]: context.project,
    [label.server]: spec.name,
    [label.generation]: String(generation),
    [label.role]: 'server' satisfies Role,
    [label.spec]: context.recordSpec(server),
    [label.specHash]: server.hash,
    [label.image]: server.image.ref,
    [label.managedBy]: context.managedBy,
    [label.source]: sourceText(server.source),
    [label.loomServer]: spec.name,
    [label.loomType]: 'mcp-server',
  };
}

/** Ceilings of a relay: a process of 1 MB for each program and server, so room for some two hundred programs. */
const relayLimits = { memoryBytes: 256 * mebibyte, pidsLimit: 1024, nanoCpus: 1e9 };

/** A container that is never started and has no way to anything. */
export const idleTemplate: ShapeTemplate = {
  ...nothingExtra,
  ...relayLimits,
  pidOne: { kind: 'fixed', argv: ['/never-started'] },
  env: {},
  user: '65534:65534',
  workingDir: { kind: 'own', path: '/run/looms' },
  mounts: [],
  tmpfs: {},
  networks: [],
  memorySwapBytes: relayLimits.memoryBytes,
  storageBytes: null,
  restart: 'no',
  capAdd: [],
  capDrop: ['ALL'],
  noNewPrivileges: true,
  // The engine writes no file into a container whose root is read-only.
  readOnlyRoot: false,
  ...openDns,
  init: true,
  labels: {},
};

/** A container that always runs and hands on what others send. */
export const relayingTemplate: ShapeTemplate = {
  ...idleTemplate,
  workingDir: { kind: 'own', path: '/tmp' },
  tmpfs: { '/tmp': { sizeBytes: mebibyte, exec: false, mode: '1777' } },
  restart: 'unless-stopped',
  readOnlyRoot: true,
};

/** A network's relay: a hardened idle container with a shell, through whose execs HTTP servers are reached. */
export function relayContainer(
  project: ProjectName,
  mode: 'isolated' | 'bridge',
  imageRef: string,
  managedBy: string,
): PlannedContainer {
  const template: ShapeTemplate = {
    ...relayingTemplate,
    pidOne: { kind: 'fixed', argv: ['sleep', 'infinity'] },
    networks: [{ name: networkName(project, mode), aliases: [] }],
    ...(mode === 'isolated' ? isolatedDns : openDns),
  };
  return {
    name: relayName(project, mode),
    role: 'relay',
    imageRef,
    template,
    ownLabels: {
      [label.project]: project,
      [label.role]: 'relay' satisfies Role,
      [label.image]: imageRef,
      [label.managedBy]: managedBy,
    },
    freshVolumes: [],
  };
}
