import type { ContainerId, ProjectName } from '../../model/ids.ts';
import { keepLog } from '../inspect/keep-log.ts';
import type { Ports } from '../ports.ts';
import type { Wake } from './wake.ts';

/** How often logs are kept while nothing happens to a container, ms. */
const everyMs = 60_000;

/**
 * Keeps the logs of a project's servers until `stop` aborts: each minute, and whenever `wake` is marked. One that was read
 * after its container stopped is not read again before it runs. What cannot be kept is warned of; nothing of it throws.
 */
export async function keepLogs(ports: Ports, project: ProjectName, wake: Wake, stop: AbortSignal): Promise<void> {
  let whole = new Set<ContainerId>();
  while (!stop.aborted) {
    try {
      const { describe, instances, sessions } = await ports.orchestrator();
      const { id: engine } = await describe({ signal: stop });
      const found = await instances(project, { signal: stop });
      const read = new Set<ContainerId>();
      for (const { id, server, generation, status, recorded, foreignRecord } of found) {
        const of = {
          container: id,
          server,
          generation,
          ...(recorded === undefined ? {} : { spec: recorded.spec }),
          ...(foreignRecord === undefined ? {} : { foreignRecord }),
        };
        const problem = whole.has(id) ? undefined : await keepLog(ports, sessions, { engine, project }, of, stop);
        if (problem !== undefined) ports.warn(`${server}: ${problem}`);
        if (status === 'stopped' && problem === undefined) read.add(id);
      }
      whole = read;
    } catch {
      // The engine is away, which the looks of the loop tell.
    }
    wake.markAt('timer', ports.monotonicMs() + everyMs);
    // What ran in between may have written something.
    if ((await wake.next(stop)).includes('engine')) whole = new Set();
  }
}
