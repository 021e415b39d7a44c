import type { EngineEvent } from '../../model/engine-events.ts';
import { messageOf } from '../../model/failure.ts';
import type { HealthPlace } from '../../model/health.ts';
import type { ContainerId, ProjectName } from '../../model/ids.ts';
import { defined } from '../../model/values/defined.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';
import { keepLog } from '../inspect/logs/keep-log.ts';
import type { Ports } from '../ports.ts';
import { createWake } from './wake.ts';

/** How often logs and events are kept while nothing happens to a container, ms. */
const everyMs = 60_000;
/** How far back the engine is asked what it remembers when a loop begins, ms. */
const firstLookMs = 86_400_000;
/** Most events that wait for a disk that takes nothing; the oldest go first. */
const mostHeard = 10_000;

/** Keeps what an engine forgets. */
export type Keeper = {
  /** Takes what the engine told: it is kept, and so are the logs, at once. */
  readonly hear: (event: EngineEvent) => void;
  /** Keeps the logs and events of the project each minute, until `stop` aborts. What cannot be kept is warned of; nothing throws. */
  readonly run: (stop: AbortSignal) => Promise<void>;
};

export function createKeeper(ports: Ports, project: ProjectName): Keeper {
  const wake = createWake(ports);
  /** What is not kept yet, by its key: what the engine is asked for may have been heard before. */
  let heard = new Map<string, EngineEvent>();
  const note = (event: EngineEvent): void => void heard.set(event.key, event);
  let lookBackMs = firstLookMs;
  /** Containers that had stopped before their logs were read: those are whole until they run again. */
  let whole = new Set<ContainerId>();

  const keepEvents = async (at: HealthPlace, { events }: Orchestrator, signal: AbortSignal): Promise<void> => {
    // What a stream that was cut off did not tell, as far as it is remembered.
    const query = { since: { agoMs: lookBackMs }, follow: false };
    await events(project, query, note, { signal });
    const taken = heard;
    heard = new Map();
    try {
      if (taken.size > 0) await ports.keptLogs.keepEvents(at, [...taken.values()]);
      lookBackMs = 2 * everyMs;
    } catch (error) {
      heard = new Map([...taken, ...heard].slice(-mostHeard));
      ports.warn({ code: 'events-not-kept', message: `events of the engine are not kept: ${messageOf(error)}` });
    }
  };

  const keepLogs = async (
    at: HealthPlace,
    { instances, sessions }: Orchestrator,
    signal: AbortSignal,
  ): Promise<void> => {
    const read = new Set<ContainerId>();
    for (const one of await instances(project, { signal })) {
      const { id, server, generation, status, recorded, foreignRecord, secretPrints } = one;
      const of = {
        container: id,
        server,
        generation,
        ...defined({ spec: recorded?.spec, foreignRecord, secretPrints }),
      };
      const problem = whole.has(id) ? undefined : await keepLog(ports, sessions, at, of, signal);
      if (problem !== undefined) ports.warn({ code: 'log-not-kept', server, message: problem });
      else if (status === 'stopped') read.add(id);
    }
    whole = read;
  };

  return {
    hear(event) {
      note(event);
      wake.mark('engine');
    },
    async run(stop) {
      while (!stop.aborted) {
        try {
          const orchestrator = await ports.orchestrator();
          const at = { engine: (await orchestrator.describe({ signal: stop })).id, project };
          await keepEvents(at, orchestrator, stop);
          await keepLogs(at, orchestrator, stop);
        } catch {
          // The engine is away, which the looks of the loop tell.
        }
        wake.markAt('timer', ports.monotonicMs() + everyMs);
        // What ran in between may have written something.
        if ((await wake.next(stop)).includes('engine')) whole = new Set();
      }
    },
  };
}
