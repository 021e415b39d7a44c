import type Docker from 'dockerode';
import { removeAll } from '../support/remove-all.ts';

/** Projects of the harness say which process made them. */
export const projectLabel = (transition: string): string => `fault-${transition}-${process.pid}`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether something is of a project that a harness on this machine made and was killed: by its label, or its name. */
function isAbandoned(name: string, labels: Readonly<Record<string, string>> | null | undefined): boolean {
  const pid = /e2e-fault-[a-z-]+-(\d+)-[0-9a-f]+/.exec(labels?.['looms.project'] ?? name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

/** Removes what harnesses left that were killed before they could do it themselves. */
export const removeLeftovers = (docker: Docker): Promise<void> => removeAll(docker, isAbandoned, 0);
