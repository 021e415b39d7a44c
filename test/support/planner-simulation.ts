import { label } from '../../src/docker/model/labels.ts';
import type {
  GenerationRecord,
  Observed,
  ObservedContainer,
  ObservedNetwork,
} from '../../src/docker/model/observed.ts';
import { resolveShape } from '../../src/docker/model/resolve-shape.ts';
import type { ImageFacts } from '../../src/docker/model/shape.ts';
import type { DockerPlan, DockerStep, Operation, PlannedContainer, Target } from '../../src/docker/steps.ts';
import type { RecordedSpec } from '../../src/model/desired.ts';
import type { GenerationOutcome } from '../../src/model/engine.ts';
import type { StepResult } from '../../src/model/events.ts';
import { asContainerId, asNetworkId, asServerName, type ContainerId, type StepId } from '../../src/model/ids.ts';
import { turnOf } from '../../src/orchestrator/common/walk-plan.ts';
import { readRecordedSpec } from '../../src/spec/record/record.ts';
import { emptyEngine, image } from './planner-world.ts';

/** An engine on plain data, with what a planner cannot see of a real one either. */
export type SimulatedEngine = Observed & {
  /** By container: for each path of `lifecycle.preserve` what was written there, named after who wrote it. */
  readonly files: ReadonlyMap<ContainerId, ReadonlyMap<string, string>>;
  /** The number of the next container. None is given twice, not even that of one that is gone. */
  readonly next: number;
};

/** A simulated engine with nothing on it but images. */
export const newEngine = (change: Partial<Observed> = {}): SimulatedEngine => ({
  ...emptyEngine(change),
  files: new Map(),
  next: 100,
});

/** By reference, or by the id of one that something is made of: that one stays, also without a reference. */
function imageFor(ref: string, { images, containers, history }: Observed): ImageFacts | undefined {
  const used = [...containers.map(({ shape }) => shape.imageId), ...history.map(({ imageId }) => imageId)];
  const byId = Object.values(images).find((one) => one?.id === ref);
  return images[ref] ?? byId ?? (used.some((id) => id === ref) ? image(ref, ref) : undefined);
}

function containerFrom(planned: PlannedContainer, id: ContainerId, observed: Observed): ObservedContainer {
  const facts = imageFor(planned.imageRef, observed);
  if (!facts) throw new Error(`the simulated engine has no image ${planned.imageRef}`);
  const labels = planned.ownLabels;
  const recorded: RecordedSpec | undefined = readRecordedSpec(labels[label.spec] ?? '');
  const name = labels[label.server];
  const restoredFrom = labels[label.restoredFrom];
  const keptFrom = labels[label.keptFrom];
  const egress = labels[label.egress];
  return {
    id,
    name: planned.name,
    role: planned.role,
    ...(name === undefined ? {} : { server: asServerName(name) }),
    generation: Number(labels[label.generation] ?? 0),
    createdAt: observed.now,
    state: { status: 'created' },
    run: '',
    restartCount: 0,
    engineHealth: null,
    specHash: labels[label.specHash] ?? '',
    ...(recorded === undefined ? {} : { recorded }),
    ...(restoredFrom === undefined ? {} : { restoredFrom: asContainerId(restoredFrom) }),
    ...(keptFrom === undefined ? {} : { keptFrom: asContainerId(keptFrom) }),
    ...(egress === undefined ? {} : { egress }),
    managedBy: labels[label.managedBy] ?? '',
    imageRef: planned.imageRef,
    shape: resolveShape(planned.template, facts),
  };
}

const recordOf = (
  of: ObservedContainer,
  id: ContainerId,
  name: string,
  outcome: GenerationOutcome,
  until: number,
): GenerationRecord => ({
  id,
  name,
  server: of.server ?? asServerName('none'),
  generation: of.generation,
  outcome,
  since: of.createdAt,
  until,
  specHash: of.specHash,
  ...(of.recorded === undefined ? {} : { recorded: of.recorded }),
  imageRef: of.imageRef,
  imageId: of.shape.imageId,
});

type World = { readonly observed: SimulatedEngine; readonly made: ReadonlyMap<string, ContainerId> };

/** An id that no container had before, and the engine that will not give it again. */
const newId = (letter: string, observed: SimulatedEngine): [ContainerId, SimulatedEngine] => [
  asContainerId(`${letter}${observed.next}`.padEnd(12, '0')),
  { ...observed, next: observed.next + 1 },
];

const idOf = (target: Target, world: World): ContainerId =>
  'id' in target ? target.id : (world.made.get(target.madeBy) ?? asContainerId('none'));

function change(world: World, id: ContainerId, to: Partial<ObservedContainer>): World {
  const { observed } = world;
  if (!observed.containers.some((one) => one.id === id)) throw new Error(`the plan changes ${id}, which is not there`);
  return withContainers(
    world,
    observed.containers.map((one) => (one.id === id ? { ...one, ...to } : one)),
  );
}

/** Whoever has a name on the engine, ours or not. */
const holderOf = (name: string, { containers, history, foreign }: Observed): ContainerId | undefined =>
  [...containers, ...history, ...foreign].find((one) => one.name === name)?.id;

/** Gives a container files at some paths. */
function withFiles(
  observed: SimulatedEngine,
  id: ContainerId,
  paths: readonly string[],
  content: (path: string) => string | undefined,
): SimulatedEngine {
  const found = paths.flatMap((path) => {
    const text = content(path);
    return text === undefined ? [] : [[path, text] as const];
  });
  const files = new Map([...(observed.files.get(id) ?? []), ...found]);
  return { ...observed, files: new Map([...observed.files, [id, files]]) };
}

/** Once it runs, a server writes what it finds missing. */
function withWritten(observed: SimulatedEngine, id: ContainerId): SimulatedEngine {
  const preserved = observed.containers.find((one) => one.id === id)?.recorded?.spec.lifecycle.preserve ?? [];
  const there = observed.files.get(id);
  return withFiles(observed, id, preserved, (path) => there?.get(path) ?? `written by ${id}`);
}

/** A volume comes to be with the first container that mounts it. */
function withVolumes(observed: SimulatedEngine, { shape }: ObservedContainer): SimulatedEngine {
  const mounted = shape.mounts.filter((mount) => mount.type === 'volume').map((mount) => mount.source);
  const missing = mounted.filter((name) => !observed.volumes.some((volume) => volume.name === name));
  return { ...observed, volumes: [...observed.volumes, ...missing.map((name) => ({ name, ours: true }))] };
}

const isOn = (container: ObservedContainer, network: string): boolean =>
  container.shape.networks.some((one) => one.name === network);

const withContainers = (world: World, containers: readonly ObservedContainer[]): World => ({
  ...world,
  observed: { ...world.observed, containers },
});

function perform(step: DockerStep, world: World): World {
  const { observed } = world;
  const operation: Operation = step;
  switch (operation.op) {
    case 'create-network': {
      const network: ObservedNetwork = {
        ...operation.network,
        id: asNetworkId(operation.network.name),
        ours: true,
        members: [],
      };
      const networks = [...observed.networks, network];
      const subnets = [...observed.subnets, ...(network.subnet === undefined ? [] : [network.subnet])];
      return { ...world, observed: { ...observed, networks, subnets } };
    }
    case 'remove-network': {
      const user = observed.containers.find((one) => isOn(one, operation.name));
      if (user !== undefined) throw new Error(`the plan removes ${operation.name}, which ${user.name} is on`);
      const networks = observed.networks.filter((one) => one.id !== operation.network);
      return { ...world, observed: { ...observed, networks } };
    }
    case 'pull-image':
    case 'build-image':
      return {
        ...world,
        observed: { ...observed, images: { ...observed.images, [operation.ref]: image(operation.ref) }, registry: {} },
      };
    case 'create-container': {
      const [id, counted] = newId('c', observed);
      const created = containerFrom(operation.container, id, observed);
      if (holderOf(created.name, observed) !== undefined) throw new Error(`the plan creates ${created.name} twice`);
      const missing = created.shape.networks.find(({ name }) => !observed.networks.some((one) => one.name === name));
      if (missing !== undefined) throw new Error(`the plan creates ${created.name} before its network`);
      const made = new Map([...world.made, [step.id, id] as const]);
      const containers = [...observed.containers, created];
      return { observed: withVolumes({ ...counted, containers }, created), made };
    }
    case 'start-container':
    case 'unpause-container': {
      const id = idOf(operation.target, world);
      const started = change(world, id, { state: { status: 'running', startedAt: observed.now, paused: false } });
      return { ...started, observed: withWritten(started.observed, id) };
    }
    case 'stop-container': {
      const id = idOf(operation.target, world);
      const state = { status: 'exited', exitCode: 143, finishedAt: observed.now, oomKilled: false } as const;
      const isUp = observed.containers.some((one) => one.id === id && one.state.status !== 'created');
      // The engine leaves one alone that never ran.
      return isUp ? change(world, id, { state }) : world;
    }
    case 'remove-container': {
      const id = idOf(operation.target, world);
      const history = observed.history.filter((one) => one.id !== id);
      const containers = observed.containers.filter((one) => one.id !== id);
      return { ...world, observed: { ...observed, history, containers } };
    }
    case 'record-generation': {
      const id = idOf(operation.target, world);
      const of = observed.containers.find((one) => one.id === id);
      if (of === undefined) throw new Error(`the plan records ${operation.name} after it is gone`);
      if (observed.history.some((one) => one.name === operation.record)) return world;
      const [recordId, counted] = newId('r', observed);
      const history = [...observed.history, recordOf(of, recordId, operation.record, operation.outcome, observed.now)];
      return { ...world, observed: { ...counted, history } };
    }
    case 'remove-image': {
      const used = [
        ...observed.containers.map((one) => one.shape.imageId),
        ...observed.history.map((one) => one.imageId),
      ];
      const image = operation.image ?? observed.images[operation.ref]?.id;
      if (image !== undefined && used.includes(image)) return world;
      return { ...world, observed: { ...observed, images: { ...observed.images, [operation.ref]: null } } };
    }
    case 'remove-volume':
      return {
        ...world,
        observed: { ...observed, volumes: observed.volumes.filter(({ name }) => name !== operation.name) },
      };
    case 'rename-container': {
      const holder = holderOf(operation.to, observed);
      if (holder !== undefined) throw new Error(`the plan renames to ${operation.to}, which ${holder} still holds`);
      const id = idOf(operation.target, world);
      if (!observed.history.some((one) => one.id === id)) return change(world, id, { name: operation.to });
      const history = observed.history.map((one) => (one.id === id ? { ...one, name: operation.to } : one));
      return { ...world, observed: { ...observed, history } };
    }
    case 'carry-files': {
      const from = observed.files.get(operation.from);
      const into = idOf(operation.target, world);
      return { ...world, observed: withFiles(observed, into, operation.paths, (path) => from?.get(path)) };
    }
    case 'gate':
    case 'await-listening':
    case 'drain':
      return world;
  }
}

/** What a run of a plan saw and left: every state between two steps, the last one at the end. */
export type Simulation = {
  readonly states: readonly SimulatedEngine[];
  readonly end: SimulatedEngine;
  /** Whether it was ended before all was done. */
  readonly wasCut: boolean;
  /** Whether what was asked to go wrong was met: a gate, or the step of `breakAt`. */
  readonly wentWrong: boolean;
};

export type SimulationOptions = {
  /** Servers whose gate fails. */
  readonly failGate?: readonly string[];
  /** Ends the run after so many steps, as a kill would. */
  readonly limit?: number;
  /** Which of the steps that could run now is next; without it, the first. */
  readonly pick?: (count: number) => number;
  /** The step with this number, from 0, fails: before the engine did it, or after, with its answer lost. */
  readonly breakAt?: { readonly step: number; readonly moment: 'before' | 'after' };
};

const failure: StepResult = { result: 'failed', failure: { code: 'internal', message: 'simulated', detail: [] } };

/** Whether a way back finds its container gone: what it answers was done, and only the answer was lost. */
function answersNothing(step: DockerStep, world: World): boolean {
  if (step.onFailureOf === undefined || !('target' in step)) return false;
  const id = idOf(step.target, world);
  return ![...world.observed.containers, ...world.observed.history].some((one) => one.id === id);
}

/** Carries a plan out on plain data, one step at a time in an order that its `after` allows. */
export function simulate(
  made: DockerPlan,
  observed: Observed & Partial<SimulatedEngine>,
  options: SimulationOptions = {},
): Simulation {
  const { limit = Number.POSITIVE_INFINITY, pick = () => 0, breakAt } = options;
  let world: World = { observed: { ...newEngine(), ...observed }, made: new Map() };
  const results = new Map<StepId, StepResult>();
  const states: SimulatedEngine[] = [world.observed];
  let wentWrong = false;
  for (let count = 0; ; count += 1) {
    const ready: DockerStep[] = [];
    for (let settled = false; !settled; ) {
      settled = true;
      ready.length = 0;
      for (const step of made.steps.filter(({ id }) => !results.has(id))) {
        const verdict = turnOf(step, results, 'no');
        if (verdict === 'run') ready.push(step);
        if (typeof verdict === 'string') continue;
        results.set(step.id, verdict.skip);
        settled = false;
      }
    }
    const step = ready[pick(ready.length) % ready.length];
    if (step === undefined) break;
    if (count >= limit) return { states, end: world.observed, wasCut: true, wentWrong };
    const broken = breakAt?.step === count;
    const shallFail = broken || (step.op === 'gate' && (options.failGate?.includes(step.server ?? '') ?? false));
    wentWrong ||= shallFail;
    const fails = shallFail || answersNothing(step, world);
    results.set(step.id, fails ? failure : { result: 'ok' });
    const happens = broken ? breakAt.moment === 'after' : !fails;
    if (happens) world = perform(step, world);
    world = { ...world, observed: { ...world.observed, now: world.observed.now + 1_000 } };
    states.push(world.observed);
  }
  const stuck = made.steps.find((step) => !results.has(step.id));
  if (stuck !== undefined) throw new Error(`step ${stuck.id} can never run`);
  return { states, end: world.observed, wasCut: false, wentWrong };
}
