import { LoomsError } from '../model/errors.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import { nearest } from '../model/nearest.ts';
import type { Observed } from '../model/observed.ts';
import type { PlanWarning } from '../model/plan.ts';
import { slotsOf } from '../model/slots.ts';
import { makePlan } from '../reconcile/plan.ts';
import { recordSpec } from '../spec/record.ts';
import type { Prepared } from './plan-project.ts';
import type { Ports } from './ports.ts';

/** Throws `server-not-found` with the nearest name when a project has no server of that name. */
export function serverNotFound(project: ProjectName, name: string, known: readonly string[]): LoomsError {
  const near = nearest(name, known);
  const has = known.length === 0 ? `project ${project} has no servers` : `project ${project} has ${known.join(', ')}`;
  return new LoomsError('server-not-found', `no server ${name} in project ${project}`, {
    hint: near === undefined ? has : `did you mean ${near}? ${has}`,
  });
}

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
      message: `volumes stay, they hold data; \`docker volume rm ${left.join(' ')}\` removes them`,
    },
  ];
}

/**
 * Plans the removal of servers by name, or of all servers of a project with its networks and relays. Named volumes
 * stay: they are data.
 * Throws `server-not-found` for a name that the project does not have.
 */
export async function planRemoval(
  ports: Ports,
  request: { readonly project: ProjectName; readonly servers: readonly ServerName[] | 'all' },
): Promise<Prepared> {
  const { project } = request;
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const known = [...slotsOf(observed.containers).keys()];
  const wanted = request.servers === 'all' ? known : request.servers;
  for (const name of wanted) if (!known.includes(name)) throw serverNotFound(project, name, known);

  const plan = makePlan({
    project,
    desired: [],
    observed,
    undesired: { remove: wanted },
    executions: new Map(),
    replace: new Set(),
    keepFailed: false,
    relayImage: '',
    managedBy: ports.managedBy,
    recordSpec: (server) => recordSpec(server.spec, server.image.ref),
  });
  const warnings = [...plan.warnings, ...volumesLeft(observed, wanted)];
  return {
    request: { project, servers: [], recipes: new Map(), undesired: { remove: wanted } },
    plan: { ...plan, warnings },
    observed,
    // By the names that were confirmed: `all` could by then mean more.
    replan: (again) => planRemoval(again, { project, servers: wanted }),
  };
}
