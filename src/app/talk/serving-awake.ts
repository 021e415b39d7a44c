import { isFailure } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Serving } from '../../model/server-view.ts';
import type { Orchestrator, ServingOptions } from '../../orchestrator/port.ts';

/** How often a server is woken for a session: another gateway, which sees none yet, may put it to sleep again meanwhile. */
const mostWakes = 3;

/**
 * What sessions of a server go to; one that is asleep is woken first, which takes as long as a pod takes to pass its gate.
 * `onWaking` is told once. Throws what `serving` and `wake` throw.
 */
export async function servingAwake(
  { serving, wake }: Pick<Orchestrator, 'serving' | 'wake'>,
  { project, server }: { readonly project: ProjectName; readonly server: ServerName },
  { onWaking, ...options }: ServingOptions & { readonly onWaking?: (() => void) | undefined },
): Promise<Serving> {
  for (let wakes = 0; ; wakes += 1) {
    try {
      if (wakes > 0) await wake(project, server, { signal: options.signal });
      return await serving(project, server, options);
    } catch (error) {
      if (!isFailure(error, 'server-asleep') || wakes >= mostWakes) throw error;
      if (wakes === 0) onWaking?.();
    }
  }
}
