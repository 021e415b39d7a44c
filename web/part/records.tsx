import type { ComponentChildren } from 'preact';
import { Wide } from './notes.tsx';

/** A column of a table: its head, and the cell of an entry. */
export type Column<T> = {
  readonly head: ComponentChildren;
  readonly cell: (entry: T) => ComponentChildren;
  /** Numbers stand at the right. */
  readonly isNumber?: true;
  /** The tone of a cell: `quiet`, `warn`, `bad`. */
  readonly tone?: (entry: T) => string;
};

type RecordsProps<T> = {
  /** What the entries are, for who does not see the table. */
  readonly label: string;
  readonly entries: readonly T[];
  readonly keyOf: (entry: T, at: number) => string;
  readonly columns: readonly Column<T>[];
};

/** Entries that all have the same columns. */
export function Records<T>({ label, entries, keyOf, columns }: RecordsProps<T>) {
  return (
    <Wide label={label}>
      <table class="records">
        <thead>
          <tr>
            {columns.map(({ head, isNumber }, at) => (
              <th key={at} scope="col" class={isNumber ? 'number' : ''}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map((entry, row) => (
            <tr key={keyOf(entry, row)}>
              {columns.map(({ head, cell, isNumber, tone }, at) => (
                <td key={at} class={[isNumber ? 'number' : '', tone?.(entry) ?? ''].join(' ').trim()}>
                  {/* Where there is no room for the heads, each number says what it is. */}
                  {isNumber ? (
                    <span class="own-head quiet" aria-hidden="true">
                      {head}{' '}
                    </span>
                  ) : null}
                  {cell(entry)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
