import type { Diagnostic, Mark } from '../../model/diagnostics.ts';
import { hideCredentials } from '../../model/secrets/hide-credentials.ts';
import type { Lines, Span } from './tree.ts';

/** A finding before its offsets became lines and columns. */
export type Finding = {
  readonly severity?: Diagnostic['severity'];
  readonly code: string;
  readonly message: string;
  readonly span: Span;
  readonly path: string;
  readonly hint?: string | undefined;
  readonly related?: readonly { readonly span: Span; readonly message: string }[];
};

export const markOf = (lines: Lines, span: Span): Mark => ({
  position: lines.position(span.start),
  length: lines.length(span),
});

/** Turns a finding into the diagnostic that callers see; an error unless it says otherwise. */
export function asDiagnostic(lines: Lines, finding: Finding): Diagnostic {
  return {
    severity: finding.severity ?? 'error',
    code: finding.code,
    message: finding.message,
    ...markOf(lines, finding.span),
    path: hideCredentials(finding.path),
    ...(finding.hint === undefined ? {} : { hint: finding.hint }),
    related: (finding.related ?? []).map(({ span, message }) => ({ ...markOf(lines, span), message })),
  };
}

/** Orders by file (as given), line and column, so that the same input gives the same list. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[], files: readonly string[]): readonly Diagnostic[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const order = (one: Diagnostic): number => rank.get(one.position.file) ?? files.length;
  return diagnostics.toSorted(
    (a, b) =>
      order(a) - order(b) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column ||
      (a.code < b.code ? -1 : a.code > b.code ? 1 : 0),
  );
}

/** Plain text, one line a diagnostic with its related places and hint; for tests and logs, without code frames. */
export function describeDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return diagnostics
    .map((one) => {
      const at = `${one.position.file}:${one.position.line}:${one.position.column}`;
      const path = one.path === '' ? '' : ` ${one.path}:`;
      const related = one.related
        .map((place) => ` [${place.position.file}:${place.position.line}:${place.position.column} ${place.message}]`)
        .join('');
      const hint = one.hint === undefined ? '' : ` (hint: ${one.hint})`;
      return `${at} ${one.severity}[${one.code}]${path} ${one.message}${related}${hint}`;
    })
    .join('\n');
}
