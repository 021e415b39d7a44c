import type { PageSample, PageServer } from '../../src/model/page/state.ts';
import { Chart } from '../part/chart.tsx';
import type { Point } from '../state/chart.ts';
import { usePage } from '../state/store.ts';
import { bytes, cores, nearFrom, shareOf } from '../state/words.ts';

type Measured = PageSample['servers'][number];
type Measure = (measured: Measured) => number | null;

/** What is measured of a server, with its unit. */
const measures = {
  cpu: { title: 'CPU', of: ({ cpuCores }: Measured) => cpuCores, say: cores },
  memory: { title: 'memory', of: ({ memoryBytes }: Measured) => memoryBytes, say: bytes },
  processes: { title: 'processes', of: ({ processes }: Measured) => processes, say: String },
  sessions: { title: 'sessions', of: ({ sessions }: Measured) => sessions, say: String },
  calls: { title: 'calls a minute', of: ({ callsPerMinute }: Measured) => callsPerMinute, say: String },
} as const;

/** The end of what charts show, ms since the epoch: the newest sample, or now. */
const endOf = (samples: readonly PageSample[]): number => Date.parse(samples.at(-1)?.at ?? new Date().toISOString());

/** What a server takes against its limits, over the last hour. */
export function ServerCharts({ server: { name, limits } }: { readonly server: PageServer }) {
  const { samples } = usePage();
  const all = samples.value;
  const course = (of: Measure): readonly Point[] =>
    all.map(({ at, servers }) => {
      const measured = servers.find((one) => one.name === name);
      return { at: Date.parse(at), value: measured === undefined ? null : of(measured) };
    });
  const limitOf = { cpu: limits?.cpuCores, memory: limits?.memoryBytes, processes: limits?.processes };
  return (
    <div class="charts">
      {(['cpu', 'memory', 'processes'] as const).map((what) => {
        const { title, of, say } = measures[what];
        const points = course(of);
        const limit = limitOf[what] ?? null;
        const isNear = (shareOf(points.at(-1)?.value ?? null, limit) ?? 0) >= nearFrom;
        return (
          <Chart key={what} title={title} points={points} limit={limit} say={say} to={endOf(all)} isNear={isNear} />
        );
      })}
      <Chart
        title={measures.calls.title}
        points={course(measures.calls.of)}
        limit={null}
        say={measures.calls.say}
        to={endOf(all)}
        isNear={false}
      />
    </div>
  );
}

/** What all servers take together, over the last hour. */
export function ProjectCharts() {
  const { samples } = usePage();
  const all = samples.value;
  const sum = (of: Measure): readonly Point[] =>
    all.map(({ at, servers }) => {
      const values = servers.map(of).filter((value) => value !== null);
      return { at: Date.parse(at), value: values.length === 0 ? null : values.reduce((a, b) => a + b, 0) };
    });
  return (
    <div class="charts">
      {(['cpu', 'memory', 'sessions', 'calls'] as const).map((what) => {
        const { title, of, say } = measures[what];
        return (
          <Chart key={what} title={title} points={sum(of)} limit={null} say={say} to={endOf(all)} isNear={false} />
        );
      })}
    </div>
  );
}
