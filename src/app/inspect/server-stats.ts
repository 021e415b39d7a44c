import type { EngineEvent } from '../../model/engine-events.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { silentNotices } from '../../model/notices.ts';
import { serverMissing } from '../../model/server-not-found.ts';
import { isoTime } from '../../model/times.ts';
import { type ContainerUsage, coresBetween, throttledBetween, type UsageSample } from '../../model/trail/usage.ts';
import type { Ports } from '../ports.ts';
import { pastEvents } from './lifecycle-events.ts';
import { withoutLedger } from './read-kept.ts';

/** What a container of a server takes, beside what it may take. A share is of the limit, 1 being all of it. */
export type ServerStats = Pick<ContainerUsage, 'generation' | 'container' | 'containerName' | 'status'> & {
  readonly name: ServerName;
  readonly project: ProjectName;
  /** Null: it does not run. */
  readonly use: Use | null;
  /** Sessions that are open, whoever has them. */
  readonly sessions: number;
  /** Calls of the last minute that were made from this machine; null when its ledger cannot be read. */
  readonly callsPerMinute: number | null;
  /** Since it began to run, as far as is known. */
  readonly oomKills: number;
  /** What of its limits it takes more than four fifths of. */
  readonly near: readonly Limited[];
};

export const limitedThings = ['cpu', 'memory', 'processes'] as const;
export type Limited = (typeof limitedThings)[number];

type Use = Pick<UsageSample, 'network' | 'blockIo'> & {
  readonly cpu: {
    /** Since the look before, or on average as `metrics` says; null in the first look, and when it was started in between. */
    readonly cores: number | null;
    readonly limitCores: number | null;
    readonly share: number | null;
    /** Periods of 100 ms in which its limit held it up, since it began to run. */
    readonly throttledPeriods: number | null;
    /** Which part of the periods since the look before these were; null in the first, and where nothing ran. */
    readonly throttledShare: number | null;
  };
  readonly memory: { readonly bytes: number; readonly limitBytes: number | null; readonly share: number | null };
  readonly processes: { readonly count: number | null; readonly limit: number | null; readonly share: number | null };
  /**
   * When the metrics API of a cluster measured `cores` and `bytes`, and over how long it averaged the first, ms. Null: both
   * are what the kernel counted by now.
   */
  readonly metrics: { readonly at: string; readonly overMs: number } | null;
};

/** From which share of a limit on it is marked. */
const nearFrom = 0.8;
/** Between two looks, ms: what a share of processor time is measured over. */
const betweenMs = 1_000;
const minuteMs = 60_000;

const shareOf = (value: number | null, limit: number | null): number | null =>
  value === null || limit === null ? null : value / limit;

function useOf(now: UsageSample, before: UsageSample | undefined, { limits }: ContainerUsage): Use {
  const { average, network, blockIo } = now;
  const cores = average?.cores ?? (before && coresBetween(now, before)) ?? null;
  return {
    cpu: {
      cores,
      limitCores: limits.cpuCores,
      share: shareOf(cores, limits.cpuCores),
      throttledPeriods: now.throttledPeriods,
      throttledShare: (before && throttledBetween(now, before)) ?? null,
    },
    memory: {
      bytes: now.memoryBytes,
      limitBytes: limits.memoryBytes,
      share: shareOf(now.memoryBytes, limits.memoryBytes),
    },
    processes: { count: now.processes, limit: limits.processes, share: shareOf(now.processes, limits.processes) },
    network,
    blockIo,
    metrics: average === undefined ? null : { at: isoTime(average.until), overMs: average.overMs },
  };
}

/** What a container takes, by two looks at it; `calls` of the last minute by the container that they went to. */
export function statsOf(
  project: ProjectName,
  now: ContainerUsage,
  before: ContainerUsage | undefined,
  { calls, events }: { readonly calls: ReadonlyMap<string, number> | null; readonly events: readonly EngineEvent[] },
): ServerStats {
  const { server: name, container, containerName, generation, status, sessions, sample, startedAt } = now;
  const earlier = before?.run === now.run ? (before.sample ?? undefined) : undefined;
  const use = sample === null ? null : useOf(sample, earlier, now);
  return {
    name,
    project,
    generation,
    container,
    containerName,
    status,
    use,
    sessions,
    callsPerMinute: calls === null ? null : (calls.get(container) ?? 0),
    oomKills: events.filter((one) => one.type === 'oom' && one.container === container && one.time >= startedAt).length,
    near: limitedThings.filter((one) => (use?.[one].share ?? 0) >= nearFrom),
  };
}

/** Ways to order servers: the nearest to one of its limits first, the most of something first, or by name. */
export const statsOrders = ['limit', ...limitedThings, 'network', 'block', 'sessions', 'calls', 'name'] as const;
export type StatsOrder = (typeof statsOrders)[number];

const weights: Readonly<Record<StatsOrder, (stats: ServerStats) => number>> = {
  limit: ({ use }) => Math.max(...limitedThings.map((one) => use?.[one].share ?? 0)),
  cpu: ({ use }) => use?.cpu.cores ?? 0,
  memory: ({ use }) => use?.memory.bytes ?? 0,
  processes: ({ use }) => use?.processes.count ?? 0,
  network: ({ use }) => (use?.network?.receivedBytes ?? 0) + (use?.network?.sentBytes ?? 0),
  block: ({ use }) => (use?.blockIo?.readBytes ?? 0) + (use?.blockIo?.writtenBytes ?? 0),
  sessions: ({ sessions }) => sessions,
  calls: ({ callsPerMinute }) => callsPerMinute ?? 0,
  name: () => 0,
};

/** In an order; what is alike by name and generation, and what does not run last. */
export const sortStats = (all: readonly ServerStats[], order: StatsOrder): readonly ServerStats[] =>
  [...all].sort(
    (a, b) =>
      (order === 'name' ? 0 : Number(a.use === null) - Number(b.use === null)) ||
      weights[order](b) - weights[order](a) ||
      (a.name < b.name ? -1 : a.name > b.name ? 1 : a.generation - b.generation),
  );

/** Calls of the last minute by container. Throws `ledger-unreadable`. */
async function recentCalls(ports: Ports): Promise<ReadonlyMap<string, number>> {
  const since = new Date(ports.now() - minuteMs).toISOString();
  const counts = new Map<string, number>();
  // Newest first, and no further than a minute: the trail of years need not be read.
  for await (const { time, container, result } of ports.auditReader.calls({ newestFirst: true })) {
    if (time < since) break;
    if (result !== 'refused') counts.set(container, (counts.get(container) ?? 0) + 1);
  }
  return counts;
}

/**
 * What the servers of a project take (all, or those named), again and again until the signal aborts: two looks a second
 * apart at least. The first has no shares of processor time, which take two. Throws `server-not-found`, `interrupted`,
 * and what the engine throws.
 */
export async function* watchStats(
  ports: Ports,
  { project, names }: { readonly project: ProjectName; readonly names: readonly ServerName[] },
  signal: AbortSignal,
): AsyncGenerator<readonly ServerStats[]> {
  const orchestrator = await ports.orchestrator();
  const described = await orchestrator.describe({ signal });
  const { id: engine } = described;
  for (const notice of silentNotices(described)) ports.warn(notice);
  let before: ReadonlyMap<ContainerId, ContainerUsage> = new Map();
  while (!signal.aborted) {
    const lookedAt = ports.monotonicMs();
    const [all, calls] = await Promise.all([
      orchestrator.usage(project, { signal }),
      recentCalls(ports).catch(withoutLedger(ports, 'calls-unknown', 'calls are not known', null)),
    ]);
    const missing = names.find((name) => !all.some(({ server }) => server === name));
    if (missing !== undefined && before.size === 0) {
      throw serverMissing(described, project, missing, [...new Set(all.map(({ server }) => server))].sort());
    }
    const wanted = names.length === 0 ? all : all.filter(({ server }) => names.includes(server));
    const began = wanted.flatMap(({ sample, startedAt }) => (sample === null ? [] : [startedAt]));
    const events =
      began.length === 0 ? [] : await pastEvents(ports, { engine, project }, { at: Math.min(...began) }, signal);
    yield wanted.map((one) => statsOf(project, one, before.get(one.container), { calls, events }));
    before = new Map(all.map((one) => [one.container, one]));
    await ports.pause(Math.max(0, lookedAt + betweenMs - ports.monotonicMs()), signal);
  }
}
