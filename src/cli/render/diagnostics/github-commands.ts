import type { Diagnostic } from '../../../model/diagnostics.ts';
import { visibleLines } from '../text.ts';
import { describeDiagnostic } from './diagnostics.ts';

/** GitHub reads commands line by line; these would end one or a property of it. */
const value = (text: string): string => visibleLines(text).replaceAll('%', '%25').replaceAll('\n', '%0A');
const property = (text: string): string => value(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** One workflow command (`::error file=…,line=…::message`). */
export const command = (
  level: 'error' | 'warning' | 'notice',
  properties: Readonly<Record<string, string>>,
  message: string,
): string => {
  const list = Object.entries(properties).map(([name, text]) => `${name}=${property(text)}`);
  return `::${level} ${list.join(',')}::${value(message)}`;
};

const levels = { error: 'error', warning: 'warning', note: 'notice' } as const;

/** A finding about a spec as an annotation at its place; one about standard input has no file to stand at. */
export function diagnosticCommand(diagnostic: Diagnostic): string {
  const { file, line, column } = diagnostic.position;
  const where = file === '-' ? {} : { file, line: String(line), col: String(column) };
  const properties = { ...where, title: `looms: ${diagnostic.code}` };
  return command(levels[diagnostic.severity], properties, describeDiagnostic(diagnostic));
}
