import type { EngineTime } from '../engine.ts';
import type { ContainerId, ServerName } from '../ids.ts';
import type { ServerContainer } from '../server-view.ts';

/** What the processes of a container take, as their kernel counts it; what grows has grown since the container's run began. */
export type UsageSample = {
  readonly at: EngineTime;
  /** Time that its processes ran, ms of one processor. */
  readonly cpuMs: number;
  /** Periods in which something ran (100 ms each), and those in which it was held up as the limit was used up. */
  readonly cpuPeriods: number;
  readonly throttledPeriods: number;
  /** Without what of it are files that have not been used for a while: the kernel takes those back when there is need. */
  readonly memoryBytes: number;
  readonly processes: number;
  /** Null: it has no network of its own. */
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number } | null;
  readonly blockIo: { readonly readBytes: number; readonly writtenBytes: number };
};

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
  /** Null: it does not run. */
  readonly sample: UsageSample | null;
};
