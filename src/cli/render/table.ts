import type { Paint, Palette } from '../terminal/palette.ts';
import { displayWidth, padEnd, truncate, visible, wrap } from './text.ts';

export type Cell = string | { readonly text: string; readonly paint: Paint };

export type TableStyle = {
  readonly palette: Palette;
  /** Columns to keep within; undefined where nobody looks, and lines may be as long as they are. */
  readonly width?: number | undefined;
};

/** A cell is one line, whatever it holds. */
const textOf = (cell: Cell): string => visible(typeof cell === 'string' ? cell : cell.text);

/** Columns of which a part says nothing: a time without its minutes, half a verdict. */
const whole: ReadonlySet<string> = new Set([
  ...['SINCE', 'UNTIL', 'TIME', 'STATE', 'HEALTH', 'AGE', 'PROJECT', 'NAME', 'PROMISE', 'VERDICT'],
]);

/** Takes from the widest columns what is too much, but no header's width; from those that are read whole only in the end. */
function fitted(widths: readonly number[], headers: readonly string[], width: number): readonly number[] {
  const result = [...widths];
  let excess = result.reduce((sum, one) => sum + one + 2, -2) - width;
  for (; excess > 0; excess -= 1) {
    const open = result.map((one, column) => (one > displayWidth(headers[column] ?? '') ? one : 0));
    const others = open.map((one, column) => (whole.has(headers[column] ?? '') ? 0 : one));
    const spare = others.some((one) => one > 0) ? others : open;
    const widest = spare.indexOf(Math.max(...spare));
    if (spare[widest] === 0) return result;
    result[widest] = (result[widest] ?? 0) - 1;
  }
  return result;
}

const neededBy = (headers: readonly string[], rows: readonly (readonly Cell[])[]): readonly number[] =>
  headers.map((header, column) =>
    Math.max(displayWidth(header), ...rows.map((row) => displayWidth(textOf(row[column] ?? '')))),
  );

/** Text in lines of `width` columns, between words where that can be. */
function linesOf(text: string, width: number): readonly string[] {
  const lines = wrap(text, width).flatMap((line) => {
    const parts: string[] = [];
    let part = '';
    for (const character of line) {
      if (displayWidth(part + character) > width) {
        parts.push(part);
        part = '';
      }
      part += character;
    }
    return [...parts, part];
  });
  return lines.filter((line) => line !== '');
}

/** Rows for a table of `width` columns of which nothing may be cut: what does not fit into a cell goes on below it. */
export function continued(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  width: number,
): readonly (readonly Cell[])[] {
  const widths = fitted(neededBy(headers, rows), headers, width);
  return rows.flatMap((row) => {
    const lines = row.map((cell, column) => linesOf(textOf(cell), widths[column] ?? 1));
    return Array.from({ length: Math.max(...lines.map(({ length }) => length)) }, (_, line) =>
      row.map((cell, column): Cell => {
        const text = lines[column]?.[line] ?? '';
        return typeof cell === 'string' || text === '' ? text : { text, paint: cell.paint };
      }),
    );
  });
}

/** Rows under quiet headers, columns two spaces apart; `width`, where given, is kept by cutting the widest. */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  palette: Palette,
  width = Number.POSITIVE_INFINITY,
): string {
  const widths = fitted(neededBy(headers, rows), headers, width);
  const line = (cells: readonly Cell[]): string => {
    // The last text is not padded: nothing stands behind it, and a narrow terminal would wrap the spaces.
    const last = cells.findLastIndex((cell) => textOf(cell) !== '');
    return cells
      .slice(0, last + 1)
      .map((cell, column) => {
        const text = truncate(textOf(cell), widths[column] ?? 0);
        const padded = column === last ? text : padEnd(text, widths[column] ?? 0);
        return typeof cell === 'string' ? padded : cell.paint(padded);
      })
      .join('  ');
  };
  return [line(headers.map((text) => ({ text, paint: palette.quiet }))), ...rows.map(line)].join('\n');
}
