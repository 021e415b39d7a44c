import type { EngineTime } from '../../model/engine.ts';
import type { EngineEvent } from '../../model/engine-events.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import type { ContainerUsage } from '../../model/trail/usage.ts';
import { pastEvents } from '../inspect/lifecycle-events.ts';
import type { Ports } from '../ports.ts';

/** Containers and events that are remembered; of more, the oldest go. An engine tells at most 256 events of its past (Docker). */
const mostRemembered = 10_000;
/** A cluster tells times in whole seconds, ms. */
const wholeSecondMs = 1_000;

/** What of a container tells that nothing more comes; one that is started again and again may never be measured. */
const resting: ReadonlySet<ContainerUsage['status']> = new Set(['stopped', 'paused', 'asleep']);

/** How often the kernel ended something in containers of servers for lack of memory. */
export type OomKills = {
  /** As far as is known. */
  readonly of: (server: ServerName) => number;
  /**
   * Counts what came since the last look, by what this one measured; of a container that is measured for the first time,
   * since its run began. Throws what the engine throws; what was not heard then is heard with the next look.
   */
  readonly count: (all: readonly ContainerUsage[], signal: AbortSignal) => Promise<void>;
};

function forgetOldest(known: Map<unknown, unknown> | Set<unknown>): void {
  for (const key of known.keys()) {
    if (known.size <= mostRemembered) return;
    known.delete(key);
  }
}

export function createOomKills(ports: Ports, project: ProjectName): OomKills {
  const kills = new Map<ServerName, number>();
  /**
   * Until when the events of a container were heard, by its engine's clock: several engines need not agree on the time, and
   * one that is silent tells later what came meanwhile. Those that were measured last stand last.
   */
  const heard = new Map<ContainerId, EngineTime>();
  /** The earliest of what was measured last; from then on containers count that came and went between two looks. */
  let lookedUntil = Number.POSITIVE_INFINITY;
  /** Keys of what was counted, as it is told again. */
  const counted = new Set<string>();

  const eventsSince = async (at: EngineTime, signal: AbortSignal): Promise<readonly EngineEvent[]> => {
    const orchestrator = await ports.orchestrator();
    if (lookedUntil === Number.POSITIVE_INFINITY) {
      const { id: engine } = await orchestrator.describe({ signal });
      return pastEvents(ports, { engine, project }, { at }, signal);
    }
    const events: EngineEvent[] = [];
    await orchestrator.events(project, { since: { at }, follow: false }, (event) => events.push(event), { signal });
    return events;
  };
  return {
    of: (server) => kills.get(server) ?? 0,
    async count(all, signal) {
      const began = new Map(all.map(({ container, startedAt }) => [container, startedAt]));
      const running = all.flatMap((one) => (one.sample === null ? [] : [{ ...one, at: one.sample.at }]));
      const asked = [...running, ...all.filter(({ container }) => heard.has(container))];
      const at = Math.min(lookedUntil, ...asked.map(({ container, startedAt }) => heard.get(container) ?? startedAt));
      if (at === Number.POSITIVE_INFINITY) return;
      for (const { key, type, time, server, container } of await eventsSince(at, signal)) {
        const from = heard.get(container) ?? began.get(container) ?? lookedUntil;
        if (type !== 'oom' || time < from || counted.has(key)) continue;
        counted.add(key);
        kills.set(server, (kills.get(server) ?? 0) + 1);
      }
      for (const { container, status } of all) if (resting.has(status)) heard.delete(container);
      const measured = running.map((one) => ({ ...one, until: Math.max(one.startedAt, one.at - wholeSecondMs) }));
      for (const { container, until } of measured) {
        heard.delete(container);
        heard.set(container, until);
      }
      if (measured.length > 0) lookedUntil = Math.min(...measured.map(({ until }) => until));
      for (const known of [heard, counted]) forgetOldest(known);
    },
  };
}
