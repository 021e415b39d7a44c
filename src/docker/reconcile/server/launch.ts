import type { DeclaredServer } from '../../../model/desired.ts';
import type { ServerName, StepId } from '../../../model/ids.ts';
import { containerName, generationName, volumeName } from '../../model/labels.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import { type EgressSubnets, wayOutOf } from '../../model/way-out.ts';
import type { Operation, PlannedContainer, StepDraft, Target } from '../../steps.ts';
import type { RecordContext, Recording } from '../generations/record-generations.ts';
import type { KeptFiles } from '../kept/kept-files.ts';
import { halt, halted, retire, step, tagOf } from '../step-builders.ts';
import { type LabelContext, serverLabels, templateOf } from './container-template.ts';
import { writersBeside } from './replace-order.ts';

/** What the steps of one server hang on. */
export type StepContext = LabelContext &
  RecordContext & {
    readonly egressSubnets: EgressSubnets;
    /** Keep a container whose gate failed, for a look at it. */
    readonly keepFailed: boolean;
    /** Steps that make the server's image, network and volumes. */
    readonly prerequisites: (server: DeclaredServer) => readonly StepId[];
    /** Steps that make what a server is gated with: the relay through which it is reached, the forwarder of what it reaches. */
    readonly ways: (server: DeclaredServer) => readonly StepId[];
    /** Volumes (engine names) that nothing uses. */
    readonly freshVolumes: ReadonlySet<string>;
    /** What earlier deletions kept. */
    readonly keptFiles: ReadonlyMap<ServerName, KeptFiles>;
  };

/** The container of a new generation, complete but for what its image decides. */
export function plannedContainer(server: DeclaredServer, generation: number, context: StepContext): PlannedContainer {
  const way = wayOutOf(server.spec, context.observed, context.egressSubnets);
  const template = templateOf(server.spec, context.project, way);
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

/** What never started is of no use to anyone and goes at once; the others wait for `after`. */
export const retireAll = (
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  after: readonly StepId[],
  recording: Recording,
): StepDraft[] =>
  containers.flatMap((container) =>
    retire(
      server.spec.name,
      container,
      server.spec.lifecycle.drainSeconds,
      tagOf('g', container),
      container.state.status === 'created' ? [] : after,
      recording.before(container.id),
    ),
  );

/** What is left beside the next generation once those were stopped that would write together with it, and their stops. */
export function withoutWriters(
  server: DeclaredServer,
  others: readonly ObservedContainer[],
  after: readonly StepId[],
): { readonly halting: readonly StepDraft[]; readonly left: readonly ObservedContainer[] } {
  const { name, lifecycle } = server.spec;
  const writers = writersBeside(server, others);
  return {
    halting: writers.flatMap((one) => halt(name, one, lifecycle.drainSeconds, tagOf('g', one), after)),
    left: others.map((one) => (writers.includes(one) ? halted(one) : one)),
  };
}

/** What happens to a generation that failed: removed, or only stopped when it shall be looked at. */
export function discard(
  server: DeclaredServer,
  target: Target,
  name: string,
  failing: readonly StepId[],
  context: StepContext,
  recorded: readonly StepDraft[] = [],
): StepDraft {
  const keep = context.keepFailed || !server.spec.lifecycle.autoCleanup;
  const operation: Operation = keep ? { op: 'stop-container', target, name } : { op: 'remove-container', target, name };
  const after = [...failing, ...recorded.map((one) => one.id)];
  return step(server.spec.name, 'discard', operation, { after, onFailureOf: failing });
}

type Launch = {
  readonly steps: readonly StepDraft[];
  /** The step whose success means that the generation counts. */
  readonly gate: StepId;
  /** The steps whose failure means that it does not. */
  readonly failing: readonly StepId[];
};

/** Start (of what does not run) and gate, both after `startAfter`; the gate also after what it goes through. */
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
    { after: [...(start === undefined ? startAfter : [start.id]), ...context.ways(server)] },
  );
  const failing = start === undefined ? [gate.id] : [start.id, gate.id];
  return { steps: start === undefined ? [gate] : [start, gate], gate: gate.id, failing };
}

/** Gives a container its server's own name, which says that its gate has passed. */
export const rename = (
  server: DeclaredServer,
  target: Target,
  from: string,
  after: readonly StepId[],
  context: StepContext,
): StepDraft =>
  step(
    server.spec.name,
    'rename',
    { op: 'rename-container', target, from, to: containerName(context.project, server.spec.name) },
    { after },
  );
