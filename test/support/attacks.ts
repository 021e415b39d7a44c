import type Docker from 'dockerode';
import { mapBounded } from '../../src/model/values/map-bounded.ts';
import { attack } from './attacker.ts';
import type { TestProject } from './test-project.ts';

/** What a server with an allow-list has around it, by the host that it lists. */
export type Surroundings = {
  readonly host: string;
  /** Where the host really is: on the engine's machine. */
  readonly address: string;
  readonly port: number;
  /** Where that machine listens too, and which is not listed for the host. */
  readonly otherPort: number;
  /** Where the server finds the host, and where its questions for names are answered. */
  readonly place: string;
  readonly names: string;
  /** The forwarder's address on the project's way out. */
  readonly out: string;
  readonly gateways: readonly string[];
  readonly devices: readonly string[];
};

/** Where a server finds a host that it lists. */
export async function placeOf(container: Docker.Container, host: string): Promise<string> {
  const { HostConfig } = await container.inspect();
  const entry = ((HostConfig.ExtraHosts ?? []) as readonly string[]).find((one) => one.startsWith(`${host}:`)) ?? '';
  return entry.slice(host.length + 1);
}

export async function gatewayOf(docker: Docker, network: string): Promise<string> {
  const { IPAM } = (await docker.getNetwork(network).inspect()) as Docker.NetworkInspectInfo;
  const subnet = IPAM?.Config?.[0]?.Subnet ?? '';
  return IPAM?.Config?.[0]?.Gateway?.split('/')[0] ?? subnet.replace(/\d+\/\d+$/, '1');
}

export async function surroundingsOf(
  { name, docker, container }: TestProject,
  server: string,
  listed: Pick<Surroundings, 'host' | 'address' | 'port' | 'otherPort'>,
): Promise<Surroundings> {
  const inside = container(server);
  const forwarder = await docker.getContainer(`looms-${name}-${server}.egress-1`).inspect();
  return {
    ...listed,
    place: await placeOf(inside, listed.host),
    names: (await inside.inspect()).HostConfig.Dns?.[0] ?? '',
    out: forwarder.NetworkSettings.Networks[`looms-${name}.out`]?.IPAddress ?? '',
    gateways: await Promise.all(
      ['', `-${server}.egress`, '.out'].map((network) => gatewayOf(docker, `looms-${name}${network}`)),
    ),
    devices: (await attack(inside, 'run', 'ls /sys/class/net')).replace('open: ', '').split(/\s+/),
  };
}

const tunnel = 'c2VjcmV0.tunnel.example.com';

/** Everything that a server with any list may try, and that must come to nothing. */
export function attemptsFrom(around: Surroundings): Readonly<Record<string, readonly string[]>> {
  const { host, address, place, names, out, gateways, devices } = around;
  const [p, q] = [String(around.port), String(around.otherPort)];
  return {
    'the address of the host that is allowed, past the forwarder': ['tcp', address, p],
    'another port of the host': ['tcp', host, q],
    'another address of the engine’s machine': ['tcp', '172.17.0.1', p],
    ...Object.fromEntries(gateways.map((gateway) => [`the gateway ${gateway}`, ['tcp', gateway, p]])),
    'the forwarder’s address on the way out': ['tcp', out, p],
    'an unlisted port of the forwarder': ['tcp', place, '22'],
    'the forwarder’s own name service by TCP': ['tcp', names, '53'],
    'an address outside': ['tcp', '1.1.1.1', '443'],
    'DNS over TLS': ['tcp', '1.1.1.1', '853'],
    'the metadata address': ['tcp', '169.254.169.254', '80'],
    IPv6: ['tcp6', '2606:4700:4700::1111', '443'],
    'an IPv4 address in IPv6': ['tcp6', `::ffff:${address}`, p],
    'UDP to the host that is allowed': ['udp', host, p],
    'UDP to its address': ['udp', address, p],
    'UDP outside': ['udp', '8.8.8.8', '53', `ask=${tunnel}`],
    'UDP past the routes': ['udp', address, p, 'dontroute=1'],
    ...Object.fromEntries(
      devices.flatMap((device) => [
        [`TCP bound to ${device}`, ['tcp', address, p, `device=${device}`]],
        [`TCP bound to ${device}, past the routes`, ['tcp', address, p, `device=${device}`, 'dontroute=1']],
        [`UDP bound to ${device}`, ['udp', address, p, `device=${device}`]],
        [`IPv6 of the link of ${device}`, ['tcp6', 'fe80::1', p, `scope=${device}`]],
        [`IPv6 to all on the link of ${device}`, ['udp6', 'ff02::1', p, `scope=${device}`]],
      ]),
    ),
    'a broadcast': ['udp', '255.255.255.255', p, 'broadcast=1'],
    'a group': ['udp', '224.0.0.251', p],
    'from the port of a name service': ['udp', address, p, 'from=53'],
    'a mark on its packets': ['tcp', address, p, 'mark=1'],
    'a source route by the forwarder': ['tcp', address, p, `by=${place}`],
    'an address that is not its own': ['tcp', address, p, `own=${out}`],
    'a name that is not listed': ['name', 'example.com'],
    'a tunnel by the engine’s name service': ['dns', '127.0.0.11', tunnel],
    'a tunnel by the forwarder’s': ['dns', names, tunnel],
    'a name service outside': ['dns', '8.8.8.8', tunnel],
    'a name service outside, by TCP': ['dns-tcp', '8.8.8.8', tunnel],
    'a name service on the engine’s machine': ['dns', address, tunnel],
    'a name service on the engine’s machine, by TCP': ['dns-tcp', address, tunnel],
    'an echo request': ['ping', address],
    'a raw socket': ['raw', '1'],
    'a raw socket for all': ['raw', '255'],
    'a packet socket': ['packet'],
    'VSOCK to the host': ['vsock', '', '22'],
    'a route': ['netlink', names],
    'the resolver’s file': ['write', '/etc/resolv.conf'],
    'the file of hosts': ['write', '/etc/hosts'],
    'the kernel’s settings': ['write', '/proc/sys/net/ipv4/ip_forward'],
    'a namespace of its own': ['run', 'unshare --user --net --map-root-user true'],
    'the engine’s socket': ['run', 'ls /var/run/docker.sock'],
  };
}

/**
 * What is sent to everybody on the network, past the routes, or by a device of the container reaches the engine's machine,
 * and nothing comes back (docs/security.md).
 */
export const isOneWay = (what: string): boolean =>
  /^(?:a broadcast|a group|UDP past the routes|UDP bound to \S+|IPv6 to all on the link of \S+)$/.test(what);

/** Tries all of it, each datagram saying which it is, and prints what came of it. Most wait for an answer that never comes. */
export async function tryAll(
  container: Docker.Container,
  attempts: Readonly<Record<string, readonly string[]>>,
): Promise<Readonly<Record<string, string>>> {
  const results = await mapBounded(Object.entries(attempts), 8, async ([what, attempt]) => {
    const said = attempt[0]?.startsWith('udp') ? [`say=${what}`] : [];
    return [what, await attack(container, ...attempt, ...said)] as const;
  });
  const table = Object.fromEntries(results);
  console.table(table);
  return table;
}

/** Of what was tried, that which came to something. */
export const openOf = (results: Readonly<Record<string, string>>): readonly (readonly [string, string])[] =>
  Object.entries(results).filter(([, result]) => !result.startsWith('closed: '));
