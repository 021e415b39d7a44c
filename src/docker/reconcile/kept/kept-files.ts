import type { DeclaredServer } from '../../../model/desired.ts';
import { type ContainerId, type ServerName, type StepId, shortId } from '../../../model/ids.ts';
import { isNonEmpty, type PlanWarning, type SupportChange } from '../../../model/plan.ts';
import { isSettled } from '../../model/generations.ts';
import { dataName, label } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { PlannedContainer, StepDraft } from '../../steps.ts';
import { on, removalsIn, step } from '../step-builders.ts';

/** Files that a server's deletion kept, in a container that is never started. */
export type KeptFiles = {
  readonly container: ObservedContainer;
  /** Empty: its record cannot be read, so nobody knows. It is left alone. */
  readonly paths: readonly string[];
  /**
   * needed: nobody else has these files. unfinished: what they were copied from is there, so the deletion did not come
   * to its end and the copy may not be whole. restored: its server runs with all of them.
   */
  readonly standing: 'needed' | 'unfinished' | 'restored';
  /** Further copies of what is there, which runs that did not come to their end began. */
  readonly others: readonly ObservedContainer[];
};

/** The container of which a deletion that did not come to its end began to keep the files. */
export const begunWith = (kept: KeptFiles | undefined): ContainerId | undefined =>
  kept?.standing === 'unfinished' ? kept.container.keptFrom : kept?.others[0]?.keptFrom;

/** The paths that a container keeps for its successor, by its record. */
export const preservedBy = (container: ObservedContainer): readonly string[] =>
  container.recorded?.spec.lifecycle.preserve ?? [];

/** What a container was given of what was kept: of a container that says so, all that its own spec preserves. */
export const takenOver = (container: ObservedContainer, data: ObservedContainer): readonly string[] =>
  container.restoredFrom === data.id ? preservedBy(data).filter((path) => preservedBy(container).includes(path)) : [];

const tookAll = (container: ObservedContainer, data: ObservedContainer): boolean =>
  isNonEmpty(preservedBy(data)) && takenOver(container, data).length === preservedBy(data).length;

/** What a copy is worth, and the container that tells it: as long as that one is there, under its name. */
function standingOf(
  data: ObservedContainer,
  { project, containers }: Observed,
): { readonly standing: KeptFiles['standing']; readonly teller?: ObservedContainer } {
  const own = containers.filter(
    ({ role, server, state }) =>
      role === 'server' && server !== undefined && server === data.server && state.status !== 'dead',
  );
  const source = own.find(({ id }) => id === data.keptFrom);
  if (source !== undefined) return { standing: 'unfinished', teller: source };
  const settled = data.server && own.find(isSettled(project, data.server));
  return settled !== undefined && tookAll(settled, data)
    ? { standing: 'restored', teller: settled }
    : { standing: 'needed' };
}

/** What was kept, by server: the copy with the proper name, else the first; one renamed by hand is left alone. */
export function keptFiles(observed: Observed): ReadonlyMap<ServerName, KeptFiles> {
  const copies = Map.groupBy(
    observed.containers.filter(({ role }) => role === 'data'),
    ({ server }) => server,
  );
  const found = new Map<ServerName, KeptFiles>();
  for (const [server, all] of copies) {
    if (server === undefined) continue;
    const container = all.find(({ name }) => name === dataName(observed.project, server)) ?? all[0];
    if (container === undefined) continue;
    const others = all.filter((one) => one !== container && standingOf(one, observed).standing === 'unfinished');
    const { standing } = standingOf(container, observed);
    found.set(server, { container, paths: preservedBy(container), standing, others });
  }
  return found;
}

/**
 * The kept files that a successor has once those of `old` were carried over: what it says it was given must be
 * all that its own spec preserves of them, or a later look would take what it never got for given.
 */
export function inheritedFrom(
  old: ObservedContainer,
  kept: KeptFiles | undefined,
  { spec }: DeclaredServer,
): ContainerId | undefined {
  if (kept === undefined) return undefined;
  const given = takenOver(old, kept.container);
  const preserved = kept.paths.filter((path) => spec.lifecycle.preserve.includes(path));
  return isNonEmpty(given) && preserved.every((path) => given.includes(path)) ? kept.container.id : undefined;
}

/** A container that says where its files come from, so that what was kept is known to be of no more use. */
export const markRestored = (planned: PlannedContainer, from: ContainerId | undefined): PlannedContainer =>
  from === undefined ? planned : { ...planned, ownLabels: { ...planned.ownLabels, [label.restoredFrom]: from } };

/** What of it a server takes over when it is created; the paths that its spec preserves too. */
export const restorablePaths = (kept: KeptFiles | undefined, { spec }: DeclaredServer): readonly string[] =>
  kept?.standing !== 'needed' ? [] : kept.paths.filter((path) => spec.lifecycle.preserve.includes(path));

/** Removes what was kept. */
export const removeKept = (server: ServerName, kept: KeptFiles, after: readonly StepId[] = []): StepDraft[] =>
  removeCopies(server, [kept.container, ...kept.others], after);

/** Removes copies of kept files, one beside the other. */
export const removeCopies = (
  server: ServerName,
  copies: readonly ObservedContainer[],
  after: readonly StepId[],
): StepDraft[] =>
  copies.map((copy, index) =>
    step(server, `forget${index === 0 ? '' : `:${shortId(copy.id)}`}`, on('remove-container', copy), { after }),
  );

/**
 * Lets a copy go before the container that tells that the copy counts for nothing: what the copy was made of, or who got
 * all of it back. A run that ended in between would leave a copy of which nobody can tell, and which therefore stays; or
 * one that names an old container as the one with the files.
 */
export function copiesFirst(steps: readonly StepDraft[], observed: Observed): StepDraft[] {
  const copies = new Map(observed.containers.filter(({ role }) => role === 'data').map((data) => [data.id, data]));
  const leaving = removalsIn(steps).flatMap((step) => {
    const removed = targetOf(step);
    const data = removed && copies.get(removed);
    if (data === undefined) return [];
    const { standing, teller } = standingOf(data, observed);
    return teller === undefined ? [] : [{ removal: step, teller, ends: endsOf(standing, teller, observed) }];
  });
  const told = Map.groupBy(leaving, ({ teller }) => teller.id);
  return steps.map((step) => {
    const teller = targetOf(step);
    const first = (teller === undefined ? [] : (told.get(teller) ?? []))
      .filter(({ ends, removal }) => ends.includes(step.op) && !step.after.includes(removal.id))
      .map(({ removal }) => removal.id);
    return first.length === 0 ? step : { ...step, after: [...step.after, ...first] };
  });
}

/**
 * What ends that a container tells what a copy is worth: its removal, and that it gives up its server's name. Where it got
 * all of a copy back, a stop counts as well: what replaces a container that was stopped for it is not held up between stop
 * and new name.
 */
function endsOf(
  standing: KeptFiles['standing'],
  teller: ObservedContainer,
  { project }: Observed,
): readonly StepDraft['op'][] {
  if (standing === 'restored') return ['stop-container', 'rename-container', 'remove-container'];
  const settled = teller.server !== undefined && isSettled(project, teller.server)(teller);
  return settled ? ['rename-container', 'remove-container'] : ['remove-container'];
}

const targetOf = (step: StepDraft): ContainerId | undefined =>
  'target' in step && 'id' in step.target ? step.target.id : undefined;

/** What happens to kept files, as a plan tells it. */
export const keptChange = (
  { name }: { readonly name: string },
  action: 'create' | 'restore' | 'remove',
  why: 'requested' | 'not-in-spec' | 'missing',
): SupportChange => ({ kind: 'data', name, action, reasons: [{ kind: why }] });

/** What a plan owes to data that was kept, or shall be. */
export type KeptPlan = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly StepDraft[];
  readonly warnings: readonly PlanWarning[];
};

/** For servers of which no files are kept. */
export const nothingKept: KeptPlan = { changes: [], steps: [], warnings: [] };
