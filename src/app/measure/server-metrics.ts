import type { ServerName } from '../../model/ids.ts';
import type { MetricFamily, Sample } from '../../model/trail/metrics.ts';
import type { UsageSample } from '../../model/trail/usage.ts';
import type { ServerUse } from './sampler.ts';

type Rest = Readonly<Record<string, string>>;
type Values = (use: ServerUse) => readonly (readonly [number, Rest?])[];

const sampled =
  (values: (sample: UsageSample) => ReturnType<Values>): Values =>
  ({ sample }) =>
    sample === null ? [] : values(sample);

const known = (value: number | null): ReturnType<Values> => (value === null ? [] : [[value]]);

/** What is told of each server: name, type, help, and its numbers with the labels beside `server`. */
const told: readonly (readonly [string, MetricFamily['type'], string, Values])[] = [
  [
    'looms_server_info',
    'gauge',
    'The container that stands for a server: the newest that runs.',
    ({ generation, image }) => [[1, { generation: String(generation), image }]],
  ],
  [
    'looms_server_restarts_total',
    'counter',
    'How often the engine started it again since somebody last did.',
    ({ restarts }) => [[restarts]],
  ],
  [
    'looms_server_cpu_seconds_total',
    'counter',
    'Time of one processor that it took since it began to run.',
    sampled(({ cpuMs }) => (cpuMs === null ? [] : [[cpuMs / 1000]])),
  ],
  ['looms_server_cpu_limit_cores', 'gauge', 'Processors that it may take.', ({ limits }) => known(limits.cpuCores)],
  [
    'looms_server_cpu_periods_total',
    'counter',
    'Periods of 100 ms in which something ran.',
    sampled(({ cpuPeriods }) => known(cpuPeriods)),
  ],
  [
    'looms_server_cpu_throttled_periods_total',
    'counter',
    'Those in which its limit held it up.',
    sampled(({ throttledPeriods }) => known(throttledPeriods)),
  ],
  [
    'looms_server_memory_working_set_bytes',
    'gauge',
    'Memory that it takes, without files that have not been used for a while.',
    sampled(({ memoryBytes }) => [[memoryBytes]]),
  ],
  ['looms_server_memory_limit_bytes', 'gauge', 'Memory that it may take.', ({ limits }) => known(limits.memoryBytes)],
  [
    'looms_server_oom_kills_total',
    'counter',
    'How often the kernel ended something in it for lack of memory.',
    ({ oomKills }) => [[oomKills]],
  ],
  ['looms_server_pids', 'gauge', 'Its processes and threads.', sampled(({ processes }) => known(processes))],
  [
    'looms_server_network_bytes_total',
    'counter',
    'Bytes over its networks since it began to run.',
    sampled(({ network }) =>
      network === null
        ? []
        : [
            [network.receivedBytes, { direction: 'received' }],
            [network.sentBytes, { direction: 'sent' }],
          ],
    ),
  ],
  [
    'looms_server_block_io_bytes_total',
    'counter',
    'Bytes from and to disks since it began to run.',
    sampled(({ blockIo }) =>
      blockIo === null
        ? []
        : [
            [blockIo.readBytes, { direction: 'read' }],
            [blockIo.writtenBytes, { direction: 'written' }],
          ],
    ),
  ],
];

/** What servers take, as metrics (docs/commands.md, "What a gateway tells of itself"). */
export const serverFamilies = (servers: ReadonlyMap<ServerName, ServerUse>): readonly MetricFamily[] =>
  told.map(([name, type, help, values]) => ({
    name,
    type,
    help,
    samples: [...servers].flatMap(([server, use]): readonly Sample[] =>
      values(use).map(([value, rest = {}]) => ({ labels: { server, ...rest }, value })),
    ),
  }));
