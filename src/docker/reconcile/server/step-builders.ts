import type { DeclaredServer } from '../../../model/desired.ts';
import { asStepId, type ContainerId, type ServerName, type StepId } from '../../../model/ids.ts';
import { containerName, generationName, volumeName } from '../../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../../model/observed.ts';
import type { Operation, PlannedContainer, Step, Target } from '../../../model/plan.ts';
import type { Recording } from '../generations/record-generations.ts';
import type { KeptData } from '../kept/kept-files.ts';
import { type LabelContext, serverLabels, templateOf } from './container-template.ts';

/** What the steps of one server hang on. */
export type StepContext = LabelContext & {
  /** Keep a container whose gate failed, for a look at it. */
  readonly keepFailed: boolean;
  /** Steps that make the server's image, network and volumes. */
  readonly prerequisites: (server: DeclaredServer) => readonly StepId[];
  /** Steps that make the relay through which the server is gated; empty for stdio. */
  readonly relay: (server: DeclaredServer) => readonly StepId[];
  /** Volumes (engine names) that nothing uses. */
  readonly freshVolumes: ReadonlySet<string>;
  /** What earlier deletions kept. */
  readonly keptData: ReadonlyMap<ServerName, KeptData>;
  readonly observed: Observed;
  /** How many past generations are kept; 0: none is recorded. */
  readonly keep: number;
  /** Names of all containers and records under which no new one can be made. */
  readonly takenNames: ReadonlySet<string>;
  /** Containers that somebody changed by hand. */
  readonly drifted: ReadonlySet<ContainerId>;
  /** The generation that is gone back to. */
  readonly rollbackTo: number | undefined;
};

type StepOptions = { readonly after?: readonly StepId[]; readonly onFailureOf?: readonly StepId[] };

/** A step of a server's own change, with the id `<server>/<what>`. */
export const step = (server: ServerName, what: string, operation: Operation, options: StepOptions = {}): Step => ({
  id: asStepId(`${server}/${what}`),
  server,
  cause: { kind: 'change', server },
  after: options.after ?? [],
  ...(options.onFailureOf === undefined ? {} : { onFailureOf: options.onFailureOf }),
  ...operation,
});

/** Whether a process of a container runs or is about to: it has to be drained and stopped before it can go. */
export const isUp = (container: ObservedContainer): boolean =>
  container.state.status === 'running' || container.state.status === 'restarting';

/** The container of a new generation, complete but for what its image decides. */
export function plannedContainer(server: DeclaredServer, generation: number, context: StepContext): PlannedContainer {
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

/** Drain and stop one container, in that order; what does not run needs neither. */
export function halt(
  server: ServerName,
  container: ObservedContainer,
  drainSeconds: number,
  what: string,
  after: readonly StepId[],
): Step[] {
  const { id, name } = container;
  if (!isUp(container)) return [];
  const drain =
    drainSeconds > 0
      ? [step(server, `drain:${what}`, { op: 'drain', target: { id }, name, seconds: drainSeconds }, { after })]
      : [];
  const drained = drain.length === 0 ? after : drain.map((one) => one.id);
  return [...drain, step(server, `stop:${what}`, { op: 'stop-container', target: { id }, name }, { after: drained })];
}

/**
 * Drain, stop and remove one container, in that order; what does not run needs no drain and no stop. The removal waits
 * for the record of it too.
 */
export function retire(
  server: ServerName,
  container: ObservedContainer,
  drainSeconds: number,
  what: string,
  after: readonly StepId[],
  recorded: readonly StepId[] = [],
): Step[] {
  const { id, name } = container;
  const halted = halt(server, container, drainSeconds, what, after);
  const before = halted.length === 0 ? after : halted.slice(-1).map((one) => one.id);
  const removal: Operation = { op: 'remove-container', target: { id }, name };
  return [...halted, step(server, `remove:${what}`, removal, { after: [...before, ...recorded] })];
}

/** Removes containers one beside the other, without waiting for their sessions. */
export const retireEach = (
  server: ServerName,
  containers: readonly ObservedContainer[],
  after: readonly StepId[],
): Step[] => containers.flatMap((one) => retire(server, one, 0, `g${one.generation}-${one.id.slice(0, 6)}`, after));

/** A step that removes a container. */
export type Removal = Step & Extract<Operation, { op: 'remove-container' }>;

/** The steps that remove a container for good: not on a way back. */
export const removalsIn = (steps: readonly Step[]): Removal[] =>
  steps.filter((one): one is Removal => one.op === 'remove-container' && one.onFailureOf === undefined);

/** What never started is of no use to anyone and goes at once; the others wait for `after`. */
export const retireAll = (
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  after: readonly StepId[],
  recording: Recording,
): Step[] =>
  containers.flatMap((container) =>
    retire(
      server.spec.name,
      container,
      server.spec.lifecycle.drainSeconds,
      `g${container.generation}-${container.id.slice(0, 6)}`,
      container.state.status === 'created' ? [] : after,
      recording.before(container.id),
    ),
  );

/** What happens to a generation that failed: removed, or only stopped when it shall be looked at. */
export function discard(
  server: DeclaredServer,
  target: Target,
  name: string,
  failing: readonly StepId[],
  context: StepContext,
  recorded: readonly Step[] = [],
): Step {
  const keep = context.keepFailed || !server.spec.lifecycle.autoCleanup;
  const operation: Operation = keep ? { op: 'stop-container', target, name } : { op: 'remove-container', target, name };
  const after = [...failing, ...recorded.map((one) => one.id)];
  return step(server.spec.name, 'discard', operation, { after, onFailureOf: failing });
}

export type Launch = {
  readonly steps: readonly Step[];
  /** The step whose success means that the generation counts. */
  readonly gate: StepId;
  /** The steps whose failure means that it does not. */
  readonly failing: readonly StepId[];
};

/**
 * Start (when it does not run) and gate. `startAfter` holds both back; the gate also waits for the relay that it goes
 * through.
 */
export function launch(
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
  return { steps: start === undefined ? [gate] : [start, gate], gate: gate.id, failing };
}

/** What makes a container that is there run; undefined for one that does, or that the engine restarts by itself. */
export function startOperationFor(container: ObservedContainer): Operation | undefined {
  const { id, name, state } = container;
  if (state.status === 'running') return state.paused ? { op: 'unpause-container', target: { id }, name } : undefined;
  return state.status === 'restarting' ? undefined : { op: 'start-container', target: { id }, name };
}

/** Gives a container its server's own name, which says that its gate has passed. */
export const rename = (
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
