import { coresBetween } from '../../model/trail/usage.ts';
import type { Point } from './sampler.ts';

/** Whether counts of a look go on from those of the look before: they begin again with each run of a container. */
export const isSameRun = (now: Point, before: Point | undefined): before is Point =>
  before !== undefined && before.container === now.container && before.run === now.run;

/**
 * How many processors a server took: on average by what measured it, else between two looks. Undefined where those are not
 * of one run, or one of them does not know it.
 */
export function coresOf(now: Point, before: Point | undefined): number | undefined {
  if (now.sample?.average !== undefined) return now.sample.average.cores;
  if (!isSameRun(now, before) || now.sample === null || before.sample === null) return undefined;
  return coresBetween(now.sample, before.sample);
}
