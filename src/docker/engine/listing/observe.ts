import { asContainerId, asNetworkId, type ProjectName } from '../../../model/ids.ts';
import { mapBounded } from '../../../model/values/map-bounded.ts';
import { egressSuffix, label, lockName, networkName, outNetworkName, projectPrefix } from '../../model/labels.ts';
import type { Observed, ObservedContainer, ObservedNetwork, ObservedVolume } from '../../model/observed.ts';
import type { ObserveQuery } from '../../port.ts';
import type { Client, EngineInfo } from '../connection/connection.ts';
import { engineTime } from '../connection/engine-clock.ts';
import type { ImageShare, ReadingContext } from '../containers/docker-to-shape.ts';
import {
  type InspectedContainer,
  imageIdOf,
  imageNamed,
  inspectContainer,
  type ListedContainer,
  listContainers,
  listedName,
} from '../containers/inspected.ts';
import { imageShares, inspectWidth, listProject, shareOf } from '../containers/ownership.ts';
import { hasOwnCgroups } from '../containers/shape-to-docker.ts';
import { listVolumes } from '../containers/volumes.ts';
import { type ImageClient, imageFacts, learnShell } from '../images/find.ts';
import { registryDigests } from '../images/registry.ts';
import { canLimitSwap, describeEngine } from './describe.ts';
import { generationRecord, isNamedRecord, saysRecord } from './history.ts';
import { type InspectedNetwork, inspectNetwork, listNetworks, subnetsOf } from './networks.ts';
import { foreignContainer, observedContainer, type RecordReader } from './observed-container.ts';

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type Placed = Pick<ObservedContainer, 'server' | 'generation' | 'id'>;

const byPlace = (a: Placed, b: Placed): number =>
  byText(a.server ?? '', b.server ?? '') || a.generation - b.generation || byText(a.id, b.id);

/** The lock is its holder's, and nothing that is planned may depend on it. */
const isNoLock = (project: ProjectName) => (one: ListedContainer) => listedName(one) !== lockName(project);

/** Whether a network of this name is one that looms makes for the project. */
const isOurNetwork = (project: ProjectName, name: string): boolean =>
  [networkName(project, 'isolated'), networkName(project, 'bridge'), outNetworkName(project)].includes(name) ||
  (name.startsWith(`${projectPrefix(project)}-`) && name.endsWith(egressSuffix));

/** The networks of the project, and the subnets of all. */
async function observeNetworks(client: Client, { project }: ObserveQuery) {
  const listed = await listNetworks(client);
  const wanted = listed.filter(
    ({ Name: name, Labels: labels }) => isOurNetwork(project, name) || labels?.[label.project] === project,
  );
  const inspected = await mapBounded(wanted, inspectWidth, ({ Id: id }) => inspectNetwork(client, id));
  return {
    networks: inspected.filter((network) => network !== null),
    subnets: [...new Set(listed.flatMap(subnetsOf))].sort(byText),
  };
}

function observedNetwork(
  network: InspectedNetwork,
  query: ObserveQuery,
  containers: readonly ObservedContainer[],
): ObservedNetwork {
  // The engine lists those that run; a stopped one is still bound to its network.
  const bound = containers.filter(({ shape }) => shape.networks.some(({ name }) => name === network.Name));
  const [{ Subnet: subnet, IPRange: ipRange } = {}] = network.IPAM?.Config ?? [];
  const members = new Set([...Object.keys(network.Containers ?? {}), ...bound.map(({ id }) => id)]);
  return {
    id: asNetworkId(network.Id),
    name: network.Name,
    internal: network.Internal,
    driver: network.Driver,
    options: network.Options ?? {},
    ipv6: network.EnableIPv6 === true,
    ...(subnet === undefined ? {} : { subnet }),
    ...(ipRange === undefined ? {} : { ipRange }),
    ours: network.Labels?.[label.project] === query.project,
    members: [...members].sort(byText).map(asContainerId),
  };
}

async function observeVolumes(client: Client, query: ObserveQuery): Promise<readonly ObservedVolume[]> {
  const prefix = `${projectPrefix(query.project)}-`;
  return (await listVolumes(client, prefix))
    .filter(({ Name: name }) => name.startsWith(prefix))
    .map((volume) => ({ name: volume.Name, ours: volume.Labels?.[label.project] === query.project }))
    .sort((a, b) => byText(a.name, b.name));
}

const nothingShared: ImageShare = { env: {}, labels: {} };

function readingContext(
  { engine: { kind } }: Client,
  info: EngineInfo,
  project: ProjectName,
  networks: readonly InspectedNetwork[],
): ReadingContext {
  const there = new Set(networks.map(({ Id: id }) => id));
  return {
    kind,
    ownCgroups: hasOwnCgroups(kind, info),
    limitsSwap: canLimitSwap(info),
    // Podman knows networks by their names.
    isGone: (network, id) => kind === 'docker' && isOurNetwork(project, network) && !there.has(id),
  };
}

/**
 * Lists a project's reality in two rounds of parallel calls: what there is, and then each of it. The lock's container is
 * left out: whoever plans may hold it, and what was observed must not depend on that. A container that vanishes between
 * being listed and being inspected is left out; any other failure throws, so that "could not read" is never taken for
 * "empty".
 */
export async function observe(client: ImageClient, records: RecordReader, query: ObserveQuery): Promise<Observed> {
  const inBackground = Promise.all([
    client.info.read(client),
    observeNetworks(client, query),
    observeVolumes(client, query),
    // Both `/name` and `name` are matched, depending on the engine.
    listContainers(client, { name: [`^/?${projectPrefix(query.project)}[-.]`] }),
    registryDigests(client, query.checkRegistry),
  ]);
  // Waited for below; until then its failure must not count as unhandled.
  inBackground.catch(() => undefined);

  const refs = [...new Set(query.images)].sort();
  const [{ ours: all, strangers }, images] = await Promise.all([
    listProject(client, query.project),
    mapBounded(refs, inspectWidth, async (ref) => [ref, await imageNamed(client, ref)] as const),
  ]);
  for (const { ImageID: image, Labels: labels } of all) learnShell(client, imageIdOf(image), labels?.[label.hasShell]);
  // A record says everything in its listing, so that a long history costs no call.
  const isWanted = ({ Labels: labels }: ListedContainer): boolean =>
    query.servers === undefined || query.servers.some((name) => name === labels?.[label.server]);
  const listed = all.filter((one) => !isNamedRecord(one, query.project) && isWanted(one));
  const shares = new Map(
    images.flatMap(([, image]) => (image === null ? [] : [[imageIdOf(image.Id), shareOf(image)]])),
  );
  const unasked = listed.map(({ ImageID: id }) => imageIdOf(id)).filter((id) => !shares.has(id));
  const [inspected, others, facts] = await Promise.all([
    mapBounded(listed, inspectWidth, ({ Id: id }) => inspectContainer(client, id)),
    imageShares(client, unasked),
    // Observing writes nothing, and looking into an image takes a container.
    Promise.all(
      images.map(async ([ref, image]) => [ref, image && (await imageFacts(client, ref, image, false))] as const),
    ),
  ]);
  const [info, { networks, subnets }, volumes, named, registry] = await inBackground;

  const context = readingContext(client, info, query.project, networks);
  const shareIn = ({ Image: image }: InspectedContainer): ImageShare =>
    shares.get(imageIdOf(image)) ?? others.get(imageIdOf(image)) ?? nothingShared;
  const there = inspected.filter((container) => container !== null);
  const containers = there
    .map((container) => observedContainer(container, shareIn(container), context, records))
    .sort(byPlace);
  const believed = new Set(all.map(({ Id: id }) => id));
  const claiming = new Set(strangers.map(({ Id: id }) => id));
  const foreign = new Map([...named.filter(isNoLock(query.project)), ...strangers].map((one) => [one.Id, one]));
  return {
    project: query.project,
    engine: await describeEngine(client, info),
    now: engineTime(info.SystemTime),
    containers: containers.filter(({ role }) => role !== 'history'),
    history: all
      .filter(saysRecord)
      .map((one) => generationRecord(one, records))
      .sort(byPlace),
    foreign: [...foreign.values()]
      .filter(({ Id: id }) => !believed.has(id))
      .map((one) => foreignContainer(one, claiming.has(one.Id)))
      .sort((a, b) => byText(a.name, b.name)),
    networks: networks
      .map((network) => observedNetwork(network, query, containers))
      .sort((a, b) => byText(a.name, b.name) || byText(a.id, b.id)),
    subnets,
    volumes,
    images: Object.fromEntries(facts),
    registry,
  };
}
