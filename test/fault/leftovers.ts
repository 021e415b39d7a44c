import type Docker from 'dockerode';

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
  const pid = /e2e-fault-[a-z-]+-(\d+)-[0-9a-f]{6}/.exec(labels?.['looms.project'] ?? name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

/** Another harness may find the same at the same moment. */
async function orGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const status = (error as { statusCode?: unknown }).statusCode;
    if (status !== 404 && status !== 409) throw error;
  }
}

/** Removes what harnesses left that were killed before they could do it themselves. */
export async function removeLeftovers(docker: Docker): Promise<void> {
  for (const { Id, Names, Labels } of await docker.listContainers({ all: true })) {
    if (isAbandoned(Names.join(), Labels)) await orGone(docker.getContainer(Id).remove({ force: true, v: true }));
  }
  for (const { Id, Name, Labels } of await docker.listNetworks()) {
    if (isAbandoned(Name, Labels)) await orGone(docker.getNetwork(Id).remove());
  }
  for (const { Name, Labels } of (await docker.listVolumes()).Volumes ?? []) {
    if (isAbandoned(Name, Labels)) await orGone(docker.getVolume(Name).remove());
  }
}
