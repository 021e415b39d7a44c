import type { Recipe } from '../../model/container/recipe.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { messageOf } from '../../model/failure.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { isNonEmpty, type NonEmpty, type PlanWarning } from '../../model/plan.ts';
import type { UntrustedRecord } from '../../model/records.ts';
import type { ExportSettings } from '../../orchestrator/export.ts';
import type { Intent, MadeServer, Prepared } from '../../orchestrator/port.ts';
import { recordSpec, serverOfRecord } from '../../spec/record/record.ts';
import type { KubeObject } from '../model/objects.ts';
import {
  askedOf,
  idOfGeneration,
  idOfPod,
  isAsleep,
  type Observed,
  podsOf,
  shownOf,
  type Workload,
} from '../model/observed.ts';
import { servicesOf, supportObjects } from '../objects/objects.ts';
import { onCluster } from '../objects/where.ts';
import type { KubernetesPorts } from '../ports.ts';
import { blockersOf } from './blocker.ts';
import { decide } from './decide.ts';
import type { DecideInput } from './decision.ts';
import { findDrift } from './drift.ts';
import { keptNamespace } from './kept-namespace.ts';
import { scriptsToHave } from './own-scripts.ts';
import { goesAway } from './removal.ts';
import type { KubePlan } from './steps.ts';

/** A plan of this orchestrator, and what it was decided from. */
export type KubePrepared = Omit<Prepared, 'plan'> & { readonly plan: KubePlan; readonly observed: Observed };

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

type Asked = Pick<DecideInput, 'desired' | 'undesired' | 'movedAway'> & {
  readonly replace?: readonly ServerName[];
  readonly unhealthy?: ReadonlyMap<ServerName, Unanswered>;
  readonly stop?: readonly ServerName[];
  readonly keepFailed?: boolean;
  readonly rollbackTo?: number;
  /** Digests that images of servers shall have, as they had them then. */
  readonly pins?: ReadonlyMap<ServerName, string>;
  readonly untrusted?: readonly UntrustedRecord[];
};

/**
 * The servers that there are once a plan is carried out: those that are asked for, and others that stay, as one that is
 * blocked does where it is there. What the record of another one says counts where somebody vouches for it; else what stands
 * behind that one is left as it is.
 */
function remaining(
  { servers }: Observed,
  asked: Asked,
  blockers: DecideInput['blockers'],
): { readonly known: readonly DeclaredServer[]; readonly doubtful: ReadonlySet<ServerName> } {
  const desired = asked.desired.filter(({ spec }) => !blockers.has(spec.name));
  const wanted = new Set<string>(desired.map(({ spec }) => spec.name));
  const others = servers.filter(
    ({ server }) => !wanted.has(server) && (blockers.has(server) || !goesAway(server, asked)),
  );
  const recorded = ({ claim }: Workload): readonly DeclaredServer[] =>
    claim.recorded === undefined
      ? []
      : [serverOfRecord(claim.recorded, { source: claim.source ?? 'unknown', directory: '' })];
  const [vouched, doubtful] = [true, false].map((is) =>
    others.filter(({ claim }) => (claim.recorded !== undefined && claim.foreignRecord === undefined) === is),
  );
  return {
    known: [...desired, ...(vouched ?? []).flatMap(recorded)],
    doubtful: new Set((doubtful ?? []).map(({ server }) => server)),
  };
}

/** What shall stand behind servers. What is in a namespace that holds no server is left as it is: it may hold data. */
function supportOf(
  servers: readonly DeclaredServer[],
  settings: ExportSettings,
  { engine }: Observed,
): readonly KubeObject[] {
  if (servers.length === 0) return [];
  const all = [...supportObjects(servers, settings), ...servers.flatMap((one) => servicesOf(one, settings))];
  // Where the cluster knows no names, servers that list some are refused.
  const { leadsByName } = onCluster(settings.registry, engine);
  return all.filter(({ kind }) => kind !== 'CiliumNetworkPolicy' || leadsByName);
}

/** What stands behind the servers that there are then, and what keeps others from being made: nothing is made for those. */
function behind(
  observed: Observed,
  asked: Asked,
  settings: ExportSettings,
): Pick<DecideInput, 'support' | 'blockers' | 'doubtful'> {
  const all = remaining(observed, asked, new Map());
  const support = supportOf(all.known, settings, observed);
  const blockers = blockersOf(asked.desired, { observed, support, registry: settings.registry });
  if (blockers.size === 0) return { support, blockers, doubtful: all.doubtful };
  const { known, doubtful } = remaining(observed, asked, blockers);
  return { support: supportOf(known, settings, observed), blockers, doubtful };
}

/** Decides what is asked for on what was observed, and looks for what somebody changed by hand. */
export async function prepare(
  ports: KubernetesPorts,
  observed: Observed,
  intent: Intent,
  asked: Asked,
): Promise<KubePrepared> {
  const { desired } = asked;
  const settings = objectSettings(ports, observed);
  const { support: own, blockers, doubtful } = behind(observed, asked, settings);
  const support = own.map((one) => (one.kind === 'ConfigMap' ? scriptsToHave(ports, observed, one) : one));
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
    movedAway: asked.movedAway,
    blockers,
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
    pins: asked.pins ?? new Map(),
    doubtful,
    warnings: [...counted.warnings, ...secrets.warnings, ...drift.unknown],
  });
  return preparedOf(observed, intent, plan, { servers: desired, untrusted: asked.untrusted ?? [] });
}

/** A plan as it is handed over, for what it was made from. */
export function preparedOf(
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
      // One that sleeps wakes without a plan that could be refused.
      runs: askedOf(workload) > 0 || isAsleep(workload),
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
