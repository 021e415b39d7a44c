import { isFailure } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Serving } from '../../model/server-view.ts';
import type { Orchestrator, ServingOptions } from '../../orchestrator/port.ts';

/** How often a server is woken that fell asleep again before its session was opened. */
const mostTries = 2;

/**
 * What sessions of a server go to; one that is asleep is woken first, which takes as long as a pod takes to pass its gate.
 * `onWaking` is told once. Throws what `serving` and `wake` throw.
 */
export async function servingAwake(
  { serving, wake }: Pick<Orchestrator, 'serving' | 'wake'>,
  { project, server }: { readonly project: ProjectName; readonly server: ServerName },
  { onWaking, ...options }: ServingOptions & { readonly onWaking?: (() => void) | undefined },
): Promise<Serving> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await serving(project, server, options);
    } catch (error) {
      if (!isFailure(error, 'server-asleep') || tries > mostTries) throw error;
    }
    if (tries === 1) onWaking?.();
    await wake(project, server, { signal: options.signal });
  }
}
