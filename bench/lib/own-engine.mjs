import { ensureBaseImages } from '../../scripts/lib/base-images.mjs';
import { findEngine } from '../../scripts/lib/ensure-engine.mjs';
import { makePrivateEngine, noPrivateEngine } from '../../scripts/lib/private-engine.mjs';

/** @returns {Promise<string | undefined>} why none can be started here; nothing where one can */
export async function noOwnEngine() {
  const found = await findEngine();
  return noPrivateEngine() ?? (found === undefined ? 'there is no engine to copy the images from' : undefined);
}

/**
 * An engine that may be restarted: others may work on the machine's.
 *
 * @param {string[]} images to copy from the machine's; what is not there is made
 * @returns {Promise<import('../../scripts/lib/private-engine.mjs').PrivateEngine>}
 * @throws where none can be started, or none is there to copy from; the message says why
 */
export async function startOwnEngine(images) {
  const why = await noOwnEngine();
  if (why !== undefined) throw new Error(`--restart-engine: ${why}`);
  const { host } = await findEngine();
  await ensureBaseImages(host, images, console.log);
  return makePrivateEngine({ images, from: host });
}
