import { call, callStreaming, openCall } from './engine-api.mjs';

/**
 * @param {string} host
 * @returns {Promise<string[]>} the tags of the images that looms built on this engine; each engine gets its own
 *   empty image for locks, so that one is left out
 */
export async function derivedImages(host) {
  const query = new URLSearchParams({ filters: JSON.stringify({ reference: ['looms/*'] }) });
  const { body } = await call(host, { path: `/images/json?${query}` });
  const tags = body.flatMap((image) => image.RepoTags ?? []);
  return tags.filter((tag) => !tag.includes('<none>') && !tag.startsWith('looms/lock:'));
}

/**
 * Copies images from one engine to another, as `docker save | docker load` does.
 *
 * @param {string} from
 * @param {string} to
 * @param {string[]} tags
 */
export async function copyImages(from, to, tags) {
  const query = new URLSearchParams(tags.map((tag) => ['names', tag]));
  const saved = await openCall(from, { path: `/images/get?${query}` });
  if (saved.statusCode !== 200) throw new Error(`cannot save ${tags.join(', ')}: status ${saved.statusCode}`);
  const headers = { 'Content-Type': 'application/x-tar' };
  await callStreaming(to, { method: 'POST', path: '/images/load?quiet=1', headers, body: saved });
}
