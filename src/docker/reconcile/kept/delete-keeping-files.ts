import type { ProjectName, ServerName } from '../../../model/ids.ts';
import { type Blocker, isNonEmpty, type PlanWarning } from '../../../model/plan.ts';
import { canonicalJson } from '../../../model/values/canonical-json.ts';
import { holderToKeep, isSettled, isUp } from '../../model/generations.ts';
import { dataName, label, type Role } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { PlannedContainer, StepDraft, Target } from '../../steps.ts';
import { idleTemplate } from '../server/container-template.ts';
import { on, removalsIn, retireEach, step } from '../step-builders.ts';
import {
  begunWith,
  type KeptFiles,
  type KeptPlan,
  keptChange,
  nothingKept,
  preservedBy,
  removeCopies,
  removeKept,
} from './kept-files.ts';

/** The container that files are kept in: of the server's own image, so that folders have their owners; never started. */
function keeper(
  project: ProjectName,
  server: ServerName,
  source: ObservedContainer,
  managedBy: string,
): PlannedContainer {
  const { imageId } = source.shape;
  return {
    name: dataName(project, server),
    role: 'data',
    imageRef: imageId,
    template: idleTemplate,
    ownLabels: {
      [label.project]: project,
      [label.server]: server,
      [label.role]: 'data' satisfies Role,
      [label.image]: source.imageRef,
      [label.managedBy]: managedBy,
      [label.keptFrom]: source.id,
      ...(source.recorded === undefined ? {} : { [label.spec]: canonicalJson(source.recorded) }),
    },
    freshVolumes: [],
  };
}

export type FileKeepingDeletion = KeptPlan & { readonly blocked?: Blocker };

const blocked = (detail: string, hint: string): FileKeepingDeletion => ({
  ...nothingKept,
  blocked: { kind: 'unsupported', detail, hint },
});

/** Where files are copied to. */
type Keeper = {
  readonly target: Target;
  readonly name: string;
  /** Makes it, after `old` are removed. */
  readonly made: StepDraft;
  readonly old: readonly StepDraft[];
  /** Copies that runs before this one began: one of them tells that somebody wants the files, until they are copied. */
  readonly begun: readonly ObservedContainer[];
};

/**
 * Removes a server after its preserved files were copied: stopped first, so that nothing is written after the copy. The
 * container that has them goes last: as long as it is there, a run that ended early begins again with the same one.
 */
function keepAndRemove(
  server: ServerName,
  source: ObservedContainer,
  others: readonly ObservedContainer[],
  into: Keeper,
  project: ProjectName,
): StepDraft[] {
  const ready = [into.made.id];
  const stop = isUp(source) ? [step(server, 'stop', on('stop-container', source), { after: ready })] : [];
  const carry = step(
    server,
    'carry',
    { op: 'carry-files', from: source.id, target: into.target, name: into.name, paths: preservedBy(source) },
    { after: stop.length > 0 ? stop.map((one) => one.id) : ready },
  );
  const failing = [...stop, carry].map((one) => one.id);
  // Where the source has not the server's name, the copy tells that it has the files: whoever comes next removes the copy.
  const discard =
    isSettled(project, server)(source) || stop.length === 0
      ? [
          step(
            server,
            'discard',
            { op: 'remove-container', target: into.target, name: into.name },
            { after: failing, onFailureOf: failing },
          ),
        ]
      : [];
  const rest = [...removeCopies(server, into.begun, [carry.id]), ...retireEach(server, others, [carry.id])];
  const after = [carry.id, ...removalsIn(rest).map((one) => one.id)];
  const remove = step(server, 'remove', on('remove-container', source), { after });
  // Also when a first Ctrl-C came between the copy and the removal: what is not removed serves on.
  const unfinished = [...failing, ...rest.map((one) => one.id), remove.id];
  const again = stop.map(() =>
    step(server, 'start:again', on('start-container', source), {
      after: [...unfinished, ...discard.map((one) => one.id)],
      onFailureOf: unfinished,
    }),
  );
  return [...into.old, into.made, ...stop, carry, ...discard, ...rest, remove, ...again];
}

/** Without a readable record nobody can name them. */
const pathsText = (paths: readonly string[]): string => (isNonEmpty(paths) ? paths.join(', ') : 'files');

const keptWarning = (server: ServerName, container: string, paths: readonly string[]): PlanWarning => ({
  code: 'data-kept',
  server,
  message: `${pathsText(paths)} is kept in ${container}; the next ${server} that preserves it gets it back, \`looms delete ${server}\` gives it up`,
});

/**
 * The removal of a server that keeps the files of its `lifecycle.preserve` for the next server of its name. Nothing is
 * removed unless all of them were copied. Where there is nothing to keep, the container that could have had something
 * goes last all the same: a run that ended early then finds the same again.
 */
export function deleteKeepingFiles(
  server: ServerName,
  containers: readonly ObservedContainer[],
  kept: KeptFiles | undefined,
  context: Pick<Observed, 'project' | 'foreign'> & { readonly managedBy: string },
): FileKeepingDeletion {
  const source = holderToKeep(containers, context.project, server, begunWith(kept));
  if (source === undefined) {
    const gone = { ...nothingKept, steps: retireEach(server, containers, []) };
    return kept === undefined ? gone : { ...gone, warnings: [keptWarning(server, kept.container.name, kept.paths)] };
  }
  if (source.recorded === undefined || source.state.status === 'dead') {
    const why = source.recorded === undefined ? 'its record cannot be read' : 'the engine reports it as dead';
    return blocked(
      `its files cannot be kept: ${why}`,
      `delete it without --preserve-data, or \`docker cp\` them first`,
    );
  }
  if (kept?.standing === 'needed') {
    const { name } = kept.container;
    return blocked(
      `${name} still keeps ${pathsText(kept.paths)} of an earlier ${server}, which was never restored`,
      `\`docker cp\` gets it out, \`docker rm ${name}\` gives it up`,
    );
  }
  const paths = preservedBy(source);
  const others = containers.filter((one) => one !== source);
  if (!isNonEmpty(paths)) {
    const holds = source.shape.mounts.some(({ type }) => type === 'volume');
    const message = `there is nothing to preserve: its spec has no lifecycle.preserve${holds ? '; its named volumes stay' : ', and no volume'}`;
    const rest = retireEach(server, others, []);
    const steps = [
      ...rest,
      ...retireEach(
        server,
        [source],
        removalsIn(rest).map(({ id }) => id),
      ),
    ];
    return { ...nothingKept, steps, warnings: [{ code: 'nothing-to-preserve', server, message }] };
  }
  const name = dataName(context.project, server);
  if (context.foreign.some((one) => one.name === name)) {
    return blocked(
      `a container named ${name} is there that looms did not make`,
      'rename or remove it, then delete again',
    );
  }
  return {
    changes: [keptChange({ name }, 'create', 'requested')],
    steps: keepAndRemove(server, source, others, keeperFor(server, source, kept, context), context.project),
    warnings: [keptWarning(server, name, paths)],
  };
}

/** Into a new copy, always: one that was begun may be of another generation, or hold what was removed since. */
function keeperFor(
  server: ServerName,
  source: ObservedContainer,
  kept: KeptFiles | undefined,
  { project, managedBy }: { readonly project: ProjectName; readonly managedBy: string },
): Keeper {
  const isBegun = kept?.standing === 'unfinished';
  const container = keeper(project, server, source, managedBy);
  const old = kept === undefined || isBegun ? [] : removeKept(server, kept);
  const keep = step(server, 'keep', { op: 'create-container', container }, { after: old.map((one) => one.id) });
  // One that has the name makes room by itself (free-names.ts).
  const begun = isBegun ? [kept.container, ...kept.others] : [];
  return { target: { madeBy: keep.id }, name: container.name, old, made: keep, begun };
}
