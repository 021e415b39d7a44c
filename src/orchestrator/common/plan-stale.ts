import { LoomsError } from '../../model/errors.ts';

/** That a plan which was made anew under the lock is another than the one that was confirmed. */
export const planStale = (message: string, detail: readonly string[] = []): LoomsError =>
  new LoomsError('plan-stale', message, {
    detail,
    hint: 'run the command again to see what it would do now; nothing was changed',
  });
