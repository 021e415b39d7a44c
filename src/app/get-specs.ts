import { label } from '../model/labels.ts';
import { formatSpec } from '../spec/format.ts';
import { lookUpServers, type Wanted } from './look-up-servers.ts';
import type { Ports } from './ports.ts';
import { representative } from './recorded-servers.ts';

/** The recorded specs of all servers of a project (or the one named) as YAML documents that can be applied again. */
export async function getSpecs(ports: Ports, request: Wanted): Promise<string> {
  const { slots } = await lookUpServers(ports, request);
  return [...slots]
    .map(([name, containers]) => {
      const spec = representative(containers, request.project)?.recorded?.spec;
      return spec === undefined ? `# ${name}: its ${label.spec} label cannot be read\n` : formatSpec(spec);
    })
    .join('---\n');
}
