import type { Palette } from '../terminal/palette.ts';
import { wrap } from './text.ts';

/** Fewer that are equal are shown one by one: they are read faster than they are counted. */
const fewest = 4;

/** Brings together what is equal but for its name, each group at its first; groups below `least` stay single. */
export function alike<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  least = fewest,
): readonly (readonly [T, ...T[]])[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  const small = (item: T): boolean => (groups.get(keyOf(item))?.length ?? 0) < least;
  return items.flatMap((item) => {
    const group = groups.get(keyOf(item));
    if (small(item) || group === undefined) return [[item]];
    return group[0] === item ? [group] : [];
  });
}

/** The others of a group, counted and named, below the one that is shown in full: `and 3 more: b, c, d`. */
export const othersOf = (
  names: readonly string[],
  indent: string,
  { palette, width }: { readonly palette: Palette; readonly width: number },
): readonly string[] =>
  names.length === 0
    ? []
    : wrap(`${indent}and ${names.length} more: ${names.join(', ')}`, width).map((line) => palette.quiet(line));
