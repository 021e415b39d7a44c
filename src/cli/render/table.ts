import type { Paint, Palette } from '../palette.ts';
import { displayWidth, padEnd, visible } from './text.ts';

export type Cell = string | { readonly text: string; readonly paint: Paint };

/** A cell is one line, whatever it holds. */
const textOf = (cell: Cell): string => visible(typeof cell === 'string' ? cell : cell.text);

/** Rows under quiet headers, columns aligned to their widest cell and two spaces apart. */
export function renderTable(headers: readonly string[], rows: readonly (readonly Cell[])[], palette: Palette): string {
  const widths = headers.map((header, column) =>
    Math.max(displayWidth(header), ...rows.map((row) => displayWidth(textOf(row[column] ?? '')))),
  );
  const line = (cells: readonly Cell[]): string => {
    // The last text is not padded: nothing stands behind it, and a narrow terminal would wrap the spaces.
    const last = cells.findLastIndex((cell) => textOf(cell) !== '');
    return cells
      .slice(0, last + 1)
      .map((cell, column) => {
        const padded = column === last ? textOf(cell) : padEnd(textOf(cell), widths[column] ?? 0);
        return typeof cell === 'string' ? padded : cell.paint(padded);
      })
      .join('  ');
  };
  return [line(headers.map((text) => ({ text, paint: palette.quiet }))), ...rows.map(line)].join('\n');
}
