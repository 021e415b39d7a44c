import type { ServerName } from '../../model/ids.ts';
import { withWarnings } from '../../model/plan/plan-basis.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { RemovalIntent } from '../../orchestrator/port.ts';
import { slotsOf } from '../model/generations.ts';
import { dataName, egressNetworkName, mainEgressNetwork } from '../model/labels.ts';
import type { Observed, ObservedContainer } from '../model/observed.ts';
import type { DockerPorts } from '../ports.ts';
import { type DockerPrepared, lookAt, prepare } from './prepare.ts';

/** Servers of which an earlier deletion kept files. */
const keptOf = (containers: readonly ObservedContainer[]): ServerName[] =>
  containers.flatMap(({ role, server }) => (role === 'data' && server !== undefined ? [server] : []));

/** Servers of which a deletion that was cut off has left what led them out: forwarders, or only networks. */
function leftOf({ project, containers, networks }: Observed, wanted: readonly ServerName[]): ServerName[] {
  const forwarders = containers.flatMap(({ role, server }) =>
    role === 'forwarder' && server !== undefined ? [server] : [],
  );
  const left = new Set(networks.filter(({ ours }) => ours).map(({ name }) => mainEgressNetwork(name)));
  return [...forwarders, ...wanted.filter((name) => left.has(egressNetworkName(project, name)))];
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
      message: `volumes stay, they hold data: ${left.join(', ')}; \`looms prune --volumes\` removes them`,
    },
  ];
}

/** Where no server is left, nothing makes room for others any more: whoever wants the rest gone is told how. */
const recordsLeft = ({ history }: Observed, { steps }: DockerPrepared['plan']): readonly PlanWarning[] =>
  history.length > 0 || steps.some(({ op }) => op === 'record-generation')
    ? [
        {
          code: 'history-stays',
          message:
            'records of deleted servers stay, by which `looms rollback` brings them back, and images that looms built for them; `looms prune --history` removes them',
        },
      ]
    : [];

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

/** Plans the removal of servers. Throws `server-not-found` for an unknown name, and what the engine throws. */
export async function planRemoval(ports: DockerPorts, intent: RemovalIntent): Promise<DockerPrepared> {
  const { project, data } = intent;
  const observed = await lookAt(ports, project);
  const present = [...slotsOf(observed.containers).keys()].sort();
  const kept = [...new Set(keptOf(observed.containers))].sort();
  const known = [...new Set([...present, ...kept])].sort();
  const wanted = intent.servers === 'all' ? present : intent.servers;
  const deleted = observed.history.map(({ server }) => server);
  // Every plan removes what no server needs any more, so these need nothing of their own.
  const left = leftOf(observed, wanted);
  for (const name of wanted)
    if (!known.includes(name) && !left.includes(name)) throw serverNotFound(project, name, known, deleted);
  // By the names that were meant: `all` could mean more when it is planned again.
  const prepared = prepare(ports, { ...intent, servers: wanted }, observed, {
    desired: [],
    undesired: { remove: wanted, data },
  });
  const told = new Set(prepared.plan.support.map(({ name }) => name));
  const keptOn = kept.filter((name) => !told.has(dataName(project, name)));
  const volumes = volumesLeft(observed, wanted);
  const isLast = present.length > 0 && present.every((name) => wanted.includes(name));
  const warnings = [
    ...prepared.plan.warnings,
    ...volumes,
    // One hint at `looms prune` is enough.
    ...(isLast && volumes.length === 0 ? recordsLeft(observed, prepared.plan) : []),
    ...(intent.servers === 'all' && data === 'leave' ? dataLeft(keptOn) : []),
  ];
  return { ...prepared, plan: withWarnings(prepared.plan, warnings) };
}
