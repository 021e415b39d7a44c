/** One number of a family, with the end of its name where a histogram has several. */
export type Sample = {
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

/** A metric of Prometheus and all of its samples; `help` says what it counts. */
export type MetricFamily = {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
};

/** Families in Prometheus' text format, version 0.0.4. */
export const metricsText = (families: readonly MetricFamily[]): string =>
  families
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ suffix = '', labels, value }) => `${name}${suffix}${braced(labels)} ${value}`),
    ])
    .map((line) => `${line}\n`)
    .join('');

/** A gauge or counter without labels. */
export const single = (value: number): readonly Sample[] => [{ labels: {}, value }];

/** Durations of one kind. */
export type Histogram = {
  readonly observe: (seconds: number) => void;
  readonly samples: () => readonly Sample[];
};

/** Counts durations, s, below each of the bounds. */
export function createHistogram(bounds: readonly number[], labels: Readonly<Record<string, string>> = {}): Histogram {
  const counts = bounds.map(() => 0);
  let sum = 0;
  let count = 0;
  return {
    observe(seconds) {
      const at = bounds.findIndex((bound) => seconds <= bound);
      if (at !== -1) counts[at] = (counts[at] ?? 0) + 1;
      sum += seconds;
      count += 1;
    },
    samples() {
      let below = 0;
      const buckets = bounds.map((bound, index): Sample => {
        below += counts[index] ?? 0;
        return { suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: below };
      });
      return [
        ...buckets,
        { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
        { suffix: '_sum', labels, value: sum },
        { suffix: '_count', labels, value: count },
      ];
    },
  };
}

function braced(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
