import type { DeclaredServer } from '../../model/desired.ts';
import type { ServerName, StepId } from '../../model/ids.ts';
import { type FieldDifference, isNonEmpty, type NonEmpty, type Reason } from '../../model/plan.ts';
import { awakeBounds, type Bounds, boundsOf, within } from '../../model/replicas.ts';
import { defined } from '../../model/values/defined.ts';
import { generationIn } from '../model/claims.ts';
import { workloadName } from '../model/names.ts';
import { revisionKey } from '../model/objects.ts';
import {
  askedOf,
  type Generation,
  idOfGeneration,
  isAsleep,
  meantOf,
  servingOf,
  shownOf,
  type Workload,
} from '../model/observed.ts';
import { hasServed, isGood } from '../model/served.ts';
import { type Assessed, assess } from './assess.ts';
import { type Decided, type DecideInput, endSeconds, stepOf } from './decision.ts';
import { publishedBefore } from './images.ts';
import { overDeployment } from './over.ts';
import type { StepDraft } from './steps.ts';
import { serverOf } from './support.ts';

/** What of the support a server waits for: that of the project, and its own. */
const awaitedBy = (server: ServerName, support: readonly StepDraft[]): readonly StepId[] =>
  support.flatMap((step) => {
    const owner = step.op === 'put-object' ? serverOf(step.object) : undefined;
    return owner === undefined || owner === server ? [step.id] : [];
  });

/**
 * Nobody came to more by counting. Whoever may write to the namespace can have written any number, and what is counted on from the
 * highest that can be read (`generationIn`) could not be read any more.
 */
const mostCounted = 10 ** 8;

/**
 * The number of the generation that replaces those that there are: the next one that none of them has, nor their pods, which
 * would stay under the number that they were made with.
 */
function nextGeneration({ claim, deployment, generations }: Workload): number {
  const templates = [deployment, ...generations.map(({ replicaSet }) => replicaSet)].map(({ spec }) => spec.template);
  const taken = new Set([
    ...[claim, ...generations.map((one) => one.claim)].map(({ generation }) => generation),
    ...templates.map(({ metadata }) => generationIn(metadata?.annotations)),
  ]);
  let next = 1 + Math.max(0, ...[...taken].filter((one) => one < mostCounted));
  while (taken.has(next)) next += 1;
  return next;
}

/** How a server that is declared changes. `before`: the steps by which what stands behind servers is made. */
export function decideServer(server: DeclaredServer, input: DecideInput, before: readonly StepDraft[]): Decided {
  const { name, enabled } = server.spec;
  const workload = input.observed.servers.find((one) => one.server === name);
  const blocker = input.blockers.get(name);
  if (blocker !== undefined) return { change: { server: name, action: 'blocked', why: blocker }, steps: [], drift: [] };
  const support = awaitedBy(name, before);
  const ready = [...support, ...publishedBefore(server, input)];
  if (workload === undefined) return enabled ? creation(server, input, ready) : nothing(name);
  const { now, secrets } = input.observed;
  const found = assess(server, workload, {
    ...input.context,
    now,
    secrets,
    drift: input.drift.servers,
    pin: input.pins.get(name),
  });
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const asked = askedOf(workload);
  const bounds = boundsOf(server.spec);
  const change = { server: name, container };
  if (!enabled) return stopping(server, workload, found, input);
  const stale: readonly Reason[] = found.stale;
  if (isNonEmpty(stale)) return replacement(server, workload, { ...found, stale }, input, ready);
  // What sleeps is woken where its spec lets it sleep no more, which is told as that.
  const scaledUp: readonly Reason[] =
    asked === 0 && !isAsleep(workload) ? [{ kind: 'exited', exitCode: 0, outOfMemory: false }] : [];
  const starts = [...scaledUp, ...found.waits];
  const reasons = [...starts, ...found.counts, ...found.beside];
  if (!isNonEmpty(reasons)) return { change: { ...change, action: 'unchanged' }, steps: [], drift: [] };
  const isWaiting = isNonEmpty(starts);
  const isCounted = found.counts.length > 0;
  const isGated = isWaiting || (isCounted && within(bounds, asked) > asked);
  const put = stepOf(name, 'put-server', isGated ? ready : support, {
    op: 'put-server',
    ...putAgain(workload, isWaiting ? awakeBounds(server.spec) : bounds),
    ...(isCounted ? { counts: true } : {}),
  });
  const writes = scaledUp.length > 0 || isCounted || found.beside.length > 0;
  const gate = gateOf(server, workload.claim.generation, writes ? [put.id] : ready);
  return {
    change: { ...change, action: isWaiting ? 'start' : isCounted ? 'scale' : 'clean-up', reasons },
    steps: [
      ...(writes ? [put] : []),
      ...(isGated ? [gate, ...wayBack(workload, writes ? [put, gate] : [gate], false)] : []),
    ],
    drift: found.drift,
  };
}

const nothing = (server: ServerName): Decided => ({ change: { server, action: 'unchanged' }, steps: [], drift: [] });

/** The digest of an image that is only pulled; that of one which is published is known once it is there. */
const pinnedTo = ({ spec, image }: DeclaredServer, { pins }: DecideInput): { readonly digest?: string } =>
  image.kind === 'built' ? {} : defined({ digest: pins.get(spec.name) });
const noPods: Bounds = { least: 0, most: 0 };

/** Writes a Deployment as it is, but for what is beside its pods. */
const putAgain = (workload: Workload, replicas: Bounds) => ({
  name: workloadName(workload.server),
  generation: workload.claim.generation,
  newPods: false,
  replicas,
  over: overDeployment(workload),
});

const gateOf = ({ spec }: DeclaredServer, generation: number, after: readonly StepId[]): StepDraft =>
  stepOf(spec.name, 'gate', after, {
    op: 'gate',
    name: workloadName(spec.name),
    generation,
    timeoutSeconds: spec.mcp.timeoutSeconds,
  });

/** Whether pods that did not pass their gate stay to be looked at (`--keep-failed`, `lifecycle.auto_cleanup: false`). */
const keepsFailed = ({ spec }: DeclaredServer, { keepFailed }: DecideInput): boolean =>
  keepFailed || !spec.lifecycle.autoCleanup;

function creation(server: DeclaredServer, input: DecideInput, ready: readonly StepId[]): Decided {
  const { name } = server.spec;
  const put = stepOf(name, 'put-server', ready, {
    op: 'put-server',
    name: workloadName(name),
    generation: 1,
    newPods: true,
    replicas: awakeBounds(server.spec),
    ...pinnedTo(server, input),
  });
  const gate = gateOf(server, 1, [put.id]);
  const undo = stepOf(
    name,
    'undo-create',
    [],
    { op: 'undo-create', name: workloadName(name), keeps: keepsFailed(server, input) },
    { onFailureOf: [gate.id], failuresOnly: true },
  );
  return {
    change: { server: name, action: 'create', reasons: [{ kind: 'missing' }] },
    steps: [put, gate, undo],
    drift: [],
  };
}

function replacement(
  server: DeclaredServer,
  workload: Workload,
  found: Assessed & { readonly stale: NonEmpty<Reason> },
  input: DecideInput,
  ready: readonly StepId[],
): Decided {
  const { name, mounts } = server.spec;
  const generation = nextGeneration(workload);
  const put = stepOf(name, 'put-server', ready, {
    op: 'put-server',
    name: workloadName(name),
    generation,
    newPods: true,
    replicas: awakeBounds(server.spec),
    ...pinnedTo(server, input),
    over: overDeployment(workload),
  });
  const gate = gateOf(server, generation, [put.id]);
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const [first, ...more] = found.stale;
  const reasons = withDrift([first, ...more, ...found.counts], found.drift);
  const volume = mounts.find(({ type }) => type === 'volume');
  return {
    change: {
      server: name,
      container,
      action: 'replace',
      reasons,
      ...(volume === undefined
        ? { order: 'start-first' as const }
        : { order: 'stop-first' as const, why: `its volume ${volume.source} is for one node at a time` }),
    },
    steps: [put, gate, ...wayBack(workload, [put, gate], true)],
    drift: found.drift,
  };
}

/** Reasons with all that was changed by hand as one of them, wherever in the objects it stands. */
function withDrift([first, ...more]: NonEmpty<Reason>, drift: readonly FieldDifference[]): NonEmpty<Reason> {
  if (!isNonEmpty(drift)) return [first, ...more];
  const all: Reason = { kind: 'live-drift', fields: drift };
  const others = [first, ...more].filter(({ kind }) => kind !== 'live-drift');
  const [head, ...tail] = [...others, all];
  return head === undefined ? [all] : [head, ...tail];
}

/** What sleeps, and served before: nothing of it is ready, and a session would wake it. */
const sleepingOf = (workload: Workload): Generation | undefined => {
  const meant = isAsleep(workload) ? meantOf(workload) : undefined;
  return meant !== undefined && hasServed(meant) ? meant : undefined;
};

/**
 * What served last before the pods that are meant now, of which none has ever served: a run was killed before it could go back
 * from them, and had stopped the others first.
 */
function abandonedOf(workload: Workload): Generation | undefined {
  const meant = meantOf(workload);
  // One that the Deployment's controller has named, and that is not known here, may have served.
  const isNew =
    meant === undefined ? workload.deployment.metadata.annotations?.[revisionKey] === undefined : !hasServed(meant);
  return isNew ? workload.generations.findLast((one) => !one.isMeant && isGood(one)) : undefined;
}

/** What is meant, where it has served: its pods may be just coming back, as after their node was lost. */
const returningOf = (workload: Workload): Generation | undefined => {
  const meant = meantOf(workload);
  return meant !== undefined && isGood(meant) && askedOf(workload) > 0 ? meant : undefined;
};

/**
 * Back to what serves now, or sleeps, else to what served last, where other pods are meant or will be (`replaces`), or those that
 * are meant have never passed a gate; none where there is no such thing.
 */
function wayBack(workload: Workload, answers: readonly StepDraft[], replaces: boolean): readonly StepDraft[] {
  const ready = servingOf(workload);
  const awake = ready?.isMeant === true && !replaces ? undefined : ready;
  const sleeping = ready === undefined ? sleepingOf(workload) : undefined;
  const serving = awake ?? sleeping ?? (replaces ? returningOf(workload) : undefined) ?? abandonedOf(workload);
  if (serving === undefined || (serving.isMeant && !replaces)) return [];
  return [
    stepOf(
      workload.server,
      'restore-server',
      [],
      {
        op: 'restore-server',
        name: workloadName(workload.server),
        replicaSet: serving.replicaSet.metadata.uid ?? '',
        generation: serving.claim.generation,
        ...(serving === sleeping ? { sleeps: true } : {}),
      },
      { onFailureOf: answers.map(({ id }) => id) },
    ),
  ];
}

function stopping(server: DeclaredServer, workload: Workload, found: Assessed, input: DecideInput): Decided {
  const { name } = server.spec;
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const runs = askedOf(workload) > 0 || isAsleep(workload);
  const asked: Reason = input.stop.has(name) ? { kind: 'requested' } : { kind: 'disabled' };
  // What a stopped server is made of is put right when it is started.
  if (!runs) return { change: { server: name, container, action: 'unchanged' }, steps: [], drift: [] };
  const put = stepOf(name, 'put-server', [], { op: 'put-server', ...putAgain(workload, noPods) });
  const wait = stepOf(name, 'await-gone', [put.id], {
    op: 'await-gone',
    name: workloadName(name),
    seconds: server.spec.lifecycle.drainSeconds + endSeconds,
  });
  return {
    change: { server: name, container, action: 'stop', reasons: [asked] },
    steps: [put, wait],
    drift: found.drift,
  };
}
