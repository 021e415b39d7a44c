import { formatSpec } from '../../spec/fields/format.ts';
import type { Ports } from '../ports.ts';
import { lookUpServers, type Wanted } from './look-up-servers.ts';

/** The recorded specs of all servers of a project (or those named) as YAML documents that can be applied again. */
export async function getSpecs(ports: Ports, request: Wanted): Promise<string> {
  const { servers } = await lookUpServers(ports, request);
  return servers
    .map(({ name, recorded }) =>
      recorded === undefined ? `# ${name}: its looms.spec label cannot be read\n` : formatSpec(recorded.spec),
    )
    .join('---\n');
}
