import { asProjectName, type ProjectName } from '../../../model/ids.ts';
import { label, type Role } from '../../../model/labels.ts';
import type { CallOptions } from '../../port.ts';
import { ask } from '../connection/ask.ts';
import type { Connection } from '../connection/connection.ts';
import { type Sorted, sortClaims } from './ownership.ts';

/** A container as `GET /containers/json` lists it. */
export type ListedContainer = {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly State: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Labels?: Readonly<Record<string, string>> | null;
};

/** A listed container's name; engines put a slash before it. */
export const listedName = ({ Names: names }: Pick<ListedContainer, 'Names'>): string =>
  (names[0] ?? '').replace(/^\//, '');

/** All containers that match, whatever their state. */
export const listContainers = (
  connection: Connection,
  filters: Readonly<Record<string, readonly string[]>>,
  options: CallOptions,
): Promise<readonly ListedContainer[]> =>
  ask(connection, 'list containers', { method: 'GET', path: '/containers/json', query: { all: 1, filters } }, options);

/**
 * The containers of a project, and those that only claim to be; its lock apart: whoever plans may hold it, and nothing may
 * depend on that.
 */
export async function listProject(connection: Connection, project: ProjectName, options: CallOptions): Promise<Sorted> {
  const listed = await listContainers(connection, { label: [`${label.project}=${project}`] }, options);
  return sortClaims(
    connection,
    listed.filter((container) => container.Labels?.[label.role] !== ('lock' satisfies Role)),
    options,
  );
}

/** Names of all projects that have a container on the engine, sorted. */
export async function listProjects(connection: Connection, options: CallOptions): Promise<readonly ProjectName[]> {
  const listed = await listContainers(connection, { label: [label.project] }, options);
  const { ours } = await sortClaims(connection, listed, options);
  return [...new Set(ours.flatMap(({ Labels: labels }) => labels?.[label.project] ?? []))].sort().map(asProjectName);
}
