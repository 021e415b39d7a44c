import { isFailure } from '../../model/errors.ts';
import { refusalOf } from '../port.ts';

/** Whether an error of the cluster may be gone at the next try: it was not there, had too much to do, or broke. */
export function isPassing(error: unknown): boolean {
  if (isFailure(error, 'engine-unreachable', 'engine-timeout')) return true;
  const status = refusalOf(error)?.status ?? 0;
  return status === 429 || status >= 500;
}
