import { compareSpecs } from '../../docker/reconcile/compare/compare-specs.ts';
import type { RecordedSpec } from '../../model/desired.ts';
import { type ContainerId, type ProjectName, type ServerName, shortId } from '../../model/ids.ts';
import { containerName } from '../../model/labels.ts';
import type { GenerationOutcome, GenerationRecord, ObservedContainer } from '../../model/observed.ts';
import type { FieldDifference } from '../../model/plan.ts';
import { slotsOf } from '../../model/slots.ts';
import { isoTime } from '../../model/times.ts';
import { serversOf } from '../plan/recorded-servers.ts';
import { brokenRules } from '../plan/require-rules.ts';
import type { Ports } from '../ports.ts';
import { serverNotFound } from './server-not-found.ts';
import { type ServerState, stateOf } from './server-status.ts';

/** One generation of a server: one whose container is there, or a past one that is recorded. */
export type Generation = {
  readonly generation: number;
  /** How it is doing, or how it ended. */
  readonly state: ServerState | GenerationOutcome;
  /** Whether its container is there. */
  readonly live: boolean;
  /** What it failed its gate with, and the end of what it wrote; null for one that passed. */
  readonly failure: string | null;
  /** Why it can be neither run nor gone back to: its record cannot be read, or breaks rules of a file; null: it can. */
  readonly unusable: string | null;
  /** When its container was made, on the engine's clock; null when its record cannot say. */
  readonly since: string | null;
  /** When something else took its place; null while its container is there. */
  readonly until: string | null;
  readonly image: string;
  readonly imageId: string;
  /** File, line and commit of the spec it was made from. */
  readonly source: string | null;
  readonly specHash: string;
  /** What differs from the generation that served before it; null when there is none, or one of both cannot be read. */
  readonly changes: readonly FieldDifference[] | null;
  /** Of its container, or of its record. */
  readonly container: ContainerId;
};

type Entry = Omit<Generation, 'changes' | 'unusable'> & { readonly recorded: RecordedSpec | undefined };

const entryOfContainer = (container: ObservedContainer, project: ProjectName): Entry => ({
  generation: container.generation,
  state: stateOf(container, project),
  live: true,
  failure: null,
  since: isoTime(container.createdAt),
  until: null,
  image: container.imageRef,
  imageId: container.shape.imageId,
  source: container.source ?? null,
  specHash: container.specHash,
  container: container.id,
  recorded: container.recorded,
});

const entryOfRecord = (record: GenerationRecord): Entry => ({
  generation: record.generation,
  state: record.outcome,
  live: false,
  failure: record.failure ?? null,
  since: record.since === undefined ? null : isoTime(record.since),
  until: isoTime(record.until),
  image: record.imageRef,
  imageId: record.imageId,
  source: record.source ?? null,
  specHash: record.specHash,
  container: record.id,
  recorded: record.recorded,
});

function changesBetween(before: Entry | undefined, entry: Entry): readonly FieldDifference[] | null {
  if (before?.recorded === undefined || entry.recorded === undefined) return null;
  const fields = compareSpecs(before.recorded, entry.recorded);
  if (before.image !== entry.image || before.imageId === entry.imageId) return fields;
  const shown = ({ image, imageId }: Entry): string => `${image} (${shortId(imageId)})`;
  return [...fields, { path: 'image', from: shown(before), to: shown(entry) }];
}

async function whyUnusable(ports: Ports, recorded: RecordedSpec | undefined): Promise<string | null> {
  if (recorded === undefined) return 'its record cannot be read';
  const broken = await brokenRules(ports, recorded.spec);
  return broken.length === 0 ? null : broken.join('; ');
}

/**
 * The generations of a server that the engine knows of, newest first: what runs, and what is recorded of its past.
 * Throws `server-not-found` for a server of which there is neither.
 */
export async function getHistory(
  ports: Ports,
  { project, name }: { readonly project: ProjectName; readonly name: ServerName },
): Promise<Generation[]> {
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const containers = slotsOf(observed.containers).get(name) ?? [];
  const records = observed.history.filter((record) => record.server === name);
  if (containers.length + records.length === 0) throw serverNotFound(project, name, serversOf(observed));
  const there = new Set(containers.map(({ generation }) => generation));
  const live = containers.map((container): Entry => {
    const entry = entryOfContainer(container, project);
    // One that failed its gate and was kept for a look at it is recorded as well, and says less than its record.
    const record = records.find(({ generation }) => generation === container.generation);
    return record === undefined || container.name === containerName(project, name)
      ? entry
      : { ...entry, state: record.outcome, failure: record.failure ?? null };
  });
  const past = records.filter(({ generation }) => !there.has(generation)).map(entryOfRecord);
  const entries = [...past, ...live].sort((a, b) => a.generation - b.generation);
  const told = entries.map(async (entry, index): Promise<Generation> => {
    // What never served is nothing to be compared with.
    const before = entries.slice(0, index).findLast(({ state }) => state !== 'gate-failed');
    const { recorded, ...shown } = entry;
    return { ...shown, unusable: await whyUnusable(ports, recorded), changes: changesBetween(before, entry) };
  });
  return (await Promise.all(told)).reverse();
}
