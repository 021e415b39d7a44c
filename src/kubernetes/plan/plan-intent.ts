import type { Recipe } from '../../model/container/recipe.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { isNonEmpty, type NonEmpty, type PlanWarning } from '../../model/plan.ts';
import { withWarnings } from '../../model/plan-basis.ts';
import { type UntrustedRecord, untrustedRecord } from '../../model/records.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import { parseSource } from '../../model/source.ts';
import type { ExportSettings } from '../../orchestrator/export.ts';
import type {
  FilesIntent,
  Intent,
  MadeServer,
  Prepared,
  RecordedIntent,
  RollbackIntent,
} from '../../orchestrator/port.ts';
import { recordSpec, specHash } from '../../spec/record/record.ts';
import { annotation } from '../model/names.ts';
import type { Pod } from '../model/objects.ts';
import {
  type Generation,
  idOfGeneration,
  idOfPod,
  meantOf,
  type Observed,
  podsOf,
  shownOf,
  type Workload,
} from '../model/observed.ts';
import { hasServed, isGood, outcomeOf } from '../model/served.ts';
import { servicesOf, supportObjects } from '../objects/objects.ts';
import { listOf, observe } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { type DecideInput, decide } from './decide.ts';
import { type FoundDrift, findDrift } from './drift.ts';
import { keptNamespace } from './kept-namespace.ts';
import { prunePlan } from './prune.ts';
import type { KubePlan } from './steps.ts';

/** A plan of this orchestrator, and what it was decided from. */
export type KubePrepared = Omit<Prepared, 'plan'> & { readonly plan: KubePlan; readonly observed: Observed };

/** `Orchestrator.plan`. */
export async function planIntent(ports: KubernetesPorts, intent: Intent): Promise<KubePrepared> {
  const prepared = await planOf(ports, intent);
  const { plan, made } = prepared;
  const isAsked = intent.kind !== 'prune' && intent.keep !== undefined && !usualKeeps.has(intent.keep);
  return isAsked && made.size > 0
    ? { ...prepared, plan: withWarnings(plan, [...plan.warnings, keepNotKept]) }
    : prepared;
}

/** What is kept of a server unless something else is asked for, here and on engines: who asks for it is told nothing. */
const usualKeeps: ReadonlySet<number> = new Set([3, 10]);

const keepNotKept: PlanWarning = {
  code: 'keep-not-kept',
  message: 'a cluster keeps the last ten generations of a server: --keep, and keep of looms.yaml, are not looked at',
};

async function planOf(ports: KubernetesPorts, intent: Intent): Promise<KubePrepared> {
  const observed = await observe(ports.cluster, intent.project, ports.settings.records);
  switch (intent.kind) {
    case 'files':
      return planFiles(ports, observed, intent);
    case 'recorded':
      return planRecorded(ports, observed, intent);
    case 'removal': {
      const wanted = intent.servers === 'all' ? observed.servers.map(({ server }) => server) : intent.servers;
      for (const name of wanted) workloadOf(observed, name);
      const asked = { desired: [], undesired: { remove: wanted } };
      // By the names that were meant: `all` could mean more when it is planned again.
      const prepared = await prepare(ports, observed, { ...intent, servers: wanted }, asked);
      const left = claimsLeft(observed, wanted);
      return { ...prepared, plan: withWarnings(prepared.plan, [...prepared.plan.warnings, ...left]) };
    }
    case 'rollback':
      return planRollback(ports, observed, intent);
    case 'prune': {
      // All of the namespace: others than servers may mount a claim.
      const pods = (await listOf(ports.cluster, 'Pod', observed.namespace)) as readonly Pod[];
      return preparedOf(observed, intent, prunePlan(observed, intent, pods), {});
    }
    default:
      return assertNever(intent);
  }
}

/** Data outlives its server; whoever wants it gone is told how. */
function claimsLeft({ servers }: Observed, removed: readonly ServerName[]): readonly PlanWarning[] {
  const claims = servers
    .filter(({ server }) => removed.includes(server))
    .flatMap(({ deployment }) => deployment.spec.template.spec.volumes ?? [])
    .flatMap(({ persistentVolumeClaim: claim }) => (claim === undefined ? [] : [claim.claimName]));
  const message = `volumes stay, they hold data: ${[...new Set(claims)].join(', ')}; \`looms prune --volumes\` removes them`;
  return claims.length === 0 ? [] : [{ code: 'volumes-stay', message }];
}

/** What objects are written with, on the cluster as in `looms export`. */
export const objectSettings = ({ settings, managedBy }: KubernetesPorts, { project }: Observed): ExportSettings => ({
  project,
  registry: settings.registry,
  relayImage: settings.relayImage,
  managedBy,
  recordOf: ({ spec, image }) => recordSpec(spec, image.ref),
});

/** What images are built from, by their names here; of what is recorded nobody knows. */
export const recipesOf = (intent: Intent): ReadonlyMap<string, Recipe> =>
  intent.kind === 'files' ? intent.recipes : new Map();

type Asked = Pick<DecideInput, 'desired' | 'undesired'> & {
  readonly replace?: readonly ServerName[];
  readonly unhealthy?: ReadonlyMap<ServerName, Unanswered>;
  readonly stop?: readonly ServerName[];
  readonly keepFailed?: boolean;
  readonly rollbackTo?: number;
  readonly untrusted?: readonly UntrustedRecord[];
};

const recordedServer = ({ claim }: Workload): readonly DeclaredServer[] => {
  if (claim.recorded === undefined) return [];
  const { spec, image } = claim.recorded;
  return [declaredOf(spec, image, claim.source ?? 'unknown', '')];
};

const declaredOf = (
  spec: DeclaredServer['spec'],
  image: string,
  source: string,
  directory: string,
): DeclaredServer => ({
  spec,
  image: spec.image.kind === 'image' ? { kind: 'pulled', ref: image } : { kind: 'built', ref: image, base: undefined },
  hash: specHash(spec, image),
  source: parseSource(source, directory),
});

/**
 * The servers that there are once a plan is carried out: those that are asked for, and others that stay. What the record of
 * another one says counts where somebody vouches for it; else what stands behind that one is left as it is.
 */
function remaining(
  { servers }: Observed,
  { desired, undesired }: Asked,
): { readonly known: readonly DeclaredServer[]; readonly doubtful: ReadonlySet<ServerName> } {
  const wanted = new Set<string>(desired.map(({ spec }) => spec.name));
  const goes = (name: ServerName): boolean =>
    typeof undesired === 'object' ? undesired.remove.includes(name) : undesired === 'remove';
  const others = servers.filter(({ server }) => !wanted.has(server) && !goes(server));
  const [vouched, doubtful] = [true, false].map((is) =>
    others.filter(({ claim }) => (claim.recorded !== undefined && claim.foreignRecord === undefined) === is),
  );
  return {
    known: [...desired, ...(vouched ?? []).flatMap(recordedServer)],
    doubtful: new Set((doubtful ?? []).map(({ server }) => server)),
  };
}

/** Servers of which the cluster refused to say what they would be. */
const driftWarnings = ({ unknown }: FoundDrift): readonly PlanWarning[] =>
  [...unknown].map(([server, why]) => ({
    code: 'drift-unknown',
    server,
    message: `what somebody changed of it is not known: ${why}`,
  }));

/** Decides what is asked for on what was observed, and looks for what somebody changed by hand. */
async function prepare(
  ports: KubernetesPorts,
  observed: Observed,
  intent: Intent,
  asked: Asked,
): Promise<KubePrepared> {
  const { desired } = asked;
  const settings = objectSettings(ports, observed);
  const { known: stay, doubtful } = remaining(observed, asked);
  // What is in a namespace that holds no server is left as it is: it may hold data.
  const support =
    stay.length === 0 ? [] : [...supportObjects(stay, settings), ...stay.flatMap((one) => servicesOf(one, settings))];
  const [space, drift, counted, secrets] = await Promise.all([
    keptNamespace(ports.cluster, observed, support),
    // Of the namespace only looms' own labels count: the rest of it is its cluster's.
    findDrift(
      ports.cluster,
      observed,
      support.filter(({ kind }) => kind !== 'Namespace'),
      settings,
      { names: desired.map(({ spec }) => spec.name) },
    ),
    executionsOf(ports, observed, desired),
    secretsOf(ports, observed, desired),
  ]);
  const plan = decide({
    observed: { ...observed, space },
    desired,
    undesired: asked.undesired,
    support,
    drift,
    context: {
      executions: counted.executions,
      changedSecrets: secrets.changed,
      replace: new Set(asked.replace ?? []),
      unhealthy: asked.unhealthy ?? new Map(),
      rollbackTo: asked.rollbackTo,
    },
    stop: new Set(asked.stop ?? []),
    keepFailed: asked.keepFailed ?? false,
    registry: ports.settings.registry,
    buildable: new Set(recipesOf(intent).keys()),
    doubtful,
    warnings: [...counted.warnings, ...secrets.warnings, ...driftWarnings(drift)],
  });
  return preparedOf(observed, intent, plan, { servers: desired, untrusted: asked.untrusted ?? [] });
}

function preparedOf(
  observed: Observed,
  intent: Intent,
  plan: KubePlan,
  { servers = [], untrusted = [] }: Partial<Pick<Prepared, 'servers' | 'untrusted'>>,
): KubePrepared {
  const made = new Map(
    plan.steps.flatMap((step) =>
      step.op === 'put-server' && step.newPods && step.server !== undefined
        ? [[step.server, step.generation] as const]
        : [],
    ),
  );
  const there = new Map(observed.servers.map((workload) => [workload.server, workload]));
  return {
    intent,
    observed,
    plan,
    servers,
    untrusted,
    records: observed.servers.map((workload) => ({
      container: idOfGeneration(shownOf(workload), workload.deployment),
      runs: (workload.deployment.spec.replicas ?? 1) > 0,
      ...(workload.claim.recorded === undefined ? {} : { recorded: workload.claim.recorded }),
      ...(workload.claim.foreignRecord === undefined ? {} : { foreignRecord: workload.claim.foreignRecord }),
    })),
    gated: new Set(plan.steps.flatMap(({ op, server }) => (op === 'gate' && server !== undefined ? [server] : []))),
    made: new Set(made.keys()),
    generations: new Map(
      plan.changes.flatMap(({ server, action }) => {
        if (action === 'unchanged') return [];
        const from = there.get(server)?.claim.generation ?? null;
        return [[server, { from, to: action === 'remove' ? null : (made.get(server) ?? from) }] as const];
      }),
    ),
  };
}

function requireKnown(names: readonly ServerName[], known: readonly DeclaredServer[], flag: string): void {
  const unknown = names.find((name) => !known.some(({ spec }) => spec.name === name));
  if (unknown === undefined) return;
  const hint =
    known.length === 0
      ? 'the files hold no server'
      : `they hold ${known
          .map(({ spec }) => spec.name)
          .sort()
          .join(', ')}`;
  throw new LoomsError('server-not-found', `${flag} ${unknown}: there is no such server in the files`, { hint });
}

async function planFiles(ports: KubernetesPorts, observed: Observed, intent: FilesIntent): Promise<KubePrepared> {
  const { servers, only, replace = [], unhealthy, undesired, keepFailed = false } = intent;
  requireKnown(only ?? [], servers, '--server');
  requireKnown(replace, servers, '--replace');
  const desired = only === undefined ? servers : servers.filter(({ spec }) => only.includes(spec.name));
  const prepared = await prepare(ports, observed, intent, {
    desired,
    undesired: only === undefined ? undesired : 'ignore',
    replace,
    ...(unhealthy === undefined ? {} : { unhealthy }),
    keepFailed,
  });
  // What a file declares is known of all of them, whichever are looked at.
  return { ...prepared, servers };
}

function workloadOf(observed: Observed, name: ServerName): Workload {
  const found = observed.servers.find(({ server }) => server === name);
  if (found !== undefined) return found;
  throw serverNotFound(
    observed.project,
    name,
    observed.servers.map(({ server }) => server),
  );
}

/** How long a pod drains was said when it was made. Throws `engine-unsupported` for another time. */
function requireDrain(name: ServerName, wish: RecordedIntent['wish'], seconds: number): void {
  if (wish.kind !== 'stop' || wish.drainSeconds === undefined || wish.drainSeconds === seconds) return;
  throw new LoomsError('engine-unsupported', `the pods of ${name} drain for ${seconds} s, as they were made to`, {
    hint: 'leave --drain out, or change lifecycle.drain_seconds in its file and apply that first',
  });
}

/** Plans for servers that are on the cluster, from what their Deployments record. */
async function planRecorded(ports: KubernetesPorts, observed: Observed, intent: RecordedIntent): Promise<KubePrepared> {
  const { wish } = intent;
  const found = intent.servers.map((name) => {
    const { claim, deployment } = workloadOf(observed, name);
    if (claim.recorded === undefined) {
      throw new LoomsError(
        'spec-invalid',
        `Deployment ${deployment.metadata.name} does not say what it was made from: its ${annotation.record} annotation cannot be read`,
        { hint: `name the file that declares it: looms mcp start ${name} --config FILE` },
      );
    }
    const { spec: then, image } = claim.recorded;
    requireDrain(name, wish, then.lifecycle.drainSeconds);
    const spec = { ...then, enabled: wish.kind !== 'stop' };
    return {
      server: { ...declaredOf(spec, image, claim.source ?? 'unknown', intent.directory), hash: claim.specHash },
      untrusted: untrustedRecord(`Deployment ${deployment.metadata.name}`, claim),
    };
  });
  const servers = found.map(({ server }) => server);
  if (wish.kind !== 'stop') {
    await ports.requireRules(
      servers.map(({ spec }) => spec),
      {
        what: 'the record on a Deployment breaks a rule of a spec file, as it is read today and here',
        hint: 'an earlier looms may have written it, or somebody else; `looms apply` with the spec file replaces the server',
      },
    );
  }
  return prepare(ports, observed, intent, {
    desired: servers,
    undesired: 'ignore',
    ...(wish.kind === 'restart' ? { replace: intent.servers } : {}),
    ...(wish.kind === 'stop' ? { stop: intent.servers } : {}),
    untrusted: found.flatMap(({ untrusted }) => untrusted ?? []),
  });
}

/**
 * The newest revision that served, that nobody has gone back from, and that is another than the one that is meant. Where that
 * has not passed its gate, and served once before the newest of them, an earlier run did not come to the end of its way back:
 * it goes on.
 */
function wayBack(past: readonly Generation[], now: Generation | undefined): Generation | undefined {
  const isNow = ({ claim }: Generation): boolean => claim.specHash === now?.claim.specHash;
  const isLeft = ({ claim }: Generation, index: number): boolean =>
    past.slice(index).some((later) => later.claim.specHash === claim.specHash && outcomeOf(later) === 'rolled-back');
  const served = past.filter((one, index) => isGood(one) && !isLeft(one, index));
  const last = served.at(-1);
  const isUnderway = now !== undefined && !hasServed(now) && last !== undefined && !isNow(last);
  return (isUnderway ? served.findLast(isNow) : undefined) ?? served.findLast((one) => !isNow(one));
}

/** Plans to take a server back to an earlier generation: its spec as it was then, through the same gate as any change. */
async function planRollback(ports: KubernetesPorts, observed: Observed, intent: RollbackIntent): Promise<KubePrepared> {
  const { server: name, keepFailed = false } = intent;
  const workload = workloadOf(observed, name);
  const { generations } = workload;
  const now = meantOf(workload);
  const leaving = idOfGeneration(shownOf(workload), workload.deployment);
  const past = generations.filter(
    (one) => one !== now && (now === undefined || one.claim.generation < now.claim.generation),
  );
  const target =
    intent.to === undefined ? wayBack(past, now) : generations.find(({ claim }) => claim.generation === intent.to);
  if (target === undefined) {
    const known = past.map(({ claim }) => claim.generation).join(', ');
    throw new LoomsError(
      'generation-not-found',
      intent.to === undefined
        ? `server ${name} has no earlier generation to go back to`
        : `server ${name} has no record of a generation ${intent.to}`,
      {
        hint: known === '' ? 'none of its past is recorded' : `\`looms history ${name}\` shows what there is: ${known}`,
      },
    );
  }
  const to = target.claim.generation;
  if (intent.leaving !== undefined && intent.leaving !== leaving && now?.claim.generation !== to) {
    throw new LoomsError(
      'plan-stale',
      `server ${name} runs generation ${now?.claim.generation ?? 0} by now, from another run`,
      {
        hint: `\`looms history ${name}\` shows what there is; roll back again if that is still what you want`,
      },
    );
  }
  if (target.claim.recorded === undefined) {
    throw new LoomsError('refused', `the record of generation ${to} of ${name} cannot be read`, {
      hint: 'another version of looms may have written it: choose another generation with --to',
    });
  }
  const { spec, image } = target.claim.recorded;
  const server = declaredOf({ ...spec, enabled: true }, image, target.claim.source ?? 'unknown', '');
  await ports.requireRules([server.spec], {
    what: `the record of generation ${to} of ${name} breaks a rule of a spec file, as it is read today and here`,
    hint: 'choose another generation with --to, or apply a spec file',
  });
  const untrusted = untrustedRecord(`generation ${to} of ${name}`, target.claim);
  return prepare(
    ports,
    observed,
    { ...intent, to, leaving },
    {
      desired: [server],
      undesired: 'ignore',
      keepFailed,
      rollbackTo: to,
      untrusted: untrusted === undefined ? [] : [untrusted],
    },
  );
}

/** A ledger that cannot be read does not keep anyone from seeing drift. */
async function executionsOf(
  ports: KubernetesPorts,
  observed: Observed,
  servers: readonly DeclaredServer[],
): Promise<{ readonly executions: ReadonlyMap<ContainerId, number>; readonly warnings: readonly PlanWarning[] }> {
  const none = { executions: new Map(), warnings: [] };
  if (!servers.some(({ spec }) => spec.lifecycle.maxExecutions !== undefined)) return none;
  try {
    const pods = observed.servers.flatMap((workload) => podsOf(workload).map(idOfPod));
    return { ...none, executions: await ports.countExecutions(pods) };
  } catch (error) {
    const message = `max_executions is not looked at, its calls are not counted: ${messageOf(error)}`;
    return { ...none, warnings: [{ code: 'executions-unknown', message }] };
  }
}

/** Which servers were given secrets that have other values by now: a stdio server's pod has them for its gate. */
async function secretsOf(ports: KubernetesPorts, observed: Observed, servers: readonly DeclaredServer[]) {
  const made = observed.servers.map(({ server, deployment, claim }): MadeServer => {
    const { foreignRecord, secretPrints } = claim;
    return {
      id: idOfPod(deployment),
      server,
      givenSecrets: true,
      ...(foreignRecord === undefined ? {} : { foreignRecord }),
      ...(secretPrints === undefined ? {} : { secretPrints }),
    };
  });
  const { changed, warnings } = await ports.changedSecrets(observed.project, servers, made);
  const byServer = made.flatMap(({ id, server }) => {
    const names = changed.get(id);
    return names === undefined ? [] : [[server, names] as const];
  });
  return {
    changed: new Map<ServerName, NonEmpty<string>>(byServer.filter(([, names]) => isNonEmpty(names))),
    warnings,
  };
}
