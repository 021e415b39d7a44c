import { hasForwarder } from '../../model/container/egress.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { isHttp } from '../../model/desired.ts';
import { assertNever } from '../../model/errors.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ProjectName, ServerName, StepId } from '../../model/ids.ts';
import { nextRotation } from '../../model/plan/rotation.ts';
import { type Change, type Drift, isNonEmpty, type NextRotation, type NonEmpty } from '../../model/plan.ts';
import { slotsOf } from '../model/generations.ts';
import type { Observed, ObservedContainer } from '../model/observed.ts';
import { egressSubnets } from '../model/way-out.ts';
import type { DockerPlan } from '../steps.ts';
import { pruneRecords } from './generations/prune-records.ts';
import { droppedByReplacement } from './kept/dropped-files.ts';
import { keptBeside } from './kept/kept-beside.ts';
import { copiesFirst, keptFiles } from './kept/kept-files.ts';
import { planWarnings } from './plan-warnings.ts';
import { planRemovals, type RemovalRule } from './removal.ts';
import type { Assessed, SlotContext } from './server/assess-server.ts';
import type { LabelContext } from './server/container-template.ts';
import { type Decision, decideServer } from './server/decide-server.ts';
import { serverSteps } from './server/server-steps.ts';
import { withFreeNames } from './support/free-names.ts';
import { planImages, withNeededImages, withoutFailedImages } from './support/plan-images.ts';
import { planSupport, supportBlocker, teardownSteps } from './support/support.ts';
import { wholePlan } from './whole-plan.ts';

/** Everything a plan follows from; the same input gives the same plan, byte for byte. */
export type PlanInput = {
  readonly project: ProjectName;
  /** In any order; names are unique. */
  readonly desired: readonly DeclaredServer[];
  readonly observed: Observed;
  readonly undesired: RemovalRule;
  /** Servers that another engine runs from now on. */
  readonly movedAway?: ReadonlySet<ServerName>;
  readonly executions: ReadonlyMap<ContainerId, number>;
  /** Variables whose secrets have other values than a container was made with. */
  readonly changedSecrets?: ReadonlyMap<ContainerId, NonEmpty<string>>;
  readonly replace: ReadonlySet<ServerName>;
  /** Servers that run and do not answer. */
  readonly unhealthy?: ReadonlyMap<ServerName, Unanswered>;
  /** Servers that somebody asked to stop, which are desired with `enabled: false`; their sessions are drained first. */
  readonly stop?: ReadonlySet<ServerName>;
  readonly keepFailed: boolean;
  /** How many past generations of each server can be gone back to; 0: none is recorded. */
  readonly keep: number;
  /** The generation that the one desired server is taken back to. */
  readonly rollbackTo?: number;
  readonly relayImage: string;
  readonly forwarderImage: string;
  /** `looms/<version>`. */
  readonly managedBy: string;
  readonly recordSpec: LabelContext['recordSpec'];
};

type Slot = { readonly server: DeclaredServer; readonly decision: Decision; readonly assessed: readonly Assessed[] };

function changeOf(server: ServerName, decision: Decision): Change {
  switch (decision.kind) {
    case 'unchanged':
      return {
        server,
        action: 'unchanged',
        ...(decision.container === undefined ? {} : { container: decision.container.id }),
      };
    case 'create':
      return { server, action: 'create', reasons: [{ kind: 'missing' }] };
    case 'resume':
      return { server, container: decision.container.id, action: decision.action, reasons: decision.reasons };
    case 'replace':
      return { server, container: decision.old.id, action: 'replace', ...decision.order, reasons: decision.reasons };
    case 'stop':
      return { server, container: decision.containers[0].id, action: 'stop', reasons: decision.reasons };
    case 'clean-up':
      return { server, container: decision.container.id, action: 'clean-up', reasons: decision.reasons };
    case 'blocked':
      return { server, action: 'blocked', why: decision.why };
    default:
      return assertNever(decision);
  }
}

/** Whether a decision makes a container, and so needs its image to be there. */
const makesContainer = (decision: Decision): boolean =>
  decision.kind === 'create' || (decision.kind === 'replace' && decision.successor.kind === 'new');

const byGeneration = (a: ObservedContainer, b: ObservedContainer): number =>
  a.generation - b.generation || (a.id < b.id ? -1 : 1);

const isToBeRemoved = (name: ServerName, rule: RemovalRule): boolean =>
  typeof rule === 'object' ? rule.remove.includes(name) : rule === 'remove';

/** A server that would be made or started where the network or the relay is someone else's is blocked. */
function withBlocker(slot: Slot, context: SlotContext, earlier: () => readonly DeclaredServer[]): Slot {
  const { decision } = slot;
  const blocker = supportBlocker(slot.server, context, earlier);
  const needsIt = makesContainer(decision) || decision.kind === 'resume';
  return blocker === undefined || !needsIt ? slot : { ...slot, decision: { kind: 'blocked', why: blocker } };
}

/** Desired × observed → plan. Pure: asks and writes nothing. `diff`, `apply` and its dry run call exactly this. */
export function makePlan(input: PlanInput): DockerPlan {
  const { project, observed } = input;
  const desired = [...input.desired].sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  const present = slotsOf([...observed.containers].sort(byGeneration));
  const {
    executions,
    replace,
    unhealthy = new Map(),
    stop = new Set(),
    movedAway = new Set(),
    changedSecrets = new Map(),
    rollbackTo,
  } = input;
  const subnets = egressSubnets(
    observed,
    desired.map(({ spec }) => spec),
  );
  const kept = keptFiles(observed);
  const context: SlotContext = {
    project,
    observed,
    egressSubnets: subnets,
    kept,
    heldNames: new Set([...observed.foreign, ...observed.containers].map(({ name }) => name)),
    past: Map.groupBy(observed.history, ({ server }) => server),
    executions,
    changedSecrets,
    replace,
    unhealthy,
    stop,
    rollbackTo,
  };
  const slots = desired.map((server, index) =>
    withBlocker({ server, ...decideServer(server, present.get(server.spec.name) ?? [], context) }, context, () =>
      desired.slice(0, index),
    ),
  );

  const wantedNames = new Set(desired.map((server) => server.spec.name));
  const undesired = [...present.keys()].filter((name) => !wantedNames.has(name)).sort();
  const removed = undesired.filter((name) => movedAway.has(name) || isToBeRemoved(name, input.undesired));
  const takenNames = new Set([...context.heldNames, ...observed.history.map(({ name }) => name)]);
  const drift = driftOf(slots);
  const removals = planRemovals(removed, present, kept, {
    project,
    managedBy: input.managedBy,
    rule: input.undesired,
    movedAway,
    history: observed.history,
    keep: input.keep,
    takenNames,
    foreign: observed.foreign,
  });
  const blocked = new Set(removals.servers.flatMap(({ server, action }) => (action === 'blocked' ? [server] : [])));
  const leaving = new Set(removed.filter((name) => !blocked.has(name)));
  const staying = [...present]
    .filter(([name]) => !wantedNames.has(name) && !leaving.has(name))
    .flatMap(([, all]) => all);

  const isRunning = ({ server, decision }: Slot): boolean => server.spec.enabled && decision.kind !== 'blocked';
  const running = slots.filter(isRunning);
  const needsRelay = running.some(({ server }) => isHttp(server.spec));
  const needsForwarder = running.some(({ server }) => hasForwarder(server.spec));
  const images = planImages(
    slots.filter(({ decision }) => makesContainer(decision)),
    desired,
    [...(needsRelay ? [input.relayImage] : []), ...(needsForwarder ? [input.forwarderImage] : [])],
    observed,
  );
  const support = planSupport({
    project,
    observed,
    egressSubnets: subnets,
    servers: running.map(({ server }) => server),
    // A disabled or blocked server keeps its container, and with it the network it is on.
    staying: [
      ...staying,
      ...slots.filter((slot) => !isRunning(slot)).flatMap((slot) => slot.assessed.map((one) => one.container)),
    ],
    relayImage: input.relayImage,
    forwarderImage: input.forwarderImage,
    managedBy: input.managedBy,
    imageStep: images.stepFor,
  });
  const stepContext = {
    project,
    keptFiles: kept,
    managedBy: input.managedBy,
    recordSpec: input.recordSpec,
    keepFailed: input.keepFailed,
    freshVolumes: support.freshVolumes,
    observed,
    egressSubnets: subnets,
    past: context.past,
    keep: input.keep,
    takenNames,
    drifted: new Set(drift.map(({ container }) => container)),
    rollbackTo,
    ways: (server: DeclaredServer): StepId[] => [...support.relaySteps(server), ...support.wayOut(server)],
    prerequisites: (server: DeclaredServer): StepId[] => [
      ...images.stepFor(server.image.ref),
      ...(server.spec.network.mode === 'none' ? [] : support.networkStep(server.spec.network.mode)),
      ...support.wayOut(server),
    ],
  };
  const beside = slots.map(({ server, decision }) => keptBeside(server, decision, kept.get(server.spec.name), project));
  const serverWork = copiesFirst(
    [
      ...slots.flatMap(({ server, decision }) => serverSteps(server, decision, stepContext)),
      ...beside.flatMap((part) => part.steps),
      ...removals.steps,
    ],
    observed,
  );
  const history = pruneRecords({ observed, keep: input.keep, slots, removed, work: serverWork });
  const created = slots.filter(({ decision }) => decision.kind === 'create').map(({ server }) => server);
  const work = [
    ...support.steps,
    ...serverWork,
    ...withoutFailedImages(created, desired, observed, serverWork),
    ...history.steps,
  ];
  const all = withFreeNames([...work, ...teardownSteps(support.teardown, work, observed)], observed);
  const steps = withNeededImages(images.steps, all);

  const changes: Change[] = [
    ...slots.map(({ server, decision }) => changeOf(server.spec.name, decision)),
    ...removals.servers,
  ].sort((a, b) => (a.server < b.server ? -1 : 1));

  return wholePlan(observed, {
    changes,
    support: [
      ...support.changes,
      ...beside.flatMap((part) => part.changes),
      ...removals.changes,
      ...history.changes,
    ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    steps,
    drift,
    rotations: rotationsOf(slots, executions),
    warnings: [
      ...planWarnings(
        desired,
        observed,
        input.undesired === 'warn' ? undesired.filter((name) => !movedAway.has(name)) : [],
      ),
      ...slots.flatMap(({ server: { spec }, decision }) =>
        droppedByReplacement(spec.name, decision, spec.lifecycle.preserve),
      ),
      ...beside.flatMap((part) => part.warnings),
      ...removals.warnings,
    ],
  });
}

const rotationsOf = (slots: readonly Slot[], executions: PlanInput['executions']): NextRotation[] =>
  slots.flatMap(({ server, decision }) => {
    if (decision.kind !== 'unchanged' || decision.container === undefined) return [];
    return nextRotation(server.spec, decision.container, executions.get(decision.container.id) ?? 0) ?? [];
  });

function driftOf(slots: readonly Slot[]): Drift[] {
  return slots.flatMap(({ server, assessed }) =>
    assessed.flatMap(({ container, drift }) =>
      isNonEmpty(drift) ? [{ server: server.spec.name, container: container.id, fields: drift }] : [],
    ),
  );
}
