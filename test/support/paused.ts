import type Docker from 'dockerode';
import { eventually } from './eventually.ts';

/** Pauses a container. The kernel may not freeze it at once while it starts, which the engine says as an error (500). */
export const paused = (container: Docker.Container): Promise<void> =>
  eventually(async () => {
    if ((await container.inspect()).State.Paused) return;
    await container.pause();
  });
