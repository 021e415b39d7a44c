import { argvTemplateOf } from '../../model/container/argv.ts';
import { assertNever } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { rotationTime } from '../../model/plan/rotation.ts';
import type { ServerImage, ServerInstance, ServerListing, ServerState, ServerView } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { engineMounts, nameServer } from '../model/engine-gives.ts';
import { isRunning, serversOf, servingOf, settledOf, slotsOf } from '../model/generations.ts';
import { containerName, generationName, label } from '../model/labels.ts';
import { hidesHost, type Observed, type ObservedContainer } from '../model/observed.ts';
import { isSecretsShell, resolveArgv } from '../model/resolve-shape.ts';
import { type EgressSubnets, egressSubnets, type WayOut, wayOutOf } from '../model/way-out.ts';
import type { Engine } from '../port.ts';
import { strangersNotices } from '../reconcile/plan-warnings.ts';
import { listedNames, mountOf, networksOf } from '../reconcile/server/container-template.ts';
import { leadingOut } from '../reconcile/server/forwarder-containers.ts';
import { changedFields } from '../reconcile/support/support-reasons.ts';

const mebibyte = 1024 * 1024;

/** How the container of a server is doing. */
export function stateOf(
  { state, recorded, server, name, generation }: ObservedContainer,
  project: ProjectName,
): ServerState {
  switch (state.status) {
    case 'running':
      if (state.paused) return 'paused';
      // A generation runs under a name of its own until its gate has passed; any other name was given by hand.
      return server !== undefined && name === generationName(project, server, generation) ? 'pending' : 'running';
    case 'restarting':
      return 'restarting';
    case 'dead':
      return 'dead';
    case 'created':
    case 'exited':
      return recorded?.spec.enabled === false ? 'disabled' : 'stopped';
    default:
      return assertNever(state);
  }
}

/** The container that stands for a server wherever its state is told. */
function shownOf(containers: readonly ObservedContainer[], project: ProjectName, server: ServerName) {
  const alive = containers.map((one) => ({ ...one, running: isRunning(one) }));
  return servingOf(alive, project, server) ?? settledOf(alive, project, server);
}

/** PID 1 of a stdio server's container only waits for sessions, unless its image has nothing to wait with. */
const waitsForSessions = ({ recorded, shape }: ObservedContainer): boolean =>
  recorded?.spec.mcp.transport.kind === 'stdio' && !shape.openStdin;

const programOf = ({ shape: { entrypoint, command } }: ObservedContainer): readonly string[] =>
  isSecretsShell(entrypoint) ? command : [...entrypoint, ...command];

const instanceOf = (container: ObservedContainer): ServerInstance => ({
  container: container.id,
  containerName: container.name,
  generation: container.generation,
  run: container.run,
  restarts: container.restartCount,
  engineHealth: container.engineHealth,
  engineHealthCommand: `docker inspect --format '{{json .State.Health}}' ${container.name}`,
});

/** Of the forwarder and the stand-ins of a server's list the one that is not as it should be, else the forwarder. */
function forwarderOf(
  { server, shape }: ObservedContainer,
  way: WayOut | undefined,
  { project, containers }: Observed,
): ServerView['confinement']['forwarder'] {
  if (way === undefined || server === undefined) return null;
  const found = leadingOut(way, { project, server, imageRef: '', managedBy: '' }).map((planned) => {
    const one = containers.find(
      (each) => each.role === 'forwarder' && each.server === server && each.egress === planned.ownLabels[label.egress],
    );
    // The way out is the forwarder's own: its server has no part in it.
    const shared = planned.template.networks.filter(({ name }) => name !== way.out?.name);
    const joined = shared.every(({ name }) => shape.networks.some((each) => each.name === name));
    return (
      one && {
        ...{ name: one.name, since: one.createdAt, running: isRunning(one), joined },
        differs: changedFields(one, planned),
      }
    );
  });
  if (found.includes(undefined)) return null;
  const isAsMade = (one: (typeof found)[number]): boolean =>
    one?.running === true && one.joined && one.differs.length === 0;
  return found.find((one) => !isAsMade(one)) ?? found[0] ?? null;
}

function viewOf(
  name: ServerName,
  containers: readonly ObservedContainer[],
  observed: Observed,
  subnets: EgressSubnets,
): ServerView[] {
  const { project, engine, networks } = observed;
  const container = shownOf(containers, project, name);
  if (container === undefined) return [];
  const { shape, recorded, foreignRecord, secretPrints } = container;
  const state = stateOf(container, project);
  const { readOnlyRoot, capDrop, capAdd, noNewPrivileges } = shape;
  const way = recorded && wayOutOf(recorded.spec, observed, subnets);
  const recordedNetworks = new Set(recorded && networksOf(recorded.spec, project, way).map((one) => one.name));
  return [
    {
      name,
      project,
      ...instanceOf(container),
      ...defined({ recorded, foreignRecord, secretPrints }),
      state,
      // One runs of a server; what stands beside it takes its place, or is a duplicate.
      replicas: { ready: Number(state === 'running'), asked: Number(state !== 'stopped' && state !== 'disabled') },
      renamed: state === 'running' && container.name !== containerName(project, name),
      status: container.state,
      image: container.imageRef,
      imageId: shape.imageId,
      createdAt: container.createdAt,
      source: container.source ?? null,
      specHash: container.specHash,
      managedBy: container.managedBy,
      instances: containers.map(instanceOf),
      pidOne: waitsForSessions(container) ? null : programOf(container),
      user: shape.user,
      limits: {
        cpuCores: shape.nanoCpus / 1e9,
        memoryMiB: Math.round(shape.memoryBytes / mebibyte),
        pids: shape.pidsLimit,
      },
      networks: shape.networks.map((network) => network.name),
      hidesHost:
        recorded?.spec.network.mode === 'isolated' &&
        engine.canHideHost &&
        shape.networks.every(({ name: one }) => networks.some((network) => network.name === one && hidesHost(network))),
      mounts: shape.mounts,
      security: { readOnlyRoot, capDrop, capAdd, noNewPrivileges },
      confinement: {
        privileged: shape.privileged,
        // The engine counts memory and swap together; it says 0 or less where nothing bounds them.
        swapMiB:
          engine.canLimitSwap && shape.memorySwapBytes > 0
            ? Math.round((shape.memorySwapBytes - shape.memoryBytes) / mebibyte)
            : null,
        storageMiB: shape.storageBytes === null ? null : Math.round(shape.storageBytes / mebibyte),
        securityOptions: shape.securityOptions,
        sharedNamespaces: [
          ...(shape.pidMode === '' ? [] : [`pid ${shape.pidMode}`]),
          ...(shape.ipcMode === '' ? [] : [`ipc ${shape.ipcMode}`]),
        ],
        devices: shape.devices,
        environment: Object.keys(shape.env),
        tmpfs: Object.entries(shape.tmpfs).map(([path, { exec }]) => ({ path, exec })),
        recordedMounts: (recorded?.spec.mounts ?? []).map((mount) => mountOf(project, mount)),
        nameServer: nameServer(engine),
        engineMounts: engineMounts(engine),
        otherSettings: shape.otherSettings ?? [],
        networks: shape.networks.map(({ name: wanted }) => {
          const found = networks.find((one) => one.name === wanted);
          const isRecorded = recordedNetworks.has(wanted);
          return { name: wanted, internal: found?.internal === true, ipv6: found?.ipv6 === true, isRecorded };
        }),
        publishes: [
          ...shape.ports.map(({ container: port, host }) => `${port} at ${host}`),
          ...(shape.otherSettings?.includes('publish-all=true') ? ['all'] : []),
        ],
        listedNames: way === undefined ? [] : listedNames(way),
        forwarder: forwarderOf(container, way, observed),
      },
      rotatesAt: (recorded && rotationTime(recorded.spec.lifecycle, container)) ?? null,
    },
  ];
}

/** `Orchestrator.servers`, of the servers that were looked at. */
export function listingOf(observed: Observed, names?: readonly ServerName[]): ServerListing {
  const { project, engine, now } = observed;
  const slots = slotsOf(observed.containers);
  const subnets = egressSubnets(observed);
  return {
    project,
    engine,
    now,
    servers: [...slots].flatMap(([name, containers]) => viewOf(name, containers, observed, subnets)),
    deleted: serversOf(observed).filter((name) => !slots.has(name) && names?.includes(name) !== false),
    notices: strangersNotices(observed),
  };
}

/** `Orchestrator.imageOf`: the image is looked up by its own id, as the reference may mean another one by now. */
export async function imageOf(
  engine: Engine,
  { recorded, pidOne, image: ref, imageId }: ServerView,
): Promise<ServerImage> {
  const template = recorded === undefined ? {} : argvTemplateOf(recorded.spec);
  const facts = await engine.findImage(imageId, { mayLook: false });
  const digests = facts?.digests ?? [];
  if (template.entrypoint !== undefined) {
    return { command: resolveArgv(template, { ref, entrypoint: [], command: [] }), digests };
  }
  if (pidOne !== null) return { command: pidOne, digests };
  return { command: facts === null ? [] : [...facts.entrypoint, ...(template.command ?? facts.command)], digests };
}
