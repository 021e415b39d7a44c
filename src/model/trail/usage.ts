import type { EngineTime } from '../engine.ts';
import type { ContainerId, ServerName } from '../ids.ts';
import type { ServerContainer } from '../server-view.ts';

/** What another program measured of processor time, where an engine asks one. */
export type CpuAverage = {
  /** Processors that were taken on average. */
  readonly cores: number;
  /** Over how long, ms, and until when. */
  readonly overMs: number;
  readonly until: EngineTime;
};

/**
 * What the processes of a container take, as their kernel counts it; what grows has grown since the container's run began.
 * Null: it is not known.
 */
export type UsageSample = {
  readonly at: EngineTime;
  /** Time that its processes ran, ms of one processor. */
  readonly cpuMs: number | null;
  /** Counts before what follows from `cpuMs`, and `memoryBytes` is then of its moment; absent: nothing measured one. */
  readonly average?: CpuAverage;
  /** Periods in which something ran (100 ms each), and those in which it was held up as the limit was used up. */
  readonly cpuPeriods: number | null;
  readonly throttledPeriods: number | null;
  /** Without what of it are files that have not been used for a while: the kernel takes those back when there is need. */
  readonly memoryBytes: number;
  readonly processes: number | null;
  /** Null also: it has no network of its own. */
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number } | null;
  readonly blockIo: { readonly readBytes: number; readonly writtenBytes: number } | null;
};

/** How many processors were taken from one measurement of a run to the next one; undefined where nothing tells it. */
export function coresBetween(now: UsageSample, before: UsageSample): number | undefined {
  const span = now.at - before.at;
  return span <= 0 || now.cpuMs === null || before.cpuMs === null
    ? undefined
    : Math.max(0, now.cpuMs - before.cpuMs) / span;
}

/** Which part of the periods in which something ran its limit held it up, likewise; null where nothing ran. */
export function throttledBetween(now: UsageSample, before: UsageSample): number | null | undefined {
  if (now.cpuPeriods === null || before.cpuPeriods === null) return undefined;
  if (now.throttledPeriods === null || before.throttledPeriods === null) return undefined;
  const periods = now.cpuPeriods - before.cpuPeriods;
  return periods <= 0 ? null : (now.throttledPeriods - before.throttledPeriods) / periods;
}

/** A container of a server with what it takes. */
export type ContainerUsage = {
  readonly server: ServerName;
  readonly container: ContainerId;
  readonly containerName: string;
  readonly generation: number;
  /** `asleep`: the server has no container just now, as it has no sessions. */
  readonly status: ServerContainer['status'] | 'asleep';
  /** As `ServerInstance.run`. */
  readonly run: string;
  /** When that run began; 0 for one that never ran. */
  readonly startedAt: EngineTime;
  /** As `ServerInstance.restarts`. */
  readonly restarts: number;
  /** The reference that it was made from. */
  readonly image: string;
  /** As the engine holds it to them now; null: no limit. */
  readonly limits: {
    readonly cpuCores: number | null;
    readonly memoryBytes: number | null;
    readonly processes: number | null;
  };
  /** Sessions that are open, whoever has them. */
  readonly sessions: number;
  /** Null: it does not run, or nothing is known of what it takes. */
  readonly sample: UsageSample | null;
};
