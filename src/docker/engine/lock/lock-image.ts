import { label } from '../../../model/labels.ts';
import type { CallOptions } from '../../port.ts';
import { ask, askBytes } from '../connection/ask.ts';
import type { Connection } from '../connection/connection.ts';
import { packTar } from '../containers/tar.ts';
import { ignoringConflict } from '../images/ignore-conflict.ts';

/** An image of no bytes that the lock's container is made of: no engine has to pull or build for a lock. */
const lockImage = { repo: 'looms/lock', tag: 'v1' } as const;
/** How the lock's container names it. */
export const lockImageRef = `${lockImage.repo}:${lockImage.tag}`;

/** Makes the image; several may do so at once. */
export async function importLockImage(connection: Connection, options: CallOptions): Promise<void> {
  const query = { fromSrc: '-', ...lockImage, changes: `LABEL ${label.role}=lock` };
  const request = { method: 'POST', path: '/images/create', query, archive: packTar([]) } as const;
  await askBytes(connection, 'make the image of the lock', request, options);
  // Others may have made it at the same moment: only the last one keeps the tag, the rest would pile up.
  const filters = { dangling: ['true'], label: [`${label.role}=lock`] };
  // The engine prunes for one at a time and answers 409 to the others, whose work is then being done.
  const prune = { method: 'POST', path: '/images/prune', query: { filters } } as const;
  await ignoringConflict(() => ask(connection, 'tidy the images of the lock', prune, options));
}
