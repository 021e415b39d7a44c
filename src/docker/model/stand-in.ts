import { blockOf, isIpv4 } from '../../model/container/egress.ts';
import type { DesiredServer } from '../../model/desired.ts';
import { addressOf, numberOf, overlap, rangeOf } from './ipv4.ts';
import { blockNetworkName, standInName } from './labels.ts';
import { type NetworkShape, type Observed, withoutHost } from './observed.ts';

/**
 * What has a listed address in front of a server: a container on a network around the address, which hands on to the
 * server's forwarder. One container cannot do both: what has an address can only dial itself by it.
 */
export type StandIn = {
  readonly address: string;
  readonly name: string;
  readonly network: NetworkShape;
  readonly ports: readonly number[];
  /** Where its server's forwarder takes what is for the address. */
  readonly forwarder: string;
  /** What its label says of what it does. */
  readonly mark: string;
};

/**
 * The network around a listed address. The engine gives out a sixteenth of it by itself, its own address there and those of
 * the server's containers: one in which nothing is listed, which stays what it is as long as that holds.
 */
function blockNetwork(name: string, block: string, addresses: readonly string[], observed: Observed): NetworkShape {
  const base = numberOf(block.split('/')[0] ?? '');
  const isFree = (cidr: string | undefined): boolean => {
    const range = rangeOf(cidr ?? '');
    return range !== undefined && !addresses.some((one) => overlap(range, { from: numberOf(one), to: numberOf(one) }));
  };
  const parts = [...Array(16).keys()].map((part) => `${addressOf(base + 16 * (15 - part))}/28`);
  const there = observed.networks.find((network) => network.name === name)?.ipRange;
  const ipRange = [there, ...parts].find(isFree) ?? '';
  return {
    name,
    driver: 'bridge',
    internal: true,
    ipv6: false,
    options: withoutHost,
    subnet: block,
    ipRange,
    gateway: addressOf((rangeOf(ipRange)?.from ?? base) + 1),
  };
}

/** The stand-ins of a server; `places` tells where its forwarder takes what is for a host. */
export function standInsOf(
  { name, network: { egress } }: Pick<DesiredServer, 'name' | 'network'>,
  places: ReadonlyMap<string, string>,
  observed: Observed,
): readonly StandIn[] {
  const { project } = observed;
  const addresses = [...new Set(egress.map(({ host }) => host).filter(isIpv4))];
  const blocks = Map.groupBy(addresses, blockOf);
  return [...blocks].flatMap(([block, within]) => {
    const network = blockNetwork(blockNetworkName(project, name, block), block, within, observed);
    return within.map((address): StandIn => {
      const ports = egress.filter(({ host }) => host === address).map(({ port }) => port);
      const forwarder = places.get(address) ?? '';
      const mark = `${address}:${ports.join(',')} by ${forwarder}`;
      return { address, name: standInName(project, name, address), network, ports, forwarder, mark };
    });
  });
}

/** What keeps the engine from a network around an address: a subnet of another network. */
export function blockTakenBy({ network }: StandIn, observed: Observed): string | undefined {
  const range = rangeOf(network.subnet ?? '');
  if (range === undefined || observed.networks.some(({ name }) => name === network.name)) return undefined;
  return observed.subnets.find((cidr) => {
    const other = rangeOf(cidr);
    return other !== undefined && overlap(range, other);
  });
}

/** HAProxy's configuration of a stand-in. What comes of a connection its forwarder notes. */
export const standInConfig = ({ address, ports, forwarder }: StandIn): string =>
  [
    'global',
    '  nbthread 1',
    '  maxconn 800',
    'defaults',
    '  mode tcp',
    '  timeout connect 10s',
    '  timeout client 24d',
    '  timeout server 24d',
    ...ports.flatMap((port) => [
      `listen p${port}`,
      `  bind ${address}:${port}`,
      `  server forwarder ${forwarder}:${port}`,
    ]),
    '',
  ].join('\n');
