import { isFailure } from '../../model/errors.ts';
import { refusalOf } from '../port.ts';

/** Whether the API server refused since who asked has not the right, and not for what was asked. */
export const isForbidden = (error: unknown): boolean => refusalOf(error)?.lacksRight === true;

/**
 * Whether the API server refused since who asked has not the right, or since the cluster is against it: policies answer 403,
 * webhooks what they like, and 400 stands for one that knows no dry runs.
 */
export const isBarred = (error: unknown): boolean => [400, 403, 422].includes(refusalOf(error)?.status ?? 0);

/** Whether the API server does not know who asks (401). */
export const isUnknownUser = (error: unknown): boolean => refusalOf(error)?.status === 401;

/** Whether the API server does not know who asks (401), or does not let that one do it (403). */
export const isShutOut = (error: unknown): boolean => [401, 403].includes(refusalOf(error)?.status ?? 0);

/** Whether the API server has no more of what is asked for (410): a watch from a version that is too old by now. */
export const isExpired = (error: unknown): boolean => refusalOf(error)?.status === 410;

/**
 * How long the cluster may go on to say that something cannot be, until that is taken for its last word, ms. It tries again by
 * itself: a node to begin a container after 10 to 15 s (`backOffPeriod` of the kubelet, with its jitter), and both that and what
 * makes pods in ever longer pauses while an account, a webhook or a quota that is being changed is not there yet.
 */
export const graceMs = 20_000;

/** Whether an error of the cluster may be gone at the next look: it was not there, had too much to do, or broke. */
export function isPassing(error: unknown): boolean {
  if (isFailure(error, 'engine-unreachable', 'engine-timeout')) return true;
  const status = refusalOf(error)?.status ?? 0;
  return status === 429 || status >= 500;
}
