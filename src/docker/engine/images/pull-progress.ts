import type { StepProgress } from '../../../model/events.ts';
import type { StreamEntry } from './stream.ts';

type Layer = { readonly current: number; readonly total: number };

const layerIsThere = new Set(['Download complete', 'Pull complete', 'Already exists']);

/**
 * Merges what the engine says about each layer of a pull into one progress in bytes. Returns it when a whole percent
 * or the stage changed, else null: the engine reports many times a second for each layer.
 */
export function pullProgress(ref: string): (entry: StreamEntry) => StepProgress | null {
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
