import type { Point } from './sampler.ts';

/** Whether counts of a look go on from those of the look before: they begin again with each run of a container. */
export const isSameRun = (now: Point, before: Point | undefined): before is Point =>
  before !== undefined && before.container === now.container && before.run === now.run;

/** How many processors a server took between two looks; undefined where they are not of one run, or one saw it stopped. */
export function coresBetween(now: Point, before: Point | undefined): number | undefined {
  if (!isSameRun(now, before) || now.sample === null || before.sample === null) return undefined;
  const span = now.sample.at - before.sample.at;
  return span <= 0 ? undefined : Math.max(0, now.sample.cpuMs - before.sample.cpuMs) / span;
}
