import { randomBytes } from 'node:crypto';
import { LoomsError } from '../../../model/errors.ts';
import { asContainerId, type ContainerId, type ImageId } from '../../../model/ids.ts';
import { isBound } from '../../model/claims.ts';
import { label } from '../../model/labels.ts';
import { ask, askBytes, head, post } from '../connection/ask.ts';
import { orNull } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';
import { archive } from '../containers/container-files.ts';
import { isBeingRemoved, removeContainer } from '../containers/containers.ts';
import { type InspectedContainer, imageIdOf, inspectContainer } from '../containers/inspected.ts';

/** Where the programs lie that an idle PID 1 and a session wrapper need: one of each list must be there. */
const needed = [['/bin/sh'], ['/bin/sleep', '/usr/bin/sleep']];

/** Marks the containers that are made for looking only. */
const probeLabel = 'looms.probe';

/** How often it is looked: more than once only where somebody else removed the probe. */
const mostLooks = 4;

/**
 * Looks whether an image has a shell and `sleep`: in the file system of a container that is made, never started, and
 * removed. Its name is the image's, so that one left behind by a process that died is found, used and removed by the
 * next that looks at this image, instead of adding up. Somebody else's container of that name is left alone. Whoever
 * lost it to another process that was done makes one of its own: of many that look at once, one would go on losing where
 * each step takes seconds, as on Podman.
 *
 * @throws LoomsError `engine-…`
 */
export async function probeShell(client: Client, id: ImageId): Promise<boolean> {
  for (let look = 1; look <= mostLooks; look += 1) {
    const answer = await probeOnce(client, id, look === 1);
    if (answer !== undefined) return answer;
  }
  throw new LoomsError('engine-conflict', `cannot look into image ${id}: its probe was removed by someone else`);
}

/** undefined: another process removed the probe meanwhile. `mayShare`: that of the image's own name is used, too. */
async function probeOnce(client: Client, id: ImageId, mayShare: boolean): Promise<boolean | undefined> {
  const name = `looms-probe-${id.replace(/^sha256:/, '').slice(0, 24)}`;
  const shared = mayShare ? await createProbe(client, id, name) : 'foreign';
  const probe =
    shared === 'foreign' ? await createProbe(client, id, `${name}-${randomBytes(4).toString('hex')}`) : shared;
  if (probe === null || probe === 'foreign') return undefined;
  try {
    for (const paths of needed) {
      let found = false;
      for (const path of paths) {
        const look = () => askBytes(client, `look for ${path} in image ${id}`, head(archive(probe), { path }));
        found ||= (await orNull(look())) !== null;
      }
      if (!found) return (await isWhole(client, probe)) ? false : undefined;
    }
    return true;
  } catch (error) {
    // A probe that another process removes at this moment: the containerd image store then answers 500.
    if (statusOf(error) === undefined || (await isWhole(client, probe))) throw error;
    return undefined;
  } finally {
    // Also when the caller gave up: hence without its signal. A removal by another process is waited for, since the name
    // stays taken until then: whoever came back at once would lose the same probe again and again.
    await removeContainer(unsignalled(client), probe);
  }
}

/**
 * The id of the probe; of the one that is there already, when another process looks at the same image or died; null
 * when that one went meanwhile, `foreign` when what has the name is no probe of ours. Never the name: it may mean another
 * container a moment later.
 */
async function createProbe(client: Client, id: ImageId, name: string): Promise<ContainerId | 'foreign' | null> {
  const body = {
    Image: id,
    Entrypoint: ['/bin/sh'],
    Labels: { [probeLabel]: 'true', [label.imageId]: id },
    HostConfig: { NetworkMode: 'none' },
  };
  const what = `create ${name}`;
  try {
    const made = await ask<{ Id: string }>(client, what, post('/containers/create', { name }, body));
    return asContainerId(made.Id);
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
  const other = await inspectContainer(client, name);
  if (other === null) return null;
  return isProbe(other, id) ? asContainerId(other.Id) : 'foreign';
}

/** Whether a container is a probe of this image: never started, with a label that no image can give (`isBound`). */
const isProbe = ({ Config: config, Image: image, State: state }: InspectedContainer, id: ImageId): boolean =>
  config.Labels?.[probeLabel] === 'true' &&
  isBound({ labels: config.Labels, imageId: imageIdOf(image) }) &&
  imageIdOf(image) === id &&
  ['created', 'removing', 'dead'].includes(state.Status ?? '');

/** The engine answers 404 for a file that is missing as for a container that is; one that is being removed counts as gone. */
async function isWhole(client: Client, probe: ContainerId): Promise<boolean> {
  const found = await inspectContainer(client, probe);
  return found !== null && !isBeingRemoved(found);
}
