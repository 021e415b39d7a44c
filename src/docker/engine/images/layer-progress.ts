import type { StepProgress } from '../../../model/events.ts';
import type { StreamEntry } from './stream.ts';

/** How the engine tells of layers that it moves, and what that is to people. */
type Movement = {
  /** `pulling`. */
  readonly doing: string;
  /** The status of a layer under way. */
  readonly moving: string;
  /** Those of a layer that needs nothing more. */
  readonly ended: ReadonlySet<string>;
  /** What comes after all bytes are here, by its status and its word; absent: nothing. */
  readonly after?: { readonly status: string; readonly doing: string };
};

export const pulled: Movement = {
  doing: 'pulling',
  moving: 'Downloading',
  ended: new Set(['Download complete', 'Pull complete', 'Already exists']),
  after: { status: 'Extracting', doing: 'extracting' },
};

export const pushed: Movement = {
  doing: 'pushing',
  moving: 'Pushing',
  ended: new Set(['Pushed', 'Layer already exists']),
};

type Layer = { readonly current: number; readonly total: number };

/** Layers that are moved as one progress in bytes; null while neither a whole percent nor the stage changed. */
export function layerProgress(
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
