import { asContainerId, asProjectName } from '../../../model/ids.ts';
import { label, type Role } from '../../../model/labels.ts';
import type { BuiltImages, CallOptions } from '../../port.ts';
import { ask } from '../connection/ask.ts';
import type { Connection } from '../connection/connection.ts';
import { imageIdOf } from '../containers/docker-to-shape.ts';
import { listContainers } from '../listing/listing.ts';

type ListedImage = { readonly Id: string; readonly RepoTags?: readonly string[] | null };

/** As recipes name what is built (`imageRef`); Podman puts `localhost/` before it. */
const recipeName = /^(?:localhost\/)?looms\/[a-z]+:[0-9a-f]{32}$/;

/**
 * All images that looms built: they have its label and the name of a recipe, and no other. What somebody made of one of
 * them has the label, too.
 */
export async function listBuiltImages(connection: Connection, options: CallOptions): Promise<BuiltImages> {
  const request = { method: 'GET', path: '/images/json', query: { filters: { label: [label.managedBy] } } } as const;
  const [images, containers] = await Promise.all([
    ask<readonly ListedImage[]>(connection, 'list images', request, options),
    listContainers(connection, {}, options),
  ]);
  const lock: Role = 'lock';
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
    locked: containers.flatMap(({ Labels: labels }) =>
      labels?.[label.role] === lock ? [asProjectName(labels[label.project] ?? '')] : [],
    ),
  };
}
