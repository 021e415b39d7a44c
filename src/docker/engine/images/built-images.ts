import { isFailure } from '../../../model/errors.ts';
import { asContainerId, type ImageId } from '../../../model/ids.ts';
import { readClaim } from '../../model/claims.ts';
import { label } from '../../model/labels.ts';
import type { BuiltImages } from '../../model/observed.ts';
import { ask, askList, get, remove } from '../connection/ask.ts';
import { orNull, unlessInUse } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { imageIdOf, inspectImage, listContainers } from '../containers/inspected.ts';
import { isSameName } from './reference.ts';

type ListedImage = { readonly Id: string; readonly RepoTags?: readonly string[] | null };

/** As recipes name what is built (`imageRef`); Podman puts `localhost/` before it. */
const recipeName = /^(?:localhost\/)?looms\/[a-z]+:[0-9a-f]{32}$/;

/** Images that looms built, told by its label and a recipe's name: what is made of one has the label too. */
export async function listBuiltImages(client: Client): Promise<BuiltImages> {
  const request = get('/images/json', { filters: { label: [label.managedBy] } });
  const [images, containers] = await Promise.all([
    askList<ListedImage>(client, 'list images', request),
    listContainers(client, {}),
  ]);
  return {
    images: images
      .flatMap(({ Id, RepoTags: tags }) => {
        const id = imageIdOf(Id);
        const [ref] = tags ?? [];
        if (ref === undefined || !(tags ?? []).every((tag) => recipeName.test(tag))) return [];
        const users = containers.filter(({ ImageID: image }) => imageIdOf(image) === id);
        return [{ id, ref, users: users.map((one) => asContainerId(one.Id)) }];
      })
      .sort((a, b) => (a.ref < b.ref ? -1 : 1)),
    locked: containers.flatMap(({ Labels: labels }) => {
      const claim = readClaim(labels ?? {});
      return claim?.role === 'lock' ? [claim.project] : [];
    }),
  };
}

/** Removes a built image. false: looms did not build it, it has another name, or is in use. One gone is no error. */
export async function removeBuiltImage(client: Client, id: ImageId, ref: string): Promise<boolean> {
  const image = await inspectImage(client, id);
  if (image === null) return true;
  const names = image.RepoTags ?? [];
  if (image.Config?.Labels?.[label.managedBy] === undefined || names.some((name) => !isSameName(name, ref)))
    return false;
  try {
    // By its id and without force: the engine refuses while a container is made of it, also one that does not run.
    return await unlessInUse(orNull(ask(client, `remove image ${ref}`, remove(`/images/${id}`))));
  } catch (error) {
    // With an image the engine takes what only its build had left. Where another removal was quicker with such a part, the
    // engine says `unrecognized image ID` (20.10), once this image is gone.
    if (!isFailure(error, 'engine-rejected') || (await inspectImage(client, id)) !== null) throw error;
    return true;
  }
}
