import { hasForwarder, mostTargets } from '../../model/container/egress.ts';
import type { DesiredServer, EgressTarget } from '../../model/desired.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { isSettled, isUp } from './generations.ts';
import { addressOf, numberOf, overlap, rangeOf } from './ipv4.ts';
import { egressNetworkName, forwarderName, outNetworkName } from './labels.ts';
import { type NetworkShape, type Observed, type ObservedContainer, withoutHost } from './observed.ts';
import { type StandIn, standInsOf } from './stand-in.ts';

/**
 * How an isolated server gets out to what its spec lists: a network that it shares with a forwarder and nobody else,
 * where each listed host has an address of its own; the forwarder is on the project's way out besides. It follows from
 * the spec and from what is there, so that everyone who asks is told the same.
 */
export type WayOut = {
  readonly network: NetworkShape;
  /** Absent where nothing is listed: what only notes leads nowhere. */
  readonly out?: NetworkShape;
  readonly forwarder: string;
  /** Which of the addresses are the forwarder's, and for which list: what its label says. */
  readonly mark: string;
  readonly targets: readonly EgressTarget[];
  /** Where the server finds each host; a wildcard's is that of all names below it, an address's that for its stand-in. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly standIns: readonly StandIn[];
  /** Where the server's questions for names are answered. */
  readonly names: string;
  /** Where what is not listed is noted; absent where it is refused at once. */
  readonly learn?: Learn;
};

export type Learn = {
  /** For names that are asked for: each gets one of its own, so that a connection tells which was meant. */
  readonly addresses: readonly string[];
  /** Ranges of ports at which connections are noted and ended, with spaces between. */
  readonly ports: string;
};

/**
 * All that services commonly have: 4 KB of the kernel's memory each, so not all there are. Beyond 10,000: memcached, Ollama,
 * Kafka's and RabbitMQ's other ports, CockroachDB, MongoDB, SAP HANA, Milvus, Db2, gRPC, ActiveMQ.
 */
const learnedPorts =
  '1-10000 11211 11434 15672 19092 19530 25060-25061 26257 27017-27020 29092 30013-30015 39013-39015 50000 50051 61613-61617';

/**
 * Engines give an endpoint further addresses from 169.254.0.0/16 only, so the subnets of servers lie there. These stay clear
 * of metadata services (169.254.169.0/24, 169.254.170.0/23) and of what Kubernetes keeps on its nodes (169.254.20.0/24).
 * The way out to the outside lies elsewhere: Engine 28 refuses a second interface in that range.
 */
const subnets = { first: numberOf('169.254.64.0'), size: 128, bits: 25, count: 128 };

/** The parts of a server's subnet: the first is for what the engine gives out, each of the others for one forwarder. */
const partSize = 32;
const parts = [1, 2, 3] as const;

/** The subnet that a server's network has; undefined where it has none of those that looms gives. */
function subnetOf(name: string, { networks }: Observed): string | undefined {
  const { first, size, bits, count } = subnets;
  const found = networks.find((network) => network.name === name)?.subnet;
  const range = found === undefined ? undefined : rangeOf(found);
  const isOne = range !== undefined && range.from >= first && range.from < first + size * count;
  return isOne && found?.endsWith(`/${bits}`) ? found : undefined;
}

/** Which subnet the network of each server has or shall have. A server is missing when all subnets are taken. */
export type EgressSubnets = ReadonlyMap<ServerName, string>;

/** The servers that may have a way out: by what is declared, and by the records of what is there. */
const ledServers = ({ containers }: Observed, declared: readonly DesiredServer[]): readonly ServerName[] => {
  const recorded = containers.flatMap((one) => one.recorded?.spec ?? []);
  return [...new Set([...declared, ...recorded].filter(hasForwarder).map(({ name }) => name))].sort();
};

/**
 * The subnets of all servers of a plan, chosen at once so that no two get the same one: what a server's network has, else
 * the first that overlaps no network of the engine and none that a server before it, by name, was given.
 */
export function egressSubnets(observed: Observed, declared: readonly DesiredServer[] = []): EgressSubnets {
  const { first, size, bits, count } = subnets;
  const taken = observed.subnets.flatMap((cidr) => rangeOf(cidr) ?? []);
  const chosen = new Map<ServerName, string>();
  for (const server of ledServers(observed, declared)) {
    const name = egressNetworkName(observed.project, server);
    const found = subnetOf(name, observed);
    // Each begins at a place of its own, so that two projects that are applied at once seldom want the same one.
    const start = Number.parseInt(sha256(name).slice(0, 8), 16) % count;
    const places = found === undefined ? [...Array(count).keys()] : [];
    const at = places
      .map((index) => first + ((start + index) % count) * size)
      .find((from) => !taken.some((one) => overlap(one, { from, to: from + size - 1 })));
    const subnet = found ?? (at === undefined ? undefined : `${addressOf(at)}/${bits}`);
    if (subnet === undefined) continue;
    chosen.set(server, subnet);
    taken.push(...[rangeOf(subnet) ?? []].flat());
  }
  return chosen;
}

/** Of what a server is led to, and whether more is noted. */
const listHash = ({ egress, egressLearn }: DesiredServer['network']): string =>
  sha256(canonicalJson(egressLearn ? { egress, egressLearn } : egress)).slice(0, 16);

/** The part of its server's addresses that a forwarder has, by its label. */
const partOf = ({ egress }: Pick<ObservedContainer, 'egress'>): number => Number(egress?.split(':')[0] ?? 0);

/** Whether a forwarder has the addresses of a way out. */
export const hasPartOf = (forwarder: ObservedContainer, { mark }: WayOut): boolean =>
  partOf(forwarder) === partOf({ egress: mark });

/** A server's part: the one whose forwarder answers its questions for names. */
function partUsedBy({ shape }: ObservedContainer, first: number): number | undefined {
  const [dns = ''] = shape.dns;
  const offset = /^[\d.]+$/.test(dns) ? numberOf(dns) - first : -1;
  return parts.find((part) => offset === part * partSize + mostTargets);
}

/** Whether a server's container gets out by this forwarder of its network. */
export const isUsedBy = (forwarder: ObservedContainer, server: ObservedContainer, network: NetworkShape): boolean =>
  server.server === forwarder.server &&
  partUsedBy(server, rangeOf(network.subnet ?? '')?.from ?? 0) === partOf(forwarder);

/**
 * The part that a list has: that of a container that counts on it, or of a forwarder that was made for it; else the first
 * that nobody has, so that a new list gets a forwarder beside that of the old one; else one of a generation that neither
 * serves nor runs. Undefined where each has one that does: its hosts are found there, and would be others.
 */
function choosePart(spec: DesiredServer, first: number, observed: Observed): number | undefined {
  const own = observed.containers.filter(({ server }) => server === spec.name);
  const forwarders = own.filter(({ role }) => role === 'forwarder');
  const servers = own.filter(({ role }) => role === 'server');
  const hash = listHash(spec.network);
  const made = forwarders.filter(({ egress }) => egress?.split(':')[1] === hash).map(partOf);
  const usedBy = (containers: readonly ObservedContainer[]) => containers.map((one) => partUsedBy(one, first));
  const hasList = (one: ObservedContainer): boolean =>
    one.recorded === undefined
      ? made.some((part) => part === partUsedBy(one, first))
      : listHash(one.recorded.spec.network) === hash;
  const active = servers.filter((one) => isUp(one) || isSettled(observed.project, spec.name)(one));
  // Where none is, any of them may be the next one to serve.
  const needing = active.length > 0 ? active : servers;
  const needed = usedBy(needing.filter((one) => !hasList(one)));
  const used = usedBy(servers);
  const held = [...used, ...forwarders.map(partOf)];
  const known = [...usedBy(servers.filter(hasList)), ...made];
  const counted = usedBy(needing.filter(hasList));
  const free = parts.filter((part) => !needed.includes(part));
  return (
    parts.find((part) => counted.includes(part)) ??
    free.find((part) => known.includes(part)) ??
    free.find((part) => !held.includes(part)) ??
    free.find((part) => !used.includes(part)) ??
    free[0]
  );
}

/** Its members reach no other one. */
const outNetwork = (project: ProjectName): NetworkShape => ({
  name: outNetworkName(project),
  driver: 'bridge',
  internal: false,
  ipv6: false,
  options: { 'com.docker.network.bridge.enable_icc': 'false' },
});

/** Undefined where a spec has no forwarder, and where the engine has no subnet left for it or the subnet no part. */
export function wayOutOf(spec: DesiredServer, observed: Observed, subnetsOf: EgressSubnets): WayOut | undefined {
  if (!hasForwarder(spec)) return undefined;
  const { egress: targets, egressLearn } = spec.network;
  const { project } = observed;
  const name = egressNetworkName(project, spec.name);
  const subnet = subnetsOf.get(spec.name);
  const first = rangeOf(subnet ?? '')?.from;
  if (subnet === undefined || first === undefined) return undefined;
  const part = choosePart(spec, first, observed);
  if (part === undefined) return undefined;
  const hosts = [...new Set(targets.map(({ host }) => host))];
  const base = first + part * partSize;
  const all = [...Array(mostTargets).keys()].map((index) => addressOf(base + index));
  const addresses = new Map(hosts.map((host, index) => [host, addressOf(base + index)]));
  return {
    network: {
      name,
      driver: 'bridge',
      internal: true,
      ipv6: false,
      options: withoutHost,
      subnet,
      ipRange: `${addressOf(first)}/27`,
    },
    ...(targets.length === 0 ? {} : { out: outNetwork(project) }),
    forwarder: forwarderName(project, spec.name, part),
    mark: `${part}:${listHash(spec.network)}`,
    targets,
    addresses,
    standIns: standInsOf(spec, addresses, observed),
    names: addressOf(base + mostTargets),
    ...(egressLearn ? { learn: { addresses: all.slice(hosts.length), ports: learnedPorts } } : {}),
  };
}

/** Where a forwarder listens once it is ready. */
export const listensAt = ({ targets, addresses, learn }: WayOut): readonly string[] => [
  ...targets.map(({ host, port }) => `${addresses.get(host)}:${port}`),
  ...(learn === undefined ? [] : ['0.0.0.0:443']),
];
