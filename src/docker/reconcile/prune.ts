import type { ServerName } from '../../model/ids.ts';
import type { NoticeCode } from '../../model/notices.ts';
import type { PlanWarning, Reason, SupportChange } from '../../model/plan.ts';
import type { BuiltImages, Observed } from '../model/observed.ts';
import type { DockerPlan, StepDraft } from '../steps.ts';
import { on, supportStep } from './step-builders.ts';
import { wholePlan } from './whole-plan.ts';

/** What is asked to go besides images. */
type PruneScope = { readonly volumes: boolean; readonly history: boolean };

export type PruneInput = {
  readonly observed: Observed;
  readonly built: BuiltImages;
  readonly scope: PruneScope;
};

type Item = { readonly kind: 'image' | 'volume' | 'record'; readonly name: string; readonly step: StepDraft };

const unused = 'nothing on the engine uses it any more';

/** How many names a warning has. */
const shownNames = 3;

/** What stays because nobody asked for it, in one warning. */
function stays(code: NoticeCode, what: string, items: readonly Item[], flag: string): PlanWarning[] {
  if (items.length === 0) return [];
  const more = items.length - shownNames;
  const names = items.slice(0, shownNames).map(({ name }) => name);
  const message = `${what} stay: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}; ${flag} removes them`;
  return [{ code, message }];
}

function recordsOf({ containers, history }: Observed): Item[] {
  const there = new Set<ServerName | undefined>(
    containers.flatMap(({ role, server }) => (role === 'server' ? [server] : [])),
  );
  return history
    .filter(({ server }) => !there.has(server))
    .map((record) => ({
      kind: 'record',
      name: record.name,
      step: supportStep(`record:${record.name}/remove`, 'its server was deleted', on('remove-container', record)),
    }));
}

function volumesOf({ containers, volumes }: Observed): Item[] {
  const mounted = new Set(containers.flatMap(({ shape }) => shape.mounts.map(({ source }) => source)));
  return volumes
    .filter(({ name, ours }) => ours && !mounted.has(name))
    .map(({ name }) => ({
      kind: 'volume',
      name,
      step: supportStep(`volume:${name}/remove`, unused, { op: 'remove-volume', name }),
    }));
}

/** Images that no container is made of but the records that go; they go after those. */
function imagesOf({ images }: PruneInput['built'], records: readonly Item[]): Item[] {
  const going = new Map(
    records.flatMap(({ step }) =>
      step.op === 'remove-container' && 'id' in step.target ? [[step.target.id, step.id] as const] : [],
    ),
  );
  return images
    .filter(({ users }) => users.every((id) => going.has(id)))
    .map(({ id: image, ref, users }) => ({
      kind: 'image',
      name: ref,
      step: supportStep(
        `image:${ref}/remove`,
        unused,
        { op: 'remove-image', ref, image },
        users.flatMap((id) => going.get(id) ?? []),
      ),
    }));
}

/**
 * What of looms is of no more use to anyone: images that it built and that nothing is made of, on the whole engine; and of
 * the project, when they are named, volumes of no server and records of servers that were deleted. While a run works on
 * another project, images stay: it may be about to use one.
 */
export function prunePlan({ observed, built, scope }: PruneInput): DockerPlan {
  const reason: Reason = { kind: 'not-in-spec' };
  const records = recordsOf(observed);
  const volumes = volumesOf(observed);
  const others = built.locked.filter((project) => project !== observed.project);
  const idle = imagesOf(built, scope.history ? records : []);
  const busy: PlanWarning[] =
    others.length === 0 || idle.length === 0
      ? []
      : [{ code: 'images-stay', message: `images stay while a run works on project ${others.join(', ')}` }];
  const items = [
    ...(scope.history ? records : []),
    ...(scope.volumes ? volumes : []),
    ...(busy.length === 0 ? idle : []),
  ];
  const steps = items.map(({ step }) => step);
  return wholePlan(observed, {
    changes: [],
    support: items.map(
      (item): SupportChange => ({ kind: item.kind, name: item.name, action: 'remove', reasons: [reason] }),
    ),
    steps,
    drift: [],
    rotations: [],
    warnings: [
      ...busy,
      ...(scope.volumes ? [] : stays('volumes-stay', 'volumes that no server has', volumes, '--volumes')),
      ...(scope.history ? [] : stays('history-stays', 'records of deleted servers', records, '--history')),
    ],
  });
}
