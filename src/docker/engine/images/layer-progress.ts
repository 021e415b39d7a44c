import { LoomsError } from '../../../model/errors.ts';
import type { StepProgress } from '../../../model/events.ts';
import type { ProgressSink } from '../../port.ts';
import type { ApiRequest } from '../connection/ask.ts';
import type { Client } from '../connection/connection.ts';
import type { Credential } from './credentials.ts';
import { type Purpose, pulling, pushing, registryError } from './registry.ts';
import { followStream, type StreamEntry } from './stream.ts';

/** How the engine tells of layers that it moves, and what that is to people. */
type Movement = {
  /** `pull`. */
  readonly act: string;
  /** `pulling`. */
  readonly doing: string;
  /** In the words of what its failures are. */
  readonly purpose: Purpose;
  /** The status of a layer under way. */
  readonly moving: string;
  /** Those of a layer that needs nothing more. */
  readonly ended: ReadonlySet<string>;
  /** What comes after all bytes are here, by its status and its word; absent: nothing. */
  readonly after?: { readonly status: string; readonly doing: string };
};

export const pulled: Movement = {
  act: 'pull',
  doing: 'pulling',
  purpose: pulling,
  moving: 'Downloading',
  ended: new Set(['Download complete', 'Pull complete', 'Already exists']),
  after: { status: 'Extracting', doing: 'extracting' },
};

export const pushed: Movement = {
  act: 'push',
  doing: 'pushing',
  purpose: pushing,
  moving: 'Pushing',
  ended: new Set(['Pushed', 'Layer already exists']),
};

/**
 * Follows a request that moves an image, with progress in bytes over all layers; the digest that a registry gave it, where the
 * engine told that. Throws what its registry refuses it with
 * (`registryError`), and as `followStream` does.
 */
export async function moveLayers(
  client: Client,
  ref: string,
  movement: Movement,
  request: ApiRequest,
  credential: Credential,
  onProgress: ProgressSink,
): Promise<string | undefined> {
  const what = `${movement.act} ${ref}`;
  const progress = layerProgress(ref, movement);
  let refusal: string | undefined;
  let digest: string | undefined;
  onProgress({ text: `${movement.doing} ${ref}` });
  try {
    await followStream(client, what, request, (entry) => {
      refusal ??= entry.errorDetail?.message ?? entry.error;
      if (typeof entry.aux?.Digest === 'string') digest = entry.aux.Digest;
      const report = progress(entry);
      if (report !== null) onProgress(report);
    });
    if (refusal !== undefined) throw new LoomsError('engine-rejected', refusal);
    return digest;
  } catch (error) {
    throw error instanceof LoomsError ? registryError(ref, what, error, credential, movement.purpose) : error;
  }
}

type Layer = { readonly current: number; readonly total: number };

/** Layers that are moved as one progress in bytes; null while neither a whole percent nor the stage changed. */
function layerProgress(
  ref: string,
  { doing, moving, ended, after }: Movement,
): (entry: StreamEntry) => StepProgress | null {
  const layers = new Map<string, Layer>();
  let shown = '';
  return ({ id, status, progressDetail }) => {
    if (id === undefined || status === undefined) return null;
    const { current, total } = progressDetail ?? {};
    const known = layers.get(id);
    if (status === moving && current !== undefined && total !== undefined && total > 0) {
      layers.set(id, { current: Math.min(current, total), total });
    } else if (ended.has(status) && known !== undefined) {
      layers.set(id, { current: known.total, total: known.total });
    } else if (status !== after?.status) {
      return null;
    }
    const done = sum(layers, (layer) => layer.current);
    const all = sum(layers, (layer) => layer.total);
    const stage = after !== undefined && status === after.status && done === all ? after.doing : doing;
    const key = `${stage} ${all === 0 ? 0 : Math.floor((100 * done) / all)}`;
    if (key === shown) return null;
    shown = key;
    return all === 0 ? { text: `${stage} ${ref}` } : { text: `${stage} ${ref}`, current: done, total: all };
  };
}

const sum = (layers: ReadonlyMap<string, Layer>, of: (layer: Layer) => number): number =>
  [...layers.values()].reduce((total, layer) => total + of(layer), 0);
