import type { RecordedSpec } from './desired.ts';
import type { ProjectName, ServerName } from './ids.ts';
import { containerName } from './labels.ts';
import type { ObservedContainer } from './observed.ts';

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
  const settled = generations.find((one) => one.name === containerName(project, server));
  if (settled === undefined) return running[0];
  return settled.running ? settled : running.find((one) => !preservesFiles(one));
}

/**
 * The container that stands for a server wherever its state is told: the one that its sessions meet; where none serves,
 * the settled one, else the newest.
 */
export function shownOf(
  containers: readonly ObservedContainer[],
  project: ProjectName,
  server: ServerName,
): ObservedContainer | undefined {
  const running = ({ state }: ObservedContainer) => state.status === 'running' && !state.paused;
  const serving = servingOf(
    containers.map((container) => ({ ...container, running: running(container) })),
    project,
    server,
  );
  return (
    containers.find(({ id }) => id === serving?.id) ??
    containers.find(({ name }) => name === containerName(project, server)) ??
    containers.at(-1)
  );
}
