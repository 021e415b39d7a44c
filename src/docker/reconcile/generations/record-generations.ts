import type { DeclaredServer } from '../../../model/desired.ts';
import type { ContainerId, ProjectName, ServerName, StepId } from '../../../model/ids.ts';
import { recordName } from '../../model/labels.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../../model/observed.ts';
import type { StepDraft, Target } from '../../steps.ts';
import { on, step, tagOf } from '../step-builders.ts';
import { entryOfContainer, entryOfRecord, isSameRevision, type NextServing, notWorthKeeping } from './generations.ts';

/** Steps that record generations, and the step that the removal of a container has to wait for. */
export type Recording = {
  readonly steps: readonly StepDraft[];
  readonly before: (container: ContainerId) => readonly StepId[];
};

/** What recording depends on. */
export type RecordContext = {
  readonly project: ProjectName;
  readonly observed: Observed;
  readonly past: ReadonlyMap<ServerName | undefined, readonly GenerationRecord[]>;
  /** How many past generations are kept; 0: none is recorded. */
  readonly keep: number;
  /** Names of all containers and records under which no new one can be made. */
  readonly takenNames: ReadonlySet<string>;
  /** Containers that somebody changed by hand. */
  readonly drifted: ReadonlySet<ContainerId>;
  /** The generation that is gone back to. */
  readonly rollbackTo: number | undefined;
};

export const nothingRecorded: Recording = { steps: [], before: () => [] };

/** A record's name that is taken says that the generation is recorded already, or that somebody else has the name. */
const isFree = (server: DeclaredServer, generation: number, context: RecordContext): boolean =>
  context.keep > 0 && !context.takenNames.has(recordName(context.project, server.spec.name, generation));

/** A record that is wrong by now: of a failure that was tried again and served, or of a deletion that was cut off. */
const outdatedRecord = (
  server: DeclaredServer,
  { generation }: ObservedContainer,
  { past, project }: RecordContext,
): GenerationRecord | undefined =>
  past
    .get(server.spec.name)
    ?.find(
      (record) =>
        record.name === recordName(project, server.spec.name, generation) &&
        (record.outcome === 'gate-failed' || record.outcome === 'deleted'),
    );

/** Without a readable spec there is nothing to go back to; what never ran never served. */
const hasServed = (container: ObservedContainer): boolean =>
  container.recorded !== undefined && container.generation > 0 && container.state.status !== 'created';

/** Those of the containers whose records would outlive the plan that makes them. */
function worthRecording(
  server: DeclaredServer,
  containers: readonly ObservedContainer[],
  serving: NextServing,
  { past, keep }: RecordContext,
): ObservedContainer[] {
  const known = (past.get(server.spec.name) ?? []).map(entryOfRecord);
  const made = containers.map((container) => ({ container, entry: entryOfContainer(container) }));
  const dropped = notWorthKeeping([...known, ...made.map(({ entry }) => entry)], serving, keep);
  return made.filter(({ entry }) => !dropped.has(entry)).map(({ container }) => container);
}

/**
 * Records the containers that `serving` takes the place of. `others` are what an earlier run left beside `replaced`: those
 * with a lower generation had served before it, and what is the same as what serves needs no record.
 */
export function recordGenerations(
  server: DeclaredServer,
  replaced: ObservedContainer | undefined,
  others: readonly ObservedContainer[],
  serving: NextServing,
  after: readonly StepId[],
  context: RecordContext,
): Recording {
  const below = replaced?.generation ?? serving.generation;
  const left = others.filter((one) => one.generation < below && !isSameRevision(one, serving));
  const candidates = [...(replaced === undefined ? [] : [replaced]), ...left].filter(
    (one) =>
      hasServed(one) && (isFree(server, one.generation, context) || outdatedRecord(server, one, context) !== undefined),
  );
  const recorded = worthRecording(server, candidates, serving, context);
  const steps = recorded.flatMap((container) => {
    const { id, name, generation } = container;
    const again = context.drifted.has(id) ? 'repaired' : 'rotated';
    const renewed = isSameRevision(container, serving) ? again : 'replaced';
    const old = outdatedRecord(server, container, context);
    const room =
      old === undefined
        ? []
        : [step(server.spec.name, `record:outdated-g${generation}`, on('remove-container', old), { after })];
    const record = step(
      server.spec.name,
      container === replaced ? 'record:old' : `record:${tagOf('g', container)}`,
      {
        op: 'record-generation',
        target: { id },
        name,
        record: recordName(context.project, server.spec.name, generation),
        outcome: context.rollbackTo === undefined || container !== replaced ? renewed : 'rolled-back',
      },
      { after: [...after, ...room.map((one) => one.id)] },
    );
    return [...room, record];
  });
  const stepOf = new Map(
    steps.flatMap((one) =>
      one.op === 'record-generation' && 'id' in one.target ? [[one.target.id, one.id] as const] : [],
    ),
  );
  return {
    steps,
    before: (container) => {
      const id = stepOf.get(container);
      return id === undefined ? [] : [id];
    },
  };
}

/** Records a generation that did not pass its gate, so that it can be told what was tried; none when it is recorded. */
export function recordFailed(
  server: DeclaredServer,
  target: Target,
  name: string,
  generation: number,
  failing: readonly StepId[],
  context: RecordContext,
): StepDraft[] {
  if (!isFree(server, generation, context)) return [];
  const record = recordName(context.project, server.spec.name, generation);
  const failed = step(
    server.spec.name,
    'record:failed',
    { op: 'record-generation', target, name, record, outcome: 'gate-failed' },
    { after: failing, onFailureOf: failing },
  );
  return [{ ...failed, failuresOnly: true }];
}
