import { blockOf, hasForwarder, isIpv4 } from '../../../model/container/egress.ts';
import type { DeclaredServer } from '../../../model/desired.ts';
import type { ServerName } from '../../../model/ids.ts';
import type { Blocker } from '../../../model/plan.ts';
import { atField } from '../../../model/source.ts';
import { isSettled } from '../../model/generations.ts';
import type { Observed } from '../../model/observed.ts';
import { proxyConfig } from '../../model/proxy-config.ts';
import { blockTakenBy, type StandIn } from '../../model/stand-in.ts';
import { type EgressSubnets, wayOutOf } from '../../model/way-out.ts';
import { nameTaken, unsupported } from '../blockers.ts';
import { networkTaken } from './networks.ts';

/** Why no network can be around a listed address: another one is there, or will be by this plan. */
function addressBlocker(standIn: StandIn, observed: Observed, earlier: readonly DeclaredServer[]): Blocker | undefined {
  const { address, network } = standIn;
  const taken = networkTaken(network, observed);
  if (taken !== undefined) return taken;
  const overlapping = blockTakenBy(standIn, observed);
  const other = earlier.find(({ spec }) =>
    spec.network.egress.some(({ host }) => isIpv4(host) && blockOf(host) === network.subnet),
  );
  if (overlapping === undefined && (other === undefined || observed.networks.some(({ name }) => name === network.name)))
    return undefined;
  const holder = overlapping === undefined ? other?.spec.name : `another network of the engine (${overlapping})`;
  return unsupported(
    `the address ${address} needs a network around it (${network.subnet}), and ${holder} has these addresses`,
    `write { host: NAME, address: ${address}, port: … } with a NAME of your choice, and let the server connect to NAME`,
  );
}

/** What Linux takes in one argument, bytes (MAX_ARG_STRLEN, 32 pages of 4 KiB, with the zero at its end): a forwarder's configuration is one. */
const longestArgument = 131_071;

/** Three lists have a place in a server's subnet, and each generation that serves or runs finds its hosts in its own. */
function noPlace(server: ServerName, { project, containers }: Observed): Blocker {
  const newest = containers
    .filter((one) => one.role === 'server' && one.server === server && !isSettled(project, server)(one))
    .reduce((newer, one) => (one.generation > newer.generation ? one : newer));
  return unsupported(
    'network.egress: three generations of the server have a list of their own, and there is no place for a fourth',
    `apply one of these lists again, or \`docker rm -f ${newest.name}\`, which does not serve`,
  );
}

/**
 * Why a server cannot be led to what it lists, when it cannot. `earlier` are servers of the plan that come before it: of two
 * that list one address, one has it.
 */
export function egressBlocker(
  server: DeclaredServer,
  { observed, egressSubnets }: { readonly observed: Observed; readonly egressSubnets: EgressSubnets },
  earlier: () => readonly DeclaredServer[],
): Blocker | undefined {
  const { spec } = server;
  if (!hasForwarder(spec)) return undefined;
  if (observed.engine.kind === 'podman') {
    return unsupported(
      'Podman gives no container the addresses that network.egress needs, and would leave it without a way out',
      'run the server on a Docker Engine, or leave network.egress and egress_learn out',
    );
  }
  const way = wayOutOf(spec, observed, egressSubnets);
  if (way === undefined && egressSubnets.has(spec.name)) return noPlace(spec.name, observed);
  if (way === undefined) {
    return unsupported(
      'the engine has no subnet left for network.egress: 128 servers have one, in 169.254.64.0/18',
      '`docker network ls` shows them; those of servers that are gone can be removed',
    );
  }
  const { length } = proxyConfig(way);
  if (length > longestArgument) {
    const rules = `the rules of its ${spec.network.egress.length} entries have ${length} bytes, and a forwarder takes ${longestArgument}`;
    return unsupported(atField(server, 'docker_backend.network.egress', rules), 'list fewer hosts and ports');
  }
  const names = [way.forwarder, ...way.standIns.map(({ name }) => name)];
  const holder = observed.foreign.find(({ name }) => names.includes(name));
  const [addressed] = way.standIns.flatMap((standIn) => addressBlocker(standIn, observed, earlier()) ?? []);
  return (
    networkTaken(way.network, observed) ??
    (way.out && networkTaken(way.out, observed)) ??
    addressed ??
    (holder === undefined ? undefined : nameTaken(holder))
  );
}
