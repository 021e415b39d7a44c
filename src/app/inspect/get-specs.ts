import { label } from '../../model/labels.ts';
import { shownOf } from '../../model/serving.ts';
import { formatSpec } from '../../spec/fields/format.ts';
import { lookUpServers, type Wanted } from '../plan/look-up-servers.ts';
import type { Ports } from '../ports.ts';

/** The recorded specs of all servers of a project (or those named) as YAML documents that can be applied again. */
export async function getSpecs(ports: Ports, request: Wanted): Promise<string> {
  const { slots } = await lookUpServers(ports, request);
  return [...slots]
    .map(([name, containers]) => {
      const spec = shownOf(containers, request.project, name)?.recorded?.spec;
      return spec === undefined ? `# ${name}: its ${label.spec} label cannot be read\n` : formatSpec(spec);
    })
    .join('---\n');
}
