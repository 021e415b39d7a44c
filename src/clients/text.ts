/** What a file holds, or at which line (from 1) it is broken and how. */
export type ReadText =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly line: number; readonly message: string };

/** Edits of a format's text that leave alone all that is not asked for. What came of them is checked by their caller. */
export type FormatText = {
  /** An empty text is an empty object. */
  readonly read: (text: string) => ReadText;
  /** The text with this value there, in the place of one that is there. */
  readonly put: (text: string, path: readonly [string, string], value: unknown) => string;
  readonly take: (text: string, path: readonly [string, string]) => string;
  /** A text with nothing else in it. */
  readonly print: (path: readonly [string, string], value: unknown) => string;
};

/** The line of an offset, from 1. */
export const atOffset = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
