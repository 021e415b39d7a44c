import { LoomsError } from '../../../model/errors.ts';
import type { ImageFacts } from '../../../model/shape.ts';
import type { ProgressSink } from '../../port.ts';
import type { ImageAccess } from './access.ts';
import { type FindOptions, findImage } from './find.ts';
import { pullProgress } from './pull-progress.ts';
import { parseReference } from './reference.ts';
import { registryError } from './registry-errors.ts';
import { followStream } from './stream.ts';

/**
 * Pulls an image, with the user's credentials for its registry. Progress is in bytes over all layers.
 *
 * @throws LoomsError `image-not-found`, `registry-unauthorized`, `image-pull-failed`, `interrupted`, `engine-…`
 */
export async function pullImage(
  access: ImageAccess,
  ref: string,
  wanted: { readonly platform?: string },
  onProgress: ProgressSink,
  options: FindOptions = {},
): Promise<ImageFacts> {
  const { registry, name, version } = parseReference(ref);
  const credential = await access.credentials(registry);
  const what = `pull ${ref}`;
  const progress = pullProgress(ref);
  let refusal: string | undefined;
  onProgress({ text: `pulling ${ref}` });
  try {
    const send = (abortSignal: AbortSignal): Promise<NodeJS.ReadableStream> =>
      access.docker.createImage(credential.kind === 'found' ? credential.auth : undefined, {
        fromImage: name,
        tag: version,
        ...wanted,
        abortSignal,
      });
    await followStream(what, options, send, (entry) => {
      refusal ??= entry.errorDetail?.message ?? entry.error;
      const report = progress(entry);
      if (report !== null) onProgress(report);
    });
    if (refusal !== undefined) throw new LoomsError('engine-rejected', refusal);
  } catch (error) {
    throw error instanceof LoomsError ? registryError(ref, what, error, credential) : error;
  }
  const image = await findImage(access, ref, options);
  if (image === null) {
    throw new LoomsError('image-pull-failed', `the engine says that it pulled ${ref}, but does not have it`);
  }
  return image;
}
