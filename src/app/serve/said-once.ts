import type { Failure } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';

/**
 * Tells why a file cannot be used, once as long as that is the same: `worked` begins anew. A failure without a hint gets
 * that of `looms validate`.
 */
export function saidOnce(say: (failure: Pick<Failure, 'message'> & { readonly hint: string }) => void): {
  readonly failed: (error: unknown) => void;
  readonly worked: () => void;
} {
  let last: string | undefined;
  return {
    failed(error) {
      const { message, hint = '`looms validate` says more' } = failureOf(error);
      if (message !== last) say({ message, hint });
      last = message;
    },
    worked() {
      last = undefined;
    },
  };
}
