import type { ProjectName, ServerName } from '../model/ids.ts';
import type { GenerationRecord, Observed, ObservedContainer } from '../model/observed.ts';
import type { Change, PlanWarning, Step, SupportChange } from '../model/plan.ts';
import { droppedByRemoval } from './dropped-files.ts';
import { type KeepingRemoval, keepingRemoval } from './keeping-removal.ts';
import { type KeptData, keptChange, nothingKept, removeKept } from './kept-data.ts';
import type { Undesired } from './plan.ts';
import { removalsIn, retireEach, step } from './step-parts.ts';

/** The servers that go, and with each of them what was kept of it or shall be. */
export type Removals = {
  readonly servers: readonly Change[];
  readonly changes: readonly SupportChange[];
  readonly steps: readonly Step[];
  readonly warnings: readonly PlanWarning[];
};

type RemovalContext = {
  readonly project: ProjectName;
  readonly managedBy: string;
  readonly rule: Undesired;
  readonly history: readonly GenerationRecord[];
  readonly foreign: Observed['foreign'];
};

/** With a server go the records of its past, once what else is removed of it is gone. */
function withRecords(
  server: ServerName,
  removal: KeepingRemoval,
  history: readonly GenerationRecord[],
): KeepingRemoval {
  if (removal.blocked !== undefined) return removal;
  const after = removalsIn(removal.steps).map(({ id }) => id);
  const records = history
    .filter((record) => record.server === server)
    .map(({ id, name, generation }) =>
      step(
        server,
        `remove:h${generation}-${id.slice(0, 6)}`,
        { op: 'remove-container', target: { id }, name },
        { after },
      ),
    );
  return { ...removal, steps: [...removal.steps, ...records] };
}

function removeOne(
  server: ServerName,
  containers: readonly ObservedContainer[],
  kept: KeptData | undefined,
  { rule, history: _, ...context }: RemovalContext,
): KeepingRemoval {
  const data = typeof rule === 'object' ? rule.data : 'leave';
  const isThere = containers.length > 0 || kept !== undefined;
  // Whoever began to keep its files meant it: what takes the server away now completes that first.
  const began = data === 'leave' && kept?.standing === 'unfinished';
  if ((data === 'keep' && isThere) || began) return keepingRemoval(server, containers, kept, context);
  const warnings = droppedByRemoval(server, containers);
  if (kept === undefined || (data === 'leave' && kept.standing === 'needed'))
    return { ...nothingKept, steps: retireEach(server, containers, []), warnings };
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
      ),
    ],
    warnings,
  };
}

/** Plans the removal of servers, and of what earlier deletions kept of servers that are named and gone already. */
export function planRemovals(
  removed: readonly ServerName[],
  present: ReadonlyMap<ServerName, readonly ObservedContainer[]>,
  kept: ReadonlyMap<ServerName, KeptData>,
  context: RemovalContext,
): Removals {
  const { rule } = context;
  const named = typeof rule === 'object' ? rule.remove.filter((name) => !present.has(name) && kept.has(name)) : [];
  const past = new Set(context.history.map(({ server }) => server));
  const parts = [...new Set([...removed, ...named])].sort().map((server) => ({
    server,
    isThere: present.has(server) || past.has(server),
    part: withRecords(server, removeOne(server, present.get(server) ?? [], kept.get(server), context), context.history),
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
