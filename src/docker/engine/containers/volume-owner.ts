import { type ContainerId, type ImageId, shortId } from '../../../model/ids.ts';
import { label, type Role } from '../../model/labels.ts';
import { ask, askBytes, get, isTooLarge, post, remove } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { countEntries } from './archive-check.ts';
import { archive, type Owner, putFiles } from './container-files.ts';

/** Where the volume is mounted in the helper; the entry of the archive is this folder itself. */
const mountPoint = 'looms-volume';

type FreshVolume = {
  /** The volume's name on the engine. */
  readonly name: string;
  readonly owner: Owner;
  /** Any image that is on the engine; nothing of it is run. */
  readonly image: ImageId;
  /** Labels of the helper, so that one left behind is found. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels of the volume: a helper made after looms gave up brings it along, and it must be known for ours. */
  readonly volumeLabels: Readonly<Record<string, string>>;
  /** The volume was there before its container: what is in it may be somebody's data, and then it stays as it is. */
  readonly wasThere: boolean;
};

/**
 * Gives the root of a volume to `owner`, mode 755. The engine changes a mount point only as an entry of the folder above
 * it, and that folder is read-only in a server's container; so it is done in a helper that is never started. Podman
 * gives a fresh volume to the container's user by itself. A volume that was there and holds anything is left alone.
 * Throws what making, filling and removing a container throws.
 */
export async function giveVolume(client: Client, volume: FreshVolume): Promise<void> {
  if (client.engine.kind === 'podman') return;
  const id = await createHelper(client, volume);
  try {
    if (volume.wasThere && !(await isEmpty(client, id))) return;
    await putFiles(client, id, '/', [{ name: `${mountPoint}/`, mode: 0o755, ...volume.owner }]);
  } finally {
    // Also when the caller gave up: hence without its signal.
    await orNull(
      ask(unsignalled(client), `remove helper ${shortId(id)}`, remove(`/containers/${id}`, { force: true })),
    );
  }
}

/** An archive of more bytes than this is not one of an empty folder, which has 10 KiB at most. */
const emptyArchiveBytes = 64 * 1024;

async function isEmpty(client: Client, helper: ContainerId): Promise<boolean> {
  const request = { ...get(archive(helper), { path: `/${mountPoint}` }), mostBytes: emptyArchiveBytes };
  try {
    return (await countEntries(await askBytes(client, 'look into a volume', request))) <= 1;
  } catch (error) {
    if (isTooLarge(error)) return false;
    throw error;
  }
}

async function createHelper(client: Client, volume: FreshVolume): Promise<ContainerId> {
  const volumeOptions = { NoCopy: true, Labels: volume.volumeLabels };
  const body = {
    Image: volume.image,
    Entrypoint: ['-'],
    Labels: { ...volume.labels, [label.role]: 'helper' satisfies Role, [label.imageId]: volume.image },
    HostConfig: {
      NetworkMode: 'none',
      Mounts: [{ Type: 'volume', Source: volume.name, Target: `/${mountPoint}`, VolumeOptions: volumeOptions }],
    },
  };
  const what = `create a helper for volume ${volume.name}`;
  return (await ask<{ Id: ContainerId }>(client, what, post('/containers/create', {}, body))).Id;
}
