import type { ProjectName, ServerName } from '../model/ids.ts';
import type { Observed, ObservedContainer } from '../model/observed.ts';
import { slotsOf } from '../model/slots.ts';
import type { Ports } from './ports.ts';
import { serverNotFound } from './server-not-found.ts';

/** All servers of a project, or the one named. */
export type Wanted = { readonly project: ProjectName; readonly name?: ServerName };

/** What the engine has of the servers that are asked for: all, or the one named. Throws `server-not-found`. */
export async function lookUpServers(
  ports: Ports,
  { project, name }: Wanted,
): Promise<{ readonly observed: Observed; readonly slots: ReadonlyMap<ServerName, readonly ObservedContainer[]> }> {
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const all = slotsOf(observed.containers);
  if (name === undefined) return { observed, slots: all };
  const slot = all.get(name);
  if (slot === undefined) throw serverNotFound(project, name, [...all.keys()]);
  return { observed, slots: new Map([[name, slot]]) };
}
