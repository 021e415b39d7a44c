import { LoomsError } from '../../../model/errors.ts';
import type { ImageFacts } from '../../model/shape.ts';
import type { ProgressSink } from '../../port.ts';
import { post } from '../connection/ask.ts';
import { authHeaders } from './credentials.ts';
import { findImage, type ImageClient } from './find.ts';
import { moveLayers, pulled } from './layer-progress.ts';
import { parseReference } from './reference.ts';

/**
 * Pulls an image, with the user's credentials for its registry. Progress is in bytes over all layers.
 *
 * @throws LoomsError `image-not-found`, `registry-unauthorized`, `image-pull-failed`, `interrupted`, `engine-…`
 */
export async function pullImage(
  client: ImageClient,
  ref: string,
  wanted: { readonly platform?: string },
  onProgress: ProgressSink,
): Promise<ImageFacts> {
  const { registry, name, version } = parseReference(ref);
  const credential = await client.credentials(registry);
  const request = post('/images/create', { fromImage: name, tag: version, ...wanted });
  await moveLayers(client, ref, pulled, { ...request, headers: authHeaders(credential) }, credential, onProgress);
  // The registry may have had a newer one by then than what it answered last.
  client.digests.delete(ref);
  const image = await findImage(client, ref);
  if (image === null) {
    throw new LoomsError('image-pull-failed', `the engine says that it pulled ${ref}, but does not have it`);
  }
  return image;
}
