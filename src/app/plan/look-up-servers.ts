import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import { slotsOf } from '../../model/slots.ts';
import { serverNotFound } from '../inspect/server-not-found.ts';
import type { Ports } from '../ports.ts';

/** The servers of a project that are named; all where none is. */
export type Wanted = { readonly project: ProjectName; readonly names: readonly ServerName[] };

/** What the engine has of the servers that are asked for: all, or those named. Throws `server-not-found`. */
export async function lookUpServers(
  ports: Ports,
  { project, names }: Wanted,
): Promise<{ readonly observed: Observed; readonly slots: ReadonlyMap<ServerName, readonly ObservedContainer[]> }> {
  const engine = await ports.engine();
  const observed = await engine.observe({ project, images: [], checkRegistry: [] });
  const all = slotsOf(observed.containers);
  const missing = names.find((name) => !all.has(name));
  if (missing !== undefined) throw serverNotFound(project, missing, [...all.keys()]);
  return { observed, slots: names.length === 0 ? all : new Map([...all].filter(([name]) => names.includes(name))) };
}
