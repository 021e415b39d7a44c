import type { Sampler } from '../../app/measure/sampler.ts';
import type { MetricFamily } from '../../model/trail/metrics.ts';
import type { CommandContext } from '../context.ts';

/** What a program that stays knows of what the servers of its project take. */
export type Measuring = {
  readonly sampler: Sampler;
  /** Looks from now on; what comes back ends that. */
  readonly begin: () => () => Promise<void>;
  /** What the last look saw, as metrics. */
  readonly families: () => Promise<readonly MetricFamily[]>;
};

/** What measures the servers of a command's project, as `createSampler`; it does not look yet. */
export async function measuring(
  { ports, project }: CommandContext,
  options: { readonly keepsPast: boolean },
): Promise<Measuring> {
  const [{ createSampler }, { serverFamilies }] = await Promise.all([
    import('../../app/measure/sampler.ts'),
    import('../../app/measure/server-metrics.ts'),
  ]);
  const sampler = createSampler(ports, project.name, options);
  const begin = (): (() => Promise<void>) => {
    const over = new AbortController();
    const looking = sampler.run(over.signal);
    return () => {
      over.abort();
      return looking;
    };
  };
  return { sampler, begin, families: async () => serverFamilies((await sampler.asked()) ?? new Map()) };
}
