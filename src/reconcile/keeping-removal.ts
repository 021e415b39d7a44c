import { canonicalJson } from '../model/canonical-json.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import { containerName, dataName, label, type Role } from '../model/labels.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { type Blocker, isNonEmpty, type PlannedContainer, type PlanWarning, type Step } from '../model/plan.ts';
import { type KeptData, type KeptPart, keptChange, nothingKept, preservedBy, removeKept } from './kept-data.ts';
import { isUp, removalsIn, retireEach, step } from './step-parts.ts';
import { idleTemplate } from './template.ts';

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

/** The container that holds a server's files: the settled one, else the newest that ever ran. */
const sourceOf = (
  project: ProjectName,
  server: ServerName,
  containers: readonly ObservedContainer[],
): ObservedContainer | undefined =>
  containers.find(({ name }) => name === containerName(project, server)) ??
  containers.findLast(({ state }) => state.status !== 'created');

export type KeepingRemoval = KeptPart & { readonly blocked?: Blocker };

const blocked = (detail: string, hint: string): KeepingRemoval => ({
  ...nothingKept,
  blocked: { kind: 'unsupported', detail, hint },
});

/**
 * Removes a server after its preserved files were copied: stopped first, so that nothing is written after the copy. The
 * container that has them goes last: as long as it is there, a run that ended early begins again with the same one.
 */
function keepAndRemove(
  server: ServerName,
  source: ObservedContainer,
  others: readonly ObservedContainer[],
  planned: PlannedContainer,
  paths: readonly string[],
  old: Step | undefined,
): Step[] {
  const { id, name } = source;
  const keep = step(
    server,
    'keep',
    { op: 'create-container', container: planned },
    { after: old === undefined ? [] : [old.id] },
  );
  const into = { madeBy: keep.id };
  const stop = isUp(source)
    ? [step(server, 'stop', { op: 'stop-container', target: { id }, name }, { after: [keep.id] })]
    : [];
  const carry = step(
    server,
    'carry',
    { op: 'carry-files', from: id, target: into, name: planned.name, paths },
    { after: stop.length > 0 ? stop.map((one) => one.id) : [keep.id] },
  );
  const failing = [...stop, carry].map((one) => one.id);
  const discard = step(
    server,
    'discard',
    { op: 'remove-container', target: into, name: planned.name },
    { after: failing, onFailureOf: failing },
  );
  const again = stop.map(() =>
    step(
      server,
      'start:again',
      { op: 'start-container', target: { id }, name },
      { after: [discard.id], onFailureOf: failing },
    ),
  );
  const rest = retireEach(server, others, [carry.id]);
  const after = [carry.id, ...removalsIn(rest).map(({ id }) => id)];
  const remove = step(server, 'remove', { op: 'remove-container', target: { id }, name }, { after });
  return [...(old === undefined ? [] : [old]), keep, ...stop, carry, discard, ...again, ...rest, remove];
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
export function keepingRemoval(
  server: ServerName,
  containers: readonly ObservedContainer[],
  kept: KeptData | undefined,
  context: { readonly project: ProjectName; readonly managedBy: string },
): KeepingRemoval {
  const source = sourceOf(context.project, server, containers);
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
    const message = 'there is nothing to preserve: its spec has no lifecycle.preserve, and no volume';
    const rest = retireEach(server, others, []);
    const steps = [
      ...rest,
      ...retireEach(
        server,
        [source],
        removalsIn(rest).map(({ id }) => id),
      ),
    ];
    return { ...nothingKept, steps, warnings: holds ? [] : [{ code: 'nothing-to-preserve', server, message }] };
  }
  const planned = keeper(context.project, server, source, context.managedBy);
  const old = kept === undefined ? undefined : removeKept(server, kept);
  return {
    changes: [keptChange(planned, 'create', 'requested')],
    steps: keepAndRemove(server, source, others, planned, paths, old),
    warnings: [keptWarning(server, planned.name, paths)],
  };
}
