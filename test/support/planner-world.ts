import type { DeclaredServer, DesiredServer, RecordedSpec } from '../../src/model/desired.ts';
import {
  asContainerId,
  asImageId,
  asNetworkId,
  asProjectName,
  asServerName,
  type ContainerId,
} from '../../src/model/ids.ts';
import { label } from '../../src/model/labels.ts';
import type { Observed, ObservedContainer, ObservedNetwork } from '../../src/model/observed.ts';
import type { Operation, Plan, PlannedContainer, Step, Target } from '../../src/model/plan.ts';
import { resolveShape } from '../../src/model/resolve-shape.ts';
import type { ImageFacts } from '../../src/model/shape.ts';
import { makePlan, type PlanInput } from '../../src/reconcile/plan.ts';
import { specHash } from '../../src/spec/hash.ts';
import { readRecordedSpec, recordSpec } from '../../src/spec/record.ts';

export const project = asProjectName('test');

/** Changes to a spec, one level deep into its groups. */
export type SpecChange = {
  readonly [K in keyof DesiredServer]?: DesiredServer[K] extends object ? Partial<DesiredServer[K]> : DesiredServer[K];
};

const baseSpec: DesiredServer = {
  name: asServerName('a'),
  enabled: true,
  image: { kind: 'image', ref: 'example:1' },
  pullPolicy: 'missing',
  environment: {},
  mounts: [],
  limits: { cpuCores: 1, memoryMiB: 512, pidsLimit: 100, executionTimeoutSeconds: 300 },
  security: {
    user: '1000:1000',
    readOnlyRoot: true,
    capDrop: ['ALL'],
    capAdd: [],
    noNewPrivileges: true,
    tmpfs: { '/tmp': '64m' },
  },
  network: { mode: 'isolated', egress: [] },
  lifecycle: {
    healthCheckIntervalSeconds: 60,
    autoCleanup: true,
    drainSeconds: 30,
    rotateOnImageChange: false,
    preserve: [],
    restart: 'unless-stopped',
  },
  labels: {},
  mcp: {
    transport: { kind: 'stdio' },
    command: 'serve',
    args: [],
    env: {},
    envFrom: [],
    timeoutSeconds: 30,
    protocol: 'legacy',
    tools: { exclude: [] },
  },
};

/** A server as a file would declare it: the defaults of the spec, changed where a test needs it. */
export function server(name: string, change: SpecChange = {}): DeclaredServer {
  const groups = Object.entries(change).map(([key, value]) => {
    const base = baseSpec[key as keyof DesiredServer];
    const merges = typeof base === 'object' && !Array.isArray(base) && key !== 'image';
    return [key, merges ? { ...base, ...(value as object) } : value];
  });
  const spec: DesiredServer = { ...baseSpec, ...Object.fromEntries(groups), name: asServerName(name) };
  const ref = spec.image.kind === 'image' ? spec.image.ref : `looms/${spec.image.kind}:0`;
  const image =
    spec.image.kind === 'image'
      ? ({ kind: 'pulled', ref } as const)
      : ({ kind: 'built', ref, base: undefined } as const);
  return { spec, image, hash: specHash(spec, ref), source: { file: 'mcp.yaml', line: 1, directory: '/specs' } };
}

export const httpServer = (name: string, change: SpecChange = {}): DeclaredServer =>
  server(name, { ...change, mcp: { ...change.mcp, transport: { kind: 'streamable-http', port: 3000, path: '/mcp' } } });

export const image = (ref: string, id = `sha256:${ref}`): ImageFacts => ({
  id: asImageId(id),
  ref,
  digests: [],
  entrypoint: [],
  command: ['run'],
  env: { PATH: '/bin' },
  workingDir: '',
  user: '',
  labels: {},
  architecture: 'amd64',
  hasShell: true,
});

const relayImage = 'relay:1';

/** An engine with nothing on it but images. */
export const emptyEngine = (change: Partial<Observed> = {}): Observed => ({
  project,
  engine: {
    id: 'ENGINE',
    name: 'test',
    kind: 'docker',
    version: '28.0.0',
    apiVersion: '1.48',
    os: 'linux',
    architecture: 'amd64',
    endpoint: 'unix:///test.sock',
    storageDriver: 'overlay2',
    canLimitStorage: false,
    canHideHost: true,
    cpus: 2,
    memoryBytes: 2 ** 34,
  },
  now: 1_000_000,
  containers: [],
  foreign: [],
  networks: [],
  volumes: [],
  images: { 'example:1': image('example:1'), 'example:2': image('example:2'), [relayImage]: image(relayImage) },
  registry: {},
  ...change,
});

export function plan(desired: readonly DeclaredServer[], observed: Observed, change: Partial<PlanInput> = {}): Plan {
  return makePlan({
    project,
    desired,
    observed,
    undesired: 'warn',
    executions: new Map(),
    replace: new Set(),
    keepFailed: false,
    relayImage,
    managedBy: 'looms/0.0.0',
    recordSpec: (one) => recordSpec(one.spec, one.image.ref),
    ...change,
  });
}

function containerFrom(planned: PlannedContainer, id: ContainerId, observed: Observed): ObservedContainer {
  // What keeps files is made of an image by its id.
  const facts =
    observed.images[planned.imageRef] ?? Object.values(observed.images).find((one) => one?.id === planned.imageRef);
  if (!facts) throw new Error(`the simulated engine has no image ${planned.imageRef}`);
  const labels = planned.ownLabels;
  const recorded: RecordedSpec | undefined = readRecordedSpec(labels[label.spec] ?? '');
  const name = labels[label.server];
  const restoredFrom = labels[label.restoredFrom];
  return {
    id,
    name: planned.name,
    role: planned.role,
    ...(name === undefined ? {} : { server: asServerName(name) }),
    generation: Number(labels[label.generation] ?? 0),
    createdAt: observed.now,
    state: { status: 'created' },
    restartCount: 0,
    specHash: labels[label.specHash] ?? '',
    ...(recorded === undefined ? {} : { recorded }),
    ...(restoredFrom === undefined ? {} : { restoredFrom: asContainerId(restoredFrom) }),
    managedBy: labels[label.managedBy] ?? '',
    imageRef: planned.imageRef,
    shape: resolveShape(planned.template, facts),
  };
}

type World = { readonly observed: Observed; readonly made: ReadonlyMap<string, ContainerId>; readonly next: number };

const idOf = (target: Target, world: World): ContainerId =>
  'id' in target ? target.id : (world.made.get(target.madeBy) ?? asContainerId('none'));

const change = (world: World, id: ContainerId, to: Partial<ObservedContainer>): World => ({
  ...world,
  observed: {
    ...world.observed,
    containers: world.observed.containers.map((one) => (one.id === id ? { ...one, ...to } : one)),
  },
});

const withContainers = (world: World, containers: readonly ObservedContainer[]): World => ({
  ...world,
  observed: { ...world.observed, containers },
});

const numbered = (number: number): ContainerId => asContainerId(`c${number}`.padEnd(12, '0'));

function perform(step: Step, world: World): World {
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
      return { ...world, observed: { ...observed, networks: [...observed.networks, network] } };
    }
    case 'remove-network':
      return {
        ...world,
        observed: { ...observed, networks: observed.networks.filter((one) => one.id !== operation.network) },
      };
    case 'pull-image':
    case 'build-image':
      return {
        ...world,
        observed: { ...observed, images: { ...observed.images, [operation.ref]: image(operation.ref) }, registry: {} },
      };
    case 'create-container': {
      const isTaken = (number: number) => observed.containers.some((one) => one.id === numbered(number));
      let number = world.next;
      while (isTaken(number)) number += 1;
      const id = numbered(number);
      const created = containerFrom(operation.container, id, observed);
      const clash = observed.containers.find((one) => one.name === created.name);
      if (clash !== undefined) throw new Error(`the plan creates ${created.name} twice`);
      const made = new Map([...world.made, [step.id, id] as const]);
      return { ...withContainers(world, [...observed.containers, created]), made, next: number + 1 };
    }
    case 'start-container':
    case 'unpause-container':
      return change(world, idOf(operation.target, world), {
        state: { status: 'running', startedAt: observed.now, paused: false },
      });
    case 'stop-container':
      return change(world, idOf(operation.target, world), {
        state: { status: 'exited', exitCode: 143, finishedAt: observed.now, oomKilled: false },
      });
    case 'remove-container': {
      const id = idOf(operation.target, world);
      return withContainers(
        world,
        observed.containers.filter((one) => one.id !== id),
      );
    }
    case 'rename-container': {
      const holder = observed.containers.find((one) => one.name === operation.to);
      if (holder !== undefined) throw new Error(`the plan renames to ${operation.to}, which ${holder.id} still holds`);
      return change(world, idOf(operation.target, world), { name: operation.to });
    }
    case 'gate':
    case 'carry-files':
    case 'drain':
      return world;
  }
}

/** What a run of a plan saw and left: every state between two steps, the last one at the end. */
export type Simulation = { readonly states: readonly Observed[]; readonly end: Observed };

/**
 * Carries a plan out on plain data, one step at a time in an order that its `after` allows. `failGate` names servers
 * whose gate fails; `limit` ends the run after so many steps, as a kill would.
 */
export function simulate(
  made: Plan,
  observed: Observed,
  options: { readonly failGate?: readonly string[]; readonly limit?: number } = {},
): Simulation {
  let world: World = { observed, made: new Map(), next: observed.containers.length + 100 };
  const results = new Map<string, 'ok' | 'failed' | 'skipped'>();
  const states: Observed[] = [observed];
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for (let moved = true; moved; ) {
    moved = false;
    for (const step of made.steps) {
      if (results.has(step.id)) continue;
      const waits = [...step.after, ...(step.onFailureOf ?? [])];
      if (waits.some((id) => !results.has(id))) continue;
      moved = true;
      const runs =
        step.onFailureOf === undefined
          ? step.after.every((id) => results.get(id) === 'ok')
          : step.onFailureOf.some((id) => results.get(id) === 'failed');
      if (!runs) {
        results.set(step.id, 'skipped');
        continue;
      }
      if (left <= 0) return { states, end: world.observed };
      left -= 1;
      const fails = step.op === 'gate' && options.failGate?.includes(step.server ?? '');
      results.set(step.id, fails ? 'failed' : 'ok');
      if (!fails) world = perform(step, world);
      states.push(world.observed);
    }
  }
  const stuck = made.steps.find((step) => !results.has(step.id));
  if (stuck !== undefined) throw new Error(`step ${stuck.id} can never run`);
  return { states, end: world.observed };
}
