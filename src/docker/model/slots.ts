import type { ServerName } from '../../model/ids.ts';
import type { Role } from './labels.ts';
import type { Observed } from './observed.ts';

/** The servers' containers by server, sorted by its name; each one's in the order in which they came. */
export function slotsOf<T extends { readonly role: Role; readonly server?: ServerName | undefined }>(
  containers: readonly T[],
): ReadonlyMap<ServerName, readonly T[]> {
  const slots = new Map<ServerName, T[]>();
  for (const container of containers) {
    if (container.role !== 'server' || container.server === undefined) continue;
    const slot = slots.get(container.server);
    if (slot === undefined) slots.set(container.server, [container]);
    else slot.push(container);
  }
  return new Map([...slots].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Servers that have a container or a record of their past, sorted. */
export const serversOf = ({ containers, history }: Pick<Observed, 'containers' | 'history'>): ServerName[] =>
  [...new Set([...slotsOf(containers).keys(), ...history.map(({ server }) => server)])].sort();
