import type { Diagnostic, Position } from '../../model/diagnostics.ts';
import { type CheckedDocument, checkDocument, type DocumentKind } from './document.ts';
import { asDiagnostic, sortDiagnostics } from './findings.ts';
import { parseDocuments } from './parse.ts';
import type { Reader } from './reader.ts';
import { indexLines } from './tree.ts';

/** Where the parts of a document stand; lines from 1. */
export type Located = {
  readonly reader: Reader;
  readonly lineOf: (path: string) => number;
  readonly placeOf: (path: string) => { readonly position: Position; readonly length: number };
};

/**
 * Reads a file of settings, which is one document; `read` makes something of it, also of one without
 * content. Never throws.
 *
 * @param kind what such a file is called, and what its schema says
 */
export function readSettings<Input, T>(
  file: { readonly file: string; readonly directory: string; readonly text: string },
  context: { readonly environment: Readonly<Record<string, string | undefined>> },
  kind: Pick<DocumentKind, 'shape' | 'validator'> & {
    readonly called: string;
    /** Which of its texts are references to secrets. */
    readonly isReference?: (path: string) => boolean;
  },
  read: (document?: Located & { readonly input: Input }) => T,
): { readonly value: T; readonly diagnostics: readonly Diagnostic[] } {
  const text = file.text.startsWith('\ufeff') ? file.text.slice(1) : file.text;
  const lines = indexLines(file.file, text);
  const { called, isReference, ...schema } = kind;
  const whole: DocumentKind = {
    ...schema,
    options: {
      environment: context.environment,
      called,
      useOf: () => 'plain',
      ...(isReference === undefined ? {} : { isReference }),
      refused: () => undefined,
      credentialsOf: () => new Set(),
      keepReference: () => false,
      checkText: () => [],
    },
  };
  const diagnostics: Diagnostic[] = [];
  let checked: CheckedDocument | undefined;
  for (const parsed of parseDocuments(text)) {
    diagnostics.push(...parsed.findings.map((finding) => asDiagnostic(lines, finding)));
    if (parsed.content === undefined) continue;
    if (checked !== undefined) {
      const extra = { code: 'extra-document', message: `${called} is one document`, path: '' };
      diagnostics.push(asDiagnostic(lines, { ...extra, span: parsed.content.span }));
      continue;
    }
    checked = checkDocument(parsed.content, whole, file.directory);
  }
  if (checked === undefined) return { value: read(), diagnostics };
  const { reader, locate, findings } = checked;
  const lineOf = (path: string): number => lines.position(locate(path, true).span.start).line;
  const placeOf: Located['placeOf'] = (path) => {
    const { start, end } = locate(path).span;
    return { position: lines.position(start), length: Math.max(1, end - start) };
  };
  const value = read({ reader, lineOf, placeOf, input: checked.value as Input });
  diagnostics.push(...findings.map((finding) => asDiagnostic(lines, finding)));
  return { value, diagnostics: sortDiagnostics(diagnostics, [file.file]) };
}
