import type { Palette } from '../../terminal/palette.ts';
import { padEnd } from '../text.ts';

/** A name and its value, which may have several lines. */
export type Entry = readonly [name: string, value: string];

/** Groups of entries with a line between them, their values under one another. */
export function renderGroups(groups: readonly (readonly Entry[])[], palette: Palette): string {
  const width = Math.max(0, ...groups.flat().map(([name]) => name.length));
  const line = ([name, value]: Entry): string =>
    `  ${palette.quiet(padEnd(name, width))}  ${value.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`;
  return groups.map((group) => group.map(line).join('\n')).join('\n\n');
}
