import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { containerName } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import { slotsOf } from '../../model/slots.ts';
import { parseSource } from '../../model/source.ts';
import { specHash } from '../../spec/record/hash.ts';
import { serverNotFound } from '../inspect/server-not-found.ts';

/** Servers that have a container or a record of their past, sorted. */
export const serversOf = ({ containers, history }: Observed): ServerName[] =>
  [...new Set([...slotsOf(containers).keys(), ...history.map(({ server }) => server)])].sort();

/** The container that stands for a server: the settled one, else the newest. */
export const representative = (
  containers: readonly ObservedContainer[],
  project: ProjectName,
): ObservedContainer | undefined =>
  containers.find((one) => one.server !== undefined && one.name === containerName(project, one.server)) ??
  containers.at(-1);

/**
 * A server as its container says that it was declared, so that it can be planned without its file. How its image is
 * built is not recorded, only which one it was. `directory` stands for the folder of the file.
 * Throws `server-not-found`, and `spec-invalid` for a record that this version cannot read.
 */
export function recordedServer(
  observed: Observed,
  name: ServerName,
  { enabled, directory }: { readonly enabled: boolean; readonly directory: string },
): DeclaredServer {
  const slots = slotsOf(observed.containers);
  const container = representative(slots.get(name) ?? [], observed.project);
  if (container === undefined) throw serverNotFound(observed.project, name, [...slots.keys()], observed.history);
  const { recorded } = container;
  if (recorded === undefined) {
    throw new LoomsError(
      'spec-invalid',
      `container ${container.name} does not say what it was made from: its looms.spec label cannot be read`,
      { hint: `name the file that declares it: looms mcp start ${name} --config FILE` },
    );
  }
  const { image: ref } = recorded;
  const spec = { ...recorded.spec, enabled };
  return {
    spec,
    image: spec.image.kind === 'image' ? { kind: 'pulled', ref } : { kind: 'built', ref, base: undefined },
    hash: specHash(spec, ref),
    source: parseSource(container.source ?? 'unknown', directory),
  };
}
