import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Change, PlanWarning, SupportChange } from '../../model/plan.ts';
import { lastServed } from '../model/generations.ts';
import { recordName } from '../model/labels.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../model/observed.ts';
import type { StepDraft } from '../steps.ts';
import { revisionOf } from './generations/generations.ts';
import { deleteKeepingFiles, type FileKeepingDeletion } from './kept/delete-keeping-files.ts';
import { droppedByRemoval } from './kept/dropped-files.ts';
import { begunWith, type KeptFiles, keptChange, nothingKept, removeKept } from './kept/kept-files.ts';
import { on, removalsIn, retireEach, step, tagOf } from './step-builders.ts';

/**
 * What happens to servers that are on the engine and not desired: all removed, only those named removed, left with a
 * warning, or not looked at.
 */
export type RemovalRule = 'remove' | RemoveNamed | 'warn' | 'ignore';

export type RemoveNamed = {
  readonly remove: readonly ServerName[];
  /** `keep`: files of `lifecycle.preserve` are kept first. `give-up`: what was kept earlier goes too. `leave`: it stays. */
  readonly data: 'keep' | 'give-up' | 'leave';
};

/** The servers that go, and with each of them what was kept of it or shall be. */
export type Removals = {
  readonly servers: readonly Change[];
  readonly changes: readonly SupportChange[];
  readonly steps: readonly StepDraft[];
  readonly warnings: readonly PlanWarning[];
};

type RemovalContext = {
  readonly project: ProjectName;
  readonly managedBy: string;
  readonly rule: RemovalRule;
  /** Servers that another engine runs from now on: their sessions are drained as where one is replaced. */
  readonly movedAway: ReadonlySet<ServerName>;
  readonly history: readonly GenerationRecord[];
  /** How many past generations are kept; 0: none is recorded. */
  readonly keep: number;
  /** Names of all containers and records. */
  readonly takenNames: ReadonlySet<string>;
  readonly foreign: Observed['foreign'];
};

/** What served last is recorded before a deletion removes it, so that it can be told and gone back to. */
function recordLast(
  server: ServerName,
  containers: readonly ObservedContainer[],
  removal: FileKeepingDeletion,
  kept: KeptFiles | undefined,
  { project, history, keep, takenNames }: RemovalContext,
): FileKeepingDeletion {
  const last = lastServed(containers, project, server, begunWith(kept));
  if (removal.blocked !== undefined || last?.recorded === undefined || last.generation === 0) return removal;
  const record = recordName(project, server, last.generation);
  const leaves = removalsIn(removal.steps).find(({ target }) => 'id' in target && target.id === last.id);
  if (leaves === undefined || last.state.status === 'created' || keep === 0) return removal;
  // A deletion that did not come to its end may have recorded it already.
  const known = history.find((one) => one.name === record && one.server === server && one.outcome === 'deleted');
  if (known === undefined && takenNames.has(record)) return removal;
  const recorded =
    known !== undefined
      ? []
      : [
          step(
            server,
            'record',
            { op: 'record-generation', target: { id: last.id }, name: last.name, record, outcome: 'deleted' },
            { after: leaves.after },
          ),
        ];
  // Two records of one revision are the same to go back to.
  const revision = revisionOf(last.specHash, last.shape.imageId);
  const repeated = history
    .filter((one) => one.server === server && one.outcome !== 'gate-failed' && one.id !== known?.id)
    .filter((one) => revisionOf(one.specHash, one.imageId) === revision);
  const forgotten = repeated.map((one) =>
    step(server, `remove:${tagOf('h', one)}`, on('remove-container', one), { after: recorded.map((one) => one.id) }),
  );
  // The container last: once it is gone, no plan looks at what is left of its server's past.
  const before = [...recorded, ...forgotten];
  const steps = removal.steps.flatMap((one) =>
    one.id === leaves.id ? [...before, { ...one, after: [...one.after, ...before.map(({ id }) => id)] }] : [one],
  );
  const reason = { kind: 'repeated', generation: last.generation } as const;
  const changes = repeated.map(({ name }) => ({ kind: 'record', name, action: 'remove', reasons: [reason] }) as const);
  return { ...removal, changes: [...removal.changes, ...changes], steps };
}

/** How long sessions of a container may go on, by what it was made from, s. */
const drained = ({ recorded }: ObservedContainer): number => recorded?.spec.lifecycle.drainSeconds ?? 0;

function removeOne(
  server: ServerName,
  containers: readonly ObservedContainer[],
  kept: KeptFiles | undefined,
  { rule, movedAway, history: _, ...context }: RemovalContext,
): FileKeepingDeletion {
  const data = typeof rule === 'object' ? rule.data : 'leave';
  const isThere = containers.length > 0 || kept !== undefined;
  // Whoever began to keep its files meant it: what takes the server away now completes that first.
  const began = data === 'leave' && kept?.standing === 'unfinished';
  if ((data === 'keep' && isThere) || began) return deleteKeepingFiles(server, containers, kept, context);
  const warnings = droppedByRemoval(server, containers);
  const patience = movedAway.has(server) ? drained : undefined;
  if (kept === undefined || (data === 'leave' && kept.standing === 'needed'))
    return {
      ...nothingKept,
      steps: retireEach(server, containers, [], patience),
      warnings,
    };
  // While the server is there, everybody knows whether anyone needs the copy: so it goes first.
  const forgotten = removeKept(server, kept);
  return {
    ...nothingKept,
    changes: [keptChange(kept.container, 'remove', data === 'give-up' ? 'requested' : 'not-in-spec')],
    steps: [
      ...forgotten,
      ...retireEach(
        server,
        containers,
        forgotten.map(({ id }) => id),
        patience,
      ),
    ],
    warnings,
  };
}

/** Plans the removal of servers, and of what earlier deletions kept of servers that are named and gone already. */
export function planRemovals(
  removed: readonly ServerName[],
  present: ReadonlyMap<ServerName, readonly ObservedContainer[]>,
  kept: ReadonlyMap<ServerName, KeptFiles>,
  context: RemovalContext,
): Removals {
  const { rule } = context;
  const named = typeof rule === 'object' ? rule.remove.filter((name) => !present.has(name) && kept.has(name)) : [];
  const parts = [...new Set([...removed, ...named])].sort().map((server) => ({
    server,
    isThere: present.has(server),
    part: recordLast(
      server,
      present.get(server) ?? [],
      removeOne(server, present.get(server) ?? [], kept.get(server), context),
      kept.get(server),
      context,
    ),
  }));
  const reason = { kind: typeof rule === 'object' ? 'requested' : 'not-in-spec' } as const;
  return {
    servers: parts.flatMap(({ server, isThere, part }): Change[] => {
      if (!isThere) return [];
      return part.blocked === undefined
        ? [{ server, action: 'remove', reasons: [reason] }]
        : [{ server, action: 'blocked', why: part.blocked }];
    }),
    changes: parts.flatMap(({ part }) => part.changes),
    steps: parts.flatMap(({ part }) => part.steps),
    warnings: parts.flatMap(({ part }) => part.warnings),
  };
}
