import type { DeclaredServer } from '../../../model/desired.ts';
import { isHttp } from '../../../model/desired.ts';
import { type StepId, shortId } from '../../../model/ids.ts';
import type { Blocker, SupportChange } from '../../../model/plan.ts';
import { networkName, volumeName } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import { overlaps } from '../../model/resolve-shape.ts';
import type { EgressSubnets } from '../../model/way-out.ts';
import type { StepDraft } from '../../steps.ts';
import { unsupported } from '../blockers.ts';
import { on, removalsIn, supportStep } from '../step-builders.ts';
import { planEgress } from './egress.ts';
import { egressBlocker } from './egress-blocker.ts';
import { networkBlocker, networkPlan } from './networks.ts';
import { relayBlocker, relayPlan } from './relays.ts';
import { isOn, type Mode, modes, nothing, type SupportInput, type SupportPlan, type Teardown } from './support-plan.ts';

/** What stands behind the servers, as changes and steps, and which steps a server's own ones wait for. */
type Support = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly StepDraft[];
  /** Removals of what nobody needs any more, by the network that they are about: they come last. */
  readonly teardown: readonly Teardown[];
  readonly freshVolumes: ReadonlySet<string>;
  readonly networkStep: (mode: Mode) => readonly StepId[];
  readonly wayOut: (server: DeclaredServer) => readonly StepId[];
  readonly relaySteps: (server: DeclaredServer) => readonly StepId[];
};

/** Why no container is made with a mount of a server: it would have what the engine keeps of all of them. */
function mountBlocker({ spec }: DeclaredServer, { engine: { stateFolder } }: Observed): Blocker | undefined {
  const found = spec.mounts.find(({ type, source }) => type === 'bind' && overlaps(source, stateFolder));
  if (found === undefined || stateFolder === '') return undefined;
  const detail = `${found.source} is never mounted: the engine keeps its state in ${stateFolder}, and with it a server has the host`;
  return unsupported(detail, 'mount another folder');
}

/** Why a server cannot run for what stands behind it: a network or a relay of its name is somebody else's. */
export function supportBlocker(
  server: DeclaredServer,
  context: { readonly observed: Observed; readonly egressSubnets: EgressSubnets },
  earlier: () => readonly DeclaredServer[],
): Blocker | undefined {
  const { observed } = context;
  const { mode } = server.spec.network;
  const ofMounts = mountBlocker(server, observed);
  if (ofMounts !== undefined || mode === 'none') return ofMounts;
  return (
    networkBlocker(observed.project, mode, observed) ??
    relayBlocker(server, mode, observed) ??
    egressBlocker(server, context, earlier)
  );
}

type Volumes = {
  readonly changes: readonly SupportChange[];
  /** Names on the engine of volumes that nothing uses: missing ones, and such as perhaps nobody has used yet. */
  readonly fresh: ReadonlySet<string>;
};

function planVolumes({ project, observed, servers }: SupportInput): Volumes {
  const wanted = servers.flatMap((server) =>
    server.spec.mounts.filter((mount) => mount.type === 'volume').map((mount) => volumeName(project, mount.source)),
  );
  const names = [...new Set(wanted)].sort();
  const there = new Set(observed.volumes.map((volume) => volume.name));
  const missing = names.filter((name) => !there.has(name));
  const used = new Set(
    observed.containers
      .filter((container) => container.state.status !== 'created')
      .flatMap((container) => container.shape.mounts.map((mount) => mount.source)),
  );
  return {
    changes: missing.map((name) => ({ kind: 'volume', name, action: 'create', reasons: [{ kind: 'missing' }] })),
    // One that is there and that nothing uses was left by a run that was killed before it was given to its user, or holds
    // somebody's data: the engine sees which, and gives away what is empty only.
    fresh: new Set(names.filter((name) => !used.has(name))),
  };
}

/** Helpers live within one step; one that is seen under the lock was left by a run that was killed. */
const helperSteps = (observed: Observed): StepDraft[] =>
  observed.containers
    .filter((container) => container.role === 'helper')
    .map((helper) => {
      const id = `helper:${shortId(helper.id)}/remove`;
      return supportStep(id, 'left by a run that was killed', on('remove-container', helper));
    });

/**
 * Plans what stands behind the servers: networks, relays and volumes. Volumes are made, never removed: they are data.
 */
export function planSupport(input: SupportInput): Support {
  const networks = { isolated: networkPlan(input, 'isolated'), bridge: networkPlan(input, 'bridge') };
  const relays = {
    isolated: relayPlan(input, 'isolated', networks.isolated.steps),
    bridge: relayPlan(input, 'bridge', networks.bridge.steps),
  };
  const egress = planEgress(input);
  const volumes = planVolumes(input);
  const parts: SupportPlan[] = [
    { ...nothing, changes: volumes.changes },
    ...modes.flatMap((mode) => [networks[mode], relays[mode]]),
    ...egress.parts,
  ];
  return {
    changes: parts.flatMap((part) => part.changes).sort((a, b) => (a.name < b.name ? -1 : 1)),
    steps: [...helperSteps(input.observed), ...parts.flatMap((part) => part.steps)],
    teardown: [
      ...modes.map((mode) => ({
        network: networkName(input.project, mode),
        containers: relays[mode].teardown,
        networks: networks[mode].teardown,
      })),
      ...egress.teardown,
    ],
    freshVolumes: volumes.fresh,
    wayOut: egress.stepsFor,
    networkStep: (mode) => networks[mode].steps.map((one) => one.id),
    relaySteps: (server) => {
      const { mode } = server.spec.network;
      if (!isHttp(server.spec) || mode === 'none') return [];
      return relays[mode].steps.filter((one) => one.id.endsWith('/start')).map((one) => one.id);
    },
  };
}

/**
 * What stands behind servers goes after them: a relay has their last sessions, a
 * forwarder their connections, and a network can go only when nothing
 * is on it. Where a removal fails, what the server needs stays with it.
 */
export function teardownSteps(
  teardown: readonly Teardown[],
  work: readonly StepDraft[],
  observed: Observed,
): StepDraft[] {
  const containers = new Map<string, ObservedContainer>(observed.containers.map((one) => [one.id, one]));
  return teardown.flatMap(({ network, containers: support, networks }) => {
    const leaves = (step: StepDraft): boolean => {
      const id = step.op === 'remove-container' && 'id' in step.target ? step.target.id : undefined;
      const container = id === undefined ? undefined : containers.get(id);
      return container !== undefined && isOn(container, network);
    };
    const gone = removalsIn(work).filter(leaves);
    const servers = gone.filter(({ server }) => server !== undefined).map(({ id }) => id);
    const all = [...gone, ...support].map(({ id }) => id);
    return [
      ...support.map((step) => ({ ...step, after: [...step.after, ...servers] })),
      ...networks.map((step) => ({ ...step, after: [...step.after, ...all] })),
    ];
  });
}
