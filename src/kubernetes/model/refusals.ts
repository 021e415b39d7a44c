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

/** Whether the API server has no more of what is asked for (410): a watch from a version that is too old by now. */
export const isExpired = (error: unknown): boolean => refusalOf(error)?.status === 410;

/** Whether an error of the cluster may be gone at the next look: it was not there, had too much to do, or broke. */
export function isPassing(error: unknown): boolean {
  if (isFailure(error, 'engine-unreachable', 'engine-timeout')) return true;
  const status = refusalOf(error)?.status ?? 0;
  return status === 429 || status >= 500;
}
