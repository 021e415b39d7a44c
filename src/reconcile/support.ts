import type { DeclaredServer } from '../model/desired.ts';
import { asStepId, type ProjectName, type StepId, shortId } from '../model/ids.ts';
import { networkName, relayName, volumeName } from '../model/labels.ts';
import type { NetworkShape, Observed, ObservedContainer, ObservedNetwork } from '../model/observed.ts';
import { type Blocker, isNonEmpty, type Operation, type Reason, type Step, type SupportChange } from '../model/plan.ts';
import { resolveShape, unknownImage } from '../model/resolve-shape.ts';
import { compareShapes } from './compare-shapes.ts';
import { relayContainer } from './template.ts';

type Mode = 'isolated' | 'bridge';
const modes: readonly Mode[] = ['isolated', 'bridge'];

/** What stands behind the servers, as changes and steps, and which steps a server's own ones wait for. */
export type Support = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly Step[];
  readonly closing: Closing;
  readonly freshVolumes: ReadonlySet<string>;
  readonly networkStep: (mode: Mode) => readonly StepId[];
  readonly relaySteps: (server: DeclaredServer) => readonly StepId[];
  /** Why no server can be on this network, when none can. */
  readonly networkBlocker: (mode: Mode) => Blocker | undefined;
};

/** Steps that remove what nobody needs any more, once those are gone that did. */
export type Closing = { readonly relays: readonly Step[]; readonly networks: readonly Step[] };

export type SupportInput = {
  readonly project: ProjectName;
  readonly observed: Observed;
  /** Servers of this plan that shall run. */
  readonly servers: readonly DeclaredServer[];
  /** Containers of servers that stay on the engine although this plan does not name them. */
  readonly staying: readonly ObservedContainer[];
  readonly relayImage: string;
  readonly managedBy: string;
  /** The step that makes an image available, when it is not. */
  readonly imageStep: (ref: string) => readonly StepId[];
};

/**
 * The networks of a project. `internal` alone leaves the engine's host reachable by the network's gateway address;
 * without an address of its own the bridge gives no way to it (tried on Engine 20.10 and 28.5). Podman cannot hide its
 * host, and forgets the option: there it is not asked for.
 */
export function networkShape(project: ProjectName, mode: Mode, canHideHost: boolean): NetworkShape {
  return {
    name: networkName(project, mode),
    driver: 'bridge',
    internal: mode === 'isolated',
    options: mode === 'isolated' && canHideHost ? { 'com.docker.network.bridge.inhibit_ipv4': 'true' } : {},
  };
}

const supportStep = (id: string, why: string, operation: Operation, after: readonly StepId[] = []): Step => ({
  id: asStepId(id),
  cause: { kind: 'support', why },
  after,
  ...operation,
});

const isHttp = (server: DeclaredServer): boolean => server.spec.mcp.transport.kind !== 'stdio';
const usesMode = (server: DeclaredServer, mode: Mode): boolean => server.spec.network.mode === mode;

function networkMismatch(found: ObservedNetwork, wanted: NetworkShape): string | undefined {
  if (!found.ours) return 'it is not of this project';
  if (found.internal !== wanted.internal) return `internal is ${found.internal}`;
  if (found.driver !== wanted.driver) return `its driver is ${found.driver}`;
  const option = Object.entries(wanted.options).find(([key, value]) => found.options[key] !== value);
  return option && `its option ${option[0]} is ${found.options[option[0]] ?? 'not set'}`;
}

type Part = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly Step[];
  readonly closing: readonly Step[];
};

const nothing: Part = { changes: [], steps: [], closing: [] };

function networkPart(input: SupportInput, mode: Mode): Part & { blocker?: Blocker } {
  const { project, observed, servers, staying } = input;
  const wanted = networkShape(project, mode, observed.engine.canHideHost);
  const found = observed.networks.find((network) => network.name === wanted.name);
  if (servers.some((server) => usesMode(server, mode))) {
    if (found === undefined) {
      const reasons = [{ kind: 'missing' }] as const;
      return {
        changes: [{ kind: 'network', name: wanted.name, action: 'create', reasons }],
        steps: [supportStep(`network:${mode}/create`, 'servers are on it', { op: 'create-network', network: wanted })],
        closing: [],
      };
    }
    const mismatch = networkMismatch(found, wanted);
    return mismatch === undefined
      ? nothing
      : { ...nothing, blocker: { kind: 'network-taken', name: `${wanted.name}: ${mismatch}` } };
  }
  const needed = staying.some((container) => container.shape.networks.some((network) => network.name === wanted.name));
  const ownIds = new Set(observed.containers.map((container) => container.id));
  const lent = found?.members.some((id) => !ownIds.has(id)) ?? false;
  if (found === undefined || !found.ours || needed || lent) return nothing;
  return {
    changes: [{ kind: 'network', name: found.name, action: 'remove', reasons: [{ kind: 'not-in-spec' }] }],
    steps: [],
    closing: [
      supportStep(`network:${mode}/remove`, 'no server is on it', {
        op: 'remove-network',
        network: found.id,
        name: found.name,
      }),
    ],
  };
}

function relayReasons(input: SupportInput, mode: Mode, relay: ObservedContainer): { stale: Reason[]; state: Reason[] } {
  const planned = relayContainer(input.project, mode, input.relayImage, input.managedBy);
  const facts = input.observed.images[input.relayImage] ?? null;
  const imageKnown = facts !== null && facts.id === relay.shape.imageId;
  const stale: Reason[] = relay.name === planned.name ? [] : [{ kind: 'misnamed', name: relay.name }];
  if (facts !== null && !imageKnown) {
    stale.push({ kind: 'image-changed', fields: [{ path: 'image', from: relay.imageRef, to: input.relayImage }] });
  }
  const wanted = resolveShape(planned.template, facts ?? unknownImage(relay.shape.imageId, input.relayImage));
  const fields = compareShapes(wanted, relay.shape, imageKnown);
  if (isNonEmpty(fields)) stale.push({ kind: 'live-drift', fields });
  const { state } = relay;
  if (state.status === 'running' && !state.paused) return { stale, state: [] };
  return {
    stale,
    state: [state.status === 'exited' ? { kind: 'exited', exitCode: state.exitCode } : { kind: 'not-started' }],
  };
}

function removeRelay(relay: ObservedContainer, mode: Mode, index: number): Step {
  return supportStep(`relay:${mode}/remove${index === 0 ? '' : `:${index}`}`, 'a relay that is not as it should be', {
    op: 'remove-container',
    target: { id: relay.id },
    name: relay.name,
  });
}

function relayPart(input: SupportInput, mode: Mode, networkSteps: readonly Step[]): Part {
  const { project, observed, servers, staying } = input;
  const name = relayName(project, mode);
  const network = networkName(project, mode);
  const onNetwork = (container: ObservedContainer): boolean =>
    container.shape.networks.some((one) => one.name === network);
  // By label and network, as a relay that was renamed is one of ours all the same.
  const relays = observed.containers.filter((container) => container.role === 'relay' && onNetwork(container));
  const wanted = servers.some((server) => isHttp(server) && usesMode(server, mode));
  if (!wanted) {
    const needed = staying.some(
      (container) => container.recorded?.spec.mcp.transport.kind !== 'stdio' && onNetwork(container),
    );
    if (needed || relays.length === 0) return nothing;
    return {
      changes: [{ kind: 'relay', name, action: 'remove', reasons: [{ kind: 'not-in-spec' }] }],
      steps: [],
      closing: relays.map((relay, index) => removeRelay(relay, mode, index)),
    };
  }
  const [relay] = relays;
  const { stale, state } = relay === undefined ? { stale: [], state: [] } : relayReasons(input, mode, relay);
  if (relay !== undefined && stale.length === 0) {
    if (!isNonEmpty(state)) return nothing;
    const paused = relay.state.status === 'running' && relay.state.paused;
    const operation: Operation = paused
      ? { op: 'unpause-container', target: { id: relay.id }, name }
      : { op: 'start-container', target: { id: relay.id }, name };
    return {
      changes: [{ kind: 'relay', name, action: 'start', reasons: state }],
      steps: [supportStep(`relay:${mode}/start`, 'HTTP servers are reached through it', operation)],
      closing: [],
    };
  }
  const removals = relays.map((one, index) => removeRelay(one, mode, index));
  const planned = relayContainer(project, mode, input.relayImage, input.managedBy);
  const create = supportStep(
    `relay:${mode}/create`,
    'HTTP servers are reached through it',
    { op: 'create-container', container: planned },
    [...input.imageStep(input.relayImage), ...networkSteps.map((one) => one.id), ...removals.map((one) => one.id)],
  );
  const start = supportStep(
    `relay:${mode}/start`,
    'HTTP servers are reached through it',
    { op: 'start-container', target: { madeBy: create.id }, name },
    [create.id],
  );
  return {
    changes: [
      isNonEmpty(stale)
        ? { kind: 'relay', name, action: 'replace', reasons: stale }
        : { kind: 'relay', name, action: 'create', reasons: [{ kind: 'missing' }] },
    ],
    steps: [...removals, create, start],
    closing: [],
  };
}

type Volumes = {
  readonly changes: readonly SupportChange[];
  /** Names on the engine of volumes that no container has used yet. */
  readonly fresh: ReadonlySet<string>;
};

function planVolumes({ project, observed, servers }: SupportInput): Volumes {
  const wanted = servers.flatMap((server) =>
    server.spec.mounts.filter((mount) => mount.type === 'volume').map((mount) => volumeName(project, mount.source)),
  );
  const names = [...new Set(wanted)].sort();
  const there = new Set(observed.volumes.map((volume) => volume.name));
  const missing = names.filter((name) => !there.has(name));
  const mountedBy = (started: boolean): Set<string> =>
    new Set(
      observed.containers
        .filter((container) => (container.state.status === 'created') !== started)
        .flatMap((container) => container.shape.mounts.map((mount) => mount.source)),
    );
  // A volume comes to be with its first container. One that only containers mount that never started was left by a
  // run that was killed, perhaps before it was given to its user; any other holds somebody's data already.
  const unfinished = mountedBy(false);
  const used = mountedBy(true);
  return {
    changes: missing.map((name) => ({ kind: 'volume', name, action: 'create', reasons: [{ kind: 'missing' }] })),
    fresh: new Set([...missing, ...names.filter((name) => unfinished.has(name) && !used.has(name))]),
  };
}

/** Helpers live within one step; one that is seen under the lock was left by a run that was killed. */
const helperSteps = (observed: Observed): Step[] =>
  observed.containers
    .filter((container) => container.role === 'helper')
    .map(({ id, name }) =>
      supportStep(`helper:${shortId(id)}/remove`, 'left by a run that was killed', {
        op: 'remove-container',
        target: { id },
        name,
      }),
    );

/**
 * Plans what stands behind the servers: networks, relays and volumes. Volumes are made, never removed: they are data.
 */
export function planSupport(input: SupportInput): Support {
  const networks = { isolated: networkPart(input, 'isolated'), bridge: networkPart(input, 'bridge') };
  const created = (mode: Mode): readonly Step[] => networks[mode].steps.filter((one) => one.op === 'create-network');
  const relays = {
    isolated: relayPart(input, 'isolated', created('isolated')),
    bridge: relayPart(input, 'bridge', created('bridge')),
  };
  const volumes = planVolumes(input);
  const parts: Part[] = [
    { ...nothing, changes: volumes.changes },
    ...modes.flatMap((mode) => [networks[mode], relays[mode]]),
  ];
  return {
    changes: parts.flatMap((part) => part.changes).sort((a, b) => (a.name < b.name ? -1 : 1)),
    steps: [...helperSteps(input.observed), ...parts.flatMap((part) => part.steps)],
    closing: {
      relays: modes.flatMap((mode) => relays[mode].closing),
      networks: modes.flatMap((mode) => networks[mode].closing),
    },
    freshVolumes: volumes.fresh,
    networkStep: (mode) => created(mode).map((one) => one.id),
    relaySteps: (server) => {
      const { mode } = server.spec.network;
      if (!isHttp(server) || mode === 'none') return [];
      return relays[mode].steps.filter((one) => one.id.endsWith('/start')).map((one) => one.id);
    },
    networkBlocker: (mode) => networks[mode].blocker,
  };
}
