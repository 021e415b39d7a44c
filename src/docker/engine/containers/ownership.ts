import { asProjectName, type ImageId, type ProjectName, type ServerName } from '../../../model/ids.ts';
import { mapBounded } from '../../../model/values/map-bounded.ts';
import { isBelieved, readClaim } from '../../model/claims.ts';
import { label, type Role } from '../../model/labels.ts';
import type { Client } from '../connection/connection.ts';
import { type ImageShare, readEnv } from './docker-to-shape.ts';
import {
  type InspectedContainer,
  type InspectedImage,
  imageIdOf,
  inspectImage,
  type ListedContainer,
  listContainers,
} from './inspected.ts';

/** More inspects at once gain nothing on an engine, and over ssh each is a process. */
export const inspectWidth = 16;

/** What an image brings into a container that is made of it. */
export const shareOf = ({ Config: config }: InspectedImage): ImageShare => ({
  env: readEnv(config?.Env),
  labels: config?.Labels ?? {},
});

/** What images bring into the containers that are made of them. One that is gone is left out. */
export async function imageShares(client: Client, ids: Iterable<ImageId>): Promise<ReadonlyMap<ImageId, ImageShare>> {
  const shares = await mapBounded([...new Set(ids)], inspectWidth, async (id) => {
    const image = await inspectImage(client, id);
    return image === null ? [] : [[id, shareOf(image)] as const];
  });
  return new Map(shares.flat());
}

/** Containers that claim to be of looms, parted by whether that is so. */
export type Sorted = { readonly ours: readonly ListedContainer[]; readonly strangers: readonly ListedContainer[] };

/** Tells whose listed containers are. Images are asked only of those that an earlier looms made, or a stranger. */
export async function sortClaims(client: Client, listed: readonly ListedContainer[]): Promise<Sorted> {
  const unbound = listed.filter(({ Labels: labels }) => {
    return readClaim(labels ?? {}) !== undefined && labels?.[label.imageId] === undefined;
  });
  const shares = await imageShares(
    client,
    unbound.map(({ ImageID: id }) => imageIdOf(id)),
  );
  const ours = listed.filter(({ Labels: labels, ImageID: image }) => {
    const imageId = imageIdOf(image);
    return isBelieved({ labels: labels ?? {}, imageId, imageLabels: shares.get(imageId)?.labels });
  });
  const ids = new Set(ours.map(({ Id: id }) => id));
  return { ours, strangers: listed.filter(({ Id: id }) => !ids.has(id)) };
}

/** The same for one container that was looked at by its name. */
export async function isOurs(client: Client, { Config: config, Image: id }: InspectedContainer): Promise<boolean> {
  const labels = config.Labels ?? {};
  const imageId = imageIdOf(id);
  const image = labels[label.imageId] === undefined ? await inspectImage(client, imageId) : null;
  return isBelieved({ labels, imageId, imageLabels: image === null ? undefined : shareOf(image).labels });
}

/**
 * A project's containers, or those of one server or role, and those that only claim to be; without its lock, on which no
 * plan may depend.
 */
export async function listProject(
  client: Client,
  project: ProjectName,
  of: { readonly server?: ServerName; readonly role?: Role } = {},
): Promise<Sorted> {
  const narrower = (['server', 'role'] as const).flatMap((key) =>
    of[key] === undefined ? [] : [`${label[key]}=${of[key]}`],
  );
  const listed = await listContainers(client, { label: [`${label.project}=${project}`, ...narrower] });
  return sortClaims(
    client,
    listed.filter((container) => container.Labels?.[label.role] !== ('lock' satisfies Role)),
  );
}

/** Names of all projects that have a container on the engine, sorted. */
export async function listProjects(client: Client): Promise<readonly ProjectName[]> {
  const listed = await listContainers(client, { label: [label.project] });
  const { ours } = await sortClaims(client, listed);
  return [...new Set(ours.flatMap(({ Labels: labels }) => labels?.[label.project] ?? []))].sort().map(asProjectName);
}
