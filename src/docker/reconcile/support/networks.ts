import type { ProjectName } from '../../../model/ids.ts';
import type { Blocker } from '../../../model/plan.ts';
import { networkName } from '../../model/labels.ts';
import { type NetworkShape, type Observed, type ObservedNetwork, withoutHost } from '../../model/observed.ts';
import {
  isOn,
  type Mode,
  madeNetwork,
  networkNamed,
  nothing,
  ownNetwork,
  removedChange,
  removeNetwork,
  type SupportInput,
  type SupportPlan,
  usesMode,
} from './support-plan.ts';

/**
 * The networks of a project. `internal` alone leaves the engine's host reachable by the network's gateway address;
 * without an address of its own the bridge gives no way to it (tried on Engine 20.10 and 28.5). With IPv6 the bridge has
 * one in any case, whatever that option says. Podman cannot hide its host, and forgets the option: there it is not asked
 * for.
 */
function networkShape(project: ProjectName, mode: Mode, canHideHost: boolean): NetworkShape {
  return {
    name: networkName(project, mode),
    driver: 'bridge',
    internal: mode === 'isolated',
    ...(mode === 'isolated' ? { ipv6: false } : {}),
    options: mode === 'isolated' && canHideHost ? withoutHost : {},
  };
}

function networkMismatch(found: ObservedNetwork, wanted: NetworkShape): string | undefined {
  if (!found.ours) return 'it is not of this project';
  if (found.internal !== wanted.internal) return `internal is ${found.internal}`;
  if (found.driver !== wanted.driver) return `its driver is ${found.driver}`;
  if (wanted.ipv6 === false && found.ipv6 === true) return 'it has IPv6';
  if (wanted.subnet !== undefined && found.subnet !== wanted.subnet) return `its subnet is ${found.subnet}`;
  if (wanted.ipRange !== undefined && found.ipRange !== wanted.ipRange) {
    return `of its addresses the engine gives out ${found.ipRange ?? 'all'}`;
  }
  const option = Object.entries(wanted.options).find(([key, value]) => found.options[key] !== value);
  return option && `its option ${option[0]} is ${found.options[option[0]] ?? 'not set'}`;
}

/** Why no server can be on a network of the project, when none can: somebody else made one of its name, or changed it. */
export const networkBlocker = (project: ProjectName, mode: Mode, observed: Observed): Blocker | undefined =>
  networkTaken(networkShape(project, mode, observed.engine.canHideHost), observed);

/** Why one network cannot be as it is wanted. */
export function networkTaken(wanted: NetworkShape, observed: Observed): Blocker | undefined {
  const found = networkNamed(observed, wanted.name);
  const mismatch = found && networkMismatch(found, wanted);
  if (mismatch === undefined) return undefined;
  const first = found?.members.length === 0 ? '' : 'stop what is on it, then ';
  const hint = `${first}\`docker network rm ${wanted.name}\`, then apply again`;
  return { kind: 'network-taken', name: `${wanted.name}: ${mismatch}`, hint };
}

/** Makes the network that servers are on, and removes it when the last of them is gone. */
export function networkPlan({ project, observed, servers, staying }: SupportInput, mode: Mode): SupportPlan {
  const wanted = networkShape(project, mode, observed.engine.canHideHost);
  if (servers.some((server) => usesMode(server, mode))) {
    return networkNamed(observed, wanted.name) ? nothing : madeNetwork(wanted, mode, 'servers are on it');
  }
  // What lost the label that says which server it is stays, and so does what it is on.
  const needed = [
    ...staying,
    ...observed.containers.filter(({ role, server }) => role === 'server' && server === undefined),
  ];
  const found = ownNetwork(observed, wanted.name);
  if (found === undefined || needed.some((one) => isOn(one, wanted.name))) return nothing;
  return {
    changes: [removedChange('network', found.name)],
    steps: [],
    teardown: [removeNetwork(found, mode, 'no server is on it')],
  };
}
