import type { ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ServerListing } from '../../model/server-view.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { Ports } from '../ports.ts';

/** The servers of a project that are named; all where none is. */
export type Wanted = { readonly project: ProjectName; readonly names: readonly ServerName[] };

/** What the engine has of the servers that are asked for: all, or those named. Throws `server-not-found`. */
export async function lookUpServers(
  ports: Ports,
  { project, names }: Wanted,
  options: CallOptions = {},
): Promise<ServerListing> {
  const listing = await (await ports.orchestrator()).servers(project, options);
  const known = listing.servers.map(({ name }) => name);
  const missing = names.find((name) => !known.includes(name));
  if (missing !== undefined) throw serverNotFound(project, missing, known, listing.deleted);
  return names.length === 0
    ? listing
    : { ...listing, servers: listing.servers.filter(({ name }) => names.includes(name)) };
}
