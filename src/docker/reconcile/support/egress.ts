import type { DeclaredServer } from '../../../model/desired.ts';
import { hasForwarder } from '../../../model/egress.ts';
import type { ServerName, StepId } from '../../../model/ids.ts';
import { type Blocker, isNonEmpty, type SupportChange } from '../../../model/plan.ts';
import { egressNetworkName, egressSuffix, outNetworkName } from '../../model/labels.ts';
import type { NetworkShape, Observed, ObservedContainer, ObservedNetwork } from '../../model/observed.ts';
import { hasPartOf, isUsedBy, listensAt, type WayOut, wayOutOf } from '../../model/way-out.ts';
import type { Operation, PlannedContainer, StepDraft } from '../../steps.ts';
import { forwarderContainer } from '../server/container-template.ts';
import { nameTaken } from './free-names.ts';
import { networkTaken } from './networks.ts';
import { isOn, nothing, type SupportInput, type SupportPlan, supportStep, type Teardown } from './support-plan.ts';
import { type SupportReasons, supportReasons } from './support-reasons.ts';

/** A forwarder is ready in half a second; an engine under load takes longer. */
const readySeconds = 30;

const why = 'what its server reaches of the outside goes through it';

/** Why a server cannot be led to what it lists, when it cannot. */
export function egressBlocker({ spec }: DeclaredServer, observed: Observed): Blocker | undefined {
  if (!hasForwarder(spec)) return undefined;
  if (observed.engine.kind === 'podman') {
    return {
      kind: 'unsupported',
      detail: 'Podman gives no container the addresses that network.egress needs, and would leave it without a way out',
      hint: 'run the server on a Docker Engine, or leave network.egress and egress_learn out',
    };
  }
  const way = wayOutOf(spec, observed);
  if (way === undefined) {
    return {
      kind: 'unsupported',
      detail: 'the engine has no subnet left for network.egress: 128 servers have one, in 169.254.64.0/18',
      hint: '`docker network ls` shows them; those of servers that are gone can be removed',
    };
  }
  const holder = observed.foreign.find(({ name }) => name === way.forwarder);
  return (
    networkTaken(way.network, observed) ??
    (way.out && networkTaken(way.out, observed)) ??
    (holder === undefined ? undefined : nameTaken(holder))
  );
}

const networkNamed = ({ networks }: Observed, wanted: string): ObservedNetwork | undefined =>
  networks.find(({ name }) => name === wanted);

const createNetwork = (network: NetworkShape, reason: string): SupportPlan => ({
  changes: [{ kind: 'network', name: network.name, action: 'create', reasons: [{ kind: 'missing' }] }],
  steps: [supportStep(`network:${network.name}/create`, reason, { op: 'create-network', network })],
  teardown: [],
});

/** In one order, however the engine lists them. */
const forwardersOf = ({ containers }: Observed): readonly ObservedContainer[] =>
  containers.filter(({ role }) => role === 'forwarder').sort((a, b) => (a.id < b.id ? -1 : 1));

const removeForwarder = ({ id, name }: ObservedContainer, after: readonly StepId[] = []): StepDraft =>
  supportStep(
    `egress:${name}/remove:${id.slice(0, 6)}`,
    'no server gets out by it',
    { op: 'remove-container', target: { id }, name },
    after,
  );

/** Why a forwarder that is there cannot stay, and why it has to be started. */
function reasonsOf(
  forwarder: ObservedContainer,
  planned: PlannedContainer,
  way: WayOut,
  { observed, forwarderImage }: SupportInput,
): SupportReasons {
  const { stale, state } = supportReasons(forwarder, planned, forwarderImage, observed);
  if (forwarder.egress === way.mark) return { stale, state };
  // What it was made by is not known, so what differs says nothing.
  return { stale: [{ kind: 'unreadable-record' }, ...stale.filter(({ kind }) => kind !== 'live-drift')], state };
}

/** Makes, repairs or starts one forwarder and waits until it listens. */
function forwarderPlan(
  server: ServerName,
  way: WayOut,
  input: SupportInput,
  there: readonly ObservedContainer[],
  networkSteps: readonly StepId[],
): SupportPlan {
  const name = way.forwarder;
  const planned = forwarderContainer(input.project, server, way, input.forwarderImage, input.managedBy);
  const [first] = there;
  const { stale, state } = first === undefined ? { stale: [], state: [] } : reasonsOf(first, planned, way, input);
  const gate = (target: Extract<Operation, { op: 'start-container' }>['target'], after: StepId) =>
    supportStep(
      `egress:${name}/gate`,
      why,
      { op: 'await-listening', target, name, addresses: listensAt(way), timeoutSeconds: readySeconds },
      [after],
    );
  if (first !== undefined && stale.length === 0) {
    const surplus = there.slice(1).map((one) => removeForwarder(one));
    if (!isNonEmpty(state)) return { ...nothing, teardown: surplus };
    const isPaused = first.state.status === 'running';
    const target = { id: first.id };
    const start = supportStep(
      `egress:${name}/start`,
      why,
      { op: isPaused ? 'unpause-container' : 'start-container', target, name },
      networkSteps,
    );
    return {
      changes: [{ kind: 'forwarder', name, action: 'start', reasons: state }],
      steps: [start, gate(target, start.id)],
      teardown: surplus,
    };
  }
  // The one that is there goes only when its successor can be made.
  const ready = [...input.imageStep(input.forwarderImage), ...networkSteps];
  const removals = there.map((one) => removeForwarder(one, ready));
  const after = [...ready, ...removals.map(({ id }) => id)];
  const create = supportStep(`egress:${name}/create`, why, { op: 'create-container', container: planned }, after);
  const target = { madeBy: create.id };
  const start = supportStep(`egress:${name}/start`, why, { op: 'start-container', target, name }, [create.id]);
  return {
    changes: [
      isNonEmpty(stale)
        ? { kind: 'forwarder', name, action: 'replace', reasons: stale }
        : { kind: 'forwarder', name, action: 'create', reasons: [{ kind: 'missing' }] },
    ],
    steps: [...removals, create, start, gate(target, start.id)],
    teardown: [],
  };
}

const removeNetwork = ({ id, name }: ObservedNetwork, after: readonly StepId[] = []): StepDraft =>
  supportStep(`network:${name}/remove`, 'no server gets out by it', { op: 'remove-network', network: id, name }, after);

/** A network that looms made, and that nothing but what looms made is on. */
function ownNetwork(observed: Observed, name: string): ObservedNetwork | undefined {
  const found = networkNamed(observed, name);
  const own = new Set(observed.containers.map(({ id }) => id));
  return found?.ours && found.members.every((id) => own.has(id)) ? found : undefined;
}

export type EgressPlan = {
  readonly parts: readonly SupportPlan[];
  readonly teardown: readonly Teardown[];
  /** What a server's own steps wait for. */
  readonly stepsFor: (server: DeclaredServer) => readonly StepId[];
};

/** What one server is led out by, and the forwarders that are it already. */
type Led = {
  readonly name: ServerName;
  readonly network: SupportPlan;
  readonly forwarder: SupportPlan;
  readonly there: readonly ObservedContainer[];
};

function ledOf(input: SupportInput, server: DeclaredServer, way: WayOut, out: SupportPlan): Led {
  const { name } = server.spec;
  const network =
    networkNamed(input.observed, way.network.name) === undefined
      ? createNetwork(way.network, 'its server and its forwarder are on it')
      : nothing;
  const there = forwardersOf(input.observed)
    .filter((one) => one.server === name && (one.name === way.forwarder || hasPartOf(one, way)))
    .sort((a, b) => Number(b.name === way.forwarder) - Number(a.name === way.forwarder) || (a.id < b.id ? -1 : 1));
  const networkSteps = [...network.steps, ...out.steps].map(({ id }) => id);
  return { name, network, forwarder: forwarderPlan(name, way, input, there, networkSteps), there };
}

/** Servers that stay as they are and are led out, and the forwarders that lead them. */
function ledAndStaying({ observed, project, staying }: SupportInput) {
  const led = staying.flatMap((container) => {
    const { server } = container;
    const network = server && networkNamed(observed, egressNetworkName(project, server));
    if (server === undefined || network === undefined || !isOn(container, network.name)) return [];
    return [{ server, forwarders: forwardersOf(observed).filter((one) => isUsedBy(one, container, network)) }];
  });
  return { servers: led.map(({ server }) => server), forwarders: led.flatMap(({ forwarders }) => forwarders) };
}

const removed = (kind: 'forwarder' | 'network', name: string): SupportChange => ({
  kind,
  name,
  action: 'remove',
  reasons: [{ kind: 'not-in-spec' }],
});

/**
 * The forwarders of servers that list hosts, each with the network that it shares with its server; and the removal of
 * those that no container needs any more. The forwarder of a list that was changed stays until the container that was made
 * with that list is gone.
 */
export function planEgress(input: SupportInput): EgressPlan {
  const { observed, servers, project } = input;
  const ways = servers.flatMap((server) => {
    const way = wayOutOf(server.spec, observed);
    return way === undefined ? [] : [{ server, way }];
  });
  const [wanted] = ways.flatMap(({ way }) => way.out ?? []);
  const out =
    wanted === undefined || networkNamed(observed, wanted.name) !== undefined
      ? nothing
      : createNetwork(wanted, 'forwarders reach the outside through it');
  const led = ways.map(({ server, way }) => ledOf(input, server, way, way.out === undefined ? nothing : out));
  const staying = ledAndStaying(input);
  const inUse = new Set([...led.map(({ name }) => name), ...staying.servers]);
  const kept = new Set([...led.flatMap(({ there }) => there), ...staying.forwarders]);
  const idle = forwardersOf(observed).filter((one) => !kept.has(one));

  const networkOf = (server: ServerName): string => egressNetworkName(project, server);
  const networksInUse = new Set([...inUse].map(networkOf));
  const known = [...observed.containers.flatMap(({ server }) => server ?? [])].map(networkOf);
  // A network alone is left by a run that was killed.
  const left = observed.networks.map(({ name }) => name).filter((name) => name.endsWith(egressSuffix));
  const teardown = [...new Set([...known, ...left])].sort().flatMap((network): Teardown[] => {
    const idleNetwork = networksInUse.has(network) ? undefined : ownNetwork(observed, network);
    const containers = [
      ...idle
        .filter(({ server }) => server !== undefined && networkOf(server) === network)
        .map((one) => removeForwarder(one)),
      ...led.filter(({ name }) => networkOf(name) === network).flatMap(({ forwarder }) => forwarder.teardown),
    ];
    if (containers.length === 0 && idleNetwork === undefined) return [];
    return [{ network, containers, networks: idleNetwork === undefined ? [] : [removeNetwork(idleNetwork)] }];
  });
  const idleOut =
    wanted !== undefined || staying.servers.length > 0 ? undefined : ownNetwork(observed, outNetworkName(project));
  const forwarderRemovals = teardown.flatMap(({ containers }) => containers.map(({ id }) => id));
  const networkRemovals = idleOut === undefined ? [] : [removeNetwork(idleOut, forwarderRemovals)];
  const networks = [...teardown.flatMap((one) => one.networks), ...networkRemovals];
  return {
    parts: [
      out,
      ...led.flatMap(({ network, forwarder }) => [network, forwarder]),
      {
        ...nothing,
        changes: [
          ...idle.map(({ name }) => removed('forwarder', name)),
          ...networks.flatMap((step) => (step.op === 'remove-network' ? [removed('network', step.name)] : [])),
        ],
      },
    ],
    teardown: [...teardown, { network: outNetworkName(project), containers: [], networks: networkRemovals }],
    stepsFor: ({ spec }) =>
      led
        .filter(({ name }) => name === spec.name)
        // The last one is its gate, before which everything else was there.
        .flatMap(({ forwarder }) => forwarder.steps.slice(-1).map(({ id }) => id)),
  };
}
