import { findEngine } from '../../scripts/lib/ensure-engine.mjs';
import { makePrivateEngine, noPrivateEngine } from '../../scripts/lib/private-engine.mjs';

/**
 * An engine that may be restarted: others may work on the machine's.
 *
 * @param {string[]} images to copy from the machine's
 * @returns {Promise<import('../../scripts/lib/private-engine.mjs').PrivateEngine>}
 * @throws where none can be started, or none is there to copy from; the message says why
 */
export async function startOwnEngine(images) {
  const why = noPrivateEngine();
  const { host } = (await findEngine()) ?? {};
  if (why !== undefined || host === undefined) {
    throw new Error(`--restart-engine: ${why ?? 'there is no engine to copy the images from'}`);
  }
  return makePrivateEngine({ images, from: host });
}
