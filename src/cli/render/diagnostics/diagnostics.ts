import type { Diagnostic, Position, SourceText } from '../../../model/diagnostics.ts';
import { plural } from '../../../model/values/words.ts';
import type { Paint, Palette } from '../../terminal/palette.ts';
import { alike, othersOf } from '../alike.ts';
import { shownFile, visible, visibleBlock } from '../text.ts';
import { type FramedText, framedText, renderFrame } from './code-frame.ts';

type DiagnosticsOptions = { readonly palette: Palette; readonly width: number };

const place = ({ file, line, column }: Position): string => `${visible(shownFile(file))}:${line}:${column}`;

function frame(
  at: { readonly position: Position; readonly length: number },
  files: ReadonlyMap<string, FramedText>,
  mark: Paint,
  { palette, width }: DiagnosticsOptions,
): string[] {
  const text = files.get(at.position.file);
  if (text === undefined) return [];
  return renderFrame({ ...text, ...at.position, length: at.length }, mark, palette, width);
}

/** One finding: what is wrong, where, the code around it, other places that belong to it, and what to do. */
function renderDiagnostic(
  diagnostic: Diagnostic,
  files: ReadonlyMap<string, FramedText>,
  options: DiagnosticsOptions,
): string[] {
  const { palette } = options;
  const paint = palette[diagnostic.severity];
  const path = diagnostic.path === '' ? '' : palette.quiet(`  ${visible(diagnostic.path)}`);
  return [
    `${paint(`${diagnostic.severity}[${diagnostic.code}]`)}: ${palette.strong(visibleBlock(diagnostic.message))}`,
    `  at ${place(diagnostic.position)}${path}`,
    ...frame(diagnostic, files, paint, options),
    ...diagnostic.related.flatMap((related) => [
      `  and ${place(related.position)}  ${visible(related.message)}`,
      ...frame(related, files, palette.note, options),
    ]),
    ...(diagnostic.hint === undefined ? [] : [`${palette.note('hint')}: ${visibleBlock(diagnostic.hint)}`]),
    '',
  ];
}

/** A finding without its place, for reports that say the place in a way of their own: path, message and hint. */
export const describeDiagnostic = ({ path, message, hint }: Diagnostic): string =>
  `${path === '' ? '' : `${visible(path)}: `}${visibleBlock(message)}${hint === undefined ? '' : `\nhint: ${visibleBlock(hint)}`}`;

/** `2 errors, 1 warning`; '' when there is nothing to count. */
export function countDiagnostics(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Diagnostic['severity']) => diagnostics.filter((one) => one.severity === severity).length;
  return (['error', 'warning', 'note'] as const)
    .flatMap((severity) => (count(severity) > 0 ? [plural(count(severity), severity)] : []))
    .join(', ');
}

/** All findings in order, with code frames; of warnings and notes that say the same, one in full. '' for none. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  texts: readonly SourceText[],
  options: DiagnosticsOptions,
): string {
  const byFile = new Map(texts.flatMap(({ file, text }) => (text === '' ? [] : [[file, framedText(text)]])));
  const lone = ({ severity, related }: Diagnostic): boolean => severity === 'error' || related.length > 0;
  const key = (one: Diagnostic, index: number) =>
    lone(one) ? String(index) : JSON.stringify([one.severity, one.code, one.message, one.hint]);
  return alike([...diagnostics.entries()], ([index, one]) => key(one, index), 2)
    .flatMap(([[, first], ...others]) => [
      ...renderDiagnostic(first, byFile, options).slice(0, -1),
      ...othersOf(
        others.map(([, { position }]) => `${visible(shownFile(position.file))}:${position.line}`),
        '  ',
        options,
      ),
      '',
    ])
    .join('\n')
    .trimEnd();
}
