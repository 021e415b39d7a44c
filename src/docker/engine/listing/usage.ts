import { type ContainerId, shortId } from '../../../model/ids.ts';
import type { ContainerUsage, UsageSample } from '../../../model/trail/usage.ts';
import { mapBounded } from '../../../model/values/map-bounded.ts';
import type { LocatedContainer } from '../../port.ts';
import { askObject, get } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { carriedTo, runningExecs } from '../containers/containers.ts';
import { type InspectedContainer, inspectContainer, runOf } from '../containers/inspected.ts';
import { inspectWidth } from '../containers/ownership.ts';

/** What `GET /containers/{id}/stats` answers, as far as read. Optional: what a kernel or Podman leaves out. */
type Stats = {
  readonly read?: string;
  readonly cpu_stats: {
    readonly cpu_usage?: { readonly total_usage?: number };
    readonly throttling_data?: { readonly periods?: number; readonly throttled_periods?: number };
  };
  readonly memory_stats: {
    readonly usage?: number;
    /** `total_inactive_file` with cgroup v1, `inactive_file` with v2. */
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number };
  };
  readonly pids_stats?: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes?: number; readonly tx_bytes?: number }>>;
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op?: string; readonly value?: number }[] | null;
  };
};

const sum = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((all, one) => all + (one ?? 0), 0);

/** What the engine counted, in our terms. */
export function sampleOf(stats: Stats): UsageSample {
  const { cpu_stats: cpu, memory_stats: memory, networks, blkio_stats: blkio } = stats;
  const idleFiles = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0;
  const ends = Object.values(networks ?? {});
  const moved = (op: string): number =>
    sum(
      (blkio?.io_service_bytes_recursive ?? []).filter((one) => one.op?.toLowerCase() === op).map(({ value }) => value),
    );
  return {
    at: engineTime(stats.read),
    cpuMs: (cpu.cpu_usage?.total_usage ?? 0) / 1e6,
    cpuPeriods: cpu.throttling_data?.periods ?? 0,
    throttledPeriods: cpu.throttling_data?.throttled_periods ?? 0,
    memoryBytes: Math.max(0, (memory.usage ?? 0) - idleFiles),
    processes: stats.pids_stats?.current ?? 0,
    network:
      networks === undefined
        ? null
        : {
            receivedBytes: sum(ends.map(({ rx_bytes: bytes }) => bytes)),
            sentBytes: sum(ends.map(({ tx_bytes: bytes }) => bytes)),
          },
    blockIo: { readBytes: moved('read'), writtenBytes: moved('write') },
  };
}

/**
 * How many containers are asked at once. Engine 20.10 answers each only with the next turn of its own collector, a second
 * later, however many wait for it: 50 containers took 50 s one by one, 13 s four at a time, 1.2 s all at once (measured,
 * `stream=false&one-shot=true`). Later engines read the counters when asked.
 */
const width = ({ endpoint }: Client): number => (endpoint.kind === 'ssh' ? inspectWidth : 64);

/** Null: it ended meanwhile. */
const sample = async (client: Client, id: ContainerId): Promise<UsageSample | null> => {
  const query = { stream: 'false', 'one-shot': 'true' };
  const what = `see what container ${shortId(id)} takes`;
  const asked = askObject<Stats>(client, what, get(`/containers/${id}/stats`, query), ['cpu_stats', 'memory_stats']);
  const stats = await orNull(asked);
  // A container that has just ended answers zeros, with a moment of the year 1.
  return stats === null || engineTime(stats.read) === 0 ? null : sampleOf(stats);
};

const cpuLimit = ({
  NanoCpus: nano = 0,
  CpuQuota: quota = 0,
  CpuPeriod: period = 0,
}: InspectedContainer['HostConfig']) => (nano > 0 ? nano / 1e9 : quota > 0 ? quota / (period || 100_000) : null);

const positive = (value: number | null | undefined): number | null => (value != null && value > 0 ? value : null);

/** What the servers among a project's containers take, in their order; one that is gone meanwhile is left out. */
export async function readUsage(
  client: Client,
  located: readonly LocatedContainer[],
  atOnce = width(client),
): Promise<readonly ContainerUsage[]> {
  const relays = located.filter(({ role, running }) => role === 'relay' && running);
  const carried = await mapBounded(relays, inspectWidth, async ({ id }) =>
    runningExecs(client, await inspectContainer(client, id)),
  );
  const servers = located.flatMap((one) => (one.server === undefined ? [] : [{ ...one, server: one.server }]));
  const found = await mapBounded(
    servers.filter(({ role }) => role === 'server'),
    atOnce,
    async ({ id, name, server, generation, status }) => {
      const [inspected, taken] = await Promise.all([
        inspectContainer(client, id),
        status === 'running' || status === 'paused' ? sample(client, id) : null,
      ]);
      if (inspected === null) return null;
      const { HostConfig: host, State: state } = inspected;
      const own = await runningExecs(client, inspected);
      return {
        startedAt: engineTime(state.StartedAt),
        restarts: inspected.RestartCount ?? 0,
        image: inspected.Config.Image ?? inspected.Image,
        server,
        container: id,
        containerName: name,
        generation,
        status,
        run: runOf(state),
        limits: {
          cpuCores: cpuLimit(host),
          memoryBytes: positive(host.Memory),
          processes: positive(host.PidsLimit),
        },
        sessions: own.length + carriedTo(carried.flat(), id).length,
        sample: taken,
      };
    },
  );
  return found.filter((one) => one !== null);
}
