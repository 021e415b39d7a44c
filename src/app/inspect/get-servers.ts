import type { Ports } from '../ports.ts';
import { lookUpServers, type Wanted } from './look-up-servers.ts';
import { type ServerStatus, statusOf } from './server-status.ts';

/**
 * The servers of a project as the engine has them, sorted by name; all, or those named.
 * Throws `server-not-found` for a name that is not there.
 */
export async function getServers(ports: Ports, request: Wanted): Promise<ServerStatus[]> {
  const { servers, now } = await lookUpServers(ports, request);
  return servers.map((view) => statusOf(view, now));
}
