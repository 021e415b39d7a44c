import { shownOf } from '../../model/serving.ts';
import { lookUpServers, type Wanted } from '../plan/look-up-servers.ts';
import type { Ports } from '../ports.ts';
import { serverArgv } from './server-argv.ts';
import { serverNotFound } from './server-not-found.ts';
import { detailOf, type SecretUse, type ServerDetail, secretsOf, statusOf } from './server-status.ts';

/** A server, and what its secrets are looked up by. */
export type DescribedServer = { readonly server: ServerDetail; readonly secrets: readonly SecretUse[] };

/**
 * Everything about servers, from their containers alone; no value of a secret is known to it.
 * Throws `server-not-found`.
 */
export async function describeServers(ports: Ports, request: Wanted): Promise<readonly DescribedServer[]> {
  const { observed, slots } = await lookUpServers(ports, request);
  const engine = await ports.engine();
  const described = [...slots].map(async ([name, containers]) => {
    const container = shownOf(containers, request.project, name);
    const status = statusOf(observed, containers, name);
    if (container === undefined || status === undefined) throw serverNotFound(request.project, name, []);
    const command = await serverArgv(engine, container);
    return { server: detailOf(observed, container, status, command), secrets: secretsOf(container.recorded?.spec) };
  });
  return Promise.all(described);
}
