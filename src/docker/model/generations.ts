import type { RecordedSpec } from '../../model/desired.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { containerName, type Role } from './labels.ts';
import type { Observed, ObservedContainer } from './observed.ts';

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

/** Whether it has its server's own name: its gate has passed. */
export const isSettled =
  (project: ProjectName, server: ServerName) =>
  ({ name }: { readonly name: string }): boolean =>
    name === containerName(project, server);

/** The settled one of a server's containers, else the newest. */
export const settledOf = <T extends { readonly name: string }>(
  containers: readonly T[],
  project: ProjectName,
  server: ServerName,
): T | undefined => containers.find(isSettled(project, server)) ?? containers.at(-1);

/** A generation of a server, as far as whether it gets sessions needs. */
type Generation = {
  readonly name: string;
  readonly running: boolean;
  readonly recorded?: RecordedSpec | undefined;
};

/** What a generation that preserves files is given of the one before counts for nothing until it has that one's name. */
const preservesFiles = ({ recorded }: Generation): boolean => (recorded?.spec.lifecycle.preserve ?? []).length > 0;

/**
 * The generation that sessions go to, of those of a server: the settled one before any other that runs. What is written
 * to a successor that has not passed its gate could be thrown away with it, also what an interrupted run left running.
 */
export function servingOf<T extends Generation>(
  generations: readonly T[],
  project: ProjectName,
  server: ServerName,
): T | undefined {
  const running = generations.filter((one) => one.running);
  const settled = generations.find(isSettled(project, server));
  if (settled === undefined) return running[0];
  return settled.running ? settled : running.find((one) => !preservesFiles(one));
}

/** Whether its process runs and is not held. */
export const isRunning = ({ state }: Pick<ObservedContainer, 'state'>): boolean =>
  state.status === 'running' && !state.paused;

/** Whether a process of a container runs or is about to: it has to be drained and stopped before it can go. */
export const isUp = ({ state }: Pick<ObservedContainer, 'state'>): boolean =>
  state.status === 'running' || state.status === 'restarting';

/**
 * The container whose files are the server's: the settled one, else one that runs, else the one of which a deletion began
 * to keep them (`begun`) and which it may have stopped for that, else the last that ran.
 */
export function holderOf(
  containers: readonly ObservedContainer[],
  project: ProjectName,
  server: ServerName,
  begun: ContainerId | undefined,
): ObservedContainer | undefined {
  const served = containers.filter(({ state }) => state.status !== 'created' && state.status !== 'dead');
  return (
    served.find(isSettled(project, server)) ??
    served.find(isRunning) ??
    served.find(({ id }) => id === begun) ??
    served.at(-1)
  );
}

/** As `holderOf`, where a deletion keeps the files: one that they cannot be had of is named too, and not passed over. */
export const holderToKeep = (
  containers: readonly ObservedContainer[],
  project: ProjectName,
  server: ServerName,
  begun: ContainerId | undefined,
): ObservedContainer | undefined =>
  containers.find(isSettled(project, server)) ??
  containers.find(({ state }) => state.status === 'running') ??
  containers.find(({ id, state }) => id === begun && state.status !== 'created') ??
  containers.findLast(({ state }) => state.status !== 'created');

/**
 * The container that served last, as far as anybody can tell: the settled one, else the last that is up, else the one that
 * a deletion stopped to keep its files (`begun`).
 */
export const lastServed = (
  containers: readonly ObservedContainer[],
  project: ProjectName,
  server: ServerName,
  begun: ContainerId | undefined,
): ObservedContainer | undefined =>
  containers.find(isSettled(project, server)) ?? containers.findLast(isUp) ?? containers.find(({ id }) => id === begun);
