import { assertNever, isFailure, LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { withWarnings } from '../../model/plan/plan-basis.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { requireKnown } from '../../orchestrator/common/require-known.ts';
import type { FilesIntent, Intent } from '../../orchestrator/port.ts';
import { claimsIn, isEnding, type Pod } from '../model/objects.ts';
import { claimKey, type Observed, pinnedDigest, workloadOf } from '../model/observed.ts';
import { listOf, observe } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { namespaceLeft } from './namespace-left.ts';
import { planRecorded } from './plan-recorded.ts';
import { planRollback } from './plan-rollback.ts';
import { type KubePrepared, prepare, preparedOf } from './prepare.ts';
import { prunePlan } from './prune.ts';

/** How often a cluster is looked at for a plan while objects of it go away. */
const mostLooks = 3;

/** A plan on a look at which all was still there that was asked for after it. */
async function planOnLook(ports: KubernetesPorts, intent: Intent): Promise<KubePrepared> {
  for (let looks = 1; ; looks += 1) {
    try {
      return await planOf(ports, intent);
    } catch (error) {
      // Somebody deleted what was to be compared.
      if (!isFailure(error, 'engine-not-found') || looks === mostLooks) throw error;
    }
  }
}

/** `Orchestrator.plan`. */
export async function planIntent(ports: KubernetesPorts, intent: Intent): Promise<KubePrepared> {
  const prepared = await planOnLook(ports, intent);
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
      // A pod's files go with it, and nobody said to give them up.
      if (intent.data === 'keep' && wanted.length > 0) {
        throw new LoomsError('engine-unsupported', 'a cluster keeps no files of servers that are removed', {
          hint: 'leave --preserve-data out: named volumes stay in any case, and what else a server wrote goes with its pod',
        });
      }
      const asked = { desired: [], undesired: { remove: wanted } };
      // By the names that were meant: `all` could mean more when it is planned again.
      const prepared = await prepare(ports, observed, { ...intent, servers: wanted }, asked);
      const isLast = wanted.length > 0 && observed.servers.every(({ server }) => wanted.includes(server));
      const left = [...claimsLeft(observed, wanted), ...(isLast ? namespaceLeft(observed) : [])];
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

/** Data outlives its server, but where somebody deletes its claim; whoever wants it gone is told how. */
function claimsLeft({ servers, support }: Observed, removed: readonly ServerName[]): readonly PlanWarning[] {
  const isStaying = (name: string): boolean => {
    const claim = support.get(claimKey(name));
    return claim === undefined || !isEnding(claim);
  };
  const claims = servers
    .filter(({ server }) => removed.includes(server))
    .flatMap(({ deployment }) => claimsIn(deployment.spec.template.spec))
    .filter(isStaying);
  const message = `volumes stay, they hold data: ${[...new Set(claims)].join(', ')}; \`looms prune --volumes\` removes them`;
  return claims.length === 0 ? [] : [{ code: 'volumes-stay', message }];
}

async function planFiles(ports: KubernetesPorts, observed: Observed, intent: FilesIntent): Promise<KubePrepared> {
  const { servers, only, replace = [], unhealthy, undesired, movedAway, keepFailed = false } = intent;
  requireKnown(intent);
  const desired = only === undefined ? servers : servers.filter(({ spec }) => only.includes(spec.name));
  // What is made anew as it is declared still keeps its image; who asks for that by name wants what the file says.
  const pins = desired.flatMap(({ spec: { name }, hash }) => {
    const workload = observed.servers.find(({ server, claim }) => server === name && claim.specHash === hash);
    const digest = replace.includes(name) ? undefined : workload && pinnedDigest(workload);
    return digest === undefined ? [] : [[name, digest] as const];
  });
  const prepared = await prepare(ports, observed, intent, {
    desired,
    pins: new Map(pins),
    undesired: only === undefined ? undesired : 'ignore',
    movedAway,
    replace,
    ...(unhealthy === undefined ? {} : { unhealthy }),
    keepFailed,
  });
  // What a file declares is known of all of them, whichever are looked at.
  return { ...prepared, servers };
}
