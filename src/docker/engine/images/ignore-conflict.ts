import { LoomsError } from '../../../model/errors.ts';

/**
 * Removes a thing, and takes a conflict for done: it is the engine's or someone else's removal of it under way, or
 * their use of it.
 */
export async function ignoringConflict(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!(error instanceof LoomsError) || error.code !== 'engine-conflict') throw error;
  }
}
