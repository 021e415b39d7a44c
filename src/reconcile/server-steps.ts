import type { DeclaredServer } from '../model/desired.ts';
import { asStepId, type ServerName, type StepId } from '../model/ids.ts';
import { containerName, generationName, volumeName } from '../model/labels.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Operation, PlannedContainer, Step, Target } from '../model/plan.ts';
import type { Decision } from './decide.ts';
import { type LabelContext, serverLabels, templateOf } from './template.ts';

/** What the steps of one server hang on. */
export type StepContext = LabelContext & {
  /** Keep a container whose gate failed, for a look at it. */
  readonly keepFailed: boolean;
  /** Steps that make the server's image, network and volumes. */
  readonly prerequisites: (server: DeclaredServer) => readonly StepId[];
  /** Steps that make the relay through which the server is gated; empty for stdio. */
  readonly relay: (server: DeclaredServer) => readonly StepId[];
  /** Volumes (engine names) that no container has used yet. */
  readonly freshVolumes: ReadonlySet<string>;
};

type StepOptions = { readonly after?: readonly StepId[]; readonly onFailureOf?: readonly StepId[] };

const step = (server: ServerName, what: string, operation: Operation, options: StepOptions = {}): Step => ({
  id: asStepId(`${server}/${what}`),
  server,
  cause: { kind: 'change', server },
  after: options.after ?? [],
  ...(options.onFailureOf === undefined ? {} : { onFailureOf: options.onFailureOf }),
  ...operation,
});

const isUp = (container: ObservedContainer): boolean =>
  container.state.status === 'running' || container.state.status === 'restarting';

/** The container of a new generation, complete but for what its image decides. */
function plannedContainer(server: DeclaredServer, generation: number, context: StepContext): PlannedContainer {
  const template = templateOf(server.spec, context.project);
  const fresh = server.spec.mounts
    .filter((mount) => mount.type === 'volume' && !mount.readOnly)
    .filter((mount) => context.freshVolumes.has(volumeName(context.project, mount.source)));
  return {
    name: generationName(context.project, server.spec.name, generation),
    role: 'server',
    imageRef: server.image.ref,
    ...(server.spec.platform === undefined ? {} : { platform: server.spec.platform }),
    template,
    ownLabels: serverLabels(server, generation, context),
    freshVolumes: fresh.map((mount) => mount.target),
  };
}

/** Drain, stop and remove one container, in that order; what does not run needs no drain and no stop. */
function retire(
  server: ServerName,
  container: ObservedContainer,
  drainSeconds: number,
  what: string,
  after: readonly StepId[],
): Step[] {
  const { id, name } = container;
  const steps: Step[] = [];
  const last = (): readonly StepId[] => (steps.length === 0 ? after : [steps[steps.length - 1]?.id ?? asStepId('')]);
  if (isUp(container)) {
    if (drainSeconds > 0) {
      steps.push(
        step(server, `drain:${what}`, { op: 'drain', target: { id }, name, seconds: drainSeconds }, { after }),
      );
    }
    steps.push(step(server, `stop:${what}`, { op: 'stop-container', target: { id }, name }, { after: last() }));
  }
  steps.push(step(server, `remove:${what}`, { op: 'remove-container', target: { id }, name }, { after: last() }));
  return steps;
}

/** What never started is of no use to anyone and goes at once; the others wait for `after`. */
const retireAll = (
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  after: readonly StepId[],
): Step[] =>
  containers.flatMap((container) =>
    retire(
      server.spec.name,
      container,
      server.spec.lifecycle.drainSeconds,
      `g${container.generation}-${container.id.slice(0, 6)}`,
      container.state.status === 'created' ? [] : after,
    ),
  );

/** What happens to a generation that failed: removed, or only stopped when it shall be looked at. */
function discard(
  server: DeclaredServer,
  target: Target,
  name: string,
  failing: readonly StepId[],
  context: StepContext,
): Step {
  const keep = context.keepFailed || !server.spec.lifecycle.autoCleanup;
  const operation: Operation = keep ? { op: 'stop-container', target, name } : { op: 'remove-container', target, name };
  return step(server.spec.name, 'discard', operation, { after: failing, onFailureOf: failing });
}

type Launch = {
  readonly steps: readonly Step[];
  /** The step whose success means that the generation counts. */
  readonly gate: StepId;
  /** The steps whose failure means that it does not. */
  readonly failing: readonly StepId[];
  readonly target: Target;
  readonly name: string;
};

/** Start (when it does not run) and gate. `startAfter` holds the start back, `gateAfter` the gate. */
function launch(
  server: DeclaredServer,
  target: Target,
  name: string,
  startOperation: Operation | undefined,
  startAfter: readonly StepId[],
  context: StepContext,
): Launch {
  const { name: serverName, mcp } = server.spec;
  const start = startOperation && step(serverName, 'start', startOperation, { after: startAfter });
  const gate = step(
    serverName,
    'gate',
    { op: 'gate', target, name, timeoutSeconds: mcp.timeoutSeconds },
    { after: [...(start === undefined ? startAfter : [start.id]), ...context.relay(server)] },
  );
  const failing = start === undefined ? [gate.id] : [start.id, gate.id];
  return { steps: start === undefined ? [gate] : [start, gate], gate: gate.id, failing, target, name };
}

function startOperationFor(container: ObservedContainer): Operation | undefined {
  const { id, name, state } = container;
  if (state.status === 'running') return state.paused ? { op: 'unpause-container', target: { id }, name } : undefined;
  return state.status === 'restarting' ? undefined : { op: 'start-container', target: { id }, name };
}

const rename = (
  server: DeclaredServer,
  target: Target,
  from: string,
  after: readonly StepId[],
  context: StepContext,
): Step =>
  step(
    server.spec.name,
    'rename',
    { op: 'rename-container', target, from, to: containerName(context.project, server.spec.name) },
    { after },
  );

function createSteps(
  server: DeclaredServer,
  { generation, others }: Extract<Decision, { kind: 'create' }>,
  context: StepContext,
): Step[] {
  const container = plannedContainer(server, generation, context);
  const create = step(
    server.spec.name,
    'create',
    { op: 'create-container', container },
    { after: context.prerequisites(server) },
  );
  const target = { madeBy: create.id };
  const start: Operation = { op: 'start-container', target, name: container.name };
  const launched = launch(server, target, container.name, start, [create.id], context);
  return [
    create,
    ...launched.steps,
    discard(server, target, container.name, launched.failing, context),
    rename(server, target, container.name, [launched.gate], context),
    ...retireAll(server, others, [launched.gate]),
  ];
}

function resumeSteps(
  server: DeclaredServer,
  decision: Extract<Decision, { kind: 'resume' }>,
  context: StepContext,
): Step[] {
  const { container } = decision;
  const target = { id: container.id };
  const launched = launch(server, target, container.name, startOperationFor(container), [], context);
  const renamed = decision.settled ? [] : [rename(server, target, container.name, [launched.gate], context)];
  return [
    ...launched.steps,
    ...(decision.removeOnFailure ? [discard(server, target, container.name, launched.failing, context)] : []),
    ...renamed,
    // Sessions go to the settled name first: the others are drained once this one has it.
    ...retireAll(server, decision.others, renamed.length === 0 ? [launched.gate] : renamed.map((one) => one.id)),
  ];
}

function replaceSteps(
  server: DeclaredServer,
  decision: Extract<Decision, { kind: 'replace' }>,
  context: StepContext,
): Step[] {
  const { old, successor, order, others } = decision;
  const { name, lifecycle } = server.spec;
  const stopFirst = order.order === 'stop-first';
  const made =
    successor.kind === 'new'
      ? [
          step(
            name,
            'create',
            { op: 'create-container', container: plannedContainer(server, successor.generation, context) },
            { after: context.prerequisites(server) },
          ),
        ]
      : [];
  const target: Target =
    successor.kind === 'new' ? { madeBy: asStepId(`${name}/create`) } : { id: successor.container.id };
  const newName =
    successor.kind === 'new' ? generationName(context.project, name, successor.generation) : successor.container.name;
  const { preserve } = lifecycle;
  const carries = successor.kind === 'new' && preserve.length > 0 && old.state.status !== 'dead';

  // An interrupted run can have stopped the old one before the new one was good: it serves again meanwhile.
  const revive =
    !stopFirst && successor.kind === 'existing' && !isUp(old) && old.state.status !== 'dead'
      ? [step(name, 'start:old', { op: 'start-container', target: { id: old.id }, name: old.name })]
      : [];

  const retired = retire(name, old, lifecycle.drainSeconds, 'old', []);
  const ready = made.map((one) => one.id);
  const stopping = stopFirst
    ? retired.slice(0, -1).map((one, index) => (index === 0 ? { ...one, after: ready } : one))
    : [];
  const quiet = stopFirst && stopping.length > 0 ? stopping.slice(-1).map((one) => one.id) : ready;
  const carry: Step[] = carries
    ? [
        step(
          name,
          'carry',
          { op: 'carry-files', from: old.id, target, name: newName, paths: preserve },
          { after: quiet },
        ),
      ]
    : [];
  const startAfter = carries ? carry.map((one) => one.id) : quiet;
  const startOperation: Operation | undefined =
    successor.kind === 'new'
      ? { op: 'start-container', target, name: newName }
      : startOperationFor(successor.container);
  const launched = launch(server, target, newName, startOperation, startAfter, context);
  // Whatever keeps the new one from its gate is answered alike, also what comes before its start.
  const failing = [...stopping, ...carry].map((one) => one.id).concat(launched.failing);
  const discarded = discard(server, target, newName, failing, context);
  const wayBack =
    stopFirst && old.state.status !== 'dead'
      ? [
          step(
            name,
            'start:old',
            { op: 'start-container', target: { id: old.id }, name: old.name },
            { after: [discarded.id], onFailureOf: failing },
          ),
        ]
      : [];

  const handOver = stopFirst
    ? afterStop(server, target, newName, retired, launched, context)
    : handOverName(server, target, newName, revive.length > 0 ? servingAgain(old) : old, context, [
        launched.gate,
        ...revive.map((one) => one.id),
      ]);
  return [
    ...revive,
    ...made,
    ...stopping,
    ...carry,
    ...launched.steps,
    discarded,
    ...wayBack,
    ...handOver,
    ...retireAll(server, others, [launched.gate]),
  ];
}

/** The end of a stop-first replacement: the old one, stopped before, makes room for the name. */
function afterStop(
  server: DeclaredServer,
  target: Target,
  newName: string,
  retired: readonly Step[],
  launched: Launch,
  context: StepContext,
): Step[] {
  const removal = retired.slice(-1).map((one) => ({ ...one, after: [launched.gate] }));
  const before = removal.length === 0 ? [launched.gate] : removal.map((one) => one.id);
  return [...removal, rename(server, target, newName, before, context)];
}

/**
 * The end of a start-first replacement: the new one gets the server's name, and only then the old one is drained. Who
 * opens a session looks for that name, so a server in steady use would else never be without sessions on the old one,
 * and the last of them would be cut off.
 */
function handOverName(
  server: DeclaredServer,
  target: Target,
  newName: string,
  old: ObservedContainer,
  context: StepContext,
  after: readonly StepId[],
): Step[] {
  const { name, lifecycle } = server.spec;
  const retiring = generationName(context.project, name, old.generation);
  const holdsName = old.name === containerName(context.project, name);
  if (holdsName && retiring === newName) {
    const removal = retire(name, old, lifecycle.drainSeconds, 'old', after);
    return [
      ...removal,
      rename(
        server,
        target,
        newName,
        removal.slice(-1).map((one) => one.id),
        context,
      ),
    ];
  }
  const yielded = holdsName
    ? [
        step(
          name,
          'rename:old',
          { op: 'rename-container', target: { id: old.id }, from: old.name, to: retiring },
          { after },
        ),
      ]
    : [];
  const taken = rename(server, target, newName, holdsName ? yielded.map((one) => one.id) : after, context);
  const leaving = holdsName ? { ...old, name: retiring } : old;
  return [...yielded, taken, ...retire(name, leaving, lifecycle.drainSeconds, 'old', [taken.id])];
}

const servingAgain = (container: ObservedContainer): ObservedContainer => ({
  ...container,
  state: { status: 'running', startedAt: container.createdAt, paused: false },
});

/** The engine calls that carry a decision out, each with its cause and with what it waits for. */
export function serverSteps(server: DeclaredServer, decision: Decision, context: StepContext): Step[] {
  switch (decision.kind) {
    case 'unchanged':
    case 'blocked':
      return [];
    case 'create':
      return createSteps(server, decision, context);
    case 'resume':
      return resumeSteps(server, decision, context);
    case 'replace':
      return replaceSteps(server, decision, context);
    case 'stop':
      return decision.containers.map(({ id, name }) =>
        step(server.spec.name, `stop:${id.slice(0, 6)}`, { op: 'stop-container', target: { id }, name }),
      );
    case 'clean-up':
      return retireAll(server, decision.others, []);
  }
}

/** Removes all containers of a server that is no longer wanted. */
export function removalSteps(server: ServerName, containers: readonly ObservedContainer[]): Step[] {
  return containers.flatMap((container) =>
    retire(server, container, 0, `g${container.generation}-${container.id.slice(0, 6)}`, []),
  );
}
