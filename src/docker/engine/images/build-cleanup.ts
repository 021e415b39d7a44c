import { LoomsError } from '../../../model/errors.ts';
import { ask, remove } from '../connection/ask.ts';
import { ignoringConflict, orNull, poll } from '../connection/call.ts';
import type { Connection } from '../connection/connection.ts';
import { inspectContainer, inspectImage } from '../containers/inspected.ts';
import type { BuildLog } from './build-log.ts';

/** The engine kills and removes the container of a cut build by itself; it is waited for and helped this long, ms. */
const removalLimitMs = 20_000;
const pollMs = 100;

/**
 * Removes what a build that did not succeed left: the container of its last step, and the images of its steps. Only
 * what this build made goes: an id is taken from the build's output, which a RUN step can forge, so an image that has
 * a tag, or that is older than the build, stays.
 *
 * @param startedAt when the build began, on the engine's clock, ms since the epoch
 * @throws LoomsError `engine-…`
 */
export async function removeRemains(connection: Connection, log: BuildLog, startedAt: number): Promise<void> {
  const last = log.containers.at(-1);
  if (last !== undefined) await removeContainer(connection, last);
  for (const id of [...log.madeImages].reverse()) {
    const image = await inspectImage(connection, id, {});
    if (image === null || (image.RepoTags ?? []).length > 0 || Date.parse(image.Created) < startedAt) continue;
    // With `noprune` the parents stay, which may be someone else's build cache; ours come next in this loop.
    const removal = remove(`/images/${id}`, { noprune: true });
    await ignoringConflict(orNull(ask(connection, `remove image ${id}`, removal, {})));
  }
}

async function removeContainer(connection: Connection, id: string): Promise<void> {
  const tryIt = async (): Promise<true | undefined> => {
    if ((await inspectContainer(connection, id, {})) === null) return true;
    const removal = remove(`/containers/${id}`, { force: true, v: true });
    await ignoringConflict(orNull(ask(connection, `remove container ${id}`, removal, {})));
    return undefined;
  };
  if ((await poll(tryIt, { everyMs: pollMs, limitMs: removalLimitMs })) === true) return;
  throw new LoomsError('engine-timeout', `the build's container ${id} is still there`, {
    hint: `docker rm --force ${id}`,
  });
}
