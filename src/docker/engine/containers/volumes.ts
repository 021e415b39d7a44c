import { LoomsError } from '../../../model/errors.ts';
import type { ProjectName } from '../../../model/ids.ts';
import { label } from '../../model/labels.ts';
import { ask, get, post, remove } from '../connection/ask.ts';
import { orNull, unlessInUse } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';

type InspectedVolume = { readonly Name: string; readonly Labels?: Readonly<Record<string, string>> | null };

/** All volumes with `text` in their name. */
export async function listVolumes(client: Client, text: string): Promise<readonly InspectedVolume[]> {
  type Answer = { readonly Volumes?: readonly InspectedVolume[] | null };
  const request = get('/volumes', { filters: { name: [text] } });
  const answer = await ask<Answer>(client, 'list volumes', request);
  return answer.Volumes ?? [];
}

/** Makes a named volume, or takes the project's own. Throws `engine-conflict` when another one has the name. */
export async function createVolume(
  client: Client,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const request = post('/volumes/create', {}, { Name: name, Labels: labels });
  const volume = await ask<InspectedVolume>(client, `create volume ${name}`, request);
  if (volume.Labels?.[label.project] === labels[label.project]) return;
  throw new LoomsError('engine-conflict', `a volume named ${name} is there that looms did not make`, {
    hint: 'name another volume in the spec, or copy its data and remove it',
  });
}

const inspectVolume = (client: Client, name: string): Promise<InspectedVolume | null> =>
  orNull(ask(client, `inspect volume ${name}`, get(`/volumes/${name}`)));

/** Whether a volume of that name is on the engine, whoever made it. */
export const hasVolume = async (client: Client, name: string): Promise<boolean> =>
  (await inspectVolume(client, name)) !== null;

/** Removes a volume unless a container uses it or it is gone already. */
export const removeUnusedVolume = (client: Client, name: string): Promise<boolean> =>
  unlessInUse(orNull(ask(client, `remove volume ${name}`, remove(`/volumes/${name}`))));

/** Removes a volume with its data; false when it is not the project's, or is in use. One that is gone is no error. */
export async function removeVolume(client: Client, project: ProjectName, name: string): Promise<boolean> {
  const volume = await inspectVolume(client, name);
  if (volume === null) return true;
  if (volume.Labels?.[label.project] !== project) return false;
  return unlessInUse(orNull(ask(client, `remove volume ${name}`, remove(`/volumes/${name}`))));
}
