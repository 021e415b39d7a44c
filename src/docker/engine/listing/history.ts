import { type GenerationOutcome, generationOutcomes } from '../../../model/engine.ts';
import { asContainerId, asServerName, type ContainerId, type ProjectName, shortId } from '../../../model/ids.ts';
import { label, type Role, recordName } from '../../model/labels.ts';
import type { GenerationRecord } from '../../model/observed.ts';
import { ask, post } from '../connection/ask.ts';
import { limits, orNull } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { engineTime } from '../connection/engine-clock.ts';
import { statusOf } from '../connection/errors.ts';
import {
  type InspectedContainer,
  imageIdOf,
  inspectContainer,
  inspectImage,
  type ListedContainer,
  listedName,
} from '../containers/inspected.ts';
import { isOurs } from '../containers/ownership.ts';
import { generationOf, type RecordReader, recordIn } from './observed-container.ts';

/** What a record says about its generation is what the generation's own container said about itself. */
const copied = [
  label.project,
  label.server,
  label.generation,
  label.spec,
  label.specHash,
  label.image,
  label.managedBy,
  label.source,
  label.hasShell,
  label.signature,
] as const;

/** Whether a listed container says that it is a record, and of which server. */
export const saysRecord = ({ Labels: labels }: ListedContainer): boolean =>
  labels?.[label.role] === ('history' satisfies Role) && labels[label.server] !== undefined;

/** Whether it also has a record's name: then it is no container that was made by hand of a record's image. */
export const isNamedRecord = (listed: ListedContainer, project: ProjectName): boolean => {
  const { [label.server]: server = '', [label.generation]: generation } = listed.Labels ?? {};
  const name = recordName(project, asServerName(server), generationOf(generation));
  return saysRecord(listed) && listedName(listed) === name;
};

/** A record from its listing alone. */
export function generationRecord(listed: ListedContainer, records: RecordReader): GenerationRecord {
  const labels = listed.Labels ?? {};
  const failure = labels[label.failure];
  const source = labels[label.source];
  const since = engineTime(labels[label.since]);
  return {
    id: asContainerId(listed.Id),
    name: listedName(listed),
    server: asServerName(labels[label.server] ?? ''),
    generation: generationOf(labels[label.generation]),
    outcome: generationOutcomes.find((one) => one === labels[label.outcome]) ?? 'replaced',
    ...(failure === undefined ? {} : { failure }),
    since: since === 0 ? undefined : since,
    until: listed.Created * 1000,
    specHash: labels[label.specHash] ?? '',
    ...recordIn(labels, imageIdOf(listed.ImageID), records),
    ...(source === undefined ? {} : { source }),
    imageRef: labels[label.image] ?? listed.Image,
    imageId: imageIdOf(listed.ImageID),
  };
}

type Recording = { readonly outcome: GenerationOutcome; readonly failure?: string };

/** The labels of a record, from those of the generation's container. */
function recordLabels(
  { Config: config, Created: created, Image: image }: InspectedContainer,
  { outcome, failure }: Recording,
) {
  const own = config.Labels ?? {};
  return {
    ...Object.fromEntries(copied.flatMap((key) => (own[key] === undefined ? [] : [[key, own[key]]]))),
    [label.role]: 'history' satisfies Role,
    [label.imageId]: imageIdOf(image),
    [label.outcome]: outcome,
    ...(failure === undefined ? {} : { [label.failure]: failure }),
    [label.since]: created,
    // An image may bring these into whatever is made of it; a record is no server to users of loom.
    [label.loomServer]: '',
    [label.loomType]: '',
  };
}

/** What the container's image declares as volumes; Podman's containers do not say. */
async function declaredVolumes(
  client: Client,
  { Config: config, Image: image }: InspectedContainer,
): Promise<readonly string[]> {
  if (client.engine.kind === 'docker') return Object.keys(config.Volumes ?? {});
  return Object.keys((await inspectImage(client, image))?.Config?.Volumes ?? {});
}

/**
 * Makes the record of a generation: a container of the same image that is created and never started, so that the image
 * stays for as long as the record does. A record that is there already stays as it is. false: the image is gone, or
 * the container is.
 * Throws `engine-conflict` when something else has the name.
 */
export async function recordGeneration(
  client: Client,
  id: ContainerId,
  { record, ...recording }: Recording & { readonly record: string },
): Promise<boolean> {
  const container = await inspectContainer(client, id);
  if (container === null) return false;
  const labels = recordLabels(container, recording);
  const volumes = await declaredVolumes(client, container);
  const body = {
    Image: container.Image,
    // It is never started; the engine only wants something to be named, and `docker ps --all` shows it.
    Entrypoint: ['looms', 'record', 'of', `generation-${container.Config.Labels?.[label.generation] ?? ''}`],
    Cmd: [],
    Labels: labels,
    HostConfig: {
      NetworkMode: 'none',
      // What an image declares as volumes would be made, and filled, for each record.
      Mounts: volumes.map((target) => ({ Type: 'tmpfs', Target: target })),
    },
  };
  const request = post('/containers/create', { name: record }, body);
  try {
    return (
      (await orNull(ask({ ...client, limitMs: limits.slow }, `record ${shortId(id)} as ${record}`, request))) !== null
    );
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    const holder = await inspectContainer(client, record);
    const held = holder?.Config.Labels ?? {};
    const isRecord = held[label.role] === 'history' && held[label.project] === container.Config.Labels?.[label.project];
    if (holder === null || !isRecord || !(await isOurs(client, holder))) throw error;
    return true;
  }
}
