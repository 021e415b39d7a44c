import { LoomsError } from '../../../model/errors.ts';
import type { StepProgress } from '../../../model/events.ts';
import type { ImageFacts } from '../../model/shape.ts';
import type { ProgressSink } from '../../port.ts';
import { post } from '../connection/ask.ts';
import { authHeaders } from './credentials.ts';
import { findImage, type ImageClient } from './find.ts';
import { parseReference } from './reference.ts';
import { registryError } from './registry.ts';
import { followStream, type StreamEntry } from './stream.ts';

/**
 * Pulls an image, with the user's credentials for its registry. Progress is in bytes over all layers.
 *
 * @throws LoomsError `image-not-found`, `registry-unauthorized`, `image-pull-failed`, `interrupted`, `engine-…`
 */
export async function pullImage(
  client: ImageClient,
  ref: string,
  wanted: { readonly platform?: string },
  onProgress: ProgressSink,
): Promise<ImageFacts> {
  const { registry, name, version } = parseReference(ref);
  const credential = await client.credentials(registry);
  const what = `pull ${ref}`;
  const progress = pullProgress(ref);
  let refusal: string | undefined;
  onProgress({ text: `pulling ${ref}` });
  try {
    const request = post('/images/create', { fromImage: name, tag: version, ...wanted });
    const withAuth = { ...request, headers: authHeaders(credential) };
    await followStream(client, what, withAuth, (entry) => {
      refusal ??= entry.errorDetail?.message ?? entry.error;
      const report = progress(entry);
      if (report !== null) onProgress(report);
    });
    if (refusal !== undefined) throw new LoomsError('engine-rejected', refusal);
  } catch (error) {
    throw error instanceof LoomsError ? registryError(ref, what, error, credential) : error;
  }
  // The registry may have had a newer one by then than what it answered last.
  client.digests.delete(ref);
  const image = await findImage(client, ref);
  if (image === null) {
    throw new LoomsError('image-pull-failed', `the engine says that it pulled ${ref}, but does not have it`);
  }
  return image;
}

type Layer = { readonly current: number; readonly total: number };

const layerIsThere = new Set(['Download complete', 'Pull complete', 'Already exists']);

/** A pull's layers as one progress in bytes; null while neither a whole percent nor the stage changed. */
function pullProgress(ref: string): (entry: StreamEntry) => StepProgress | null {
  const layers = new Map<string, Layer>();
  let shown = '';
  return ({ id, status, progressDetail }) => {
    if (id === undefined || status === undefined) return null;
    const { current, total } = progressDetail ?? {};
    const known = layers.get(id);
    if (status === 'Downloading' && current !== undefined && total !== undefined && total > 0) {
      layers.set(id, { current, total });
    } else if (layerIsThere.has(status) && known !== undefined) {
      layers.set(id, { current: known.total, total: known.total });
    } else if (status !== 'Extracting') {
      return null;
    }
    const done = sum(layers, (layer) => layer.current);
    const all = sum(layers, (layer) => layer.total);
    const stage = status === 'Extracting' && done === all ? 'extracting' : 'pulling';
    const key = `${stage} ${all === 0 ? 0 : Math.floor((100 * done) / all)}`;
    if (key === shown) return null;
    shown = key;
    return all === 0 ? { text: `${stage} ${ref}` } : { text: `${stage} ${ref}`, current: done, total: all };
  };
}

const sum = (layers: ReadonlyMap<string, Layer>, of: (layer: Layer) => number): number =>
  [...layers.values()].reduce((total, layer) => total + of(layer), 0);
