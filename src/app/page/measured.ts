import type { ServerName } from '../../model/ids.ts';
import type { PageSample, PageUse } from '../../model/page/state.ts';
import { isoTime } from '../../model/times.ts';
import { coresOf } from '../measure/between.ts';
import type { Point, Sampler } from '../measure/sampler.ts';
import type { Ports } from '../ports.ts';
import type { RecentCalls } from './calls.ts';

/** What a server took at one look; null where it did not run. Its share of processors takes the look before. */
function useOf(now: Point, before: Point | undefined): PageUse | null {
  if (now.sample === null) return null;
  const { memoryBytes, processes } = now.sample;
  return { cpuCores: coresOf(now, before) ?? null, memoryBytes, processes };
}

/** The newest measurement of a server; null where it does not run, or was not measured. */
export function newestUse(sampler: Sampler, server: ServerName): PageUse | null {
  const points = sampler.points(server);
  const last = points.at(-1);
  return last === undefined || sampler.latest()?.has(server) !== true ? null : useOf(last, points.at(-2));
}

/** All measurements that are kept of some servers, oldest first. */
export function samplesOf(
  sampler: Pick<Sampler, 'points'>,
  servers: Iterable<ServerName>,
  calls: RecentCalls,
  { now, monotonicMs }: Pick<Ports, 'now' | 'monotonicMs'>,
): readonly PageSample[] {
  const epoch = now() - monotonicMs();
  const looks = new Map<number, PageSample['servers'][number][]>();
  for (const name of servers) {
    let before: Point | undefined;
    for (const point of sampler.points(name)) {
      const use = useOf(point, before);
      const look = looks.get(point.at) ?? [];
      looks.set(point.at, look);
      const callsPerMinute = calls.perMinute(name, epoch + point.at);
      if (use !== null) look.push({ name, ...use, sessions: point.sessions, callsPerMinute });
      before = point;
    }
  }
  return [...looks]
    .sort(([a], [b]) => a - b)
    .map(([at, all]) => ({ at: isoTime(Math.round(epoch + at)), servers: all }));
}

/** The newest of these measurements, as `samplesOf` has it, without the hour before; undefined where there is none. */
export const newestSample = (
  sampler: Pick<Sampler, 'points'>,
  servers: Iterable<ServerName>,
  calls: RecentCalls,
  clock: Pick<Ports, 'now' | 'monotonicMs'>,
): PageSample | undefined =>
  // The last but one is what the share of processors is counted from.
  samplesOf({ points: (server) => sampler.points(server).slice(-2) }, servers, calls, clock).at(-1);
