import { basename, dirname } from 'node:path/posix';
import { LoomsError } from '../../model/errors.ts';
import { shortId } from '../../model/ids.ts';
import type { CallOptions } from '../port.ts';
import { findEscape } from './archive-check.ts';
import { ask, askBytes, isTooLarge } from './ask.ts';
import { orNull } from './call.ts';
import type { Connection } from './connection.ts';
import { archive, ownerOf, putFiles } from './container-files.ts';
import { inspectContainer } from './containers.ts';

/** What is carried over is held in memory on its way. */
const largestCopyBytes = 1024 ** 3;
/** Packing and unpacking take the engine longer than its other answers, ms. */
const copyLimitMs = 600_000;

/**
 * Copies a path from one container to the same place in another; nothing when it is not there. What would be written
 * outside the path is refused before anything is; the engine itself unpacks within the container's own file system.
 * Owners stay as they are; on Podman everything belongs to the user of the container that it is copied to.
 * Throws `engine-rejected` above 1 GiB, for a path that is a link, and for an archive that leads out of the path.
 */
export async function copyPath(
  connection: Connection,
  from: string,
  to: string,
  path: string,
  options: CallOptions,
): Promise<void> {
  const bound = { ...options, limitMs: copyLimitMs };
  const what = `copy ${path} of container ${shortId(from)}`;
  const packed = await readWhole(connection, from, path, bound);
  if (packed === null) return;
  const problem = await findEscape(packed, path);
  if (problem !== undefined) {
    throw new LoomsError('engine-rejected', `${path} of container ${shortId(from)} cannot be copied: ${problem}`, {
      hint: 'name in lifecycle.preserve the folder itself that holds the files',
    });
  }
  // Podman's archives leave out owners; this makes everything the user's whom the container runs as.
  const owners = connection.engine.kind === 'podman' ? { copyUIDGID: true } : {};
  const query = { path: dirname(path), ...owners };
  const request = { method: 'PUT', path: archive(to), query, archive: packed } as const;
  await makeFolder(connection, to, dirname(path), options);
  await ask(connection, what, request, bound);
}

async function readWhole(
  connection: Connection,
  container: string,
  path: string,
  options: CallOptions,
): Promise<Buffer | null> {
  const what = `copy ${path} of container ${shortId(container)}`;
  const query = { path };
  const request = { method: 'GET', path: archive(container), query, mostBytes: largestCopyBytes } as const;
  try {
    return await orNull(askBytes(connection, what, request, options));
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    throw new LoomsError('engine-rejected', `${path} of container ${shortId(container)} is larger than 1 GiB`, {
      hint: 'keep it in a named volume instead of lifecycle.preserve',
      cause: error,
    });
  }
}

/**
 * Makes a folder and those above it that an image does not have, for the container's user: a server that made them
 * itself made them for the same user.
 */
async function makeFolder(
  connection: Connection,
  container: string,
  folder: string,
  options: CallOptions,
): Promise<void> {
  const what = `look for ${folder} in container ${shortId(container)}`;
  const request = { method: 'HEAD', path: archive(container), query: { path: folder } } as const;
  if (folder === '/' || (await orNull(askBytes(connection, what, request, options))) !== null) return;
  await makeFolder(connection, container, dirname(folder), options);
  const user = (await inspectContainer(connection, container, options))?.Config.User ?? '';
  const owner = await ownerOf(connection, container, user, options);
  const entry = { name: `${basename(folder)}/`, mode: 0o755, ...owner };
  await putFiles(connection, container, dirname(folder), [entry], options);
}
