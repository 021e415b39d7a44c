import type { ProjectName, ServerName } from '../model/ids.ts';
import { shownOf } from '../model/serving.ts';
import { lookUpServers } from './look-up-servers.ts';
import type { Ports } from './ports.ts';
import { serverArgv } from './server-argv.ts';
import { serverNotFound } from './server-not-found.ts';
import { detailOf, type SecretUse, type ServerDetail, secretsOf, statusOf } from './server-status.ts';

/**
 * Everything about one server, from its container alone, and what its secrets are looked up by; no value of one is
 * known to it.
 * Throws `server-not-found`.
 */
export async function describeServer(
  ports: Ports,
  request: { readonly project: ProjectName; readonly name: ServerName },
): Promise<{ readonly server: ServerDetail; readonly secrets: readonly SecretUse[] }> {
  const { observed, slots } = await lookUpServers(ports, request);
  const containers = slots.get(request.name) ?? [];
  const container = shownOf(containers, request.project, request.name);
  const status = statusOf(observed, containers, request.name);
  if (container === undefined || status === undefined) throw serverNotFound(request.project, request.name, []);
  const command = await serverArgv(await ports.engine(), container);
  return { server: detailOf(observed, container, status, command), secrets: secretsOf(container.recorded?.spec) };
}
