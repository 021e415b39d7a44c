import type { Ports } from '../ports.ts';
import { lookUpServers, type Wanted } from './look-up-servers.ts';
import { detailOf, type SecretUse, type ServerDetail, secretsOf } from './server-status.ts';

/** A server, and what its secrets are looked up by. */
export type DescribedServer = { readonly server: ServerDetail; readonly secrets: readonly SecretUse[] };

/**
 * Everything about servers, from their containers alone; no value of a secret is known to it.
 * Throws `server-not-found`.
 */
export async function describeServers(ports: Ports, request: Wanted): Promise<readonly DescribedServer[]> {
  const { servers, now } = await lookUpServers(ports, request);
  const { imageOf } = await ports.orchestrator();
  return Promise.all(
    servers.map(async (view) => ({
      server: detailOf(view, now, await imageOf(view)),
      secrets: secretsOf(view.recorded?.spec),
    })),
  );
}
