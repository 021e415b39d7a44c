import { isIpv4 } from '../../../model/container/egress.ts';
import type { ProjectName, ServerName } from '../../../model/ids.ts';
import { forwarderProgram } from '../../model/forwarder-program.ts';
import { label, type Role } from '../../model/labels.ts';
import { proxyConfig } from '../../model/proxy-config.ts';
import type { ShapeTemplate } from '../../model/shape.ts';
import { type StandIn, standInConfig } from '../../model/stand-in.ts';
import type { WayOut } from '../../model/way-out.ts';
import type { PlannedContainer } from '../../steps.ts';
import { relayingTemplate } from './container-template.ts';

const mebibyte = 1024 * 1024;

/** In a container of its own, as many files may be open as there are; what runs by default may open fewer. */
const withAllDescriptors = ['sh', '-c', 'ulimit -n "$(ulimit -Hn)" && exec "$@"', 'sh'];

/** 800 connections with their buffers, and as many seldom have one at once. */
const forwarderLimits = { memoryBytes: 64 * mebibyte, pidsLimit: 32, nanoCpus: 1e9 };

/** And 10,000 ports at which what is tried is noted. */
const learnerLimits = { ...forwarderLimits, memoryBytes: 160 * mebibyte };

/**
 * What of a server's forwarder and its stand-ins is the same. The kernel hands nothing on for them; ports below 1024 are open
 * to their user, which has no capability.
 */
const forwarding = {
  ...relayingTemplate,
  ...forwarderLimits,
  memorySwapBytes: forwarderLimits.memoryBytes,
  sysctls: { 'net.ipv4.ip_forward': '0', 'net.ipv4.ip_unprivileged_port_start': '0' },
} as const;

/** Whose a forwarder or a stand-in is, and what it is made of. */
export type ForwarderOwner = {
  readonly project: ProjectName;
  readonly server: ServerName;
  readonly imageRef: string;
  readonly managedBy: string;
};

const ofForwarder = (name: string, mark: string, owner: ForwarderOwner): Omit<PlannedContainer, 'template'> => ({
  name,
  role: 'forwarder',
  imageRef: owner.imageRef,
  ownLabels: {
    [label.project]: owner.project,
    [label.role]: 'forwarder' satisfies Role,
    [label.server]: owner.server,
    [label.egress]: mark,
    [label.image]: owner.imageRef,
    [label.managedBy]: owner.managedBy,
  },
  freshVolumes: [],
});

/** The forwarder of a server: the only thing on the server's network that leads anywhere, and only where its configuration says. */
export function forwarderContainer(way: WayOut, owner: ForwarderOwner): PlannedContainer {
  const { network, out, addresses, names, learn } = way;
  const known = [...addresses].flatMap(([host, address]) => (isIpv4(host) ? [] : [`${host}=${address}`]));
  const free = learn?.addresses ?? [];
  const program = [forwarderProgram, proxyConfig(way), names, learn?.ports ?? '', ...known];
  const argv = ['perl', '-e', ...program, ...free.map((address) => `?=${address}`)];
  const limits = learn === undefined ? forwarderLimits : learnerLimits;
  const template: ShapeTemplate = {
    ...forwarding,
    ...limits,
    memorySwapBytes: limits.memoryBytes,
    pidOne: { kind: 'fixed', argv: learn === undefined ? argv : [...withAllDescriptors, ...argv] },
    networks: [
      { name: network.name, aliases: [], linkLocalIps: [...addresses.values(), ...free, names] },
      ...(out === undefined ? [] : [{ name: out.name, aliases: [] }]),
    ],
  };
  return { ...ofForwarder(way.forwarder, way.mark, owner), template };
}

/** HAProxy with its configuration through a pipe: nothing is written. */
const proxyArgv = (config: string): readonly string[] => [
  'sh',
  '-c',
  'exec haproxy -db -f /dev/stdin <<END\n$1\nEND',
  'sh',
  config,
];

/** What has an address that a server lists, and hands on to the server's forwarder: it is on no network that leads anywhere. */
export function standInContainer(standIn: StandIn, way: WayOut, owner: ForwarderOwner): PlannedContainer {
  const template: ShapeTemplate = {
    ...forwarding,
    pidOne: { kind: 'fixed', argv: proxyArgv(standInConfig(standIn)) },
    // What answers an echo would be the stand-in, whatever becomes of the host.
    sysctls: { ...forwarding.sysctls, 'net.ipv4.icmp_echo_ignore_all': '1' },
    networks: [
      { name: standIn.network.name, aliases: [], address: standIn.address },
      { name: way.network.name, aliases: [] },
    ],
  };
  return { ...ofForwarder(standIn.name, standIn.mark, owner), template };
}

/** All that leads a server out: its forwarder, then its stand-ins. */
export const leadingOut = (way: WayOut, owner: ForwarderOwner): readonly PlannedContainer[] => [
  forwarderContainer(way, owner),
  ...way.standIns.map((standIn) => standInContainer(standIn, way, owner)),
];
