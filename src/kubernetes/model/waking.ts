import type { EngineTime } from '../../model/engine.ts';
import { refusalOf, serverStatus, timeOf } from './objects.ts';
import { askedOf, type Generation, meantOf, type Workload } from './observed.ts';
import { graceMs } from './refusals.ts';

/** How long a server may take from when it is woken until one of its pods is ready, ms. */
const wakingMs = 300_000;

/** Whether the cluster makes no pod of a generation, and has made none for longer than it tries again itself. */
export function isRefused({ replicaSet }: Pick<Generation, 'replicaSet'>, now: EngineTime): boolean {
  const refused = refusalOf(replicaSet);
  return refused !== undefined && now - timeOf(refused.lastTransitionTime) >= graceMs;
}

/**
 * Whether a server that may sleep is just being woken, so that whoever woke it waits for it: neither where the cluster makes no
 * pod of it for a while, nor where one has ended already. `now` is on the API server's clock.
 */
export function isWaking(workload: Workload, now: EngineTime): boolean {
  const { claim, deployment } = workload;
  const meant = meantOf(workload);
  if (claim.recorded?.spec.scale?.min !== 0 || askedOf(workload) === 0 || meant === undefined) return false;
  if (isRefused(meant, now)) return false;
  // Available while it sleeps, as no pod is all that it asks for: its controller says since when that is not so.
  const { lastTransitionTime } =
    deployment.status?.conditions?.find(({ type, status }) => type === 'Available' && status === 'False') ?? {};
  const began = [lastTransitionTime, ...meant.pods.map(({ metadata }) => metadata.creationTimestamp)];
  const hasEnded = meant.pods
    .map(serverStatus)
    .some((status) => (status?.state?.terminated ?? status?.lastState?.terminated) !== undefined);
  return !hasEnded && began.every((at) => at === undefined || now - timeOf(at) < wakingMs);
}
