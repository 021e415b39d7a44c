import type { ImageId } from '../../../model/ids.ts';
import { label } from '../../../model/labels.ts';
import type { CallOptions } from '../../port.ts';
import { callOrNull } from '../connection/call.ts';
import { statusOf } from '../connection/errors.ts';
import type { ImageAccess } from './access.ts';
import { inspectImage } from './find.ts';
import { isSameName } from './reference.ts';

/**
 * Removes an image that looms built under `ref`, with those layers that nothing else needs. false: it stays, because
 * looms did not build it, it has another name too, or a container of anyone is made of it. One that is gone already is
 * no error.
 */
export async function removeBuiltImage(
  access: ImageAccess,
  id: ImageId,
  ref: string,
  options: CallOptions,
): Promise<boolean> {
  const image = await inspectImage(access.docker, id, options);
  if (image === null) return true;
  const names = image.RepoTags ?? [];
  if (image.Config?.Labels?.[label.managedBy] === undefined || names.some((name) => !isSameName(name, ref)))
    return false;
  try {
    // By its id and without force: the engine refuses while a container is made of it, also one that does not run.
    await callOrNull(`remove image ${ref}`, options, (abortSignal) =>
      access.docker.getImage(id).remove({ abortSignal }),
    );
    return true;
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    return false;
  }
}
