import type { EngineTime } from '../../model/engine.ts';
import type { CpuAverage } from '../../model/trail/usage.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { serverContainer } from '../model/objects.ts';
import { readAmount } from '../model/quantity.ts';
import type { KubernetesPorts } from '../ports.ts';

/** What the metrics API says of the container of a server: processor time on average, and the working set by its end. */
export type PodMetrics = { readonly average: CpuAverage; readonly memoryBytes: number };

/** How long it may take to answer: execs in pods are asked meanwhile. */
const patienceMs = 5000;

/** How old figures may be, ms: metrics-server measures every 15 s or every minute, adapters average over five. */
const oldestMs = 300_000;

/** How far the clock of a node may be ahead of the API server's, ms. */
const aheadMs = 60_000;

/**
 * What `metrics.k8s.io/v1beta1` says of the pods of a namespace, by their names. Empty where the cluster does not serve it,
 * or it may not be read, or does not answer in time: nothing is told by it then.
 */
export async function podMetricsOf(
  { cluster }: Pick<KubernetesPorts, 'cluster'>,
  namespace: string,
  now: EngineTime,
  { signal }: CallOptions = {},
): Promise<ReadonlyMap<string, PodMetrics>> {
  const bound = AbortSignal.any([AbortSignal.timeout(patienceMs), ...(signal === undefined ? [] : [signal])]);
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`;
  try {
    return readPodMetrics(await cluster.request({ method: 'GET', path }, { signal: bound }), now);
  } catch {
    return new Map();
  }
}

/** Reads an answer of the metrics API. What of it does not say all, or says it of another time, is left out. */
export function readPodMetrics(answer: unknown, now: EngineTime): ReadonlyMap<string, PodMetrics> {
  const items = isRecord(answer) && Array.isArray(answer.items) ? (answer.items as readonly unknown[]) : [];
  return new Map(
    items.flatMap((item): readonly (readonly [string, PodMetrics])[] => {
      if (!isRecord(item) || !isRecord(item.metadata) || !Array.isArray(item.containers)) return [];
      const { name } = item.metadata;
      const container = (item.containers as readonly unknown[])
        .filter(isRecord)
        .find((one) => one.name === serverContainer);
      const used = isRecord(container?.usage) ? container.usage : {};
      const [cores, memoryBytes] = [used.cpu, used.memory].map((one) => readAmount(textOf(one)));
      const until = Date.parse(textOf(item.timestamp));
      const overMs = readDuration(textOf(item.window));
      const isOfNow = until >= now - oldestMs && until <= now + aheadMs;
      if (typeof name !== 'string' || cores === undefined || memoryBytes === undefined) return [];
      return isOfNow && overMs > 0 ? [[name, { average: { cores, overMs, until }, memoryBytes }]] : [];
    }),
  );
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const durations: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** A duration as Go writes it (`1m0.5s`), ms; 0 for what is none. */
function readDuration(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)];
  return parts.reduce((all, [, number, unit = '']) => all + Number(number) * (durations[unit] ?? 0), 0);
}

/**
 * Whether figures are of the run of a container that began then, and not of the one before: the window of figures whose pod
 * is older than its container reaches back beyond the start. Both times are told to the second.
 */
export const isOfRun = ({ average }: PodMetrics, startedAt: EngineTime): boolean =>
  average.until - average.overMs >= startedAt - 1000;
