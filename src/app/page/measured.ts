import type { ServerName } from '../../model/ids.ts';
import type { PageSample, PageUse } from '../../model/page.ts';
import { isoTime } from '../../model/times.ts';
import type { Point, Sampler } from '../measure/sampler.ts';
import type { Ports } from '../ports.ts';
import type { RecentCalls } from './calls.ts';

/** What a server took at one look; null where it did not run. Its share of processors takes the look before. */
function useOf({ run, sample }: Point, before: Point | undefined): PageUse | null {
  if (sample === null) return null;
  const earlier = before?.run === run ? (before.sample ?? undefined) : undefined;
  const span = earlier === undefined ? 0 : sample.at - earlier.at;
  return {
    cpuCores: earlier === undefined || span <= 0 ? null : Math.max(0, sample.cpuMs - earlier.cpuMs) / span,
    memoryBytes: sample.memoryBytes,
    processes: sample.processes,
  };
}

/** The newest measurement of a server; null where it does not run, or was not measured. */
export function newestUse(sampler: Sampler, server: ServerName): PageUse | null {
  const points = sampler.points(server);
  const last = points.at(-1);
  return last === undefined || sampler.latest()?.has(server) !== true ? null : useOf(last, points.at(-2));
}

/** All measurements that are kept of some servers, oldest first. */
export function samplesOf(
  sampler: Sampler,
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
