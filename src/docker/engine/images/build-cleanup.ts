import { LoomsError } from '../../../model/errors.ts';
import { call, callOrNull } from '../connection/call.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { poll } from '../connection/poll.ts';
import type { ImageAccess } from './access.ts';
import type { BuildLog } from './build-log.ts';
import { dialJson } from './dial.ts';
import { inspectImage } from './find.ts';
import { ignoringConflict } from './ignore-conflict.ts';

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
export async function removeRemains(access: ImageAccess, log: BuildLog, startedAt: number): Promise<void> {
  const last = log.containers.at(-1);
  if (last !== undefined) await removeContainer(access, last);
  for (const id of [...log.madeImages].reverse()) {
    const image = await inspectImage(access.docker, id, {});
    if (image === null || (image.RepoTags ?? []).length > 0 || Date.parse(image.Created) < startedAt) continue;
    // With `noprune` the parents stay, which may be someone else's build cache; ours come next in this loop.
    await ignoringConflict(() =>
      callOrNull(`remove image ${id}`, {}, (abortSignal) =>
        access.docker.getImage(id).remove({ noprune: true, abortSignal }),
      ),
    );
  }
}

/**
 * The time on the engine's clock, ms since the epoch (ages are never measured against ours). One that tells
 * none is at no time: then no image counts as made by this build, and none is removed.
 */
export async function engineNow(access: ImageAccess): Promise<number> {
  const info = await call('ask the engine for its time', {}, (abortSignal) =>
    dialJson(access.docker, '/info', { abortSignal }),
  );
  const { SystemTime: time } = info as { SystemTime?: string };
  return engineTime(time) || Number.POSITIVE_INFINITY;
}

async function removeContainer(access: ImageAccess, id: string): Promise<void> {
  const container = access.docker.getContainer(id);
  const tryIt = async (): Promise<true | undefined> => {
    const found = await callOrNull(`look at container ${id}`, {}, (abortSignal) => container.inspect({ abortSignal }));
    if (found === null) return true;
    await ignoringConflict(() =>
      callOrNull(`remove container ${id}`, {}, (abortSignal) =>
        container.remove({ force: true, v: true, abortSignal }),
      ),
    );
    return undefined;
  };
  if ((await poll(tryIt, { everyMs: pollMs, limitMs: removalLimitMs })) === true) return;
  throw new LoomsError('engine-timeout', `the build's container ${id} is still there`, {
    hint: `docker rm --force ${id}`,
  });
}
