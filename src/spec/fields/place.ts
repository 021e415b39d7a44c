import type { Place } from '../../model/place.ts';
import { defined } from '../../model/values/defined.ts';
import type { SpecInput } from '../generated/validators.mjs';
import { type Reader, sortedRecord } from '../read/reader.ts';
import type { ReadServer } from './normalize.ts';

/** Labels as they are compared: `gpu: true` of a file is the text. */
export const labelsAsText = (
  labels: Readonly<Record<string, string | number | boolean>>,
): Readonly<Record<string, string>> =>
  sortedRecord(Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])));

/** Where a server may run; undefined where its spec says nothing of that. */
export function placeOf(reader: Reader, { place }: SpecInput, spec: ReadServer): Place | undefined {
  if (place === undefined) return undefined;
  const { engines, labels = {}, prefer = 'spread', on_lost: onLost = 'wait' } = place;
  const files = spec.mounts.some(({ type }) => type === 'volume')
    ? 'a named volume'
    : spec.lifecycle.preserve.length > 0
      ? 'lifecycle.preserve'
      : undefined;
  if (onLost === 'move' && files !== undefined) {
    reader.report({
      code: 'place-with-files',
      path: 'place.on_lost',
      message: `a server with ${files} cannot move from an engine that is lost: its files are there, and nobody can tell whether it still writes to them`,
      hint: 'write on_lost: wait, or keep its files outside of its engine',
    });
  }
  return { ...defined({ engines }), labels: labelsAsText(labels), prefer, onLost };
}
