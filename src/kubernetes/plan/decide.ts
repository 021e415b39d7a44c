import type { DeclaredServer } from '../../model/desired.ts';
import { asContainerId, asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import { basisOf } from '../../model/plan/plan-basis.ts';
import { nextRotation } from '../../model/plan/rotation.ts';
import {
  type Blocker,
  type Change,
  type FieldDifference,
  isNonEmpty,
  type NextRotation,
  type NonEmpty,
  type PlanWarning,
  type Reason,
} from '../../model/plan.ts';
import { awakeBounds, type Bounds, boundsOf, within } from '../../model/replicas.ts';
import { atField, fieldPlace } from '../../model/source.ts';
import { defined } from '../../model/values/defined.ts';
import type { Undesired } from '../../orchestrator/port.ts';
import { isSecretName, label, workloadName } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import {
  askedOf,
  type Generation,
  idOfGeneration,
  isAsleep,
  isOurs,
  meantOf,
  type Observed,
  servingOf,
  shownOf,
  supportKey,
  type Workload,
} from '../model/observed.ts';
import { hasServed } from '../model/served.ts';
import { onCluster, unlikeOnKubernetes } from '../objects/fits.ts';
import { type AssessContext, type Assessed, agedOf, assess, callsOf } from './assess.ts';
import type { FoundDrift } from './drift.ts';
import { planImages, publishedBefore } from './images.ts';
import { overDeployment } from './over.ts';
import { type KubePlan, type Operation, type StepDraft, stepText } from './steps.ts';
import { leftovers, namespaceLabels, serverOf, supportBefore, takenNames } from './support.ts';

export type DecideInput = {
  readonly observed: Observed;
  readonly desired: readonly DeclaredServer[];
  readonly undesired: Undesired | { readonly remove: readonly ServerName[] };
  /** Servers that another engine runs from now on. */
  readonly movedAway?: readonly ServerName[] | undefined;
  /** What shall stand behind the servers, those that stay included. */
  readonly support: readonly KubeObject[];
  readonly drift: FoundDrift;
  readonly context: Omit<AssessContext, 'drift' | 'now' | 'pin'>;
  readonly stop: ReadonlySet<ServerName>;
  readonly keepFailed: boolean;
  /** Where pods pull images from that looms builds. */
  readonly registry: string | undefined;
  /** Images of which it is known what they are built from. */
  readonly buildable: ReadonlySet<string>;
  /** Digests that images of servers shall have, as they had them then; what has none is pulled by its name. */
  readonly pins: ReadonlyMap<ServerName, string>;
  /** Servers whose records are nobody's here, or cannot be read: what stands behind them is left as it is. */
  readonly doubtful: ReadonlySet<ServerName>;
  readonly warnings: readonly PlanWarning[];
};

/** Seconds that a pod has to end beyond what it drains: Kubernetes' own grace, and some for its node. */
const endSeconds = 45;

/** How a server changes, with the steps of that. */
type Decided = {
  readonly change: Change;
  readonly steps: readonly StepDraft[];
  readonly drift: readonly FieldDifference[];
};

/** A plan from one look at the cluster. Pure; the same input gives the same plan. */
export function decide(input: DecideInput): KubePlan {
  const { observed, desired } = input;
  const support = supportBefore(input);
  const loosened = namespaceLabels(input, []);
  const before = [...(loosened.first ? loosened.steps : []), ...support.steps];
  const servers = desired
    .toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1))
    .map((server) => decideServer(server, input, before));
  const { removed, left } = undesiredOf(input);
  const removals = removed.map((workload) => removalOf(workload, input));
  const decided = [...servers, ...removals].toSorted((a, b) => (a.change.server < b.change.server ? -1 : 1));
  const unused = leftovers(input, (server) => endsOf(server, decided));
  // Tightened once nothing needs it as it was: neither what did not pass its gate, nor what has not gone.
  const ends = decided.flatMap(({ steps }) =>
    steps.flatMap(({ op, id }) => (op === 'gate' || op === 'await-gone' ? [id] : [])),
  );
  const space = namespaceLabels(input, ends);
  const images = planImages(beginning(decided, desired), input);
  const steps = [
    ...before,
    ...images.steps,
    ...decided.flatMap((one) => one.steps),
    ...unused.steps,
    ...(space.first ? [] : space.steps),
  ].map((step) => ({ ...step, text: stepText(step) }));
  const changes = decided.map(({ change }) => change);
  const { id, name, kind, version, apiVersion, endpoint } = observed.engine;
  return {
    schemaVersion: 1,
    project: observed.project,
    engine: { id, name, kind, version, apiVersion, endpoint },
    basis: basisOf({ changes, steps }),
    changes,
    support: [...support.changes, ...space.changes, ...unused.changes].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    images: images.images,
    steps,
    drift: decided.flatMap(({ change, drift }) =>
      isNonEmpty(drift) && change.container !== undefined
        ? [{ server: change.server, container: change.container, fields: drift }]
        : [],
    ),
    rotations: rotationsOf(input, changes),
    warnings: [...input.warnings, ...unlikeWarnings(input, changes), ...leftWarning(left)],
  };
}

/** The steps that a server's change ends with; undefined where nothing of it is decided, as it is blocked. */
function endsOf(server: string, decided: readonly Decided[]): readonly StepId[] | undefined {
  const found = decided.find(({ change }) => change.server === server);
  if (found?.change.action === 'blocked') return undefined;
  return (found?.steps ?? []).flatMap(({ op, id }) => (op === 'gate' || op === 'await-gone' ? [id] : []));
}

/** What of the support a server waits for: that of the project, and its own. */
const awaitedBy = (server: ServerName, support: readonly StepDraft[]): readonly StepId[] =>
  support.flatMap((step) => {
    const owner = step.op === 'put-object' ? serverOf(step.object) : undefined;
    return owner === undefined || owner === server ? [step.id] : [];
  });

/** The servers of which pods begin, which then pull their image. */
const beginning = (decided: readonly Decided[], desired: readonly DeclaredServer[]): readonly DeclaredServer[] => {
  const gated = new Set(
    decided.flatMap(({ steps }) => steps.flatMap(({ op, server }) => (op === 'gate' ? [server] : []))),
  );
  return desired.filter(({ spec }) => gated.has(spec.name));
};

const stepOf = (
  server: ServerName,
  what: string,
  after: readonly StepId[],
  operation: Operation,
  more: Partial<StepDraft> = {},
): StepDraft =>
  ({
    id: asStepId(`${server}/${what}`),
    server,
    cause: { kind: 'change', server },
    after,
    ...more,
    ...operation,
  }) as StepDraft;

const nextGeneration = (workload: Workload | undefined): number =>
  1 +
  Math.max(0, workload?.claim.generation ?? 0, ...(workload?.generations ?? []).map(({ claim }) => claim.generation));

const takenBy = (what: KubeObject, name: string, image: string, hint: string): Blocker => ({
  kind: 'name-taken',
  name,
  id: asContainerId(what.metadata.uid ?? ''),
  image,
  owner: what.metadata.labels?.[label.managedBy] ?? 'unknown',
  hint,
});

/** What keeps a server from being made; undefined for nothing. */
function blockerOf(server: DeclaredServer, input: DecideInput): Blocker | undefined {
  const { spec } = server;
  const { space, foreign, project, namespace } = input.observed;
  if (space != null && !isOurs(space, project)) {
    const hint = `label it looms.dev/project=${project} if looms may have it, or use another --project`;
    return takenBy(space, `namespace ${namespace}`, '', hint);
  }
  const taken = foreign.find(({ metadata }) => metadata.name === workloadName(spec.name));
  if (taken !== undefined) {
    const image = taken.spec.template.spec.containers[0]?.image ?? '';
    return takenBy(taken, `Deployment ${taken.metadata.name}`, image, 'remove or rename it, or rename the server');
  }
  const other = takenNames(input).find((one) =>
    [undefined, spec.name].includes(serverOf(one) as ServerName | undefined),
  );
  if (other !== undefined) return takenBy(other, supportKey(other), '', 'remove or rename it');
  const where = onCluster(input.registry, input.observed.engine);
  const refused = spec.enabled ? unlikeOnKubernetes(spec, where).find(({ kind }) => kind === 'refused') : undefined;
  return refused?.kind === 'refused'
    ? { kind: 'unsupported', detail: atField(server, refused.path, refused.message), hint: refused.hint }
    : undefined;
}

function decideServer(server: DeclaredServer, input: DecideInput, before: readonly StepDraft[]): Decided {
  const { name, enabled } = server.spec;
  const workload = input.observed.servers.find((one) => one.server === name);
  const blocker = blockerOf(server, input);
  if (blocker !== undefined) return { change: { server: name, action: 'blocked', why: blocker }, steps: [], drift: [] };
  const support = awaitedBy(name, before);
  const ready = [...support, ...publishedBefore(server, input)];
  if (workload === undefined) return enabled ? creation(server, input, ready) : nothing(name);
  const { now } = input.observed;
  const found = assess(server, workload, {
    ...input.context,
    now,
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
 * Back to what serves now, or sleeps, where other pods are meant or will be (`replaces`); none where nothing does.
 */
function wayBack(workload: Workload, answers: readonly StepDraft[], replaces: boolean): readonly StepDraft[] {
  const awake = servingOf(workload);
  const serving = awake ?? sleepingOf(workload);
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
        ...(awake === undefined ? { sleeps: true } : {}),
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

/** Whether a server that is not declared goes. */
export const goesAway = (
  name: ServerName,
  { undesired, movedAway = [] }: Pick<DecideInput, 'undesired' | 'movedAway'>,
): boolean =>
  movedAway.includes(name) ||
  (typeof undesired === 'object' ? undesired.remove.includes(name) : undesired === 'remove');

function undesiredOf(input: DecideInput) {
  const wanted = new Set<string>(input.desired.map(({ spec }) => spec.name));
  const others = input.observed.servers.filter(({ server }) => !wanted.has(server));
  const removed = others.filter(({ server }) => goesAway(server, input));
  const left = input.undesired === 'warn' ? others.filter((one) => !removed.includes(one)) : [];
  return { removed, left: left.map(({ server }) => server) };
}

function removalOf(workload: Workload, { observed }: DecideInput): Decided {
  const { server, deployment, claim } = workload;
  const container = idOfGeneration(shownOf(workload), deployment);
  const name = workloadName(server);
  const remove = stepOf(server, 'delete-server', [], {
    op: 'delete-object',
    kind: 'Deployment',
    name,
    uid: deployment.metadata.uid ?? '',
  });
  const seconds = (claim.recorded?.spec.lifecycle.drainSeconds ?? 0) + endSeconds;
  const wait = stepOf(server, 'await-gone', [remove.id], { op: 'await-gone', name, seconds });
  return {
    change: { server, container, action: 'remove', reasons: [{ kind: 'not-in-spec' }] },
    steps: [remove, wait, ...secretsOf(server, observed).map((secret) => secretRemoval(server, secret, wait.id))],
    drift: [],
  };
}

const secretsOf = (server: ServerName, { secrets }: Observed): readonly KubeObject[] =>
  secrets.filter(({ metadata }) => metadata.labels?.[label.server] === server && isSecretName(server, metadata.name));

const secretRemoval = (server: ServerName, { metadata }: KubeObject, after: StepId): StepDraft =>
  stepOf(server, `delete-secret:${metadata.name}`, [after], {
    op: 'delete-object',
    kind: 'Secret',
    name: metadata.name,
    uid: metadata.uid ?? '',
  });

function rotationsOf({ observed, desired, context }: DecideInput, changes: readonly Change[]): readonly NextRotation[] {
  const stays = new Set(changes.flatMap(({ action, server }) => (action === 'unchanged' ? [server] : [])));
  return desired.flatMap(({ spec }) => {
    const workload = observed.servers.find(({ server }) => server === spec.name);
    const meant = workload && meantOf(workload);
    const aged = meant && agedOf(meant);
    if (aged === undefined || !stays.has(spec.name) || !spec.enabled) return [];
    const next = nextRotation(spec, aged, callsOf(meant, context.executions));
    return next === undefined ? [] : [next];
  });
}

/** What of a server is otherwise on a cluster: told when its spec is made so, and not again. */
function unlikeWarnings(
  { desired, registry, observed }: DecideInput,
  changes: readonly Change[],
): readonly PlanWarning[] {
  const isOfSpec = ({ kind }: Reason): boolean => kind === 'spec-changed' || kind === 'unreadable-record';
  const made = new Set(
    changes.flatMap((change) =>
      change.action === 'create' || (change.action === 'replace' && change.reasons.some(isOfSpec))
        ? [change.server]
        : [],
    ),
  );
  return desired.flatMap((server) =>
    made.has(server.spec.name)
      ? unlikeOnKubernetes(server.spec, onCluster(registry, observed.engine)).map(({ path, message }) => ({
          code: 'other-on-cluster',
          server: server.spec.name,
          message: `${path}: ${message}`,
          ...defined({ at: fieldPlace(server, path) }),
        }))
      : [],
  );
}

const leftWarning = (left: readonly ServerName[]): readonly PlanWarning[] =>
  left.length === 0
    ? []
    : [
        {
          code: 'not-in-spec',
          message: `${left.join(', ')}: on the cluster, but in none of the files; --prune removes what is not in the files`,
        },
      ];
