/** A place in a source file; line and column start at 1. */
export type Position = { readonly file: string; readonly line: number; readonly column: number };

/** One finding about a spec file, with everything needed to show it as a code frame. */
export type Diagnostic = {
  readonly severity: 'error' | 'warning' | 'note';
  /** Stable kebab-case code, e.g. `unknown-key`. */
  readonly code: string;
  readonly message: string;
  readonly position: Position;
  /** Length of the marked text in characters, at least 1. */
  readonly length: number;
  /** Path in the document, e.g. `docker_backend.network.mode`; '' for the whole document. */
  readonly path: string;
  readonly hint?: string;
  /** Other places that belong to the finding, each shown with its own frame. */
  readonly related: readonly (Mark & { readonly message: string })[];
};

/** Text of a file that is marked. */
export type Mark = Pick<Diagnostic, 'position' | 'length'>;

/** Text of the files that diagnostics point into, for code frames. */
export type SourceText = { readonly file: string; readonly text: string };

/** Whether findings make a spec unusable. */
export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((diagnostic) => diagnostic.severity === 'error');
