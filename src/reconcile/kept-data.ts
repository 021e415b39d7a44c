import type { DeclaredServer } from '../model/desired.ts';
import { asStepId, type ContainerId, type ServerName, type StepId } from '../model/ids.ts';
import { containerName, dataName, label } from '../model/labels.ts';
import type { Observed, ObservedContainer } from '../model/observed.ts';
import { isNonEmpty, type PlannedContainer, type PlanWarning, type Step, type SupportChange } from '../model/plan.ts';
import type { Decision } from './decide.ts';
import { step } from './step-parts.ts';

/** Files that a server's deletion kept, in a container that is never started. */
export type KeptData = {
  readonly container: ObservedContainer;
  /** Empty: its record cannot be read, so nobody knows. It is left alone. */
  readonly paths: readonly string[];
  /** Nobody needs it: its server runs with what was restored from it, or was never deleted after all. */
  readonly obsolete: boolean;
};

/** The paths that a container keeps for its successor, by its record. */
export const preservedBy = (container: ObservedContainer): readonly string[] =>
  container.recorded?.spec.lifecycle.preserve ?? [];

/** Whether a container was given all that was kept. */
const tookOver = (container: ObservedContainer, data: ObservedContainer): boolean =>
  container.restoredFrom === data.id &&
  isNonEmpty(preservedBy(data)) &&
  preservedBy(data).every((path) => preservedBy(container).includes(path));

function isObsolete(data: ObservedContainer, observed: Observed): boolean {
  return observed.containers.some(
    (one) =>
      one.role === 'server' &&
      one.server === data.server &&
      one.server !== undefined &&
      one.state.status !== 'dead' &&
      // What the copy was made of is there: the run ended before it was removed, and it still has all that it had.
      (one.id === data.keptFrom || (one.name === containerName(observed.project, one.server) && tookOver(one, data))),
  );
}

/** What was kept, by server. A second one of a server, renamed by hand, is left alone. */
export function keptData(observed: Observed): ReadonlyMap<ServerName, KeptData> {
  const found = new Map<ServerName, KeptData>();
  for (const container of observed.containers) {
    const { server } = container;
    if (container.role !== 'data' || server === undefined) continue;
    if (found.has(server) && container.name !== dataName(observed.project, server)) continue;
    found.set(server, { container, paths: preservedBy(container), obsolete: isObsolete(container, observed) });
  }
  return found;
}

/** A container that says where its files come from, so that what was kept is known to be of no more use. */
export const markRestored = (planned: PlannedContainer, from: ContainerId | undefined): PlannedContainer =>
  from === undefined ? planned : { ...planned, ownLabels: { ...planned.ownLabels, [label.restoredFrom]: from } };

/** What of it a server takes over when it is created; the paths that its spec preserves too. */
export const restorablePaths = (kept: KeptData | undefined, { spec }: DeclaredServer): readonly string[] =>
  kept === undefined || kept.obsolete ? [] : kept.paths.filter((path) => spec.lifecycle.preserve.includes(path));

/** Removes what was kept. */
export const removeKept = (server: ServerName, { container }: KeptData, after: readonly StepId[] = []): Step =>
  step(server, 'forget', { op: 'remove-container', target: { id: container.id }, name: container.name }, { after });

/**
 * Lets a copy go before what it was made of. While that one is there everybody knows that the copy counts for nothing; a
 * run that ended in between would leave a copy that nobody dares to remove.
 */
export function copiesFirst(steps: readonly Step[], kept: ReadonlyMap<ServerName, KeptData>): Step[] {
  const copies = new Map([...kept.values()].map(({ container }) => [container.keptFrom, container.id]));
  const removed = (step: Step): ContainerId | undefined =>
    step.op === 'remove-container' && 'id' in step.target ? step.target.id : undefined;
  const removals = new Map(steps.map((step) => [removed(step), step.id]));
  return steps.map((step) => {
    const source = removed(step);
    const copy = source && copies.get(source);
    const first = copy && removals.get(copy);
    return first === undefined ? step : { ...step, after: [...step.after, first] };
  });
}

/** What happens to kept data, as a plan tells it. */
export const keptChange = (
  { name }: { readonly name: string },
  action: 'create' | 'restore' | 'remove',
  why: 'requested' | 'not-in-spec' | 'missing',
): SupportChange => ({ kind: 'data', name, action, reasons: [{ kind: why }] });

/** What a plan owes to data that was kept, or shall be. */
export type KeptPart = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly Step[];
  readonly warnings: readonly PlanWarning[];
};

/** For servers that have nothing to do with kept data. */
export const nothingKept: KeptPart = { changes: [], steps: [], warnings: [] };

/** The container whose files the plan's next container of a server begins with. */
function origin(decision: Decision): ObservedContainer | undefined {
  if (decision.kind === 'resume') return decision.container;
  if (decision.kind !== 'replace') return undefined;
  return decision.successor.kind === 'existing' ? decision.successor.container : decision.old;
}

const unreadable = 'its record cannot be read, so nobody knows what to restore';

/** What happens to the kept data of a server that stays or comes; restoring it is among the server's own steps. */
export function keptBeside(server: DeclaredServer, decision: Decision, kept: KeptData | undefined): KeptPart {
  const { name } = server.spec;
  // A server that is disabled has no container yet, and one that is blocked gets none now: its data waits.
  if (kept === undefined || !server.spec.enabled || decision.kind === 'blocked') return nothingKept;
  const { container, paths, obsolete } = kept;
  if (obsolete) {
    const changes = [keptChange(container, 'remove', 'not-in-spec')];
    return { ...nothingKept, changes, steps: [removeKept(name, kept)] };
  }
  if (!isNonEmpty(paths)) return { ...nothingKept, warnings: [notRestored(name, kept, 'what was kept', unreadable)] };
  const from = origin(decision);
  const restored = from !== undefined && tookOver(from, container) ? paths : restoredBy(decision, kept, server);
  const left = paths.filter((path) => !restored.includes(path));
  const changes = restored.length > 0 ? [keptChange(container, 'restore', 'missing')] : [];
  if (left.length === 0) {
    // Only once the new one serves: a run that ends before that begins again with all of it.
    return { ...nothingKept, changes, steps: [removeKept(name, kept, [asStepId(`${name}/rename`)])] };
  }
  const why = 'a server gets back what its lifecycle.preserve names, when it is created';
  return { ...nothingKept, changes, warnings: [notRestored(name, kept, left.join(', '), why)] };
}

function notRestored(server: ServerName, { container }: KeptData, what: string, why: string): PlanWarning {
  const { name } = container;
  return {
    code: 'data-not-restored',
    server,
    message: `${what} of an earlier ${server} is not restored and stays in ${name}: ${why}; \`docker cp\` gets it out, \`docker rm ${name}\` gives it up`,
  };
}

const restoredBy = (decision: Decision, kept: KeptData, server: DeclaredServer): readonly string[] =>
  decision.kind === 'create' ? restorablePaths(kept, server) : [];
