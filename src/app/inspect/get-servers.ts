import { lookUpServers, type Wanted } from '../plan/look-up-servers.ts';
import type { Ports } from '../ports.ts';
import { type ServerStatus, statusOf } from './server-status.ts';

/**
 * The servers of a project as the engine has them, sorted by name; all, or those named.
 * Throws `server-not-found` for a name that is not there.
 */
export async function getServers(ports: Ports, request: Wanted): Promise<ServerStatus[]> {
  const { observed, slots } = await lookUpServers(ports, request);
  return [...slots].flatMap(([name, containers]) => statusOf(observed, containers, name) ?? []);
}
