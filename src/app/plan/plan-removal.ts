import { defaultKeep } from '../../docker/reconcile/generations/generations.ts';
import { makePlan, type RemoveNamed } from '../../docker/reconcile/plan.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { dataName } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { slotsOf } from '../../model/slots.ts';
import { recordSpec } from '../../spec/record/record.ts';
import { serverNotFound } from '../inspect/server-not-found.ts';
import type { Ports } from '../ports.ts';
import type { Prepared } from './plan-project.ts';

/** Servers of which an earlier deletion kept files. */
const keptOf = (containers: readonly ObservedContainer[]): ServerName[] =>
  containers.flatMap(({ role, server }) => (role === 'data' && server !== undefined ? [server] : []));

/** Data outlives its server; whoever wants it gone is told how. */
function volumesLeft(observed: Observed, removed: readonly ServerName[]): PlanWarning[] {
  const mounted = observed.containers
    .filter(({ server }) => server !== undefined && removed.includes(server))
    .flatMap(({ shape }) => shape.mounts.map((mount) => mount.source));
  const left = observed.volumes.filter(({ name, ours }) => ours && mounted.includes(name)).map(({ name }) => name);
  if (left.length === 0) return [];
  return [
    {
      code: 'volumes-stay',
      message: `volumes stay, they hold data: ${left.join(', ')}; \`looms prune --volumes\` removes them`,
    },
  ];
}

/** Files that were kept on purpose do not go with `--all`. */
const dataLeft = (servers: readonly ServerName[]): PlanWarning[] =>
  servers.length === 0
    ? []
    : [
        {
          code: 'data-stays',
          message: `files that were kept of ${servers.join(', ')} stay; \`looms delete ${servers.join(' ')}\` gives them up`,
        },
      ];

/**
 * Plans the removal of servers by name, or of all servers of a project with its networks and relays. Named volumes
 * stay: they are data. `data` says what becomes of files: those of `lifecycle.preserve`, and those that
 * an earlier deletion kept.
 * Throws `server-not-found` for a name that the project does not have.
 */
export async function planRemoval(
  ports: Ports,
  request: {
    readonly project: ProjectName;
    readonly servers: readonly ServerName[] | 'all';
    readonly data: RemoveNamed['data'];
    readonly keep?: number;
  },
): Promise<Prepared> {
  const { project } = request;
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const present = [...slotsOf(observed.containers).keys()].sort();
  const known = [...new Set([...present, ...keptOf(observed.containers)])].sort();
  const wanted = request.servers === 'all' ? present : request.servers;
  for (const name of wanted) if (!known.includes(name)) throw serverNotFound(project, name, known, observed.history);

  const undesired: RemoveNamed = { remove: wanted, data: request.data };
  const plan = makePlan({
    project,
    desired: [],
    observed,
    undesired,
    executions: new Map(),
    replace: new Set(),
    keepFailed: false,
    keep: request.keep ?? defaultKeep,
    relayImage: '',
    managedBy: ports.managedBy,
    recordSpec: (server) => recordSpec(server.spec, server.image.ref),
  });
  const kept = keptOf(observed.containers);
  const told = new Set(plan.support.map(({ name }) => name));
  const left = [...new Set(kept)].filter((name) => !told.has(dataName(project, name))).sort();
  const warnings = [
    ...plan.warnings,
    ...volumesLeft(observed, wanted),
    ...(request.servers === 'all' && request.data === 'leave' ? dataLeft(left) : []),
  ];
  return {
    request: { project, servers: [], recipes: new Map(), undesired },
    plan: { ...plan, warnings },
    observed,
    // By the names that were confirmed: `all` could by then mean more.
    replan: (again) => planRemoval(again, { ...request, servers: wanted }),
  };
}
