import type { DeclaredServer } from '../../../model/desired.ts';
import { assertNever } from '../../../model/errors.ts';
import type { ImageId } from '../../../model/ids.ts';
import type { Reason } from '../../../model/plan.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../../model/observed.ts';
import type { Decision } from '../server/decide-server.ts';

/** Records kept of each server unless something else is asked for. */
export const defaultKeep = 3;

/** Equal for two generations that are the same to go back to: one spec, one image. */
export type Revision = `${string} ${ImageId}`;

/** The revision of a container or of a record, from its labels and its image. */
export const revisionOf = (specHash: string, image: ImageId): Revision => `${specHash} ${image}`;

const revisionOfContainer = ({ specHash, shape }: ObservedContainer): Revision => revisionOf(specHash, shape.imageId);

/** The generation that serves once a decision was carried out. */
export type NextServing = {
  readonly generation: number;
  /** undefined: its image is not on the engine yet, so it is like none that is. */
  readonly revision: Revision | undefined;
};

function servingNew(server: DeclaredServer, generation: number, observed: Observed): NextServing {
  const { ref } = server.image;
  const image = observed.registry[ref]?.answer === 'newer' ? undefined : observed.images[ref]?.id;
  return { generation, revision: image === undefined ? undefined : revisionOf(server.hash, image) };
}

const servingExisting = (container: ObservedContainer): NextServing => ({
  generation: container.generation,
  revision: revisionOfContainer(container),
});

/** Which generation a decision leaves serving; undefined when it leaves none, or leaves everything as it is. */
export function servingAfter(server: DeclaredServer, decision: Decision, observed: Observed): NextServing | undefined {
  switch (decision.kind) {
    case 'blocked':
    case 'stop':
      return undefined;
    case 'unchanged':
      return decision.container && servingExisting(decision.container);
    case 'create':
      return servingNew(server, decision.generation, observed);
    case 'replace':
      return decision.successor.kind === 'new'
        ? servingNew(server, decision.successor.generation, observed)
        : servingExisting(decision.successor.container);
    case 'resume':
    case 'clean-up':
      return servingExisting(decision.container);
    default:
      return assertNever(decision);
  }
}

/** Whether a container is what serves, in all that could be gone back to. */
export const isSameRevision = (container: ObservedContainer, serving: NextServing): boolean =>
  revisionOfContainer(container) === serving.revision;

/** A record that there is, or one that a plan makes. */
export type Entry = {
  readonly generation: number;
  readonly revision: Revision | undefined;
  readonly failed: boolean;
  /** Absent: the plan makes it. */
  readonly record?: GenerationRecord;
};

export const entryOfRecord = (record: GenerationRecord): Entry => ({
  generation: record.generation,
  revision: revisionOf(record.specHash, record.imageId),
  failed: record.outcome === 'gate-failed',
  record,
});

export const entryOfContainer = (container: ObservedContainer): Entry => ({
  generation: container.generation,
  revision: revisionOfContainer(container),
  failed: false,
});

type Expendable = { readonly record: GenerationRecord; readonly reason: Reason };

/**
 * The entries that are not worth keeping beside the generation that serves, and why. Kept are the `keep` newest
 * revisions that once served, each by its newest record, and not counted among them the one that is the same as what
 * serves: a rotation pushes nothing out. Generations that failed their gate push out nothing that served: at most
 * `keep` of them stay, and none that is older than all the others.
 */
export function notWorthKeeping(
  entries: readonly Entry[],
  serving: NextServing,
  keep: number,
): ReadonlyMap<Entry, Reason> {
  const newestFirst = [...entries].sort((a, b) => b.generation - a.generation);
  const dropped = new Map<Entry, Reason>();
  for (const entry of newestFirst) {
    const newer = newestFirst.find(
      (one) => one.generation > entry.generation && one.failed === entry.failed && one.revision === entry.revision,
    );
    const again = entry.generation === serving.generation ? entry.generation : newer?.generation;
    if (again !== undefined && entry.revision !== undefined)
      dropped.set(entry, { kind: 'repeated', generation: again });
  }
  const left = newestFirst.filter((entry) => !dropped.has(entry));
  const served = left.filter((entry) => !entry.failed && entry.revision !== serving.revision);
  const oldest = served[keep - 1]?.generation ?? 0;
  const failed = left.filter((entry) => entry.failed);
  const beyond = [
    ...served.slice(keep),
    ...failed.filter((entry, index) => index >= keep || entry.generation < oldest),
    ...(keep === 0 ? left.filter((entry) => !entry.failed && entry.revision === serving.revision) : []),
  ];
  for (const entry of beyond) dropped.set(entry, { kind: 'beyond-keep', keep });
  return dropped;
}

/** The records among the entries that are not worth keeping, oldest first. */
export const expendable = (entries: readonly Entry[], serving: NextServing, keep: number): Expendable[] =>
  [...notWorthKeeping(entries, serving, keep)]
    .flatMap(([{ record }, reason]) => (record === undefined ? [] : [{ record, reason }]))
    .sort((a, b) => a.record.generation - b.record.generation || (a.record.id < b.record.id ? -1 : 1));
