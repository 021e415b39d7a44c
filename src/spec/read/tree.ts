import type { Position } from '../../model/diagnostics.ts';

/** A range of a file's text, in UTF-16 offsets; `end` is exclusive. */
export type Span = { readonly start: number; readonly end: number };

/** YAML as we use it: aliases and merge keys are resolved, every node knows where it was written. */
export type Tree =
  | { readonly kind: 'map'; readonly span: Span; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly span: Span; readonly items: readonly Tree[] }
  | ScalarTree;

export type ScalarTree = {
  readonly kind: 'scalar';
  readonly span: Span;
  readonly value: string | number | boolean | null;
  /** The value as written, without quotes: `3.10` stays `3.10`. */
  readonly text: string;
  /** Offset in the file of a part of `value`; undefined where escapes or folding changed it. */
  readonly sourceOffset: (index: number, length: number) => number | undefined;
};

export type Entry = {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: Tree;
  /** Came through a merge key (`<<`): a key that stands there itself wins over it. */
  readonly merged: boolean;
};

/** Turns offsets of one file into positions and lengths that never leave their line. */
export type Lines = {
  position(offset: number): Position;
  /** Characters of the span on its first line, at least 1. */
  length(span: Span): number;
};

/** Indexes the lines of `text`. */
export function indexLines(file: string, text: string): Lines {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const lineOf = (offset: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const clamp = (offset: number): number => Math.max(0, Math.min(offset, text.length));
  return {
    position(offset) {
      const line = lineOf(clamp(offset));
      return { file, line: line + 1, column: clamp(offset) - (starts[line] ?? 0) + 1 };
    },
    length(span) {
      const start = clamp(span.start);
      const next = starts[lineOf(start) + 1];
      const endOfLine = next === undefined ? text.length : next - 1;
      const end = Math.min(clamp(span.end), endOfLine);
      const shown = text.slice(start, end).trimEnd().length;
      return Math.max(1, shown);
    },
  };
}

/** Appends a key or an index to a path: `a.b`, `a[0]`, `a["odd key"]`. */
export function childPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}
