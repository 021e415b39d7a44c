import { type ProjectName, type ServerName, shortId } from '../../model/ids.ts';
import { compareSpecs } from '../../model/plan/compare-specs.ts';
import type { FieldDifference } from '../../model/plan.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { GenerationView } from '../../model/server-view.ts';
import { serversOf, slotsOf } from '../model/generations.ts';
import { containerName } from '../model/labels.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../model/observed.ts';
import { stateOf } from './server-views.ts';

type Entry = Omit<GenerationView, 'changes'>;

/** What both a container and a record say of their generation. */
const madeFrom = ({ generation, imageRef, source, specHash, id, recorded }: ObservedContainer | GenerationRecord) => ({
  generation,
  image: imageRef,
  source: source ?? null,
  specHash,
  container: id,
  ...(recorded === undefined ? {} : { recorded }),
});

const entryOfContainer = (container: ObservedContainer, project: ProjectName): Entry => ({
  ...madeFrom(container),
  state: stateOf(container, project),
  live: true,
  failure: null,
  since: container.createdAt,
  until: null,
  imageId: container.shape.imageId,
});

const entryOfRecord = (record: GenerationRecord): Entry => ({
  ...madeFrom(record),
  state: record.outcome,
  live: false,
  failure: record.failure ?? null,
  since: record.since ?? null,
  until: record.until,
  imageId: record.imageId,
});

function changesBetween(before: Entry | undefined, entry: Entry): readonly FieldDifference[] | null {
  if (before?.recorded === undefined || entry.recorded === undefined) return null;
  const fields = compareSpecs(before.recorded, entry.recorded);
  if (before.image !== entry.image || before.imageId === entry.imageId) return fields;
  const shown = ({ image, imageId }: Entry): string => `${image} (${shortId(imageId)})`;
  return [...fields, { path: 'image', from: shown(before), to: shown(entry) }];
}

/** `Orchestrator.history`: what runs, and what is recorded of its past. */
export function generationsOf(observed: Observed, project: ProjectName, name: ServerName): readonly GenerationView[] {
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
  return entries
    .map((entry, index): GenerationView => {
      // What never served is nothing to be compared with.
      const before = entries.slice(0, index).findLast(({ state }) => state !== 'gate-failed');
      return { ...entry, changes: changesBetween(before, entry) };
    })
    .reverse();
}
