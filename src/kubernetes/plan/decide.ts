import type { DeclaredServer } from '../../model/desired.ts';
import { asContainerId, asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import {
  type Blocker,
  type Change,
  type FieldDifference,
  isNonEmpty,
  type NextRotation,
  type NonEmpty,
  type PlanWarning,
  type Reason,
  type SupportChange,
} from '../../model/plan.ts';
import { basisOf } from '../../model/plan-basis.ts';
import { nextRotation } from '../../model/rotation.ts';
import type { Undesired } from '../../orchestrator/port.ts';
import type { Kind } from '../model/kinds.ts';
import { isSecretName, label, workloadName } from '../model/names.ts';
import type { Deployment, KubeObject } from '../model/objects.ts';
import {
  idOfGeneration,
  isOurs,
  meantOf,
  type Observed,
  servingOf,
  shownOf,
  supportKey,
  type Workload,
} from '../model/observed.ts';
import { unlikeOnKubernetes } from '../objects/fits.ts';
import { type AssessContext, type Assessed, agedOf, assess, callsOf } from './assess.ts';
import type { FoundDrift } from './drift.ts';
import { planImages, publishedBefore } from './images.ts';
import { type KubePlan, type Operation, type Over, type StepDraft, stepText } from './steps.ts';

export type DecideInput = {
  readonly observed: Observed;
  readonly desired: readonly DeclaredServer[];
  readonly undesired: Undesired | { readonly remove: readonly ServerName[] };
  /** What shall stand behind the servers, those that stay included; undefined: that is not looked at. */
  readonly support: readonly KubeObject[];
  readonly drift: FoundDrift;
  readonly context: Omit<AssessContext, 'drift' | 'now'>;
  readonly stop: ReadonlySet<ServerName>;
  readonly keepFailed: boolean;
  /** Where pods pull images from that looms builds. */
  readonly registry: string | undefined;
  /** Images of which it is known what they are built from. */
  readonly buildable: ReadonlySet<string>;
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
  const support = decideSupport(input);
  const ready = support.steps.filter(({ op }) => op === 'put-object').map(({ id }) => id);
  const servers = desired
    .toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1))
    .map((server) => decideServer(server, input, ready));
  const { removed, left } = undesiredOf(input);
  const removals = removed.map((workload) => removalOf(workload, input));
  const gone = removals.flatMap(({ steps }) => steps.map(({ id }) => id));
  const leftovers = decideLeftovers(input, gone);
  const decided = [...servers, ...removals].toSorted((a, b) => (a.change.server < b.change.server ? -1 : 1));
  const images = planImages(beginning(decided, desired), input);
  const steps = [...support.steps, ...images.steps, ...decided.flatMap((one) => one.steps), ...leftovers.steps].map(
    (step) => ({
      ...step,
      text: stepText(step),
    }),
  );
  const changes = decided.map(({ change }) => change);
  const { id, name, kind, version, apiVersion, endpoint } = observed.engine;
  return {
    schemaVersion: 1,
    project: observed.project,
    engine: { id, name, kind, version, apiVersion, endpoint },
    basis: basisOf({ changes, steps }),
    changes,
    support: [...support.changes, ...leftovers.changes].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
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

const overOf = ({ metadata }: Deployment) => ({
  uid: metadata.uid ?? '',
  generation: metadata.generation ?? 0,
});

const nextGeneration = (workload: Workload | undefined): number =>
  1 +
  Math.max(0, workload?.claim.generation ?? 0, ...(workload?.generations ?? []).map(({ claim }) => claim.generation));

/** What keeps a server from being made; undefined for nothing. */
function blockerOf({ spec }: DeclaredServer, { observed, registry }: DecideInput): Blocker | undefined {
  const { space, foreign, project, namespace } = observed;
  if (space != null && !isOurs(space, project)) {
    return {
      kind: 'name-taken',
      name: `namespace ${namespace}`,
      id: asContainerId(space.metadata.uid ?? ''),
      image: '',
      owner: space.metadata.labels?.[label.managedBy] ?? 'unknown',
      hint: `label it looms.dev/project=${project} if looms may have it, or use another --project`,
    };
  }
  const taken = foreign.find(({ metadata }) => metadata.name === workloadName(spec.name));
  if (taken !== undefined) {
    return {
      kind: 'name-taken',
      name: `Deployment ${taken.metadata.name}`,
      id: asContainerId(taken.metadata.uid ?? ''),
      image: taken.spec.template.spec.containers[0]?.image ?? '',
      owner: taken.metadata.labels?.[label.managedBy] ?? 'unknown',
      hint: 'remove or rename it, or rename the server',
    };
  }
  const refused = unlikeOnKubernetes(spec, { registry: registry !== undefined, keptByLooms: true }).find(
    ({ kind }) => kind === 'refused',
  );
  return refused?.kind === 'refused'
    ? { kind: 'unsupported', detail: `${refused.path}: ${refused.message}`, hint: refused.hint }
    : undefined;
}

function decideServer(server: DeclaredServer, input: DecideInput, support: readonly StepId[]): Decided {
  const { name, enabled } = server.spec;
  const workload = input.observed.servers.find((one) => one.server === name);
  const blocker = blockerOf(server, input);
  if (blocker !== undefined) return { change: { server: name, action: 'blocked', why: blocker }, steps: [], drift: [] };
  const ready = [...support, ...publishedBefore(server, input)];
  if (workload === undefined) return enabled ? creation(server, input, ready) : nothing(name);
  const found = assess(server, workload, { ...input.context, now: input.observed.now, drift: input.drift.servers });
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const replicas = workload.deployment.spec.replicas ?? 1;
  const change = { server: name, container };
  if (!enabled) return stopping(server, workload, found, input, support);
  const stale: readonly Reason[] = found.stale;
  if (isNonEmpty(stale)) return replacement(server, workload, { ...found, stale }, input, ready);
  const scaledUp: readonly Reason[] = replicas === 0 ? [{ kind: 'exited', exitCode: 0, outOfMemory: false }] : [];
  const starts = [...scaledUp, ...found.waits];
  const reasons = [...starts, ...found.beside];
  if (!isNonEmpty(reasons)) return { change: { ...change, action: 'unchanged' }, steps: [], drift: [] };
  const isWaiting = isNonEmpty(starts);
  const put = stepOf(name, 'put-server', isWaiting ? ready : support, {
    op: 'put-server',
    ...putAgain(workload, 1),
  });
  const writes = scaledUp.length > 0 || found.beside.length > 0;
  const gate = gateOf(server, writes ? [put.id] : ready);
  return {
    change: { ...change, action: isWaiting ? 'start' : 'clean-up', reasons },
    steps: [...(writes ? [put] : []), ...(isWaiting ? [gate, ...wayBack(server, workload, gate, input, false)] : [])],
    drift: found.drift,
  };
}

const nothing = (server: ServerName): Decided => ({ change: { server, action: 'unchanged' }, steps: [], drift: [] });

/** Writes a Deployment as it is, but for what is beside its pods. */
const putAgain = ({ server, claim, deployment }: Workload, replicas: number) => ({
  name: workloadName(server),
  generation: claim.generation,
  newPods: false,
  replicas,
  over: overOf(deployment),
});

/** How long the gate may take from a pod's start, seconds: three probes, each twice where the era is tried out. */
const gateOf = ({ spec }: DeclaredServer, after: readonly StepId[]): StepDraft =>
  stepOf(spec.name, 'gate', after, {
    op: 'gate',
    name: workloadName(spec.name),
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
    replicas: 1,
  });
  const gate = gateOf(server, [put.id]);
  const undo = stepOf(
    name,
    'undo-create',
    [],
    { op: 'undo-create', name: workloadName(name), madeBy: put.id },
    { onFailureOf: [gate.id], failuresOnly: true },
  );
  return {
    change: { server: name, action: 'create', reasons: [{ kind: 'missing' }] },
    steps: [put, gate, ...(keepsFailed(server, input) ? [] : [undo])],
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
  const put = stepOf(name, 'put-server', ready, {
    op: 'put-server',
    name: workloadName(name),
    generation: nextGeneration(workload),
    newPods: true,
    replicas: 1,
    over: overOf(workload.deployment),
  });
  const gate = gateOf(server, [put.id]);
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const reasons = withDrift(found.stale, found.drift);
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
    steps: [put, gate, ...wayBack(server, workload, gate, input, true)],
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

/** Back to the pods that serve now, where others are meant or will be (`replaces`); none where nothing serves. */
function wayBack(
  server: DeclaredServer,
  workload: Workload,
  gate: StepDraft,
  input: DecideInput,
  replaces: boolean,
): readonly StepDraft[] {
  const serving = servingOf(workload);
  if (serving === undefined || keepsFailed(server, input) || (serving.isMeant && !replaces)) return [];
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
      },
      { onFailureOf: [gate.id] },
    ),
  ];
}

function stopping(
  server: DeclaredServer,
  workload: Workload,
  found: Assessed,
  input: DecideInput,
  ready: readonly StepId[],
): Decided {
  const { name } = server.spec;
  const container = idOfGeneration(shownOf(workload), workload.deployment);
  const runs = (workload.deployment.spec.replicas ?? 1) > 0;
  const asked: Reason = input.stop.has(name) ? { kind: 'requested' } : { kind: 'disabled' };
  // What a stopped server is made of is put right when it is started.
  if (!runs) return { change: { server: name, container, action: 'unchanged' }, steps: [], drift: [] };
  const put = stepOf(name, 'put-server', ready, { op: 'put-server', ...putAgain(workload, 0) });
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

function undesiredOf({ observed, desired, undesired }: DecideInput) {
  const wanted = new Set<string>(desired.map(({ spec }) => spec.name));
  const others = observed.servers.filter(({ server }) => !wanted.has(server));
  if (typeof undesired === 'object') {
    const names = new Set<string>(undesired.remove);
    return { removed: others.filter(({ server }) => names.has(server)), left: [] };
  }
  return undesired === 'remove'
    ? { removed: others, left: [] }
    : { removed: [], left: undesired === 'warn' ? others.map(({ server }) => server) : [] };
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

const supportWords: Readonly<Record<string, SupportChange['kind']>> = {
  Namespace: 'namespace',
  ConfigMap: 'scripts',
  NetworkPolicy: 'network',
  Service: 'service',
  PersistentVolumeClaim: 'volume',
  Secret: 'secret',
};

const wordOf = ({ kind = '' }: KubeObject): SupportChange['kind'] => supportWords[kind] ?? 'scripts';

type Support = { readonly changes: readonly SupportChange[]; readonly steps: readonly StepDraft[] };

const supportStep = (object: KubeObject, after: readonly StepId[], operation: Operation, why: string): StepDraft =>
  ({
    id: asStepId(`${operation.op}:${supportKey(object).replace(' ', ':')}`),
    cause: { kind: 'support', why },
    after,
    ...operation,
  }) as StepDraft;

/** What is made or set right before the servers: the namespace first, as all else is in it. */
function decideSupport({ observed, support, drift }: DecideInput): Support {
  const changes: SupportChange[] = [];
  const steps: StepDraft[] = [];
  // What is in a namespace that is another's is not looked at: no server of it is made.
  if (observed.space != null && !isOurs(observed.space, observed.project)) return { changes, steps };
  for (const object of support) {
    if (object.kind === 'Namespace' && observed.space === undefined) continue;
    const live = object.kind === 'Namespace' ? observed.space : observed.support.get(supportKey(object));
    const fields = drift.support.get(supportKey(object)) ?? [];
    const reason: Reason | undefined = live == null ? { kind: 'missing' } : driftReason(fields);
    if (reason === undefined) continue;
    const action = live == null ? 'create' : 'replace';
    const after = steps.filter((one) => one.op === 'put-object' && one.object.kind === 'Namespace').map(({ id }) => id);
    const over = live == null ? {} : { over: overObject(live) };
    changes.push({ kind: wordOf(object), name: object.metadata.name, action, reasons: [reason] });
    steps.push(supportStep(object, after, { op: 'put-object', object, ...over }, 'its servers stand on it'));
  }
  return { changes, steps };
}

const driftReason = (fields: readonly FieldDifference[]): Reason | undefined =>
  isNonEmpty(fields) ? { kind: 'live-drift', fields } : undefined;

const overObject = ({ metadata }: KubeObject): Over => ({
  uid: metadata.uid ?? '',
  resourceVersion: metadata.resourceVersion ?? '',
});

/** What no server needs any more and holds no data. */
function decideLeftovers({ observed, support }: DecideInput, gone: readonly StepId[]): Support {
  const wanted = new Set(support.map(supportKey));
  const unused = [...observed.support.values()].filter(
    (one) =>
      isOurs(one, observed.project) &&
      one.metadata.labels?.[label.managedBy] === 'looms' &&
      (one.kind === 'NetworkPolicy' || one.kind === 'Service') &&
      !wanted.has(supportKey(one)),
  );
  const steps = unused.map((one) =>
    supportStep(
      one,
      gone,
      { op: 'delete-object', kind: one.kind as Kind, name: one.metadata.name, uid: one.metadata.uid ?? '' },
      'no server needs it',
    ),
  );
  const changes = unused.map(
    (one): SupportChange => ({
      kind: wordOf(one),
      name: one.metadata.name,
      action: 'remove',
      reasons: [{ kind: 'not-in-spec' }],
    }),
  );
  return { changes, steps };
}

function rotationsOf({ observed, desired, context }: DecideInput, changes: readonly Change[]): readonly NextRotation[] {
  const stays = new Set(changes.flatMap(({ action, server }) => (action === 'unchanged' ? [server] : [])));
  return desired.flatMap(({ spec }) => {
    const workload = observed.servers.find(({ server }) => server === spec.name);
    const meant = workload && meantOf(workload);
    if (meant === undefined || !stays.has(spec.name) || !spec.enabled) return [];
    const next = nextRotation(spec, agedOf(meant), callsOf(meant, context.executions));
    return next === undefined ? [] : [next];
  });
}

/** What of a server is otherwise on a cluster: told when its spec is made so, and not again. */
function unlikeWarnings({ desired, registry }: DecideInput, changes: readonly Change[]): readonly PlanWarning[] {
  const isOfSpec = ({ kind }: Reason): boolean => kind === 'spec-changed' || kind === 'unreadable-record';
  const made = new Set(
    changes.flatMap((change) =>
      change.action === 'create' || (change.action === 'replace' && change.reasons.some(isOfSpec))
        ? [change.server]
        : [],
    ),
  );
  return desired.flatMap(({ spec }) =>
    made.has(spec.name)
      ? unlikeOnKubernetes(spec, { registry: registry !== undefined, keptByLooms: true }).map(({ path, message }) => ({
          code: 'other-on-cluster',
          server: spec.name,
          message: `${path}: ${message}`,
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
