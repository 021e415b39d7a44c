import type { DeclaredServer } from '../../../model/desired.ts';
import type { ImageId, ServerName, StepId } from '../../../model/ids.ts';
import type { Reason, SupportChange } from '../../../model/plan.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../../model/observed.ts';
import type { StepDraft } from '../../steps.ts';
import type { Decision } from '../server/decide-server.ts';
import { on, type Removal, removalsIn, supportStep, tagOf } from '../step-builders.ts';
import { type Entry, entryOfContainer, entryOfRecord, expendable, servingAfter } from './generations.ts';

type PruneRecordsInput = {
  readonly observed: Observed;
  readonly keep: number;
  readonly slots: readonly { readonly server: DeclaredServer; readonly decision: Decision }[];
  /** Servers that are removed; their past stays. */
  readonly removed: readonly ServerName[];
  /** The steps of all servers. */
  readonly work: readonly StepDraft[];
};

type RecordPlan = { readonly changes: readonly SupportChange[]; readonly steps: readonly StepDraft[] };

/** Something that goes, with the step that removes it. */
type Leaving = { readonly from: GenerationRecord | ObservedContainer; readonly step: StepId };

const imageOf = (from: Leaving['from']): ImageId => ('shape' in from ? from.shape.imageId : from.imageId);

const whyText = (reason: Reason): string =>
  reason.kind === 'repeated'
    ? `generation ${reason.generation} has the same spec and image`
    : 'no more past generations are kept';

function removeRecord(
  record: GenerationRecord,
  reason: Reason,
  options: Pick<StepDraft, 'after' | 'onFailureOf'>,
): Removal {
  const failed = options.onFailureOf === undefined ? '' : '/failed';
  const id = `record:${record.server}/${tagOf('h', record)}${failed}`;
  return {
    ...supportStep(id, whyText(reason), on('remove-container', record)),
    ...options,
    ...(options.onFailureOf === undefined ? {} : { failuresOnly: true }),
  };
}

/** The steps of a server after which what served before may be forgotten: it is recorded, and its successor serves. */
function settledBy(steps: readonly StepDraft[]): StepId[] {
  const forward = steps.filter((step) => step.onFailureOf === undefined);
  const recorded = forward.filter((step) => step.op === 'record-generation');
  if (recorded.length > 0) return recorded.map((step) => step.id);
  const last = forward.findLast((step) => step.op === 'rename-container' || step.op === 'gate');
  return last === undefined ? [] : [last.id];
}

/** What there is and what is done, by the server or the id that it is looked for. */
type Index = {
  readonly work: ReadonlyMap<ServerName | undefined, readonly StepDraft[]>;
  readonly history: ReadonlyMap<ServerName | undefined, readonly GenerationRecord[]>;
  readonly containers: ReadonlyMap<string, ObservedContainer>;
};

type Forgotten = {
  readonly changes: readonly SupportChange[];
  readonly steps: readonly Removal[];
  /** Instead, when the new generation fails its gate. */
  readonly onFailure: readonly Removal[];
};

/** Which records of one server go, when its new generation is good and when it is not. */
function forget(
  { server, decision }: PruneRecordsInput['slots'][number],
  { observed, keep }: PruneRecordsInput,
  index: Index,
): Forgotten | undefined {
  const { name } = server.spec;
  const serving = servingAfter(server, decision, observed);
  if (serving === undefined) return undefined;
  const steps = index.work.get(name) ?? [];
  const gone = new Set(removalsIn(steps).flatMap(({ target }) => ('id' in target ? [target.id] : [])));
  const known = (index.history.get(name) ?? []).filter(({ id }) => !gone.has(id)).map(entryOfRecord);
  const made = steps.flatMap((step): Entry[] => {
    if (step.op !== 'record-generation' || step.onFailureOf !== undefined || !('id' in step.target)) return [];
    const container = index.containers.get(step.target.id);
    return container === undefined ? [] : [entryOfContainer(container)];
  });
  const good = expendable([...known, ...made], serving, keep);
  const failure = steps.find((step) => step.op === 'record-generation' && step.onFailureOf !== undefined);
  const bad =
    failure === undefined || decision.kind !== 'replace'
      ? []
      : expendable([...known, { ...serving, failed: true }], entryOfContainer(decision.old), keep).filter(
          ({ record }) => record.outcome === 'gate-failed',
        );
  const after = settledBy(steps);
  return {
    changes: good.map(({ record, reason }) => ({
      kind: 'record',
      name: record.name,
      action: 'remove',
      reasons: [reason],
    })),
    steps: good.map(({ record, reason }) => removeRecord(record, reason, { after })),
    onFailure: bad.map(({ record, reason }) =>
      removeRecord(record, reason, {
        after: failure === undefined ? [] : [failure.id],
        ...(failure?.onFailureOf === undefined ? {} : { onFailureOf: failure.onFailureOf }),
      }),
    ),
  };
}

/** Built images that nothing of the project needs once these are gone; the engine keeps those others use. */
function removeImages(
  leaving: readonly Leaving[],
  staying: ReadonlySet<ImageId>,
  input: PruneRecordsInput,
  onFailureOf?: readonly StepId[],
): RecordPlan {
  const wanted = new Set(input.slots.map(({ server }) => server.image.ref));
  const groups = new Map<string, Leaving[]>();
  for (const one of leaving) {
    const { imageRef, recorded } = one.from;
    const built = recorded !== undefined && recorded.spec.image.kind !== 'image';
    if (!built || wanted.has(imageRef) || staying.has(imageOf(one.from))) continue;
    groups.set(imageRef, [...(groups.get(imageRef) ?? []), one]);
  }
  const images = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    changes: images.map(([name]) => ({ kind: 'image', name, action: 'remove', reasons: [{ kind: 'not-in-spec' }] })),
    steps: images.flatMap(([ref, group]) =>
      [...new Set(group.map(({ from }) => imageOf(from)))].map(
        (image, index): StepDraft => ({
          ...supportStep(
            `image:${ref}/remove${onFailureOf === undefined ? '' : ':failed'}${index === 0 ? '' : `:${index}`}`,
            'nothing on the engine uses it any more',
            { op: 'remove-image', ref, image },
            group.filter(({ from }) => imageOf(from) === image).map(({ step }) => step),
          ),
          ...(onFailureOf === undefined ? {} : { onFailureOf, failuresOnly: true as const }),
        }),
      ),
    ),
  };
}

/** What these steps remove of what is there. */
function leavingBy(removals: readonly Removal[], observed: Observed): Leaving[] {
  const all = new Map<string, Leaving['from']>(
    [...observed.containers, ...observed.history].map((one) => [one.id, one]),
  );
  return removals.flatMap(({ id, target }) => {
    const from = 'id' in target ? all.get(target.id) : undefined;
    return from === undefined ? [] : [{ from, step: id }];
  });
}

/** The images of all that is there, but for what leaves without being recorded. */
function stayingImages(leaving: readonly Leaving[], { observed, work }: PruneRecordsInput): Set<ImageId> {
  const gone = new Set<string>(leaving.map(({ from }) => from.id));
  for (const step of work) {
    if (step.op === 'record-generation' && step.onFailureOf === undefined && 'id' in step.target)
      gone.delete(step.target.id);
  }
  return new Set([...observed.containers, ...observed.history].filter(({ id }) => !gone.has(id)).map(imageOf));
}

/** Which records go, beyond those kept, and which images; what a removed server ran last stays as an image. */
export function pruneRecords(input: PruneRecordsInput): RecordPlan {
  const { observed, work } = input;
  const index: Index = {
    work: Map.groupBy(work, ({ server }) => server),
    history: Map.groupBy(observed.history, ({ server }) => server),
    containers: new Map(observed.containers.map((container) => [container.id, container])),
  };
  const forgotten = input.slots.flatMap((slot) => forget(slot, input, index) ?? []);
  const steps = forgotten.flatMap((one) => one.steps);
  const removed = new Set<ServerName | undefined>(input.removed);
  const ranLast = ({ from }: Leaving): boolean => 'shape' in from && removed.has(from.server);
  const leaving = leavingBy(removalsIn([...steps, ...work]), observed).filter((one) => !ranLast(one));
  const images = removeImages(leaving, stayingImages(leaving, input), input);
  const onFailure = forgotten.flatMap(({ onFailure: removals }) => {
    const [first] = removals;
    if (first === undefined) return [];
    const failed = leavingBy(removals, observed);
    return [...removals, ...removeImages(failed, stayingImages(failed, input), input, first.onFailureOf).steps];
  });
  return {
    changes: [...forgotten.flatMap((one) => one.changes), ...images.changes],
    steps: [...steps, ...images.steps, ...onFailure],
  };
}
