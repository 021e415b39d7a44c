import type { DeclaredServer } from '../../../model/desired.ts';
import type { ServerName, StepId } from '../../../model/ids.ts';
import { isNonEmpty, type Reason } from '../../../model/plan.ts';
import { egressNetworkName, egressSuffix, label, mainEgressNetwork, outNetworkName } from '../../model/labels.ts';
import type { NetworkShape, Observed, ObservedContainer, ObservedNetwork } from '../../model/observed.ts';
import { liveFields } from '../../model/shape.ts';
import { hasPartOf, isUsedBy, listensAt, type WayOut, wayOutOf } from '../../model/way-out.ts';
import type { Operation, PlannedContainer, StepDraft } from '../../steps.ts';
import { forwarderContainer, standInContainer } from '../server/forwarder-containers.ts';
import { on, supportStep } from '../step-builders.ts';
import {
  isOn,
  madeNetwork,
  networkNamed,
  nothing,
  ownNetwork,
  removedChange,
  removeNetwork,
  type SupportInput,
  type SupportPlan,
  type Teardown,
} from './support-plan.ts';
import { type SupportReasons, supportReasons } from './support-reasons.ts';

/** A forwarder is ready in half a second; an engine under load takes longer. */
const readySeconds = 30;

const why = 'what its server reaches of the outside goes through it';

const networkPlan = (network: NetworkShape, reason: string, observed: Observed): SupportPlan =>
  networkNamed(observed, network.name) ? nothing : madeNetwork(network, network.name, reason);

/** A forwarder or a stand-in as it shall be, and where it listens then. */
type Wanted = { readonly planned: PlannedContainer; readonly listens: readonly string[] };

/** What a label says that is not what it should: of a stand-in, which follows its server's list, that list has changed. */
const otherMark = (found: string | undefined, mark: string): Reason =>
  found === undefined || !mark.includes(' by ')
    ? { kind: 'unreadable-record' }
    : { kind: 'spec-changed', fields: [{ path: 'docker_backend.network.egress', from: found, to: mark }] };

/** In one order, however the engine lists them. */
const forwardersOf = ({ containers }: Observed): readonly ObservedContainer[] =>
  containers.filter(({ role }) => role === 'forwarder').sort((a, b) => (a.id < b.id ? -1 : 1));

function removeForwarder(forwarder: ObservedContainer, after: readonly StepId[] = []): StepDraft {
  const id = `egress:${forwarder.name}/remove:${forwarder.id.slice(0, 6)}`;
  return supportStep(id, 'no server gets out by it', on('remove-container', forwarder), after);
}

/**
 * The program of a forwarder is no setting that somebody changes on a container, and a page of text: usually it is that of
 * the looms that made it.
 */
function programApart(reason: Reason): Reason[] {
  if (reason.kind !== 'live-drift') return [reason];
  const isProgram = ({ path }: { readonly path: string }): boolean => path === liveFields.command.path;
  const others = reason.fields.filter((field) => !isProgram(field));
  return [
    ...(isNonEmpty(others) ? [{ ...reason, fields: others }] : []),
    ...(reason.fields.some(isProgram) ? [{ kind: 'other-program' } as const] : []),
  ];
}

/** Why a forwarder that is there cannot stay, and why it has to be started. */
function reasonsOf(
  forwarder: ObservedContainer,
  planned: PlannedContainer,
  { observed, forwarderImage }: SupportInput,
): SupportReasons {
  const { stale, state } = supportReasons(forwarder, planned, forwarderImage, observed);
  const mark = planned.ownLabels[label.egress] ?? '';
  if (forwarder.egress === mark) return { stale: stale.flatMap(programApart), state };
  // It was made for something else, so what differs says nothing.
  return { stale: [otherMark(forwarder.egress, mark), ...stale.filter(({ kind }) => kind !== 'live-drift')], state };
}

/** Makes, repairs or starts one forwarder or stand-in and waits until it listens. */
function forwarderPlan(
  { planned, listens }: Wanted,
  input: SupportInput,
  there: readonly ObservedContainer[],
  networkSteps: readonly StepId[],
): SupportPlan {
  const { name } = planned;
  const [first] = there;
  const { stale, state } = first === undefined ? { stale: [], state: [] } : reasonsOf(first, planned, input);
  const gate = (target: Extract<Operation, { op: 'start-container' }>['target'], after: StepId) =>
    supportStep(
      `egress:${name}/gate`,
      why,
      { op: 'await-listening', target, name, addresses: listens, timeoutSeconds: readySeconds },
      [after],
    );
  if (first !== undefined && stale.length === 0) {
    const surplus = there.slice(1).map((one) => removeForwarder(one));
    if (!isNonEmpty(state)) return { ...nothing, teardown: surplus };
    const resume = on(first.state.status === 'running' ? 'unpause-container' : 'start-container', first);
    const start = supportStep(`egress:${name}/start`, why, resume, networkSteps);
    return {
      changes: [{ kind: 'forwarder', name, action: 'start', reasons: state }],
      steps: [start, gate(resume.target, start.id)],
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

const removeEgressNetwork = (network: ObservedNetwork, after?: readonly StepId[]): StepDraft =>
  removeNetwork(network, network.name, 'no server gets out by it', after);

export type EgressPlan = {
  readonly parts: readonly SupportPlan[];
  readonly teardown: readonly Teardown[];
  /** What a server's own steps wait for. */
  readonly stepsFor: (server: DeclaredServer) => readonly StepId[];
};

/** What one server is led out by, and the forwarders and stand-ins that are it already. */
type Led = {
  readonly name: ServerName;
  readonly networkNames: readonly string[];
  readonly networks: readonly SupportPlan[];
  readonly forwarders: readonly SupportPlan[];
  readonly there: readonly ObservedContainer[];
};

function ledOf(input: SupportInput, { spec: { name } }: DeclaredServer, way: WayOut, out: SupportPlan): Led {
  const { observed, project, forwarderImage: imageRef, managedBy } = input;
  const owner = { project, server: name, imageRef, managedBy };
  const own = forwardersOf(observed).filter((one) => one.server === name);
  /** One of them: it is there already by its name, or by what it has of the network. */
  const partOf = (wanted: Wanted, isIt: (one: ObservedContainer) => boolean, ready: readonly SupportPlan[]) => {
    const isNamed = (one: ObservedContainer): boolean => one.name === wanted.planned.name;
    const there = own
      .filter((one) => isNamed(one) || isIt(one))
      .sort((a, b) => Number(isNamed(b)) - Number(isNamed(a)) || (a.id < b.id ? -1 : 1));
    const after = ready.flatMap(({ steps }) => steps.slice(-1).map(({ id }) => id));
    return { there, plan: forwarderPlan(wanted, input, there, after) };
  };
  const main = networkPlan(way.network, 'its server and its forwarder are on it', observed);
  const forwarder = partOf(
    { planned: forwarderContainer(way, owner), listens: listensAt(way) },
    (one) => hasPartOf(one, way),
    [main, out],
  );
  const blocks = new Map(way.standIns.map(({ network }) => [network.name, network]));
  const around = new Map(
    [...blocks].map(([key, network]) => [key, networkPlan(network, 'its server finds an address on it', observed)]),
  );
  const standIns = way.standIns.map((standIn) =>
    partOf(
      {
        planned: standInContainer(standIn, way, owner),
        listens: standIn.ports.map((port) => `${standIn.address}:${port}`),
      },
      ({ shape }) => shape.networks.some(({ address }) => address === standIn.address),
      // One that is there goes when there is something for the next one to hand on to.
      [main, around.get(standIn.network.name) ?? nothing, forwarder.plan],
    ),
  );
  const parts = [forwarder, ...standIns];
  return {
    name,
    networkNames: [way.network.name, ...blocks.keys()],
    networks: [main, ...around.values()],
    forwarders: parts.map(({ plan }) => plan),
    there: parts.flatMap(({ there }) => there),
  };
}

/** Servers that stay as they are and are led out, the networks that they are on for it, and what leads them there. */
function ledAndStaying({ observed, project, staying }: SupportInput) {
  const led = staying.flatMap((container) => {
    const { server } = container;
    const network = server && networkNamed(observed, egressNetworkName(project, server));
    if (server === undefined || network === undefined || !isOn(container, network.name)) return [];
    const networks = container.shape.networks.map(({ name }) => name).filter((name) => name.endsWith(egressSuffix));
    const around = networks.filter((name) => name !== network.name);
    const forwarders = forwardersOf(observed).filter(
      (one) => isUsedBy(one, container, network) || around.some((name) => isOn(one, name)),
    );
    return [{ networks, forwarders }];
  });
  return { networks: led.flatMap(({ networks }) => networks), forwarders: led.flatMap(({ forwarders }) => forwarders) };
}

/**
 * The forwarders of servers that list hosts, each with the network that it shares with its server; and the removal of
 * those that no container needs any more. The forwarder of a list that was changed stays until the container that was made
 * with that list is gone.
 */
export function planEgress(input: SupportInput): EgressPlan {
  const { observed, servers, project } = input;
  const ways = servers.flatMap((server) => {
    const way = wayOutOf(server.spec, observed, input.egressSubnets);
    return way === undefined ? [] : [{ server, way }];
  });
  const [wanted] = ways.flatMap(({ way }) => way.out ?? []);
  const out = wanted === undefined ? nothing : networkPlan(wanted, 'forwarders reach the outside through it', observed);
  const led = ways.map(({ server, way }) => ledOf(input, server, way, way.out === undefined ? nothing : out));
  const staying = ledAndStaying(input);
  const networksInUse = new Set([...led.flatMap(({ networkNames }) => networkNames), ...staying.networks]);
  const kept = new Set([...led.flatMap(({ there }) => there), ...staying.forwarders]);
  const idle = forwardersOf(observed).filter((one) => !kept.has(one));

  const networkOf = (server: ServerName): string => egressNetworkName(project, server);
  const known = [...observed.containers.flatMap(({ server }) => server ?? [])].map(networkOf);
  // A network alone is left by a run that was killed.
  const left = observed.networks
    .map(({ name }) => name)
    .filter((name) => name.endsWith(egressSuffix))
    .sort();
  const teardown = [...new Set([...known, ...left.map(mainEgressNetwork)])].sort().flatMap((network): Teardown[] => {
    const idleNetworks = left
      .filter((name) => mainEgressNetwork(name) === network && !networksInUse.has(name))
      .flatMap((name) => ownNetwork(observed, name) ?? []);
    const containers = [
      ...idle
        .filter(({ server }) => server !== undefined && networkOf(server) === network)
        .map((one) => removeForwarder(one)),
      ...led
        .filter(({ name }) => networkOf(name) === network)
        .flatMap(({ forwarders }) => forwarders.flatMap((one) => one.teardown)),
    ];
    if (containers.length === 0 && idleNetworks.length === 0) return [];
    return [{ network, containers, networks: idleNetworks.map((one) => removeEgressNetwork(one)) }];
  });
  const idleOut =
    wanted !== undefined || staying.networks.length > 0 ? undefined : ownNetwork(observed, outNetworkName(project));
  const forwarderRemovals = teardown.flatMap(({ containers }) => containers.map(({ id }) => id));
  const networkRemovals = idleOut === undefined ? [] : [removeEgressNetwork(idleOut, forwarderRemovals)];
  const networks = [...teardown.flatMap((one) => one.networks), ...networkRemovals];
  return {
    parts: [
      out,
      ...led.flatMap((one) => [...one.networks, ...one.forwarders]),
      {
        ...nothing,
        changes: [
          ...idle.map(({ name }) => removedChange('forwarder', name)),
          ...networks.flatMap((step) => (step.op === 'remove-network' ? [removedChange('network', step.name)] : [])),
        ],
      },
    ],
    teardown: [...teardown, { network: outNetworkName(project), containers: [], networks: networkRemovals }],
    stepsFor: ({ spec }) =>
      led
        .filter(({ name }) => name === spec.name)
        // The last ones are their gates, before which everything else was there.
        .flatMap(({ forwarders }) => forwarders.flatMap(({ steps }) => steps.slice(-1).map(({ id }) => id))),
  };
}
