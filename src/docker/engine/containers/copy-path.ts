import { basename, dirname } from 'node:path/posix';
import { shortId } from '../../../model/ids.ts';
import { ask, askBytes, askStream, get, head, put } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { checkedArchive } from './archive-check.ts';
import { archive, ownerOf, putFiles } from './container-files.ts';
import { inspectContainer } from './inspected.ts';

/** The server is down while its files are copied: more belongs into a volume. */
const largestCopyBytes = 1024 ** 3;
/** Packing and unpacking take the engine longer than its other answers, ms. */
const copyLimitMs = 600_000;

/**
 * Copies a path from one container to the same place in another; nothing when it is not there. It is passed on as it
 * comes, never held as a whole, and looked through on the way: no entry that would be written outside the path reaches
 * the other container; the engine itself unpacks within that one's own file system. Owners stay as they are; on Podman
 * everything belongs to the user of the container that it is copied to.
 * Throws `engine-rejected` above 1 GiB, for a path that is a link, and for an archive that leads out of the path. What
 * was written until then stays in the other container, which is of no use to anybody.
 */
export async function copyPath(client: Client, from: string, to: string, path: string): Promise<void> {
  const patient = { ...client, limitMs: copyLimitMs };
  const what = `copy ${path} of container ${shortId(from)}`;
  const packed = await orNull(askStream(patient, what, get(archive(from), { path })));
  if (packed === null) return;
  try {
    await makeFolder(client, to, dirname(path));
    // Podman's archives leave out owners; this makes everything the user's whom the container runs as.
    const owners = client.engine.kind === 'podman' ? { copyUIDGID: true } : {};
    const query = { path: dirname(path), ...owners };
    const checked = checkedArchive(packed, path, largestCopyBytes);
    await ask(patient, what, put(archive(to), query, checked));
  } finally {
    packed.destroy();
  }
}

/** Makes a folder, and those above it, for the container's user, as a server does that makes them itself. */
async function makeFolder(client: Client, container: string, folder: string): Promise<void> {
  const what = `look for ${folder} in container ${shortId(container)}`;
  const look = head(archive(container), { path: folder });
  if (folder === '/' || (await orNull(askBytes(client, what, look))) !== null) return;
  await makeFolder(client, container, dirname(folder));
  const user = (await inspectContainer(client, container))?.Config.User ?? '';
  const owner = await ownerOf(client, container, user);
  const entry = { name: `${basename(folder)}/`, mode: 0o755, ...owner };
  await putFiles(client, container, dirname(folder), [entry]);
}
