import Docker from 'dockerode';
import type { TestContext } from 'vitest';

let asked: Promise<boolean> | undefined;

async function askEngine(): Promise<boolean> {
  const { Components: components } = (await new Docker().version()) as { Components?: { Name: string }[] };
  return components?.some(({ Name: name }) => name.startsWith('Podman')) === true;
}

/** Whether the engine of the tests is Podman; asked once a file. */
export const onPodman = (): Promise<boolean> => (asked ??= askEngine());

/** Leaves the rest of a test out on Podman, and says why: `reason` is what Podman does instead. */
export async function skipOnPodman({ skip, task }: TestContext, reason: string): Promise<void> {
  if (!(await onPodman())) return;
  console.log(`skipped on Podman: ${task.name}: ${reason}`);
  skip(reason);
}
