import type { ImageId } from '../../../model/ids.ts';
import type { ProgressSink } from '../../port.ts';
import { ask, post, remove } from '../connection/ask.ts';
import { orNull, unlessInUse } from '../connection/call.ts';
import { unsignalled } from '../connection/connection.ts';
import { inspectImage } from '../containers/inspected.ts';
import { authHeaders, type Credential } from './credentials.ts';
import type { ImageClient } from './find.ts';
import { moveLayers, pushed } from './layer-progress.ts';
import { parseReference } from './reference.ts';

/** An engine that is given no credentials for a push looks for them in the request's body, and refuses one without. */
const pushHeaders = (credential: Credential): Readonly<Record<string, string>> => ({
  'X-Registry-Auth': Buffer.from('{}').toString('base64'),
  ...authHeaders(credential),
});

/**
 * Brings an image to the registry that `ref` names, with the user's credentials for it. Progress is in bytes over all layers.
 * The engine pushes by a name alone: the image has it meanwhile, and not after, so that `looms prune` still knows it as one
 * that looms built. The digest that it has there, where the engine tells it.
 *
 * @throws LoomsError `registry-unauthorized`, `image-push-failed`, `image-not-found` where the image is gone, `interrupted`,
 *   `engine-…`
 */
export async function pushImage(
  client: ImageClient,
  id: ImageId,
  ref: string,
  onProgress: ProgressSink,
): Promise<string | undefined> {
  const { registry, name, version } = parseReference(ref);
  const credential = await client.credentials(registry);
  const wasNamed = (await inspectImage(client, ref)) !== null;
  await ask(client, `name image ${ref}`, post(`/images/${id}/tag`, { repo: name, tag: version }));
  try {
    const request = { ...post(`/images/${name}/push`, { tag: version }), headers: pushHeaders(credential) };
    return await moveLayers(client, ref, pushed, request, credential, onProgress);
  } finally {
    if (!wasNamed) await forgetName(client, ref);
  }
}

/** Takes a name away, and not the image, which has its own. What became of the push matters more than a name that stays. */
async function forgetName(client: ImageClient, ref: string): Promise<void> {
  const request = remove(`/images/${ref}`, { noprune: true });
  await unlessInUse(orNull(ask(unsignalled(client), `take the name ${ref} away`, request))).catch(() => {});
}
